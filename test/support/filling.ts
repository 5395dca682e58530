/** Writes many clusters to the table without the API. */

import { randomUUID } from "node:crypto";
import { BatchWriteCommand } from "@aws-sdk/lib-dynamodb";
import { rebuildPageIndex } from "#core/admin/page-index-repair.ts";
import { type Cluster, clusterEntity } from "#core/cluster/entity.ts";
import { clusterKey } from "#core/table/keys.ts";
import type { Tenant, World } from "./world.ts";

/** Maximum number of items of one BatchWriteItem in DynamoDB. */
const BATCH = 25;

/**
 * Writes copies of a cluster to an environment `production`, and rebuilds its page index. Reads find them; the other items of a
 * creation are missing.
 *
 * @param template a cluster of any organisation
 * @param count number of copies; `c000000` is the first
 * @param vary returns the changes of a copy
 * @param tell called regularly with the number of written copies
 */
export async function fill(
  { services, table }: World,
  { slug: organisation, environments }: Tenant,
  template: Cluster,
  count: number,
  vary: () => Partial<Cluster> = () => ({}),
  tell: (done: number) => void = () => {},
): Promise<void> {
  const { production } = environments;
  if (production === undefined) throw new Error("environment production not found");
  const place = { organisation, environment: production.slug, environmentIdentity: production.identity };
  const copyAt = (number: number) => {
    const slug = `c${String(number).padStart(6, "0")}`;
    const key = clusterKey(organisation, production.slug, slug);
    const copy = { ...template, ...place, ...vary(), identity: randomUUID(), slug, name: slug };
    return { PutRequest: { Item: clusterEntity.write(key, copy, { slimSk: key.sk }) } };
  };
  for (let start = 0; start < count; start += BATCH) {
    const copies = Array.from({ length: Math.min(BATCH, count - start) }, (_, at) => copyAt(start + at));
    await table.client.send(new BatchWriteCommand({ RequestItems: { [table.name]: copies } }));
    if (start % (200 * BATCH) === 0) tell(start);
  }
  await rebuildPageIndex(services, organisation, production);
}
