/** Part of a pointer's update that requests a reconciliation of a cluster. */

import { dueShard } from "../../table/keys.ts";

/** Clauses of an update expression on a pointer, with their values. */
export interface ReconcileRequest {
  /** Assignments for a `SET` clause. */
  set: string;
  /** Increments for an `ADD` clause. */
  add: string;
  values: Readonly<Record<string, unknown>>;
}

/**
 * Builds the request that every write of a user or of an operator adds to a pointer. It makes the cluster due and sets
 * `requestedAt`: the stream's filter (`functions/reconciler/invocations.ts`) selects records by that attribute, and a worker removes it
 * at the end.
 *
 * @param identity of the cluster
 * @param now RFC 3339
 */
export function reconcileRequest(identity: string, now: string): ReconcileRequest {
  return {
    set: "#duePk = :duePk, #dueAt = :now, #requestedAt = :now",
    add: "#wakes :one",
    values: { ":duePk": dueShard(identity), ":now": now, ":one": 1 },
  };
}

/**
 * Returns the attributes that request the first reconciliation, for a new pointer.
 *
 * @param identity of the cluster
 * @param now RFC 3339
 */
export const firstReconcileRequest = (identity: string, now: string) => ({
  duePk: dueShard(identity),
  dueAt: now,
  requestedAt: now,
});
