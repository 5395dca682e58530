/** Idempotent requests: stores the response to the first request and replays it to retries. */

import * as v from "valibot";
import type { Actor, Context } from "../context.ts";
import { AppError } from "../shared/errors.ts";
import { parseJson } from "../shared/json.ts";
import type { Deadline } from "../shared/retry.ts";
import { epochSeconds, HOUR_MS, hasTtlExpired, ttlAfter } from "../shared/time.ts";
import { defineEntity, type RawItem } from "../table/entity.ts";
import { idempotencyKey, keyText } from "../table/keys.ts";
import { commit, type Expression, Transaction } from "../table/transaction.ts";

/** Retention of stored responses, in hours. */
const RETENTION_HOURS = 24;

/** Label of the condition that fails if a concurrent request with the same key already stored its response. */
export const IDEMPOTENCY_LABEL = "idempotency";

const StoredResponseItem = v.object({
  fingerprint: v.string(),
  body: v.unknown(),
  /** Entity tag, without quotes. */
  etag: v.string(),
  /** Unknown properties and options of the request. */
  ignored: v.array(v.string()),
  createdAt: v.string(),
  ttl: v.number(),
});

/** Entity of a stored response. */
export const storedResponseEntity = defineEntity("idempotency-record", 2, StoredResponseItem, {
  attributes: ["ttl"],
  migrations: {
    1: ({ tag, body, ...rest }) => ({
      ...rest,
      body: parseJson(String(body)),
      etag: String(tag).replaceAll('"', ""),
    }),
  },
});

/** Representation of an item: the result of a successful request, stored for its retries. */
export interface Representation<Body> {
  kind: "representation";
  body: Body;
  /** The entity tag, without quotes. */
  etag: string;
}

/**
 * Returns the stored response to this request. Its body has the type of the operation's response, because a stored response
 * belongs to one request, by its fingerprint.
 *
 * @param item record as read
 * @throws AppError idempotencyKeyReused if the key belongs to another request
 */
export function findReplay<Body>(context: Context, item: RawItem | undefined): Representation<Body> | undefined {
  if (item === undefined || context.idempotency === undefined) return undefined;
  const stored = storedResponseEntity.read(item);
  // DynamoDB removes expired items late.
  if (hasTtlExpired(stored, context.clock())) return undefined;
  if (stored.fingerprint !== context.idempotency.fingerprint) {
    throw new AppError("idempotencyKeyReused", "idempotency.other_request", [
      `${context.idempotency.name}: this key was already used for another request; use a new key`,
    ]);
  }
  context.responseMetadata.replayed = true;
  for (const name of stored.ignored) context.responseMetadata.ignored.add(name);
  return { kind: "representation", body: stored.body as Body, etag: stored.etag };
}

/**
 * Runs the work of a request. After a conflict, reads the stored response once more: the conflict may be with the first
 * attempt of the same request, which was written after this one had looked for a stored response.
 *
 * @throws the error of the work
 */
export async function withReplay<Body, Other>(
  context: Context,
  work: () => Promise<Representation<Body> | Other>,
): Promise<Representation<Body> | Other> {
  try {
    return await work();
  } catch (error) {
    const { credentials, idempotency, table } = context;
    const isConflict = error instanceof AppError && error.kind === "conflict";
    if (!isConflict || credentials === undefined || idempotency?.storesResponse !== true) throw error;
    const key = idempotencyKey(credentials.tokenId, idempotency.keyHash);
    const replay = findReplay<Body>(context, (await table.get([key])).get(keyText(key)));
    if (replay === undefined) throw error;
    return replay;
  }
}

/** Adds the stored response to a transaction, if the caller sent a key. */
export function storeResponse(
  context: Context,
  transaction: Transaction,
  actor: Actor,
  response: Representation<unknown>,
): void {
  if (context.idempotency?.storesResponse !== true) return;
  const { keyHash, fingerprint } = context.idempotency;
  const now = context.clock();
  const record = {
    fingerprint,
    body: response.body,
    etag: response.etag,
    ignored: [...context.responseMetadata.ignored],
    createdAt: now.toISOString(),
    ttl: ttlAfter(now, RETENTION_HOURS * HOUR_MS),
  };
  const unused: Expression = {
    condition: "attribute_not_exists(#pk) OR #ttl <= :now",
    values: { ":now": epochSeconds(now) },
  };
  transaction.put(
    IDEMPOTENCY_LABEL,
    storedResponseEntity.write(idempotencyKey(actor.tokenId, keyHash), record),
    unused,
  );
}

/**
 * Stores the response of a request that changed nothing.
 *
 * @returns true if it is stored, or need not be; false after a concurrent request with the same key
 * @throws AppError unavailable as `commit`
 */
export async function storeResponseOnly(
  context: Context,
  actor: Actor,
  response: Representation<unknown>,
  deadline: Deadline,
): Promise<boolean> {
  if (context.idempotency?.storesResponse !== true) return true;
  const transaction = new Transaction();
  storeResponse(context, transaction, actor, response);
  return (await commit(context.table, transaction, deadline)).length === 0;
}
