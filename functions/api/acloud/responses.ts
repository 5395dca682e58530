/** Differences of responses in the dialect of the published clients: one row for each property. */

import type { UndocumentedCluster } from "#core/cluster/undocumented.ts";
import type { JsonObject } from "../dialect.ts";
import type { ResponseRow, Rows, Shape } from "./row.ts";

const TEXT: Shape = { type: "string" };
const UUID: Shape = { type: "string", format: "uuid" };
const ref = (name: string): Shape => ({ $ref: `#/components/schemas/${name}` });

/** Builds the row of a property that is an object with one text in the documentation, and that text here. */
const plainText = (property: string, member: string): ResponseRow => ({
  text: "Plain text, without an object around it.",
  shape: TEXT,
  render: ({ [property]: value }) => (value as JsonObject | undefined)?.[member],
});

const slug = (property: string) => plainText(property, "slugValue");

const undocumented = (body: JsonObject) => (body.undocumented ?? {}) as Partial<UndocumentedCluster>;

/** Converts the order of a page: the documented form is a list. */
const sortState = (sort: unknown) => {
  const isSorted = (sort as unknown[]).length > 0;
  return { empty: !isSorted, sorted: isSorted, unsorted: !isSorted };
};

/** Rows of a membership: its organisation's slug and identity, and the member's address. */
const membership = {
  slug: slug("slug"),
  email: plainText("email", "email"),
  id: {
    text: "Identity of the organisation.",
    shape: UUID,
    isRequired: true,
    render: ({ organisationIdentity }) => organisationIdentity,
  },
} as const satisfies Record<string, ResponseRow>;

/** Rows by schema and property. `Page` is the envelope of every page. */
export const responseRows = {
  ClusterResponse: {
    slug: slug("slug"),
    environmentSlug: slug("environmentSlug"),
    customerSlug: slug("customerSlug"),
    cni: {
      text: "Spelled as the request of this dialect that set it; absent if none did, although a default applies.",
      shape: TEXT,
      isRequired: false,
      render: (body) => undocumented(body).cniSpelling,
    },
    podSecurityStandardsProfile: {
      text: "Spelled as the last request of this dialect that set it; else in upper case.",
      shape: TEXT,
      render: (body) =>
        undocumented(body).podSecurityStandardsProfileSpelling ??
        String(body.podSecurityStandardsProfile).toUpperCase(),
    },
    cloudAccount: {
      text: "Always present. If the account was removed, its displayName is empty.",
      isRequired: true,
      render: (body) =>
        body.cloudAccount ?? { displayName: "", identity: undocumented(body).cloudAccountIdentity ?? "" },
    },
    clusterAutoscalerSettings: {
      text: "Settings of the cluster autoscaler; absent if none are set.",
      shape: ref("AutoscalerSettings"),
      isRequired: false,
      render: (body) => undocumented(body).clusterAutoscalerSettings,
    },
    enablePodSecurityStandards: {
      text: "As last requested; without effect, because podSecurityStandardsProfile decides.",
      shape: { type: "boolean" },
      isRequired: true,
      render: (body) => undocumented(body).enablePodSecurityStandards ?? false,
    },
    upstreamCluster: {
      text: "The cluster that the creation named, as it was then; absent if it named none.",
      shape: ref("UpstreamCluster"),
      isRequired: false,
      render: (body) => undocumented(body).upstreamCluster,
    },
  },
  ClusterNodePoolResponse: {
    clusterIdentity: {
      text: "Identity of the pool's cluster.",
      shape: UUID,
      isRequired: true,
      render: ({ undocumented: more }) => (more as JsonObject | undefined)?.clusterIdentity,
    },
  },
  JoinConfigResponse: {
    versions: {
      text: "Additionally `cloudInit`, which is empty: the machine's image contains cloud-init, in a version of its own.",
      shape: ref("JoinConfigVersions"),
      render: ({ versions }) => ({ ...(versions as JsonObject), cloudInit: "" }),
    },
  },
  EnvironmentResponse: { slug: slug("slug"), organisationSlug: slug("organisationSlug") },
  OrganisationResponse: { slug: slug("slug") },
  OrganisationMembershipResponse: membership,
  MemberResponse: membership,
  EnvironmentMemberResponse: { email: plainText("email", "email") },
  Page: {
    sort: {
      text: "An object that says whether an order was requested, in place of the list of its properties.",
      shape: ref("SortState"),
      render: ({ sort }) => sortState(sort),
    },
    pageable: {
      text: "`sort` is the same object as that of the page.",
      shape: ref("PageableObject"),
      render: ({ pageable, sort }) => ({ ...(pageable as JsonObject), sort: sortState(sort) }),
    },
  },
} as const satisfies Rows<ResponseRow>;

const rows: Rows<ResponseRow> = responseRows;

/** Changes one element of a response. @param name its schema, `Page` for the envelope of a page */
export function renderElement(name: string, element: JsonObject): JsonObject {
  const own = Object.hasOwn(rows, name) ? Object.entries(rows[name] ?? {}) : [];
  // Operations return undocumented properties beside the others; rows show some of them.
  const changes: Record<string, unknown> = element.undocumented === undefined ? {} : { undocumented: undefined };
  for (const [property, { render }] of own) changes[property] = render(element);
  return { ...element, ...changes };
}
