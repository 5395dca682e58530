/** Maps clusters to items of the table and to responses. */

import { catalogueRevision, channelByName } from "../../catalogue/index.ts";
import type { RawItem } from "../../table/entity.ts";
import { clusterKey, supersededClusterKey } from "../../table/keys.ts";
import type { Organisation } from "../../tenancy/organisation.ts";
import type { CloudAccount, CloudCredentials, References } from "../../tenancy/references-entity.ts";
import { type Cluster, clusterItemAt, type Pointer } from "../entity.ts";
import { describeConditions } from "../rules/condition-messages.ts";
import { type ClusterResponse, provisionStatuses } from "../schema.ts";
import type { UndocumentedCluster } from "../undocumented.ts";

/** Builds the item of the cluster that owns its slug. */
export const clusterItem = (cluster: Cluster): RawItem =>
  clusterItemAt(clusterKey(cluster.organisation, cluster.environment, cluster.slug), cluster);

/** Builds the item of a deleting cluster whose slug another cluster took. */
export const supersededClusterItem = (cluster: Cluster): RawItem =>
  clusterItemAt(
    supersededClusterKey(cluster.organisation, cluster.environment, cluster.slug, cluster.identity),
    cluster,
  );

/** Context of a cluster's response. */
interface ResponseContext {
  organisation: Pick<Organisation, "identity" | "slug">;
  references: References;
  /** True to include cpu and memory. */
  showCompute: boolean;
  /** Last observation, if requested and present. */
  observation?: Pointer["observation"];
}

const credentialsReference = (account: CloudAccount, credentials: CloudCredentials) => ({
  displayName: credentials.displayName,
  identity: credentials.identity,
  isPrimary: credentials.identity === account.primaryCloudCredentialsIdentity,
});

/** Finds the account, credentials and schedule of a cluster, if they exist. */
function referents(cluster: Cluster, references: References) {
  const account = references.accounts[cluster.cloudAccountIdentity];
  const credentialsOf = (identity: string | undefined) =>
    account?.credentials.find((candidate) => candidate.identity === identity);
  const primary = credentialsOf(account?.primaryCloudCredentialsIdentity);
  // If the credentials that a user chose were removed, the primary ones apply again.
  const credentials = credentialsOf(cluster.cloudCredentialsIdentity) ?? primary;
  const { maintenanceScheduleIdentity } = cluster;
  const schedule =
    maintenanceScheduleIdentity === undefined ? undefined : references.schedules[maintenanceScheduleIdentity];
  return { account, primary, credentials, schedule };
}

/** Returns whether a cluster has reached a phase, now or before its state became unknown. */
export function hasReached(cluster: Cluster, phase: (typeof provisionStatuses)[number]): boolean {
  return provisionStatuses.indexOf(cluster.furthestPhase) >= provisionStatuses.indexOf(phase);
}

/** Returns the public part of an observation; the endpoint of the API server is only part of configurations. */
const actualStateOf = ({ endpoint: _, ...state }: NonNullable<Pointer["observation"]>) => state;

/** Response for a cluster, with what the API documentation does not have. */
type UndocumentedResponse = ClusterResponse & { undocumented: UndocumentedCluster };

/** Builds the response for a cluster. Absent properties are omitted from the JSON. */
export function toClusterResponse(cluster: Cluster, context: ResponseContext): UndocumentedResponse {
  const { organisation, references, showCompute, observation } = context;
  const { account, primary, credentials, schedule } = referents(cluster, references);
  return {
    actualState: observation && actualStateOf(observation),
    addons: cluster.addons,
    ameOIDC: hasReached(cluster, "OIDC_PROVISIONED"),
    autoUpgrade: cluster.autoUpgrade,
    cloudAccount: account && {
      displayName: account.displayName,
      identity: account.identity,
      primaryCloudCredentials: primary && credentialsReference(account, primary),
    },
    cloudCredentials: account && credentials && credentialsReference(account, credentials),
    cloudProvider: cluster.cloudProvider,
    clusterPodSubnet: cluster.clusterPodSubnet,
    cni: cluster.cni,
    cpu: showCompute ? cluster.cpu : undefined,
    conditions: describeConditions(cluster),
    createdAt: cluster.createdAt,
    customerIdentity: organisation.identity,
    customerSlug: { slugValue: organisation.slug },
    deleteProtection: cluster.deleteProtection,
    description: cluster.description,
    desiredStatus: cluster.desiredStatus,
    enableMultiAvailabilityZones: cluster.enableMultiAvailabilityZones,
    enableNATGateway: cluster.enableNATGateway,
    enableNetworkEncryption: cluster.enableNetworkEncryption,
    environmentIdentity: cluster.environmentIdentity,
    environmentPrometheusRules: cluster.environmentPrometheusRules,
    environmentSlug: { slugValue: cluster.environment },
    generation: cluster.generation,
    highlyAvailable: cluster.highlyAvailable,
    identity: cluster.identity,
    ipWhitelist: cluster.ipWhitelist,
    maintenanceSchedule: schedule && { identity: schedule.identity, name: schedule.name, windows: schedule.windows },
    memory: showCompute ? cluster.memory : undefined,
    modifiedAt: cluster.modifiedAt,
    name: cluster.name,
    podSecurityStandardsProfile: cluster.podSecurityStandardsProfile,
    poolID: cluster.poolID,
    poolName: cluster.poolName,
    provisionStatus: cluster.provisionStatus,
    region: cluster.region,
    serviceSubnet: cluster.serviceSubnet,
    slug: { slugValue: cluster.slug },
    status: cluster.status,
    undocumented: {
      cloudAccountIdentity: cluster.cloudAccountIdentity,
      clusterAutoscalerSettings: cluster.clusterAutoscalerSettings,
      cniSpelling: cluster.cniSpelling,
      enablePodSecurityStandards: cluster.enablePodSecurityStandards ?? false,
      podSecurityStandardsProfileSpelling: cluster.podSecurityStandardsProfileSpelling,
      upstreamCluster: cluster.upstreamCluster,
    },
    updateChannel: channelOf(cluster),
    version: cluster.version,
  };
}

/** Returns the channel of a cluster. A channel that left the catalogue leads to no other version than the cluster's. */
function channelOf({ updateChannel: name, version }: Cluster): ClusterResponse["updateChannel"] {
  if (name === undefined) return undefined;
  return channelByName(name) ?? { available: false, kubernetesClusterVersion: version, name };
}

/**
 * Builds the entity tag of a cluster: its revision, the sum of the revisions of the referenced items in its response, and the
 * catalogue's revision.
 *
 * @returns the tag without quotes
 */
export function clusterEtag(cluster: Cluster, references: References): string {
  const { account, credentials, primary, schedule } = referents(cluster, references);
  const referenced = new Set([account, credentials, primary, schedule]);
  const sum = [...referenced].reduce((total, referent) => total + (referent?.revision ?? 0), 0);
  return `${cluster.revision}.${sum}.${catalogueRevision}`;
}
