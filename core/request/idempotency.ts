/** Requests that may be repeated and happen once: the answer to the first is kept, and given to the others. */

import * as v from "valibot";
import type { Actor, Context } from "../context.ts";
import { AppError } from "../shared/errors.ts";
import { parseJson } from "../shared/json.ts";
import type { Deadline } from "../shared/retry.ts";
import { defineEntity, type RawItem } from "../table/entity.ts";
import { idempotencyKey, keyText } from "../table/keys.ts";
import { commit, type Expression, Transaction } from "../table/transaction.ts";

/** Answers are kept this long. */
const RETENTION_HOURS = 24;

/** By which a failed condition is recognised: another request of the same key was faster, and its answer is there. */
export const IDEMPOTENCY_LABEL = "idempotency";

const StoredResponseItem = v.object({
  fingerprint: v.string(),
  /** JSON, for the names in it are free text. */
  body: v.string(),
  tag: v.string(),
  /** What the request held that was not understood, as a warning names it. */
  ignored: v.array(v.string()),
  createdAt: v.string(),
  ttl: v.number(),
});

/** A kept answer, as it is stored. */
export const storedResponseEntity = defineEntity("idempotency-record", 1, StoredResponseItem);

/** A success as it is kept. */
export interface StoredResponse {
  body: unknown;
  /** The entity tag, with its quotes. */
  etag: string;
}

const seconds = (date: Date) => Math.floor(date.getTime() / 1_000);

/**
 * Finds the answer that was kept for this request.
 *
 * @param item the record as it was read
 * @throws AppError unprocessable where the key stands for another request
 */
export function findReplay(context: Context, item: RawItem | undefined): StoredResponse | undefined {
  if (item === undefined || context.idempotency === undefined) return undefined;
  const kept = storedResponseEntity.read(item);
  // DynamoDB removes expired items late.
  if (kept.ttl <= seconds(context.clock())) return undefined;
  if (kept.fingerprint !== context.idempotency.fingerprint) {
    throw new AppError("unprocessable", "idempotency.other_request", [
      "Idempotency-Key: this key was used for another request; use a new key for a new request",
    ]);
  }
  context.responseMetadata.replayed = true;
  for (const name of kept.ignored) context.responseMetadata.ignored.add(name);
  return { body: parseJson(kept.body), etag: kept.tag };
}

/**
 * Does the work of a request, and where it meets a conflict looks once more whether the conflict is with its own first
 * sending, which was written after this one had looked for an answer.
 *
 * @throws what the work throws
 */
export async function withReplay<T>(context: Context, work: () => Promise<T>): Promise<T | StoredResponse> {
  try {
    return await work();
  } catch (error) {
    const { credentials, idempotency, table } = context;
    const isConflict = error instanceof AppError && error.kind === "conflict";
    if (!isConflict || credentials === undefined || idempotency?.storesResponse !== true) throw error;
    const key = idempotencyKey(credentials.tokenId, idempotency.keyHash);
    const kept = findReplay(context, (await table.get([key])).get(keyText(key)));
    if (kept === undefined) throw error;
    return kept;
  }
}

/** Adds to a transaction what keeps its answer, where the caller sent a key. */
export function storeResponse(context: Context, transaction: Transaction, actor: Actor, answer: StoredResponse): void {
  if (context.idempotency?.storesResponse !== true) return;
  const { keyHash, fingerprint } = context.idempotency;
  const now = context.clock();
  const record = {
    fingerprint,
    body: JSON.stringify(answer.body),
    tag: answer.etag,
    ignored: [...context.responseMetadata.ignored],
    createdAt: now.toISOString(),
    ttl: seconds(now) + RETENTION_HOURS * 60 * 60,
  };
  const unused: Expression = {
    condition: "attribute_not_exists(#pk) OR #ttl <= :now",
    values: { ":now": seconds(now) },
  };
  transaction.put(
    IDEMPOTENCY_LABEL,
    storedResponseEntity.write(idempotencyKey(actor.tokenId, keyHash), record),
    unused,
  );
}

/**
 * Keeps the answer of a request that changed nothing.
 *
 * @returns whether it is kept, or need not be; false where another request of the same key was faster
 * @throws AppError unavailable as `commit`
 */
export async function storeResponseOnly(
  context: Context,
  actor: Actor,
  answer: StoredResponse,
  deadline: Deadline,
): Promise<boolean> {
  if (context.idempotency?.storesResponse !== true) return true;
  const transaction = new Transaction();
  storeResponse(context, transaction, actor, answer);
  return (await commit(context.table, transaction, deadline)).length === 0;
}
