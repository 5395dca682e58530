/**
 * Table of the cluster settings that Cluster API or one of its providers cannot express. Requests with them are refused.
 * docs/cluster-api-limits.md shows the table. The rows for node pools are in node-pool-refusals.ts. Pure functions.
 */

import { clusterVersions } from "../../catalogue/index.ts";
import { reachableVersions, type Versioned } from "../../cluster/rules/versions.ts";
import { placeholder } from "./network.ts";
import { settingsOf } from "./profiles.ts";
import {
  type ClusterRefusal,
  type ClusterSubject,
  firstRange,
  hasImage,
  isDowngrade,
  isHostable,
  isOverlapping,
  MACHINE_TYPES,
  machineNetworks,
  manifestsOf,
  REAL_TYPES,
  refusedFlag,
  settingsFor,
  TRANSLATED_TYPES,
  usableZones,
} from "./refusal.ts";

/** Returns the network of the machines or of the API servers that a subnet overlaps; undefined if there is none. */
const overlappedBy = (subject: ClusterSubject, property: "clusterPodSubnet" | "serviceSubnet"): string | undefined => {
  const subnet = subject.cluster[property];
  return subnet === undefined ? undefined : machineNetworks(subject).find((each) => isOverlapping(each, subnet));
};

const subnetRefusal = (property: "clusterPodSubnet" | "serviceSubnet"): ClusterRefusal => ({
  types: ["aws", "azure", "openstack", "hetzner", "vsphere"],
  property,
  values:
    "a subnet that overlaps the network of the machines (on vsphere, `apiAddresses`; on hetzner, only with `enableNATGateway`)",
  reason: "it overlaps the network of the machines or of the API servers; choose another subnet",
  only: "creation",
  refused: (subject) => (overlappedBy(subject, property) === undefined ? undefined : subject.cluster[property]),
  facts: (subject) => `it must not overlap ${overlappedBy(subject, property)}`,
});

/** Returns the versions that a control plane has or gets. Kamaji may refuse a planned version, so there only the running one counts. */
function lowestVersions(type: ClusterSubject["type"], stored: ClusterSubject["stored"]): string[] {
  const versions = type === "byon" ? [stored?.runningVersion] : [stored?.runningVersion, stored?.plannedVersion];
  return [...new Set(versions.filter((each) => each !== undefined))];
}

/** Settings of clusters that are refused. */
export const clusterRefusals: readonly ClusterRefusal[] = [
  {
    types: ["multipass"],
    property: "cloudAccountIdentity",
    values: "every account",
    reason: "Cluster API has no provider for Multipass; use a cloud account of another provider",
    only: "creation",
    refused: ({ cluster }) => cluster.cloudAccountIdentity,
  },
  {
    types: ["digitalocean"],
    property: "cloudAccountIdentity",
    values: "an account other than `account` of the profile file",
    reason:
      "the platform makes machines on DigitalOcean for one cloud account only, and this is another one; use that account, or ask the operator",
    only: "creation",
    refused: (subject) => {
      const { cloudAccountIdentity } = subject.cluster;
      const settings = settingsFor(subject, "digitalocean");
      return settings === undefined || settings.account === cloudAccountIdentity ? undefined : cloudAccountIdentity;
    },
  },
  {
    types: ["aws", "azure", "digitalocean", "vsphere"],
    property: "cloudCredentialsIdentity",
    values: "credentials other than the primary ones of the cloud account",
    reason:
      "all clusters of a cloud account use its primary credentials on this provider; make these the primary credentials of the account",
    refused: ({ cluster: { cloudCredentialsIdentity }, primaryCredentials }) =>
      cloudCredentialsIdentity === primaryCredentials ? undefined : cloudCredentialsIdentity,
  },
  {
    types: TRANSLATED_TYPES,
    property: "region",
    values: "a region without settings in the profile file",
    reason: "the platform has no settings for clusters in this region; choose another region, or ask the operator",
    only: "creation",
    refused: ({ cluster, settings }) => (settings === undefined ? cluster.region : undefined),
    allowed: ({ profiles, provider, zonesByRegion }) =>
      [...zonesByRegion.keys()].filter((region) => settingsOf(profiles, provider, region) !== undefined),
  },
  {
    types: MACHINE_TYPES,
    property: "version",
    values: "a version without a machine image in the region",
    reason: "the platform has no machine image of this version in the region; choose a version with an image",
    refused: (subject) => {
      const { version, region } = subject.cluster;
      return version === undefined || region === undefined || hasImage(subject, version) ? undefined : version;
    },
    allowed: (subject) =>
      clusterVersions
        .filter(({ available, version }) => available && hasImage(subject, version))
        .map(({ version }) => version),
  },
  {
    types: ["byon"],
    property: "version",
    values: "a newer Kubernetes than `newestVersion` of the profile file",
    reason:
      "the platform cannot run control planes with this version of Kubernetes yet; choose another version, or ask the operator",
    refused: (subject) => {
      const { version } = subject.cluster;
      return version === undefined || isHostable(subject, version) ? undefined : version;
    },
    allowed: (subject) =>
      clusterVersions
        .filter(({ available, version }) => available && isHostable(subject, version))
        .map(({ version }) => version),
  },
  {
    types: TRANSLATED_TYPES,
    property: "version",
    values: "a version with an older Kubernetes than the control plane has",
    reason:
      "the control plane has a newer version of Kubernetes, and Cluster API cannot downgrade it; keep the version, or choose a newer one",
    only: "change",
    refused: ({ type, cluster: { version }, stored }) =>
      version !== undefined && lowestVersions(type, stored).some((present) => isDowngrade(present, version))
        ? version
        : undefined,
    // A cluster that is refused for its control plane is stored, with its versions.
    facts: ({ type, stored }) => `the control plane has ${lowestVersions(type, stored).join(" and gets ")}`,
    allowed: (subject) => {
      const stored = subject.stored as Versioned;
      return [stored.version, ...reachableVersions(stored)].filter(
        (version) =>
          !lowestVersions(subject.type, stored).some((present) => isDowngrade(present, version)) &&
          (subject.type === "none" ||
            (subject.type === "byon" ? isHostable(subject, version) : hasImage(subject, version))),
      );
    },
  },
  {
    types: ["byon"],
    property: "version",
    values: "another version in the request that starts a stopped cluster",
    reason:
      "the version of a stopped control plane cannot change; start the cluster, and change its version when it is started",
    only: "change",
    refused: ({ cluster: { version, status }, stored }) =>
      stored?.status === "stopped" && status === "starting" && version !== stored.version ? version : undefined,
  },
  {
    types: REAL_TYPES,
    property: "cni",
    values: "`cilium` and `calico`, unless the profile file has the objects that install it",
    reason: "the platform does not install this network; choose another one, or custom to install a network yourself",
    refused: (subject) => {
      const { cni } = subject.cluster;
      return cni === "custom" || manifestsOf(subject) !== undefined ? undefined : cni;
    },
    allowed: ({ profiles: { networkInterfaces } }) => ["custom", ...Object.keys(networkInterfaces)],
  },
  {
    types: REAL_TYPES,
    property: "enableNetworkEncryption",
    values: "`true` with the cni `custom`",
    reason: "you install the network of a cluster with the cni custom, so encrypt it there; send false",
    refused: ({ cluster: { cni, enableNetworkEncryption } }) => refusedFlag(enableNetworkEncryption, cni !== "custom"),
  },
  {
    types: REAL_TYPES,
    property: "enableNetworkEncryption",
    values: "`true`, if the profile file installs the network without `{{encryption}}`",
    reason: "the platform installs this network without encryption; choose another cni, or send false",
    refused: (subject) => {
      const { cluster, stored } = subject;
      const manifests = manifestsOf(subject);
      // A new cluster with a network that the platform does not install is refused for its network.
      const isKnown = manifests !== undefined || (stored !== undefined && cluster.cni !== "custom");
      return isKnown
        ? refusedFlag(cluster.enableNetworkEncryption, manifests?.includes(placeholder("encryption")) ?? false)
        : undefined;
    },
  },
  {
    types: TRANSLATED_TYPES,
    property: "addons",
    values: "an add-on whose `enabled` is not `false`, unless the profile file has `installsAddons`",
    reason: "the platform installs no add-ons; send addons without it, and install it in the cluster yourself",
    refused: ({ cluster: { addons = {} }, profiles }) =>
      profiles.installsAddons ? undefined : Object.keys(addons).find((name) => addons[name]?.enabled !== false),
  },
  {
    types: ["digitalocean", "hetzner"],
    property: "ipWhitelist",
    values: "every range",
    reason: "the load balancers of this provider do not filter source addresses; send an empty list",
    refused: firstRange,
  },
  {
    types: ["vsphere"],
    property: "ipWhitelist",
    values: "every range",
    reason:
      "no load balancer that could filter is in front of the API server; send an empty list, and filter in your network",
    refused: firstRange,
  },
  {
    types: ["openstack"],
    property: "ipWhitelist",
    values: "every range, if the profile file has `filtersSources: false`",
    reason:
      "the load balancers of this region do not filter source addresses; send an empty list, or choose another region",
    dependsOnRegion: true,
    refused: (subject) =>
      settingsFor(subject, "openstack")?.filtersSources === false ? firstRange(subject) : undefined,
  },
  {
    types: ["byon"],
    property: "ipWhitelist",
    values: "every range, unless the profile file has `serviceType: LoadBalancer`",
    reason:
      "no load balancer that could filter is in front of the API servers of this region; send an empty list, or choose another region",
    dependsOnRegion: true,
    refused: (subject) =>
      (settingsFor(subject, "byon")?.serviceType ?? "LoadBalancer") === "LoadBalancer"
        ? undefined
        : firstRange(subject),
  },
  {
    types: ["azure", "openstack"],
    property: "ipWhitelist",
    values: "a range of IPv6 addresses",
    reason: "the API server has an IPv4 address only; send IPv4 ranges",
    refused: ({ cluster: { ipWhitelist = [] } }) =>
      ipWhitelist.map(({ cidr }) => cidr).find((cidr) => cidr.includes(":")),
  },
  {
    types: ["aws", "azure", "openstack", "byon"],
    property: "ipWhitelist",
    values: "every range, if the profile file has no `egress` for the region",
    reason:
      "the addresses from which the platform manages clusters in this region are not configured, and a whitelist would exclude them; send an empty list, or ask the operator",
    refused: (subject) => (subject.settings?.egress.length === 0 ? firstRange(subject) : undefined),
  },
  {
    types: ["aws"],
    property: "ipWhitelist",
    values: "every range, unless the cluster was created with `enableNATGateway: true`",
    reason:
      "nodes with public addresses reach the API server from outside, and their addresses are not known before; send an empty list, or create the cluster with enableNATGateway true",
    refused: (subject) => (subject.cluster.enableNATGateway === false ? firstRange(subject) : undefined),
  },
  {
    types: ["azure"],
    property: "ipWhitelist",
    values: "every range, unless the profile file has `internalLoadBalancer: true`",
    reason:
      "nodes in this region reach the API server from outside, and their addresses are not known before; send an empty list, or choose another region",
    dependsOnRegion: true,
    refused: (subject) =>
      settingsFor(subject, "azure")?.internalLoadBalancer === false ? firstRange(subject) : undefined,
  },
  {
    types: ["digitalocean", "byon"],
    property: "enableNATGateway",
    values: "`true`",
    reason: "the platform cannot give these machines a private network behind a NAT gateway; send false",
    only: "creation",
    refused: ({ cluster }) => refusedFlag(cluster.enableNATGateway, false),
  },
  {
    types: ["hetzner", "vsphere"],
    property: "enableNATGateway",
    values: "`true`, unless the profile file says that there is a router (`hasRouter`, `hasNat`)",
    reason: "the platform has no router for private machines in this region; send false, or choose another region",
    only: "creation",
    dependsOnRegion: true,
    refused: (subject) =>
      refusedFlag(
        subject.cluster.enableNATGateway,
        settingsFor(subject, "hetzner")?.hasRouter ?? settingsFor(subject, "vsphere")?.hasNat,
      ),
  },
  {
    types: ["aws", "azure", "openstack", "hetzner", "vsphere"],
    property: "enableMultiAvailabilityZones",
    values:
      "`true` in a region with fewer than two zones, in the catalogue or by the profile file (`hasZones`, `locations`, `zoneLabels`)",
    reason: "the platform does not have several zones in this region; send false, or choose another region",
    only: "creation",
    dependsOnRegion: true,
    refused: (subject) => {
      const zones = usableZones(subject);
      return refusedFlag(subject.cluster.enableMultiAvailabilityZones, zones === undefined || zones > 1);
    },
  },
  subnetRefusal("clusterPodSubnet"),
  subnetRefusal("serviceSubnet"),
];
