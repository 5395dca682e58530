/** Checks the invariants of an organisation between transactions: counters, page index, pointers and items agree. */

import { isDeepStrictEqual } from "node:util";
import { nodeTypeOf, providerBySlug } from "../../catalogue/index.ts";
import { type Cluster, clusterEntity, pointerEntity, type Tombstone, tombstoneEntity } from "../../cluster/entity.ts";
import { isFinished } from "../../cluster/rules/scheduled-upgrade.ts";
import { isDeleting } from "../../cluster/rules/transitions.ts";
import { hasLiveUpgrade, newestUpgradeIdentity } from "../../cluster/rules/upgrade-reference.ts";
import { referenceTo } from "../../cluster/store/scheduled-upgrades.ts";
import { leftoverKeys } from "../../cluster/store/tombstone.ts";
import { type ScheduledUpgrade, scheduledUpgradeEntity } from "../../cluster/upgrade-entity.ts";
import type { Services } from "../../context.ts";
import { listAttributes } from "../../listing/list-row.ts";
import { readChunks } from "../../listing/page-index.ts";
import type { NodePool } from "../../node-pool/entity.ts";
import { nodePoolsOf } from "../../node-pool/items.ts";
import { computeOf, isLive } from "../../node-pool/rules.ts";
import { readMembers } from "../../references/members/store.ts";
import { cloudSecretEntity } from "../../secrets/cloud-secrets.ts";
import type { RawItem } from "../../table/entity.ts";
import {
  CLOUD_SECRET_PREFIX,
  CLUSTER_PREFIX,
  type Key,
  keyText,
  OBSERVABILITY_TENANT_PREFIX,
  organisationKey,
  pointerKey,
  referencesKey,
  SCHEDULED_UPGRADE_PREFIX,
  TOMBSTONE_PREFIX,
} from "../../table/keys.ts";
import type { Environment } from "../../tenancy/environment.ts";
import { referencesEntity } from "../../tenancy/references-entity.ts";
import { listAllEnvironments } from "../environments.ts";
import { showOrganisation } from "../organisations.ts";
import { checkPageIndex, orphanedChunks } from "../page-index-repair.ts";
import { checkUsage } from "./usage.ts";

/** Stored data that does not agree. */
export interface Inconsistency {
  /** Place and kind of the inconsistency; the same in every round. */
  readonly where: string;
  /** Stored value and expected value. */
  readonly text: string;
}

type StoredCluster = Cluster & Key;
type StoredTombstone = Tombstone & Key;

/** Number of clusters whose pools are read in parallel. */
const CONCURRENCY = 16;

const sum = <T>(elements: readonly T[], value: (element: T) => number) =>
  elements.reduce((total, element) => total + value(element), 0);

/** Collects inconsistencies. */
export class Findings {
  readonly list: Inconsistency[] = [];

  /** Adds an inconsistency if two values differ. */
  same(where: string, is: unknown, should: unknown): void {
    if (isDeepStrictEqual(is, should)) return;
    this.list.push({ where, text: `is ${JSON.stringify(is)}, should be ${JSON.stringify(should)}` });
  }
}

/** Runs an action for each element, `CONCURRENCY` at a time. */
async function forEach<T>(elements: readonly T[], act: (element: T) => Promise<void>): Promise<void> {
  for (let start = 0; start < elements.length; start += CONCURRENCY) {
    await Promise.all(elements.slice(start, start + CONCURRENCY).map(act));
  }
}

/**
 * Finds stored data of an organisation that contradicts other data. While others write, it may also find unfinished changes: only
 * repeated findings are reliable.
 *
 * @param organisation its slug
 * @throws AppError not found; unavailable if the database cannot be reached; Error if an item cannot be read
 */
export async function findInconsistencies(services: Services, organisation: string): Promise<Inconsistency[]> {
  const { table } = services;
  const { pk } = organisationKey(organisation);
  const findings = new Findings();
  const [clusterItems, tombstones, environments] = await Promise.all([
    table.query({ pk, prefix: CLUSTER_PREFIX }),
    table
      .query({ pk, prefix: TOMBSTONE_PREFIX })
      .then((items) => items.map((item): StoredTombstone => tombstoneEntity.read(item))),
    listAllEnvironments(services, organisation),
  ]);
  const clusters = clusterItems.map((item): StoredCluster => clusterEntity.read(item));
  for (const item of clusterItems) checkListRow(item, findings);
  await checkEnvironments(services, organisation, environments, clusters, findings);
  await checkTotals(services, organisation, environments, findings);
  await checkReferences(services, organisation, findings);
  await checkUsage(services, pk, clusters, findings);
  await checkClusters(services, organisation, clusters, findings);
  await checkTombstones(services, organisation, clusters, tombstones, findings);
  await checkUpgrades(services, pk, clusters, findings);
  return findings.list;
}

async function checkEnvironments(
  services: Services,
  organisation: string,
  environments: readonly Environment[],
  clusters: readonly StoredCluster[],
  findings: Findings,
): Promise<void> {
  for (const environment of environments) {
    const where = `environment ${organisation}/${environment.slug}`;
    const stored = clusters.filter((cluster) => cluster.environment === environment.slug);
    const foreign = stored.filter(({ environmentIdentity }) => environmentIdentity !== environment.identity);
    findings.same(
      `${where}: clusters of another environment of that name`,
      foreign.map(({ slug }) => slug),
      [],
    );
    const live = stored.filter((cluster) => !isDeleting(cluster));
    const { totalClusters, heldClusters, totalCpu, totalMemory } = environment;
    findings.same(
      `${where}: totals`,
      { totalClusters, heldClusters, totalCpu, totalMemory },
      {
        totalClusters: live.length,
        heldClusters: stored.length,
        totalCpu: sum(live, ({ cpu }) => cpu),
        totalMemory: sum(live, ({ memory }) => memory),
      },
    );
    for (const { text } of await checkPageIndex(services, organisation, environment)) {
      findings.list.push({ where: `${where}: page index`, text });
    }
  }
  const known = new Set(environments.map(({ slug }) => slug));
  const orphans = clusters.filter(({ environment }) => !known.has(environment));
  findings.same(
    `organisation ${organisation}: clusters in no environment`,
    orphans.map(({ sk }) => sk),
    [],
  );
  const chunks = await orphanedChunks(services, organisation, environments);
  findings.same(
    `organisation ${organisation}: page index of no environment`,
    chunks.map(({ key }) => key.sk),
    [],
  );
  const buckets = (await readChunks(services.table, organisation)).flatMap((chunk) => chunk.buckets);
  findings.same(
    `organisation ${organisation}: clusters in the page index`,
    sum(buckets, ({ n }) => n),
    clusters.length,
  );
  const ids = new Set(buckets.map(({ id }) => id));
  findings.same(`organisation ${organisation}: names of buckets`, ids.size, buckets.length);
}

/**
 * Checks the revision by which processes decide whether their references are current, which an older release did not store, and that every
 * secret belongs to credentials. Credentials can lack secrets.
 */
async function checkReferences(services: Services, organisation: string, findings: Findings): Promise<void> {
  const { organisation: stored } = await showOrganisation(services, organisation);
  const key = referencesKey(organisation);
  const item = (await services.table.get([key])).get(keyText(key));
  if (item === undefined) return;
  const { revision, accounts } = referencesEntity.read(item);
  const where = `organisation ${organisation}`;
  if (stored.referencesRevision !== undefined) {
    findings.same(`${where}: revision of its references`, stored.referencesRevision, revision);
  }
  const known = new Set(
    Object.values(accounts).flatMap(({ credentials }) => credentials.map(({ identity }) => identity)),
  );
  const secrets = (await services.table.query({ pk: key.pk, prefix: CLOUD_SECRET_PREFIX })).map(
    (each) => cloudSecretEntity.read(each).credentialsIdentity,
  );
  findings.same(
    `${where}: secrets of no credentials`,
    secrets.filter((identity) => !known.has(identity)),
    [],
  );
}

async function checkTotals(
  services: Services,
  organisation: string,
  environments: readonly Environment[],
  findings: Findings,
): Promise<void> {
  const { organisation: stored, total } = await showOrganisation(services, organisation);
  const { pk } = organisationKey(organisation);
  const where = `organisation ${organisation}`;
  const deleted = environments.filter(({ deletedAt }) => deletedAt !== undefined);
  const identities = deleted.map(({ identity }) => identity).toSorted();
  findings.same(`${where}: deleted environments`, (stored.deletedEnvironments ?? []).toSorted(), identities);
  findings.same(
    `${where}: clusters in deleted environments`,
    sum(deleted, (each) => each.totalClusters),
    0,
  );
  const { clusters, cpu, memory, environments: counted, members: people, observabilityTenants = 0 } = total;
  const [members, tenants] = await Promise.all([
    readMembers(services, organisation),
    services.table.query({ pk, prefix: OBSERVABILITY_TENANT_PREFIX, keysOnly: true }),
  ]);
  // An organisation whose members an earlier release wrote last has no number of admins.
  const admins = members.filter(({ role }) => role === "admin").length;
  findings.same(`${where}: admins`, total.admins ?? admins, admins);
  findings.same(
    `${where}: totals`,
    { clusters, cpu, memory, environments: counted, members: people, observabilityTenants },
    {
      clusters: sum(environments, ({ totalClusters }) => totalClusters),
      cpu: sum(environments, ({ totalCpu }) => totalCpu),
      memory: sum(environments, ({ totalMemory }) => totalMemory),
      environments: environments.length,
      members: members?.length,
      observabilityTenants: tenants?.length,
    },
  );
}

/** Checks that the attributes of the list index agree with the cluster. An item of an older version gets them from its migration. */
function checkListRow(item: RawItem, findings: Findings): void {
  const { listPk, row } = clusterEntity.upgrade(item);
  const cluster = clusterEntity.read(item);
  findings.same(`cluster ${cluster.identity}: row of the list index`, { listPk, row }, listAttributes(cluster));
}

async function checkClusters(
  { table }: Services,
  organisation: string,
  clusters: readonly StoredCluster[],
  findings: Findings,
): Promise<void> {
  const pointers = await table.get(clusters.map(({ identity }) => pointerKey(identity)));
  await forEach(clusters, async ({ identity, sk, cpu, memory, cloudProvider }) => {
    const where = `cluster ${identity}`;
    const item = pointers.get(keyText(pointerKey(identity)));
    const pointer = item && pointerEntity.read(item);
    const target = pointer && { path: pointer.path, organisation: pointer.organisation, ttl: pointer.ttl };
    findings.same(`${where}: pointer`, target, { path: sk, organisation, ttl: undefined });
    const pools = (await nodePoolsOf(table, identity)).filter(isLive);
    const names = new Set(pools.map(({ name, availabilityZone }) => `${name}/${availabilityZone}`));
    findings.same(`${where}: names of node pools`, names.size, pools.length);
    const provider = providerBySlug(cloudProvider);
    const isKnown = ({ nodeSize }: NodePool) => provider !== undefined && nodeTypeOf(provider, nodeSize) !== undefined;
    // The size of a node type that left the catalogue is unknown.
    if (provider?.type !== "byon" && !pools.every(isKnown)) return;
    findings.same(`${where}: compute`, { cpu, memory }, computeOf(provider, pools));
  });
}

/** Checks deleted clusters: only tombstone, pointer and events remain. */
async function checkTombstones(
  services: Services,
  organisation: string,
  clusters: readonly StoredCluster[],
  tombstones: readonly StoredTombstone[],
  findings: Findings,
): Promise<void> {
  const present = new Set(clusters.map(({ identity }) => identity));
  const pointers = await services.table.get(tombstones.map(({ identity }) => pointerKey(identity)));
  await forEach(tombstones, async ({ identity, sk, ttl, status }) => {
    const where = `deleted cluster ${identity}`;
    findings.same(`${where}: status`, status, "deleted");
    findings.same(`${where}: still exists`, present.has(identity), false);
    const item = pointers.get(keyText(pointerKey(identity)));
    const pointer = item && pointerEntity.read(item);
    const target = pointer && { path: pointer.path, organisation: pointer.organisation, ttl: pointer.ttl };
    findings.same(`${where}: pointer`, target, { path: sk, organisation, ttl });
    const pools = await nodePoolsOf(services.table, identity);
    findings.same(
      `${where}: node pools`,
      pools.map(({ id }) => id),
      [],
    );
    const leftovers = await leftoverKeys(services, identity);
    findings.same(
      `${where}: leftover items`,
      leftovers.map((key) => key.sk),
      [],
    );
  });
}

/** Checks that each cluster refers to its unfinished upgrade, and that no other upgrade is unfinished. */
async function checkUpgrades({ table }: Services, pk: string, clusters: readonly StoredCluster[], findings: Findings) {
  const items = await table.query({ pk, prefix: SCHEDULED_UPGRADE_PREFIX });
  const unfinished = items
    .map((item): ScheduledUpgrade => scheduledUpgradeEntity.read(item))
    .filter((upgrade) => !isFinished(upgrade));
  const stored = new Map(unfinished.map((upgrade) => [upgrade.identity, upgrade]));
  for (const cluster of clusters) {
    const identity = hasLiveUpgrade(cluster) ? newestUpgradeIdentity(cluster) : undefined;
    if (identity === undefined) continue;
    const upgrade = stored.get(identity);
    stored.delete(identity);
    const where = `cluster ${cluster.identity}: scheduled upgrade`;
    const { environment, environmentIdentity, slug, scheduledUpgrade } = cluster;
    findings.same(
      where,
      upgrade && {
        environment: upgrade.environment,
        environmentIdentity: upgrade.environmentIdentity,
        slug: upgrade.clusterSlug,
        scheduledUpgrade: referenceTo(upgrade),
      },
      { environment, environmentIdentity, slug, scheduledUpgrade },
    );
  }
  findings.same(`${pk}: unfinished upgrades of no cluster`, [...stored.keys()], []);
}
