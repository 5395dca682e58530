/** Writes the result of a step: status, phase, node pools, conditions, event and lease, in one fenced transaction. */

import { type Cluster, clusterItemAt } from "../cluster/entity.ts";
import { appendEvent } from "../cluster/store/event-log.ts";
import {
  isLeaseHeld,
  type Lease,
  type Release,
  release,
  releaseAlone,
  retireUnderLease,
} from "../cluster/store/pointer.ts";
import { tombstoneTransaction } from "../cluster/store/tombstone.ts";
import type { Services } from "../context.ts";
import { readChunkOf, requireChunk } from "../listing/page-index.ts";
import { nodePoolItem } from "../node-pool/items.ts";
import { deadlineIn } from "../shared/retry.ts";
import { type Key, nodePoolKey } from "../table/keys.ts";
import { commit, Transaction } from "../table/transaction.ts";
import { deleteLeftovers } from "./cleanup.ts";
import { leaseEnd, renewLease } from "./lease.ts";
import type { PoolRecord, RecordChanges, StepResult } from "./next-record.ts";

/**
 * Result of a write under a lease: committed, not committed because the stored state changed or another request arrived, or not
 * committed because another worker has the lease.
 */
export type Written = "written" | "changed" | "requested" | "fenced";

/**
 * Writes the record of a step, and extends the lease or ends it in the same transaction. Without a change, without an error to count
 * and without an end of the lease, there is nothing to write.
 *
 * @param now time of the record, RFC 3339
 * @param ending undefined to keep the lease
 * @throws AppError unavailable as `commit`
 */
export async function writeRecord(
  services: Services,
  lease: Lease,
  { cluster, state, error }: StepResult,
  record: RecordChanges | { kind: "unchanged" },
  now: string,
  ending: Release | undefined,
): Promise<Written> {
  if (record.kind === "unchanged" && ending !== undefined) return await releaseLease(services, lease, ending);
  const transaction = new Transaction();
  if (record.kind === "changed") addChanges(services, transaction, cluster, record, now);
  else if (error === undefined) return "written";
  if (ending === undefined) renewLease(services, transaction, lease, state);
  else release(transaction, lease, ending);
  return await commitFenced(services, lease, transaction);
}

/** Ends a lease. @throws AppError unavailable as `releaseAlone` */
export async function releaseLease(services: Services, lease: Lease, ending: Release): Promise<Written> {
  const { isUpdated, item } = await releaseAlone(services, lease, ending);
  if (isUpdated) return "written";
  if (!isLeaseHeld(item, lease)) return "fenced";
  // An earlier attempt, whose response was lost, ended the lease before the request arrived. Without a lease, another worker may start.
  return item?.leaseUntil === undefined ? "written" : "requested";
}

/**
 * Adds the changes of a record to a transaction, on condition that the cluster (label `cluster`) and the pools (label `pool`) are
 * unchanged.
 *
 * @param cluster cluster before the changes
 * @param now RFC 3339
 */
export function addChanges(
  services: Services,
  transaction: Transaction,
  cluster: Cluster & Key,
  { cluster: after, pools, events }: RecordChanges,
  now: string,
): void {
  // At the key it was read from, which differs for a cluster whose slug another one took.
  transaction.put("cluster", clusterItemAt(cluster, after), {
    condition: "#identity = :identity AND #revision = :revision",
    values: { ":identity": cluster.identity, ":revision": cluster.revision },
  });
  for (const pool of pools) writePool(transaction, pool);
  for (const event of events) {
    appendEvent(services, transaction, event, { clusterIdentity: cluster.identity, at: now });
  }
}

/** Commits a transaction that extends or ends the lease. */
async function commitFenced(services: Services, lease: Lease, transaction: Transaction): Promise<Written> {
  const failures = await commit(services.table, transaction, deadlineIn(services.writeTimeoutMs));
  if (failures.length === 0) return "written";
  const pointer = failures.find(({ label }) => label === "pointer");
  if (pointer === undefined) return "changed";
  return isLeaseHeld(pointer.present, lease) ? "requested" : "fenced";
}

function writePool(transaction: Transaction, { before, after }: PoolRecord): void {
  if (after?.provisionStatus === before.provisionStatus && after.runningVersion === before.runningVersion) return;
  const asRead = { condition: "#revision = :revision", values: { ":revision": before.revision } };
  if (after === undefined) transaction.delete("pool", nodePoolKey(before.clusterIdentity, before.id), asRead);
  else transaction.put("pool", nodePoolItem(after), asRead);
}

/**
 * Replaces a cluster that no longer exists by its tombstone, after it deleted the cluster's secrets. The pointer stays due to complete
 * the deletion.
 */
export async function finalizeDeletion(
  services: Services,
  lease: Lease,
  { cluster, pools, state }: StepResult,
): Promise<Written> {
  const { organisation, environment, slug, identity } = cluster;
  const isDeleted = await deleteLeftovers(services, identity, (transaction) =>
    renewLease(services, transaction, lease, state),
  );
  if (!isDeleted) return "fenced";
  const chunk = requireChunk(await readChunkOf(services.table, organisation, environment, slug), environment);
  const now = services.clock();
  const transaction = tombstoneTransaction(services, cluster, pools, chunk, now.toISOString());
  retireUnderLease(transaction, lease, cluster, now, leaseEnd(services), state);
  return await commitFenced(services, lease, transaction);
}
