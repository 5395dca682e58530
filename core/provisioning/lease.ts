/** Having a cluster to oneself for a while: the lease on its pointer, and the fence that makes late writes fail. */

import { type Pointer, pointerEntity } from "../cluster/entity.ts";
import type { Services } from "../context.ts";
import { deadlineIn } from "../shared/retry.ts";
import { dueShard, keyText, pointerKey } from "../table/keys.ts";
import { commit, Transaction } from "../table/transaction.ts";

/** How long a worker has a cluster without writing anything, in milliseconds: longer than one step may take. */
export const LEASE_MS = 45_000;

/** A worker's hold on a cluster. */
export interface Lease {
  identity: string;
  fence: number;
}

/** Reads a pointer. @returns undefined where there is no such cluster */
export async function readPointer({ table }: Pick<Services, "table">, identity: string): Promise<Pointer | undefined> {
  const key = pointerKey(identity);
  const item = (await table.get([key])).get(keyText(key));
  return item && pointerEntity.read(item);
}

/** Why a cluster was not taken. */
export type LeaseRefusal = "gone" | "idle" | "early" | "leased";

/**
 * Takes a cluster that is due.
 *
 * @param services `startedAt`, where leases taken before are of a process that is known to be gone
 * @returns the lease, or why there is none: no such cluster, nothing pending, not due yet, or another worker has it
 * @throws AppError unavailable as `commit`
 */
export async function acquireLease(
  services: Services & { startedAt?: Date },
  identity: string,
): Promise<Lease | LeaseRefusal> {
  const now = services.clock();
  const pointer = await readPointer(services, identity);
  if (pointer === undefined) return "gone";
  if (pointer.dueAt === undefined) return "idle";
  if (Date.parse(pointer.dueAt) > now.getTime()) return "early";
  if (isHeld(pointer, now, services.startedAt)) return "leased";
  return (await raiseFence(services, { identity, fence: pointer.fence })) ?? "leased";
}

/**
 * Raises the fence: whatever was planned under a lower one is refused from now on, also by the provisioner once it sees a plan
 * of this one. A worker does it that gave up a call, which may still have its effect.
 *
 * @param from the fence as it was read, or the worker's lease
 * @returns the lease, a new one; undefined where another worker was faster
 * @throws AppError unavailable as `commit`
 */
export async function raiseFence(services: Services, from: Lease): Promise<Lease | undefined> {
  const fence = from.fence + 1;
  const transaction = new Transaction().update(
    "pointer",
    pointerKey(from.identity),
    "SET #fence = :fence, #leaseUntil = :until",
    {
      condition: "#fence = :before",
      values: { ":fence": fence, ":before": from.fence, ":until": leaseEnd(services) },
    },
  );
  const failures = await commit(services.table, transaction, deadlineIn(services.writeTimeoutMs));
  return failures.length === 0 ? { identity: from.identity, fence } : undefined;
}

function isHeld({ leaseUntil }: Pointer, now: Date, startedAt: Date | undefined): boolean {
  const until = leaseUntil === undefined ? 0 : Date.parse(leaseUntil);
  // A lease of a process that is gone; were it not, the fence would still keep it from writing.
  if (startedAt !== undefined && until - LEASE_MS < startedAt.getTime()) return false;
  return until > now.getTime();
}

const leaseEnd = ({ clock }: Pick<Services, "clock">) => new Date(clock().getTime() + LEASE_MS).toISOString();

/** What a worker notes on the pointer. */
export interface ReconcileNotes {
  observation?: Pointer["observation"];
  attempts: number;
  lastError?: Pointer["lastError"];
}

/**
 * Adds to a transaction that the worker goes on: what it notes, and a lease as long as a new one. It fails (label `pointer`) for
 * a worker whose lease another has taken since.
 *
 * @param note left as it is where there is nothing new to note
 * @param more assignments on the pointer, with the values they name
 */
export function renewLease(
  services: Services,
  transaction: Transaction,
  lease: Lease,
  note?: ReconcileNotes,
  more: { sets?: readonly string[]; values?: Record<string, unknown> } = {},
): void {
  const { update, values } = note === undefined ? NO_NOTES : applyNotes(note);
  const sets = ["#leaseUntil = :until", ...update.sets, ...(more.sets ?? [])];
  const removes = update.removes.length === 0 ? "" : ` REMOVE ${update.removes.join(", ")}`;
  transaction.update("pointer", pointerKey(lease.identity), `SET ${sets.join(", ")}${removes}`, {
    condition: "#fence = :fence",
    values: { ...values, ...more.values, ":fence": lease.fence, ":until": leaseEnd(services) },
  });
}

const NO_NOTES = { update: { sets: [], removes: [] }, values: {} };

function applyNotes({ observation, attempts, lastError }: ReconcileNotes) {
  const sets = ["#attempts = :attempts"];
  const values: Record<string, unknown> = { ":attempts": attempts };
  if (observation !== undefined) {
    sets.push("#observation = :observation");
    values[":observation"] = observation;
  }
  if (lastError !== undefined) {
    sets.push("#lastError = :lastError");
    values[":lastError"] = lastError;
  }
  return { update: { sets, removes: lastError === undefined ? ["#lastError"] : [] }, values };
}

/**
 * Ends a lease.
 *
 * @param wakes of the pointer as it was when the cluster was read
 * @param dueAt when to look again; undefined where nothing is pending
 * @param stays whether the worker would rather go on where somebody asked for something since
 * @returns whether it is over, was over before, or, with `stays`, somebody asked for something since and the lease still holds
 * @throws AppError unavailable as `commit`
 */
export async function release(
  services: Services,
  lease: Lease,
  wakes: number,
  note: ReconcileNotes,
  dueAt: Date | undefined,
  stays: boolean,
): Promise<"released" | "fenced" | "woken"> {
  const { update, values } = applyNotes(note);
  const key = pointerKey(lease.identity);
  const removes = ["#leaseUntil", ...update.removes];
  const deadline = deadlineIn(services.writeTimeoutMs);
  const due = dueAt?.toISOString();
  const sets = [...update.sets, ...(due === undefined ? [] : ["#duePk = :duePk", "#dueAt = :dueAt"])];
  // What was requested is done, also what came during the lease: `wakes` is as it was when the cluster was read.
  const gone = [...removes, "#requestedAt", ...(due === undefined ? ["#duePk", "#dueAt"] : [])];
  const marks = due === undefined ? {} : { ":duePk": dueShard(lease.identity), ":dueAt": due };
  const quiet = new Transaction().update("pointer", key, `SET ${sets.join(", ")} REMOVE ${gone.join(", ")}`, {
    condition: "#fence = :fence AND #wakes = :wakes",
    values: { ...values, ...marks, ":fence": lease.fence, ":wakes": wakes },
  });
  const [failure] = await commit(services.table, quiet, deadline);
  if (failure === undefined) return "released";
  if (failure.present?.fence !== lease.fence) return "fenced";
  if (stays) return "woken";
  // What was asked for since left the cluster due, and due it stays. Its `requestedAt` stays too: with the lease gone, this
  // record invokes the stream's function, which the request's own record under the lease did not.
  const woken = new Transaction().update("pointer", key, `SET ${update.sets.join(", ")} REMOVE ${removes.join(", ")}`, {
    condition: "#fence = :fence",
    values: { ...values, ":fence": lease.fence },
  });
  return (await commit(services.table, woken, deadline)).length === 0 ? "released" : "fenced";
}
