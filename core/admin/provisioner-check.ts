/** Checks the management cluster of the Cluster API provisioner, and compares its clusters with those in the table. Changes nothing. */

import { type Cluster, clusterEntity } from "../cluster/entity.ts";
import { readPointer } from "../cluster/store/pointer.ts";
import type { Services } from "../context.ts";
import { type Call, getObject, listObjects, readIfAllowed } from "../provisioning/cluster-api/calls.ts";
import { checkManagementCluster, type ManagementClusterReport } from "../provisioning/cluster-api/check.ts";
import { CLUSTER } from "../provisioning/cluster-api/kinds.ts";
import { CLUSTER_ID, FIELD_MANAGER, MANAGED_BY } from "../provisioning/cluster-api/labels.ts";
import { managementClusterProblem, readManagementClusters } from "../provisioning/cluster-api/management-cluster.ts";
import { namespaceOf, objectNameOf } from "../provisioning/cluster-api/manifest.ts";
import type { Profiles } from "../provisioning/cluster-api/profiles.ts";
import { keyText } from "../table/keys.ts";
import { organisationEntity } from "../tenancy/organisation.ts";

/** Cluster in the management cluster that is not in the table. */
interface Orphan {
  name: string;
  namespace: string;
  /** Identity of the cluster; undefined if its label was removed. */
  identity: string | undefined;
}

/** Comparison of the clusters in the table with those in the management cluster. */
interface ClusterComparison {
  /** Number of clusters in the table. */
  stored: number;
  /** Number of clusters of this service in the management cluster. */
  present: number;
  orphans: Orphan[];
  /** Clusters in the table for which the provisioner received a plan, and which the management cluster does not have. */
  missing: Pick<Cluster, "identity" | "organisation" | "environment" | "slug">[];
}

/** Result of the check. */
export interface ProvisionerReport extends ManagementClusterReport {
  /** Undefined if the user of the kubeconfig may not list clusters, which is one of the problems. */
  clusters: ClusterComparison | undefined;
  /** Problem if the table is used with another management cluster. Undefined if there is none, or if it cannot be read. */
  mismatch: string | undefined;
}

/**
 * Checks the management cluster and compares clusters. Reads the whole table.
 *
 * @throws KubernetesError if the management cluster does not answer, or does not accept the credentials; AppError unavailable if the
 *   database cannot be reached
 */
export async function checkProvisioner(services: Services, call: Call, profiles: Profiles): Promise<ProvisionerReport> {
  const report = await checkManagementCluster(call, profiles);
  const uids = await readIfAllowed(readManagementClusters(services, call));
  const mismatch = uids === "forbidden" ? undefined : managementClusterProblem(uids);
  return { ...report, mismatch, clusters: await compareClusters(services, call) };
}

/** Clusters of the table, and identities of organisations by their slugs. */
interface Stored {
  clusters: Map<string, ReturnType<typeof clusterEntity.read>>;
  organisations: Map<string, string>;
}

async function readStored({ table }: Services): Promise<Stored> {
  const stored: Stored = { clusters: new Map(), organisations: new Map() };
  for await (const item of table.scan()) {
    if (item.entity === clusterEntity.name) {
      const cluster = clusterEntity.read(item);
      stored.clusters.set(cluster.identity, cluster);
    }
    if (item.entity === organisationEntity.name) {
      const { slug, identity } = organisationEntity.read(item);
      stored.organisations.set(slug, identity);
    }
  }
  return stored;
}

/** Returns whether the management cluster must have a cluster: its provisioner received a plan, and did not delete it since. */
const isExpected = ({ plannedVersion, desiredStatus }: Cluster): boolean =>
  plannedVersion !== undefined && desiredStatus !== "deleting";

async function compareClusters(services: Services, call: Call): Promise<ClusterComparison | undefined> {
  const stored = await readStored(services);
  const present = await readIfAllowed(listObjects(call, CLUSTER, undefined, { [MANAGED_BY]: FIELD_MANAGER }));
  if (present === "forbidden") return undefined;
  const found = new Set(present.map(({ metadata }) => metadata.labels?.[CLUSTER_ID]));
  const unknown = present
    .filter(({ metadata }) => !stored.clusters.has(metadata.labels?.[CLUSTER_ID] ?? ""))
    .map(({ metadata: { name, namespace = "", labels } }) => ({ name, namespace, identity: labels?.[CLUSTER_ID] }));
  const absent = [...stored.clusters.values()].filter((cluster) => isExpected(cluster) && !found.has(cluster.identity));
  const [orphans, missing] = await Promise.all([
    filterAsync(unknown, (orphan) => isOrphan(services, call, orphan)),
    filterAsync(absent, (cluster) => isMissing(services, call, cluster, stored)),
  ]);
  return { stored: stored.clusters.size, present: present.length, orphans, missing };
}

async function filterAsync<T>(items: readonly T[], isWanted: (item: T) => Promise<boolean>): Promise<T[]> {
  const wanted = await Promise.all(items.map(isWanted));
  return items.filter((_, position) => wanted[position]);
}

/** Checks an orphan again: it may have been created after the table was read, or be deleted by now. */
async function isOrphan(services: Services, call: Call, { name, namespace, identity }: Orphan): Promise<boolean> {
  const pointer = identity === undefined ? undefined : await readPointer(services, identity);
  if (pointer !== undefined && pointer.ttl === undefined) return false;
  return (await getObject(call, { ...CLUSTER, name, namespace })) !== undefined;
}

/** Checks a missing cluster again: it may have been created after the list was read, or its deletion was requested. */
async function isMissing(
  { table }: Services,
  call: Call,
  cluster: ReturnType<typeof clusterEntity.read>,
  { organisations }: Stored,
): Promise<boolean> {
  const { pk, sk, identity, slug, organisation } = cluster;
  const item = (await table.get([{ pk, sk }])).get(keyText({ pk, sk }));
  const now = item && clusterEntity.read(item);
  if (now?.identity !== identity || !isExpected(now)) return false;
  const namespace = namespaceOf(organisations.get(organisation) ?? "");
  return (await getObject(call, { ...CLUSTER, name: objectNameOf(slug, identity), namespace })) === undefined;
}
