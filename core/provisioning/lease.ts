/** Exclusive lease of a worker on a cluster, with a fencing token. */

import type { Pointer } from "../cluster/entity.ts";
import {
  extendLease,
  type Lease,
  type ReconcileState,
  readPointer,
  release,
  releaseRequested,
  takeLease,
} from "../cluster/store/pointer.ts";
import type { Services } from "../context.ts";
import { deadlineIn } from "../shared/retry.ts";
import { commit, Transaction } from "../table/transaction.ts";

/** Duration of a lease after the last write of its worker, in milliseconds: longer than one step may take. */
export const LEASE_MS = 45_000;

/**
 * Reason for not reconciling a cluster: it does not exist, nothing is pending, it is due later, or another worker has the lease.
 */
export type LeaseRefusal = "notFound" | "notPending" | "notDue" | "leased";

/**
 * Acquires the lease of a cluster that is due.
 *
 * @param services `startedAt`: leases taken before are ignored, because their process has ended
 * @throws AppError unavailable as `commit`
 */
export async function acquireLease(
  services: Services & { startedAt?: Date },
  identity: string,
): Promise<Lease | LeaseRefusal> {
  const now = services.clock();
  const pointer = await readPointer(services, identity);
  if (pointer === undefined) return "notFound";
  if (pointer.dueAt === undefined) return "notPending";
  if (Date.parse(pointer.dueAt) > now.getTime()) return "notDue";
  if (isLeased(pointer, now, services.startedAt)) return "leased";
  return (await raiseFence(services, { identity, fence: pointer.fence })) ?? "leased";
}

/**
 * Raises the fencing token, so that the table refuses writes with a lower one, and the provisioner does once it received a plan
 * with this one. A worker also calls it after a timeout, because the aborted call may still take effect.
 *
 * @param from token as it was read, or the worker's lease
 * @returns the new lease; undefined if another worker was faster
 * @throws AppError unavailable as `commit`
 */
export async function raiseFence(services: Services, from: Lease): Promise<Lease | undefined> {
  const transaction = new Transaction();
  const lease = takeLease(transaction, from, leaseEnd(services));
  const failures = await commit(services.table, transaction, deadlineIn(services.writeTimeoutMs));
  return failures.length === 0 ? lease : undefined;
}

function isLeased({ leaseUntil }: Pointer, now: Date, startedAt: Date | undefined): boolean {
  const until = leaseUntil === undefined ? 0 : Date.parse(leaseUntil);
  // If its process still runs after all, the fencing token refuses that process's writes.
  if (startedAt !== undefined && until - LEASE_MS < startedAt.getTime()) return false;
  return until > now.getTime();
}

/** Returns the end of a lease that starts or is extended now, RFC 3339. */
export const leaseEnd = ({ clock }: Pick<Services, "clock">): string =>
  new Date(clock().getTime() + LEASE_MS).toISOString();

/**
 * Adds the extension of a lease to a transaction, which then fails (label `pointer`) if another worker took the lease.
 *
 * @param state undefined to keep the stored one
 */
export function renewLease(services: Services, transaction: Transaction, lease: Lease, state?: ReconcileState): void {
  extendLease(transaction, lease, leaseEnd(services), state);
}

/** End of a worker's lease. */
interface Release {
  /** Number of requests when the cluster was read. */
  wakes: number;
  state: ReconcileState;
  /** Time of the next reconciliation; undefined if nothing is pending. */
  dueAt: Date | undefined;
  /** True to keep the lease if another request arrived since the cluster was read. */
  keepIfRequested: boolean;
}

/**
 * Releases a lease. If another request arrived, the cluster stays due.
 *
 * @returns `requested` if the lease continues for another request; `fenced` if another worker had taken the lease
 * @throws AppError unavailable as `commit`
 */
export async function releaseLease(
  services: Services,
  lease: Lease,
  { wakes, state, dueAt, keepIfRequested }: Release,
): Promise<"released" | "fenced" | "requested"> {
  const deadline = deadlineIn(services.writeTimeoutMs);
  const complete = new Transaction();
  release(complete, lease, wakes, state, dueAt);
  const [failure] = await commit(services.table, complete, deadline);
  if (failure === undefined) return "released";
  if (failure.present?.fence !== lease.fence) return "fenced";
  if (keepIfRequested) return "requested";
  const due = new Transaction();
  releaseRequested(due, lease, state);
  return (await commit(services.table, due, deadline)).length === 0 ? "released" : "fenced";
}
