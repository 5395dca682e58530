/** Differences of requests in the dialect of the published clients: one row for each property. */

import { networkInterfaces, podSecurityProfiles } from "#core/cluster/schema.ts";
import { upgradeStrategies } from "#core/node-pool/schema.ts";
import { isObject } from "#core/shared/json.ts";
import { Shorthand } from "#core/shared/validation.ts";
import type { JsonObject } from "../dialect.ts";
import type { RequestRow, Rows, Shape } from "./row.ts";

const TEXT: Shape = { type: "string" };
const FLAG: Shape = { type: "boolean" };
const CIDR: Shape = { type: "string", maxLength: 49 };
const ref = (name: string): Shape => ({ $ref: `#/components/schemas/${name}` });

const IGNORED = "Ignored.";

/** Builds the row of a property that has no effect. */
const ignored = (property: string, shape: Shape): RequestRow => ({
  text: IGNORED,
  shape,
  normalise: () => ({ [property]: undefined }),
});

/** Builds the row of a property whose values are compared without regard to case, and whose spelling is kept. */
const spelled = (property: string, values: readonly string[]): RequestRow => ({
  text: `In any case: ${values.join(", ")}. Responses of this dialect spell it as sent.`,
  shape: TEXT,
  normalise({ [property]: sent }) {
    const value = typeof sent === "string" ? sent.toLowerCase() : undefined;
    const isKnown = value !== undefined && values.includes(value);
    return { [property]: isKnown ? value : sent, [`${property}Spelling`]: isKnown ? sent : undefined };
  },
});

const autoscaler: RequestRow = {
  text: "Settings of the cluster autoscaler. They replace those before; an empty object resets them.",
  shape: ref("AutoscalerSettings"),
};

const cidrText: RequestRow = { text: "Plain text; the documented object is accepted too.", shape: CIDR };

const UNCHANGED = "Empty for no change.";

/** Builds the row of a text that published clients always send, empty if it is not set. */
const emptyIsAbsent = (property: string, text: string): RequestRow => ({
  text,
  shape: TEXT,
  normalise: (body) => (body[property] === "" ? { [property]: undefined } : {}),
});

const isUnnamed = ({ name }: JsonObject) => name === undefined || name === null || name === "";

/**
 * Builds the row of a flag that one published client always sends as false in a change, whatever its configuration says. It also
 * sends no name, by which its requests are recognised.
 */
const alwaysFalse = (property: string): RequestRow => ({
  text: "In a change without a name, false is no change, because a published client always sends it.",
  normalise: (body) => (isUnnamed(body) && body[property] === false ? { [property]: undefined } : {}),
});

/** Rows by schema and property. */
export const requestRows = {
  CreateCluster: {
    environmentId: ignored("environmentId", TEXT),
    nodePools: {
      text: "Absent or null for none.",
      isRequired: false,
      normalise: ({ nodePools }) => ({ nodePools: nodePools ?? [] }),
    },
    version: {
      text: "Absent for the version of updateChannel.",
      isRequired: false,
      normalise: ({ version }) => ({ version: version ?? "" }),
    },
    serviceSubnet: cidrText,
    clusterPodSubnet: cidrText,
    ipWhitelist: {
      text: "`cidr` is plain text, and `description` is optional.",
      shape: {
        type: "array",
        maxItems: 500,
        items: { type: "object", required: ["cidr"], properties: { cidr: CIDR, description: TEXT } },
      },
      normalise: ({ ipWhitelist: list }) => ({
        ipWhitelist: Array.isArray(list)
          ? list.map((entry: unknown) => (isObject(entry) ? { ...entry, description: entry.description ?? "" } : entry))
          : list,
      }),
    },
    cni: spelled("cni", networkInterfaces),
    podSecurityStandardsProfile: spelled("podSecurityStandardsProfile", podSecurityProfiles),
    clusterAutoscalerSettings: autoscaler,
    upstreamClusterIdentity: {
      text: "Identity of a cluster of the organisation that the caller can access.",
      shape: { type: "string", format: "uuid" },
      normalise: ({ upstreamClusterIdentity: sent }) => ({ upstreamClusterIdentity: sent === "" ? undefined : sent }),
    },
    upstreamCluster: {
      text: "The same as upstreamClusterIdentity, as an object.",
      shape: { type: "object", properties: { identity: { type: "string", format: "uuid" } } },
      normalise: ({ upstreamCluster: sent, upstreamClusterIdentity }) =>
        isObject(sent)
          ? { upstreamCluster: undefined, upstreamClusterIdentity: upstreamClusterIdentity ?? sent.identity }
          : { upstreamCluster: undefined },
    },
  },
  CreateClusterNodePool: {
    identity: ignored("identity", TEXT),
    upgradeStrategy: {
      text: "Empty for the default.",
      shape: { type: "string", enum: [...upgradeStrategies, ""] },
    },
  },
  UpdateCluster: {
    ipWhitelist: {
      text: "Entries are plain text or objects. A range without a description keeps the stored one, or has an empty one.",
      shape: {
        type: "array",
        maxItems: 500,
        items: {
          oneOf: [CIDR, { type: "object", required: ["cidr"], properties: { cidr: CIDR, description: TEXT } }],
        },
      },
      normalise: ({ ipWhitelist: list }) => ({
        ipWhitelist: Array.isArray(list)
          ? list.map((entry: unknown) =>
              typeof entry === "string" ? new Shorthand("cidr", new Shorthand("ipRange", entry)) : entry,
            )
          : list,
      }),
    },
    cni: spelled("cni", networkInterfaces),
    podSecurityStandardsProfile: spelled("podSecurityStandardsProfile", podSecurityProfiles),
    maintenanceScheduleIdentity: {
      text: "Empty for none.",
      shape: {
        anyOf: [
          { type: "string", format: "uuid" },
          { type: "string", maxLength: 0 },
        ],
      },
    },
    clusterAutoscalerSettings: autoscaler,
    enablePodSecurityStandards: { text: "Stored, without effect.", shape: FLAG },
    enableNetworkProxy: ignored("enableNetworkProxy", FLAG),
  },
  UpdateNodePool: {
    name: { text: UNCHANGED, shape: TEXT },
    autoScaling: {
      text: "In a change without a name, true if minSize and maxSize differ, because a published client always sends false.",
      normalise: ({ minSize, maxSize, ...body }) =>
        isUnnamed(body) && typeof minSize === "number" && typeof maxSize === "number" && minSize !== maxSize
          ? { autoScaling: true }
          : {},
    },
    enableNodeAutoReplacement: alwaysFalse("enableNodeAutoReplacement"),
    enableNodeReboots: alwaysFalse("enableNodeReboots"),
  },
  CreateEnvironment: { type: emptyIsAbsent("type", "Empty for the default.") },
  UpdateEnvironment: {
    name: emptyIsAbsent("name", UNCHANGED),
    type: emptyIsAbsent("type", UNCHANGED),
  },
  UpdateMaintenanceSchedule: {
    windows: {
      text: "Null for none, because a published client sends it for an empty list.",
      normalise: ({ windows }) => (windows === null ? { windows: [] } : {}),
    },
  },
} as const satisfies Rows<RequestRow>;

const rows: Rows<RequestRow> = requestRows;

/** Changes a body to the form that the documented parser reads. @param name its schema in the table of routes */
export function normaliseBody(name: string, body: unknown): unknown {
  if (!isObject(body) || !Object.hasOwn(rows, name)) return body;
  let normalised: JsonObject = body;
  for (const { normalise } of Object.values(rows[name] ?? {})) {
    if (normalise !== undefined) normalised = { ...normalised, ...normalise(normalised) };
  }
  const { nodePools } = normalised;
  // Node pools inside a new cluster have rows of their own.
  if (name === "CreateCluster" && Array.isArray(nodePools)) {
    normalised = { ...normalised, nodePools: nodePools.map((pool) => normaliseBody("CreateClusterNodePool", pool)) };
  }
  return Object.fromEntries(Object.entries(normalised).filter(([, value]) => value !== undefined));
}
