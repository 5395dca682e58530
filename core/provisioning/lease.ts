/** Exclusive lease of a worker on a cluster, with a fencing token. */

import { randomUUID } from "node:crypto";
import type { Pointer } from "../cluster/entity.ts";
import {
  extendLease,
  type Lease,
  type ReconcileState,
  type Release,
  releaseRequested,
  takeDueLease,
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

/** Lease with the pointer as read when it was taken. */
export interface AcquiredLease {
  lease: Lease;
  pointer: Pointer;
}

/**
 * Acquires the lease of a cluster that is due, in one call.
 *
 * @param services `startedAt`: leases taken before are ignored, because their process has ended
 * @throws AppError unavailable if the database cannot be reached. A lease that was taken nevertheless expires
 */
export async function acquireLease(
  services: Services & { startedAt?: Date },
  identity: string,
): Promise<AcquiredLease | LeaseRefusal> {
  const now = services.clock();
  // If an earlier process still runs after all, the fencing token refuses its writes.
  const endedBefore = services.startedAt === undefined ? 0 : services.startedAt.getTime() + LEASE_MS - 1;
  const leaseId = randomUUID();
  const request = {
    leaseId,
    now: now.toISOString(),
    leaseUntil: leaseEnd(services),
    expired: new Date(Math.max(now.getTime(), endedBefore)).toISOString(),
  };
  const result = await takeDueLease(services, identity, request);
  if (result === undefined) return "notFound";
  const { isTaken, pointer } = result;
  if (isTaken) return { lease: { identity, fence: pointer.fence, leaseId }, pointer };
  if (pointer.dueAt === undefined) return "notPending";
  return pointer.dueAt > request.now ? "notDue" : "leased";
}

/**
 * Raises the fencing token, so that the table refuses writes with a lower one, and the provisioner does once it received a plan
 * with this one. A worker calls it after a timeout, because the aborted call may still take effect, and if the provisioner has
 * received a higher token than the table ever had.
 *
 * @param above the new token is higher than this one too
 * @returns the new lease; undefined if another worker was faster
 * @throws AppError unavailable as `commit`
 */
export async function raiseFence(services: Services, from: Lease, above?: number): Promise<Lease | undefined> {
  const transaction = new Transaction();
  const lease = takeLease(transaction, from, leaseEnd(services), above);
  const failures = await commit(services.table, transaction, deadlineIn(services.writeTimeoutMs));
  return failures.length === 0 ? lease : undefined;
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

/**
 * Releases a lease for which another request arrived. The cluster stays due.
 *
 * @returns `fenced` if another worker had taken the lease
 * @throws AppError unavailable as `commit`
 */
export async function releaseForRequest(
  services: Services,
  lease: Lease,
  ending: Release,
): Promise<"released" | "fenced"> {
  const transaction = new Transaction();
  releaseRequested(transaction, lease, ending);
  const failures = await commit(services.table, transaction, deadlineIn(services.writeTimeoutMs));
  return failures.length === 0 ? "released" : "fenced";
}
