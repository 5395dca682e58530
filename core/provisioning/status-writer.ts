/** Writes the result of a step: status, phase, node pools, conditions and event, in one fenced transaction. */

import { type Cluster, clusterEntity } from "../cluster/entity.ts";
import { appendEvent } from "../cluster/store/event-log.ts";
import { type Lease, retireUnderLease } from "../cluster/store/pointer.ts";
import { tombstoneTransaction } from "../cluster/store/tombstone.ts";
import type { Services } from "../context.ts";
import { readChunkOf } from "../listing/page-index.ts";
import type { NodePool } from "../node-pool/entity.ts";
import { nodePoolItem } from "../node-pool/items.ts";
import { deadlineIn } from "../shared/retry.ts";
import { type Key, nodePoolKey } from "../table/keys.ts";
import { commit, Transaction } from "../table/transaction.ts";
import { deleteLeftovers } from "./cleanup.ts";
import { leaseEnd, renewLease } from "./lease.ts";
import { nextRecord, type PoolRecord, type RecordChanges, type StepResult } from "./next-record.ts";

/** Recorded cluster and node pools. */
interface WrittenStatus {
  cluster: Cluster;
  pools: readonly NodePool[];
}

/**
 * Records the result of a step.
 *
 * @returns the recorded state if no further transition is possible; `again` if one may be, or the cluster changed meanwhile;
 *   `fenced` if another worker has the lease
 * @throws AppError unavailable as `commit`
 */
export async function writeStatus(
  services: Services,
  lease: Lease,
  step: StepResult,
): Promise<WrittenStatus | "again" | "fenced"> {
  const { cluster, pools } = step;
  const now = services.clock().toISOString();
  const next = nextRecord(step, now);
  if (next.kind === "deleted") return await finalizeDeletion(services, lease, step);
  if (next.kind === "changed") return await writeChanges(services, lease, step, next, now);
  if (step.error === undefined) return { cluster, pools };
  // Only the number of failures changed.
  const counted = new Transaction();
  renewLease(services, counted, lease, step.state);
  return (await commitFenced(services, counted)) ?? { cluster, pools };
}

async function writeChanges(
  services: Services,
  lease: Lease,
  { cluster, state }: StepResult,
  { cluster: after, pools, event, isTransition }: RecordChanges,
  now: string,
): Promise<WrittenStatus | "again" | "fenced"> {
  const transaction = new Transaction().put("cluster", clusterItemAt(cluster, after), {
    condition: "#identity = :identity AND #revision = :revision",
    values: { ":identity": cluster.identity, ":revision": cluster.revision },
  });
  for (const pool of pools) writePool(transaction, pool);
  if (event !== undefined) {
    appendEvent(services, transaction, event, { clusterIdentity: cluster.identity, at: now });
  }
  renewLease(services, transaction, lease, state);
  const failed = await commitFenced(services, transaction);
  if (failed !== undefined) return failed;
  return isTransition ? "again" : { cluster: after, pools: pools.flatMap((pool) => pool.after ?? []) };
}

/** Commits a transaction that extends the lease. @returns undefined if it is committed */
async function commitFenced(services: Services, transaction: Transaction): Promise<"again" | "fenced" | undefined> {
  const failures = await commit(services.table, transaction, deadlineIn(services.writeTimeoutMs));
  if (failures.length === 0) return undefined;
  return failures.some(({ label }) => label === "pointer") ? "fenced" : "again";
}

/** Builds the item with the key it was read from, which differs for a cluster whose slug another one took. */
const clusterItemAt = (read: Key, after: Cluster) =>
  clusterEntity.write({ pk: read.pk, sk: read.sk }, after, { slimSk: read.sk });

function writePool(transaction: Transaction, { before, after }: PoolRecord): void {
  if (after?.provisionStatus === before.provisionStatus && after.runningVersion === before.runningVersion) return;
  const asRead = { condition: "#revision = :revision", values: { ":revision": before.revision } };
  if (after === undefined) transaction.delete("pool", nodePoolKey(before.clusterIdentity, before.id), asRead);
  else transaction.put("pool", nodePoolItem(after), asRead);
}

/**
 * Replaces a cluster that no longer exists by its tombstone. Its secrets are deleted before, so that no tombstone has any. The
 * pointer stays due to complete the deletion.
 */
async function finalizeDeletion(
  services: Services,
  lease: Lease,
  { cluster, pools, state }: StepResult,
): Promise<"again" | "fenced"> {
  const { organisation, environment, slug, identity } = cluster;
  const isDeleted = await deleteLeftovers(services, identity, (transaction) =>
    renewLease(services, transaction, lease, state),
  );
  if (!isDeleted) return "fenced";
  const chunk = await readChunkOf(services.table, organisation, environment, slug);
  if (chunk === undefined) throw new Error(`environment "${environment}" has no page index`);
  const now = services.clock();
  const transaction = tombstoneTransaction(services, cluster, pools, chunk, now.toISOString());
  retireUnderLease(transaction, lease, cluster, now, leaseEnd(services), state);
  return (await commitFenced(services, transaction)) ?? "again";
}
