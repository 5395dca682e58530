/** Types of the table of refused settings, and functions that its conditions share. Pure functions. */

import { type CloudProviderType, machineImageOf, parseVersion } from "../../catalogue/index.ts";
import type { ConfiguredCluster, RequestedCluster, RequestedNodePool } from "../../configuration/requested.ts";
import { overlap, parseCidr } from "../../shared/ip.ts";
import type { TranslatedType } from "./input.ts";
import type { SettingsOf } from "./profile.ts";
import { type Profiles, type Settings, settingsOf } from "./profiles.ts";

/** Cluster to check. */
export interface ClusterSubject {
  type: CloudProviderType;
  /** Slug of the provider. */
  provider: string;
  /** Zones of all regions of the provider, by the slug of the region. */
  zonesByRegion: ReadonlyMap<string, readonly string[]>;
  /** Zones of the cluster's region, in the order of the catalogue; empty if the region is not known. */
  zones: readonly string[];
  /** Cores by the node type of the provider. */
  cores: ReadonlyMap<string, number>;
  cluster: RequestedCluster;
  /** The cluster before the change; undefined for a new one. */
  stored: ConfiguredCluster | undefined;
  /** Identity of the primary credentials of the cluster's account. */
  primaryCredentials: string | undefined;
  profiles: Profiles;
  /** Settings of the profile for the region; undefined if there are none. */
  settings: Settings | undefined;
}

/** Node pool to check, with its cluster. */
export interface NodePoolSubject extends ClusterSubject {
  pool: RequestedNodePool;
}

/** Row of the table. */
export interface Refusal<Subject, Property extends string> {
  /** Types of the providers to which the row applies. */
  types: readonly CloudProviderType[];
  property: Property;
  /** Values that are refused, in words. */
  values: string;
  /** Reason, and what the user can do. */
  reason: string;
  /** Requests to which the row applies, if not to all; only for the documentation. */
  only?: "creation" | "change";
  /** Returns the value that is refused, or a part of it to show; undefined if the subject is allowed. */
  refused(subject: Subject): string | boolean | undefined;
  /** True if the refused value is a name in the property, such as the name of an annotation, which becomes part of the path. */
  isMember?: boolean;
  /** Returns facts about the subject that make the reason concrete, such as the network that a subnet overlaps. */
  facts?(subject: Subject): string | undefined;
  /** Lists what is allowed instead. */
  allowed?(subject: Subject): readonly string[];
  /** True if another region can allow the value. The regions that do are listed for new clusters. */
  dependsOnRegion?: boolean;
}

/** Row for a property of a cluster. */
export type ClusterRefusal = Refusal<ClusterSubject, keyof RequestedCluster>;
/** Row for a property of a node pool. */
export type NodePoolRefusal = Refusal<NodePoolSubject, keyof RequestedNodePool>;

/** Returns the subject in another region of its provider. */
export const subjectIn = <Subject extends ClusterSubject>(subject: Subject, region: string): Subject => ({
  ...subject,
  zones: subject.zonesByRegion.get(region) ?? [],
  cluster: { ...subject.cluster, region },
  settings: settingsOf(subject.profiles, subject.provider, region),
});

/** Types with machines of the platform. */
export const MACHINE_TYPES = ["aws", "azure", "openstack", "digitalocean", "hetzner", "vsphere"] as const;
/** Types with real clusters. Those of `none` exist in memory only. */
export const REAL_TYPES = [...MACHINE_TYPES, "byon"] as const;
/** Types that have a translation. */
export const TRANSLATED_TYPES = [...REAL_TYPES, "none"] as const satisfies readonly TranslatedType[];

/** Returns the settings of a type; undefined for another type, and if the profile has none for the region. */
export const settingsFor = <Type extends TranslatedType>(
  { type, settings }: ClusterSubject,
  wanted: Type,
): SettingsOf<Type> | undefined => (type === wanted ? (settings as SettingsOf<Type> | undefined) : undefined);

/** Returns true if a flag is set but not allowed; undefined otherwise. @param isAllowed undefined if it is not known */
export const refusedFlag = (flag: boolean | undefined, isAllowed: boolean | undefined): true | undefined =>
  flag === true && isAllowed === false ? true : undefined;

/** Returns the first range of the IP whitelist. */
export const firstRange = ({ cluster }: ClusterSubject): string | undefined => cluster.ipWhitelist?.[0]?.cidr;

/** Returns the objects that install the cluster's network; undefined if the profile has none. */
export const manifestsOf = ({ profiles, cluster: { cni } }: ClusterSubject): string | undefined =>
  cni === "cilium" || cni === "calico" ? profiles.networkInterfaces[cni]?.manifests : undefined;

/** Returns the number of zones or locations that a cluster can use; undefined if the profile has no settings for the region. */
export function usableZones(subject: ClusterSubject): number | undefined {
  if (subject.settings === undefined) return undefined;
  const hasZones =
    settingsFor(subject, "azure")?.hasZones !== false &&
    (subject.type !== "vsphere" || settingsFor(subject, "vsphere")?.zoneLabels !== undefined);
  return settingsFor(subject, "hetzner")?.locations.length ?? (hasZones ? subject.zones.length : 0);
}

/** Returns the blocks of the network in which the machines are, as far as the platform knows it. */
export function machineNetworks(subject: ClusterSubject): readonly string[] {
  return [
    settingsFor(subject, "aws")?.networkCidr,
    settingsFor(subject, "azure")?.networkCidr,
    settingsFor(subject, "openstack")?.nodeCidr,
    // Machines with public addresses have no network in common.
    subject.cluster.enableNATGateway === true ? settingsFor(subject, "hetzner")?.networkCidr : undefined,
    settingsFor(subject, "vsphere")?.apiAddresses,
  ].filter((each) => each !== undefined);
}

/** Returns whether two blocks in CIDR notation overlap. */
export function isOverlapping(one: string, other: string): boolean {
  const [left, right] = [parseCidr(one), parseCidr(other)];
  return typeof left !== "string" && typeof right !== "string" && overlap(left, right);
}

/** Returns whether the second of two versions has an older Kubernetes. Builds of one version of Kubernetes do not count. */
export function isDowngrade(from: string | undefined, to: string): boolean {
  const [running, next] = [parseVersion(from ?? ""), parseVersion(to)];
  if (running === undefined || next === undefined) return false;
  return next.minor < running.minor || (next.minor === running.minor && next.patch < running.patch);
}

/** Returns whether the control planes of byon can have a version. */
export function isHostable(subject: ClusterSubject, version: string): boolean {
  const newest = settingsFor(subject, "byon")?.newestVersion;
  return newest === undefined || (parseVersion(version)?.minor ?? 0) <= Number(newest.split(".")[1]);
}

/** Returns whether a version has a machine image in the cluster's region. */
export const hasImage = ({ provider, cluster: { region } }: ClusterSubject, version: string): boolean =>
  region !== undefined && machineImageOf(version, provider, region) !== undefined;
