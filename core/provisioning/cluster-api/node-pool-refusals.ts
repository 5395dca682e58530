/** Rows of the table of refused settings for node pools. Pure functions. */

import { MAX_ZONES } from "./input.ts";
import { type ClusterSubject, MACHINE_TYPES, type NodePoolRefusal, refusedFlag, usableZones } from "./refusal.ts";

/** Zones in which a cluster on AWS has subnets. */
const awsZones = ({ zones, cluster }: ClusterSubject): readonly string[] =>
  zones.slice(0, cluster.enableMultiAvailabilityZones === true ? MAX_ZONES : 1);

/** Settings of node pools that are refused. */
export const nodePoolRefusals: readonly NodePoolRefusal[] = [
  {
    types: ["digitalocean"],
    property: "availabilityZone",
    values: "every zone",
    reason: "DigitalOcean has no availability zones; leave it out",
    only: "creation",
    refused: ({ pool }) => pool.availabilityZone,
  },
  {
    types: ["azure", "vsphere"],
    property: "availabilityZone",
    values: "every zone, if the profile file has no zones for the region (`hasZones: false`, no `zoneLabels`)",
    reason: "the platform has no zones in this region; leave it out, or choose another region for the cluster",
    only: "creation",
    dependsOnRegion: true,
    refused: (subject) => (usableZones(subject) === 0 ? subject.pool.availabilityZone : undefined),
  },
  {
    types: ["aws"],
    property: "availabilityZone",
    values:
      "a zone in which the cluster has no subnets: it has them in the first three zones of the region, without `enableMultiAvailabilityZones` in the first one",
    reason:
      "the cluster has no subnets in this zone; choose one of its zones, or create it with enableMultiAvailabilityZones",
    only: "creation",
    refused: (subject) => {
      const { availabilityZone: zone } = subject.pool;
      const isKnown = subject.zones.length > 0 && subject.cluster.enableMultiAvailabilityZones !== undefined;
      return zone === undefined || !isKnown || awsZones(subject).includes(zone) ? undefined : zone;
    },
    allowed: awsZones,
  },
  {
    types: MACHINE_TYPES,
    property: "securityUpdatesOnJoin",
    values: "`INSTALL` and `INSTALL_AND_REBOOT`",
    reason:
      "machines are made from the platform's images and install no updates when they join; send OFF, and use newer versions",
    refused: ({ pool: { securityUpdatesOnJoin: updates } }) => (updates === "OFF" ? undefined : updates),
  },
  {
    types: ["byon"],
    property: "autoScaling",
    values: "`true`",
    reason: "the platform cannot add machines of yours to the cluster; send false",
    refused: ({ pool }) => refusedFlag(pool.autoScaling, false),
  },
  {
    types: ["byon"],
    property: "upgradeStrategy",
    values: "`REPLACE_MINOR_INPLACE_PATCH` and `REPLACE_MINOR_INPLACE_PATCH_WITHOUT_DRAIN`",
    reason: "the platform cannot replace machines of yours; choose INPLACE or INPLACE_WITHOUT_DRAIN",
    refused: ({ pool: { upgradeStrategy: strategy } }) =>
      strategy?.startsWith("REPLACE_MINOR") === true ? strategy : undefined,
  },
  {
    types: ["vsphere"],
    property: "nodeSize",
    values: "a node type with fewer than two cores",
    reason: "Cluster API's provider for vSphere makes machines with at least two cores; choose a larger node type",
    refused: ({ pool: { nodeSize }, cores }) =>
      nodeSize !== undefined && (cores.get(nodeSize) ?? 2) < 2 ? nodeSize : undefined,
    allowed: ({ cores }) => [...cores].filter(([, count]) => count >= 2).map(([type]) => type),
  },
  {
    types: ["aws", "azure"],
    property: "annotations",
    values: "a name that begins with `sigs.k8s.io/cluster-api-provider-`",
    reason: "Cluster API's provider uses it to tag machines; choose another name",
    isMember: true,
    refused: ({ pool: { annotations = {} } }) =>
      Object.keys(annotations).find((name) => name.toLowerCase().startsWith("sigs.k8s.io/cluster-api-provider-")),
  },
];
