/**
 * Updates of a cluster's pointer: when the cluster is due, which worker has the lease, and what the last reconciliation found.
 * Every operation that these functions add to a transaction has the label `pointer`.
 */

import type { Services } from "../../context.ts";
import { deadlineIn } from "../../shared/retry.ts";
import { DAY_MS, ttlAfter } from "../../shared/time.ts";
import type { RawItem } from "../../table/entity.ts";
import { clusterKey, dueShard, keyText, pointerKey, tombstoneKey } from "../../table/keys.ts";
import type { Expression, Transaction } from "../../table/transaction.ts";
import { updateItem } from "../../table/update.ts";
import { type Cluster, type Pointer, pointerEntity } from "../entity.ts";
import { TOMBSTONE_DAYS } from "./tombstone.ts";

/** Identity and path of a cluster. */
type Located = Pick<Cluster, "identity" | "organisation" | "environment" | "slug">;

/** Exclusive lease of a worker on a cluster. */
export interface Lease {
  /** Identity of the cluster. */
  identity: string;
  /** Fencing token: a write with a lower one than the pointer's is refused. */
  fence: number;
  /** Random id of the lease: a write under an earlier lease with the same fencing token is refused. */
  leaseId: string;
}

/** Result of the last reconciliation. */
export type ReconcileState = Pick<Pointer, "attempts" | "lastError" | "followUp" | "observation">;

/** Attributes of a pointer that no error and no failed attempt has. */
const NO_FAILURES = { set: { attempts: 0 }, remove: ["lastError", "followUp"] } as const;

/** Attributes that place a pointer in the due index. */
const DUE = ["duePk", "dueAt"] as const;

interface Changes {
  set?: Readonly<Record<string, unknown>>;
  remove?: readonly string[];
  add?: Readonly<Record<string, number>>;
}

/** Builds the update expression of changes, and the condition with the values of both. */
function expressionOf(
  { set = {}, remove = [], add = {} }: Changes,
  { condition, values }: Expression & { condition: string },
): [update: string, expression: Expression & { condition: string }] {
  const clauses: [string, string[]][] = [
    ["SET", Object.keys(set).map((name) => `#${name} = :${name}`)],
    ["REMOVE", remove.map((name) => `#${name}`)],
    ["ADD", Object.keys(add).map((name) => `#${name} :${name}`)],
  ];
  const update = clauses.flatMap(([verb, terms]) => (terms.length === 0 ? [] : [`${verb} ${terms.join(", ")}`]));
  const assigned = Object.entries({ ...set, ...add }).map(([name, value]) => [`:${name}`, value]);
  return [update.join(" "), { condition, values: { ...Object.fromEntries(assigned), ...values } }];
}

function updatePointer(
  transaction: Transaction,
  identity: string,
  changes: Changes,
  condition: Expression & { condition: string },
): void {
  transaction.update("pointer", pointerKey(identity), ...expressionOf(changes, condition));
}

const pathOf = ({ organisation, environment, slug }: Located): string => clusterKey(organisation, environment, slug).sk;

const EXISTS = { condition: "attribute_exists(#pk)" };

const holdsLease = ({ fence, leaseId }: Lease) => ({
  condition: "#fence = :held AND #leaseId = :lease",
  values: { ":held": fence, ":lease": leaseId },
});

/** Returns whether a worker still has a lease, by the pointer as read or as returned by a refused write. */
export const isLeaseHeld = (
  pointer: { readonly fence?: unknown; readonly leaseId?: unknown } | undefined,
  { fence, leaseId }: Lease,
): boolean => pointer?.fence === fence && pointer.leaseId === leaseId;

/** Returns the attributes that place a pointer in the due index. @param dueAt RFC 3339 */
const due = (identity: string, dueAt: string) => ({ duePk: dueShard(identity), dueAt });

/**
 * Requests a reconciliation now. The stream's filter (`functions/reconciler/invocations.ts`) selects records by `requestedAt`,
 * which a worker removes at the end of its lease. `wakes` counts requests, so that a worker detects one during its lease.
 */
const requestNow = (identity: string, now: string) => ({
  set: { ...due(identity, now), requestedAt: now },
  add: { wakes: 1 },
});

/** Reads a pointer. @returns undefined if there is no such cluster */
export async function readPointer({ table }: Pick<Services, "table">, identity: string): Promise<Pointer | undefined> {
  const key = pointerKey(identity);
  const item = (await table.get([key])).get(keyText(key));
  return item && pointerEntity.read(item);
}

/**
 * Builds the pointer of a new cluster, which requests the first reconciliation.
 *
 * @param now RFC 3339
 */
export function pointerItem(cluster: Located, now: string): RawItem {
  const { identity, organisation } = cluster;
  const pointer: Pointer = { identity, organisation, path: pathOf(cluster), fence: 0, wakes: 0, attempts: 0 };
  return pointerEntity.write(pointerKey(identity), pointer, { ...due(identity, now), requestedAt: now });
}

/**
 * Makes a cluster due because a user changed it. It also updates the path, which a move changes.
 *
 * @param now RFC 3339
 */
export function markDue(transaction: Transaction, cluster: Located, now: string): void {
  const { set, add } = requestNow(cluster.identity, now);
  updatePointer(transaction, cluster.identity, { set: { ...set, path: pathOf(cluster) }, add }, EXISTS);
}

/**
 * Makes a restored cluster due: like `markDue`, and removes the result of its former reconciliations and its expiry.
 *
 * @param now RFC 3339
 */
export function markRestored(transaction: Transaction, cluster: Located, now: string): void {
  const { set, add } = requestNow(cluster.identity, now);
  const changes = {
    set: { ...set, ...NO_FAILURES.set, path: pathOf(cluster) },
    remove: ["ttl", ...NO_FAILURES.remove, "observation"],
    add,
  };
  updatePointer(transaction, cluster.identity, changes, EXISTS);
}

/**
 * Makes a cluster due without backoff, on condition that it is not deleted.
 *
 * @param identity of the cluster
 * @param now RFC 3339
 */
export function markDueForRetry(transaction: Transaction, identity: string, now: string): void {
  const { set, add } = requestNow(identity, now);
  updatePointer(
    transaction,
    identity,
    { set: { ...set, ...NO_FAILURES.set }, remove: NO_FAILURES.remove, add },
    { condition: `${EXISTS.condition} AND attribute_not_exists(#ttl)` },
  );
}

/** Lease that a worker requests. */
interface LeaseRequest {
  /** Random id of this request, the same for all of its attempts. */
  leaseId: string;
  /** Present time, RFC 3339. */
  now: string;
  /** End of the lease, RFC 3339. */
  leaseUntil: string;
  /** Leases that end then or earlier have expired, RFC 3339. */
  expired: string;
}

/** Returns whether a worker has a lease that has not expired. */
const isLeased = ({ leaseUntil }: Pointer, { expired }: LeaseRequest): boolean =>
  leaseUntil !== undefined && leaseUntil > expired;

/**
 * Leases a cluster that is due, and reads its pointer with the same call.
 *
 * After a lease that was released, the fencing token stays the same: its worker makes no more calls, and raised the token if one of
 * its calls failed. After a lease that expired, a second call raises the token, because its worker may still run.
 *
 * @returns the pointer; `isTaken` is false if the cluster is not due or is leased. Undefined if there is no such cluster
 * @throws AppError unavailable as `updateItem`
 */
export async function takeDueLease(
  { table, writeTimeoutMs }: Pick<Services, "table" | "writeTimeoutMs">,
  identity: string,
  request: LeaseRequest,
): Promise<{ isTaken: boolean; pointer: Pointer } | undefined> {
  const { leaseId, leaseUntil, now } = request;
  const deadline = deadlineIn(writeTimeoutMs);
  const take = async (changes: Changes, condition: string, values: Record<string, unknown>) => {
    const expression = expressionOf(changes, { condition: `#dueAt <= :due AND ${condition}`, values });
    const { isUpdated, item } = await updateItem(table, pointerKey(identity), ...expression, deadline);
    const pointer = item && pointerEntity.read(item);
    const isOwn = pointer?.leaseId === leaseId && pointer.leaseUntil !== undefined;
    return pointer && { isTaken: isUpdated || isOwn, pointer };
  };
  const set = { leaseUntil, leaseId };
  const taken = await take({ set }, "attribute_not_exists(#leaseUntil)", { ":due": now });
  if (taken === undefined || taken.isTaken) return taken;
  const { pointer } = taken;
  const isExpired = pointer.leaseUntil !== undefined && !isLeased(pointer, request);
  if (!isExpired || pointer.dueAt === undefined || pointer.dueAt > now) return taken;
  return await take({ set, add: { fence: 1 } }, "#fence = :held AND #leaseUntil = :ended", {
    ":due": now,
    ":held": pointer.fence,
    ":ended": pointer.leaseUntil,
  });
}

/**
 * Raises the fencing token of a lease, on condition that no other worker has taken one since.
 *
 * @param leaseUntil end of the lease, RFC 3339
 * @param above the new token is higher than this one too
 * @returns the lease with the new token, valid once the transaction is committed
 */
export function takeLease(transaction: Transaction, from: Lease, leaseUntil: string, above = from.fence): Lease {
  const fence = Math.max(from.fence, above) + 1;
  updatePointer(transaction, from.identity, { set: { fence, leaseUntil } }, holdsLease(from));
  return { ...from, fence };
}

function stateChanges({
  observation,
  attempts,
  lastError,
  followUp,
}: ReconcileState): Required<Pick<Changes, "set" | "remove">> {
  const present = Object.entries({ observation, lastError, followUp }).filter(([, value]) => value !== undefined);
  const remove = Object.entries({ lastError, followUp }).flatMap(([name, value]) =>
    value === undefined ? [name] : [],
  );
  return { set: { attempts, ...Object.fromEntries(present) }, remove };
}

const unchanged = { set: {}, remove: [] };

/**
 * Extends a lease, on condition that no other worker has taken one since.
 *
 * @param leaseUntil end of the lease, RFC 3339
 * @param state undefined to keep the stored one
 */
export function extendLease(transaction: Transaction, lease: Lease, leaseUntil: string, state?: ReconcileState): void {
  const { set, remove } = state === undefined ? unchanged : stateChanges(state);
  updatePointer(transaction, lease.identity, { set: { ...set, leaseUntil }, remove }, holdsLease(lease));
}

/** End of a worker's lease. */
export interface Release {
  /** Number of requests when the pointer was read. */
  wakes: number;
  state: ReconcileState;
  /** Time of the next reconciliation; undefined if nothing is pending. */
  dueAt: Date | undefined;
  /** True if a call of the worker failed, and may still take effect: then the fencing token is raised. */
  mustFence: boolean;
}

/** Raises the fencing token at the end of a lease, if that is necessary. */
const fencing = (mustFence: boolean) => (mustFence ? { add: { fence: 1 } } : {});

/** Builds the changes that end a lease and all requests, on condition that none arrived since the pointer was read. */
function releaseChanges(
  lease: Lease,
  { wakes, state, dueAt, mustFence }: Release,
): [Changes, Expression & { condition: string }] {
  const { identity } = lease;
  const { set, remove } = stateChanges(state);
  const { condition, values } = holdsLease(lease);
  return [
    {
      set: { ...set, ...(dueAt === undefined ? {} : due(identity, dueAt.toISOString())) },
      remove: [...remove, "leaseUntil", "requestedAt", ...(dueAt === undefined ? DUE : [])],
      ...fencing(mustFence),
    },
    { condition: `${condition} AND #wakes = :wakes`, values: { ...values, ":wakes": wakes } },
  ];
}

/** Ends a lease and all requests, on condition that none arrived since the pointer was read. */
export function release(transaction: Transaction, lease: Lease, ending: Release): void {
  updatePointer(transaction, lease.identity, ...releaseChanges(lease, ending));
}

/**
 * Ends a lease as `release` does, without another write: one update costs half of a transaction. A repeated update, after a lost
 * response, sets the same values, or fails because the token is raised, another worker has the lease, or a request arrived since: then
 * the pointer has no `leaseUntil`.
 *
 * @returns the pointer after the update, or as it is if the condition failed
 * @throws AppError unavailable as `updateItem`
 */
export async function releaseAlone(
  { table, writeTimeoutMs }: Pick<Services, "table" | "writeTimeoutMs">,
  lease: Lease,
  ending: Release,
): Promise<{ isUpdated: boolean; item: RawItem | undefined }> {
  const expression = expressionOf(...releaseChanges(lease, ending));
  return await updateItem(table, pointerKey(lease.identity), ...expression, deadlineIn(writeTimeoutMs));
}

/**
 * Ends a lease and leaves the cluster due for the requests that arrived during the lease. Their `requestedAt` stays: without the
 * lease this record passes the stream's filter, which the records under the lease did not.
 */
export function releaseRequested(transaction: Transaction, lease: Lease, { state, mustFence }: Release): void {
  const { set, remove } = stateChanges(state);
  const changes = { set, remove: [...remove, "leaseUntil"], ...fencing(mustFence) };
  updatePointer(transaction, lease.identity, changes, holdsLease(lease));
}

function tombstoneReference({ organisation, environment, slug, identity }: Located, now: Date) {
  const ttl = ttlAfter(now, TOMBSTONE_DAYS * DAY_MS);
  return { path: tombstoneKey(organisation, environment, slug, identity).sk, ttl };
}

/**
 * Points to the tombstone of a deleted cluster and expires with it. The cluster stays due, and the worker keeps its lease to
 * complete the deletion.
 *
 * @param leaseUntil end of the lease, RFC 3339
 */
export function retireUnderLease(
  transaction: Transaction,
  lease: Lease,
  cluster: Located,
  now: Date,
  leaseUntil: string,
  state: ReconcileState,
): void {
  const { set, remove } = stateChanges(state);
  const changes = { set: { ...set, leaseUntil, ...tombstoneReference(cluster, now) }, remove };
  updatePointer(transaction, lease.identity, changes, holdsLease(lease));
}

/** Points to the tombstone of a deleted cluster and expires with it. The cluster is not due any more, and a worker loses its lease. */
export function retire(transaction: Transaction, cluster: Located, now: Date): void {
  updatePointer(
    transaction,
    cluster.identity,
    {
      set: tombstoneReference(cluster, now),
      remove: [...DUE, "requestedAt", "leaseUntil"],
      add: { fence: 1 },
    },
    EXISTS,
  );
}
