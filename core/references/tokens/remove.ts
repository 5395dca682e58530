/** Revokes a personal access token of the caller. */

import * as v from "valibot";
import { authenticate } from "../../access/authorize.ts";
import type { Context, WriteOptions } from "../../context.ts";
import { readWriteOptions } from "../../request/write.ts";
import { invalid, notFound } from "../../shared/errors.ts";
import { type Deadline, deadlineIn } from "../../shared/retry.ts";
import { uuid } from "../../shared/schemas.ts";
import type { Parsed } from "../../shared/validation.ts";
import { type Key, tokenKey } from "../../table/keys.ts";
import { commit, retryOnConflict } from "../../table/transaction.ts";
import { tokenEntity } from "../../tenancy/member.ts";
import { revokeTransaction } from "./store.ts";

/** Request to revoke a token. */
interface RemoveInput {
  /** Identity in the path, as sent. */
  token: string;
  options: Parsed<WriteOptions>;
}

/** Result of a revocation, or of its dry run. */
type RemoveTokenResult = { kind: "removed" } | { kind: "dryRun"; body: object; consequences: readonly never[] };

/**
 * Revokes a token of the caller, which may be the token of this request: the next request with it is refused. Two database round trips.
 *
 * @throws AppError as `authenticate`; not found, also for a token of another user; invalid with every problem of the options
 */
export async function remove(context: Context, input: RemoveInput): Promise<RemoveTokenResult> {
  const revokedBy = context.ids.identity();
  return await retryOnConflict(deadlineIn(context.writeTimeoutMs), (deadline) =>
    attempt(context, input, revokedBy, deadline),
  );
}

/** Makes one attempt. @returns undefined after a concurrent change: then everything must be read again */
async function attempt(
  context: Context,
  { token: identity, options }: RemoveInput,
  revokedBy: string,
  deadline: Deadline,
): Promise<RemoveTokenResult | undefined> {
  const keys: Key[] = v.is(uuid, identity) ? [tokenKey(identity.toLowerCase())] : [];
  const { actor, prefetched } = await authenticate(context, { keys: () => keys });
  const [item] = keys.map((key) => prefetched(key));
  const token = item && tokenEntity.read(item);
  if (token === undefined || token.user !== actor.user || token.revokedAt !== undefined) throw tokenNotFound();
  const { dryRun, problems } = readWriteOptions(context, options, []);
  if (problems.length > 0) throw invalid(problems);
  if (dryRun) return { kind: "dryRun", body: {}, consequences: [] };
  const failures = await commit(context.table, revokeTransaction(token, { now: context.clock(), revokedBy }), deadline);
  if (failures.length === 0) return { kind: "removed" };
  // An attempt whose response was lost has revoked it. It may be the token of this request, so nothing more can be read with it.
  const present = failures.find(({ label }) => label === "token")?.present;
  return present !== undefined && tokenEntity.read(present).revokedBy === revokedBy ? { kind: "removed" } : undefined;
}

// Never repeats the identity of the path: it may be a token that was sent by mistake.
const tokenNotFound = () => notFound("token.missing", "You have no such personal access token.");
