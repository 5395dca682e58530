/** Writes many clusters to the table without the API. */

import { randomUUID } from "node:crypto";
import { BatchWriteCommand } from "@aws-sdk/lib-dynamodb";
import { rebuildPageIndex } from "#core/admin/page-index-repair.ts";
import { type Cluster, clusterItemAt } from "#core/cluster/entity.ts";
import { clusterKey } from "#core/table/keys.ts";
import type { Environment } from "#core/tenancy/environment.ts";
import type { Tenant, World } from "./world.ts";

/** Maximum number of items of one BatchWriteItem in DynamoDB. */
const BATCH = 25;

/** Batches under way at the same time. */
const WRITERS = 4;

/** The tenant's environment that is filled. @throws Error where there is none */
function production({ environments }: Tenant): Environment {
  if (environments.production === undefined) throw new Error("no environment production");
  return environments.production;
}

/** Rebuilds the page index of a tenant's environment `production`. */
export const rebuild = ({ services }: World, tenant: Tenant): Promise<unknown> =>
  rebuildPageIndex(services, tenant.slug, production(tenant));

/** Puts copies of a cluster, as `put` does, and rebuilds the page index. Reads find them. */
export async function fill(world: World, tenant: Tenant, ...given: Copies): Promise<void> {
  await put(world, tenant, ...given);
  await rebuild(world, tenant);
}

type Copies = [template: Cluster, count: number, vary?: () => Partial<Cluster>, onProgress?: (done: number) => void];

/**
 * Writes copies of a cluster to an environment `production`, and rebuilds its page index. Reads find them; the other items of a
 * creation are missing.
 *
 * @param template a cluster of any organisation
 * @param count number of copies; `c000000` is the first
 * @param vary returns the changes of a copy
 * @param onProgress called regularly with the number of written copies
 */
export async function put(
  { table }: World,
  tenant: Tenant,
  template: Cluster,
  count: number,
  vary: () => Partial<Cluster> = () => ({}),
  onProgress: (done: number) => void = () => {},
): Promise<void> {
  const { slug: organisation } = tenant;
  const { slug: environment, identity: environmentIdentity } = production(tenant);
  const owner = { organisation, environment, environmentIdentity };
  const copyAt = (number: number) => {
    const slug = `c${String(number).padStart(6, "0")}`;
    const key = clusterKey(organisation, environment, slug);
    const copy = { ...template, ...owner, name: slug, ...vary(), identity: randomUUID(), slug };
    return { PutRequest: { Item: clusterItemAt(key, copy) } };
  };
  let next = 0;
  const putBatches = async () => {
    while (next < count) {
      const start = next;
      next += BATCH;
      const copies = Array.from({ length: Math.min(BATCH, count - start) }, (_, at) => copyAt(start + at));
      await table.client.send(new BatchWriteCommand({ RequestItems: { [table.name]: copies } }));
      if (start % (200 * BATCH) === 0) onProgress(start);
    }
  };
  // The next batches are built while the engine writes.
  await Promise.all(Array.from({ length: WRITERS }, putBatches));
}
