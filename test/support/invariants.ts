/** What must hold at every moment between two transactions: counters, index, pointers and items agree. */

import { expect } from "vitest";
import { providerBySlug } from "#core/cloud/catalogue/index.ts";
import { usageEntity } from "#core/cloud/schema.ts";
import { remainsOf } from "#core/cluster/removal.ts";
import { type Cluster, clusterEntity, pointerEntity, type Tombstone, tombstoneEntity } from "#core/cluster/stored.ts";
import { isDeleting } from "#core/cluster/transitions.ts";
import type { Services } from "#core/context.ts";
import { allEnvironments } from "#core/environment/operations.ts";
import { readChunks } from "#core/listing/page-index.ts";
import { checkPageIndex, strayChunks } from "#core/listing/page-index-repair.ts";
import { nodePoolsOf } from "#core/node-pool/repository.ts";
import { computeOf, isLive } from "#core/node-pool/rules.ts";
import { showOrganisation } from "#core/organisation/operations.ts";
import type { RawItem } from "#core/table/item.ts";
import { EVENT_PREFIX, type Key, keyText, organisationKey, pointerKey } from "#core/table/keys.ts";
import { snapshotOf } from "./snapshot.ts";

/** Reads every cluster of an organisation. */
export async function clustersOf(services: Services, organisation: string): Promise<(Cluster & Key)[]> {
  const { pk } = organisationKey(organisation);
  const items = await services.table.query({ pk, prefix: "CLUSTER#" });
  return items.map((item) => clusterEntity.read(item));
}

/** Reads every tombstone of an organisation. */
export async function tombstonesOf(services: Services, organisation: string): Promise<(Tombstone & Key)[]> {
  const { pk } = organisationKey(organisation);
  const items = await services.table.query({ pk, prefix: "DELETED#" });
  return items.map((item) => tombstoneEntity.read(item));
}

/** Reads the events of a cluster, oldest first. */
export const eventsOf = (services: Services, identity: string): Promise<RawItem[]> =>
  services.table.query({ pk: pointerKey(identity).pk, prefix: EVENT_PREFIX });

const sum = <T>(elements: readonly T[], value: (element: T) => number) =>
  elements.reduce((total, element) => total + value(element), 0);

/** Asserts that nothing but pointer and events is left of clusters that are gone. */
async function expectGone(services: Services, organisation: string, clusters: readonly Cluster[]): Promise<void> {
  const identities = new Set(clusters.map(({ identity }) => identity));
  for (const { identity, sk, ttl, status } of await tombstonesOf(services, organisation)) {
    expect([identities.has(identity), status]).toEqual([false, "deleted"]);
    expect(await nodePoolsOf(services.table, identity)).toEqual([]);
    expect(await remainsOf(services, identity)).toEqual([]);
    const [pointer] = (await services.table.get([pointerKey(identity)])).values();
    expect(pointer).toMatchObject({ path: sk, organisation, ttl });
  }
}

/** Asserts that everything stored of an organisation agrees. */
export async function expectInvariants(given: Services, organisation: string): Promise<void> {
  const services = await snapshotOf(given, organisation);
  const clusters = await clustersOf(services, organisation);
  const environments = await allEnvironments(services, organisation);

  for (const environment of environments) {
    const held = clusters.filter((cluster) => cluster.environment === environment.slug);
    expect(held.every(({ environmentIdentity }) => environmentIdentity === environment.identity)).toBe(true);
    const live = held.filter((cluster) => !isDeleting(cluster));
    const { totalClusters, heldClusters, totalCpu, totalMemory } = environment;
    expect({ totalClusters, heldClusters, totalCpu, totalMemory }).toEqual({
      totalClusters: live.length,
      heldClusters: held.length,
      totalCpu: sum(live, ({ cpu }) => cpu),
      totalMemory: sum(live, ({ memory }) => memory),
    });
    expect(await checkPageIndex(services, organisation, environment)).toEqual([]);
  }
  expect(await strayChunks(services, organisation, environments)).toEqual([]);
  const counted = (await readChunks(services.table, organisation)).flatMap(({ buckets }) => buckets);
  expect(sum(counted, ({ n }) => n)).toBe(clusters.length);
  expect(new Set(counted.map(({ id }) => id)).size).toBe(counted.length);

  const { organisation: stored, total } = await showOrganisation(services, organisation);
  const deleted = environments.filter(({ deletedAt }) => deletedAt !== undefined);
  expect(deleted.map(({ identity }) => identity).toSorted()).toEqual((stored.deletedEnvironments ?? []).toSorted());
  for (const { totalClusters } of deleted) expect(totalClusters).toBe(0);
  expect(total).toMatchObject({
    clusters: sum(environments, ({ totalClusters }) => totalClusters),
    cpu: sum(environments, ({ totalCpu }) => totalCpu),
    memory: sum(environments, ({ totalMemory }) => totalMemory),
    environments: environments.length,
  });

  const usages = await services.table.query({ pk: organisationKey(organisation).pk, prefix: "USE#" });
  for (const usage of usages) {
    const identity = usage.sk.slice("USE#".length);
    const users = clusters.filter(
      (cluster) =>
        !isDeleting(cluster) && [cluster.cloudAccountIdentity, cluster.maintenanceScheduleIdentity].includes(identity),
    );
    expect({ identity, clusters: usageEntity.read(usage).clusters }).toEqual({ identity, clusters: users.length });
  }

  await expectGone(services, organisation, clusters);
  const pointers = await services.table.get(clusters.map(({ identity }) => pointerKey(identity)));
  for (const cluster of clusters) {
    const item = pointers.get(keyText(pointerKey(cluster.identity)));
    expect(item, `pointer of ${cluster.slug}`).toBeDefined();
    if (item === undefined) continue;
    expect(pointerEntity.read(item)).toMatchObject({ path: cluster.sk, organisation });
    expect(item).not.toHaveProperty("ttl");
    const pools = (await nodePoolsOf(services.table, cluster.identity)).filter(isLive);
    expect(new Set(pools.map(({ name, availabilityZone }) => `${name}/${availabilityZone}`)).size).toBe(pools.length);
    const provider = providerBySlug(cluster.cloudProvider);
    const { cpu, memory } = cluster;
    expect({ cpu, memory }).toEqual(provider && computeOf(provider, pools));
  }
}
