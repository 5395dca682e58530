import { GETS, ORGANISATION, PAGE, PLAIN, READS, type RouteRow } from "./row.ts";

const PROVIDER = `${ORGANISATION}/cloud-providers/{provider}`;

const read = <const Row extends Omit<RouteRow, "group" | "method">>(row: Row) =>
  ({ group: "References", method: "GET", ...row }) as const;

/** Rows of the operations that read memberships, organisations and the catalogue. */
export const references = {
  listMemberships: read({
    path: "/memberships",
    parameters: PAGE,
    success: "PageOrganisationMembershipResponse",
    grant: READS,
  }),
  getOrganisation: read({
    path: "/organisations/{organisation}",
    parameters: PLAIN,
    success: "OrganisationResponse",
    grant: GETS,
  }),
  listEnvironmentTypes: read({
    path: "/environments/types",
    parameters: PLAIN,
    success: "string[]",
    grant: GETS,
  }),
  listCloudProfiles: read({
    path: `${ORGANISATION}/cloud-profiles`,
    parameters: PAGE,
    success: "PageCloudProfile",
    grant: GETS,
  }),
  listCloudProviders: read({
    path: `${ORGANISATION}/cloud-providers`,
    parameters: PAGE,
    success: "PageCloudProvider",
    grant: GETS,
  }),
  listRegions: read({ path: `${PROVIDER}/regions`, parameters: PAGE, success: "PageRegion", grant: GETS }),
  listAvailabilityZones: read({
    path: `${PROVIDER}/regions/{region}/availability-zones`,
    parameters: PAGE,
    success: "PageAvailabilityZone",
    grant: GETS,
  }),
  listNodeTypes: read({
    path: "/cloud-providers/{provider}/nodetypes",
    parameters: PAGE,
    success: "PageNodeType",
    grant: GETS,
  }),
  listClusterVersions: read({
    path: "/cluster-versions",
    parameters: PLAIN,
    success: "ClusterVersion[]",
    grant: GETS,
  }),
  listUpdateChannels: read({
    path: `${ORGANISATION}/update-channels`,
    parameters: PAGE,
    success: "PageUpdateChannelResponse",
    grant: GETS,
  }),
} as const satisfies Record<string, RouteRow>;
