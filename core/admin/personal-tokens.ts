/** Creates, lists and revokes personal access tokens. */

import { randomBytes } from "node:crypto";
import * as v from "valibot";
import type { Services } from "../context.ts";
import { invalid, notFound } from "../shared/errors.ts";
import { canSendRequests } from "../shared/ip.ts";
import { deadlineIn } from "../shared/retry.ts";
import { cidr, maxCharacters, text, uuid } from "../shared/schemas.ts";
import { DAY_MS, ttlAfter } from "../shared/time.ts";
import { validate } from "../shared/validation.ts";
import { keyText, tokenKey, USER_TOKEN_PREFIX, userTokenKey } from "../table/keys.ts";
import { commit, Transaction } from "../table/transaction.ts";
import { type Token, tokenEntity, userTokenEntity } from "../tenancy/member.ts";
import { formatToken, hashToken, parseToken, SECRET_BYTES } from "../tenancy/token.ts";

/** Default lifetime of a token, in days. */
const DEFAULT_DAYS = 365;

/** Retention of a token's record after the token expired, in days: its name can still be looked up. */
const RETENTION_DAYS = 90;

const source = v.pipe(cidr, v.check(canSendRequests, "must contain addresses that requests can come from"));

const CreateToken = v.object({
  user: uuid,
  name: v.pipe(text, v.minLength(1), maxCharacters(64)),
  days: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(3_650)), DEFAULT_DAYS),
  sources: v.optional(v.pipe(v.array(source), v.maxLength(50)), []),
});

/** Record of a token as shown to its user, without the token and its hash. */
type TokenRecord = Omit<Token, "hash">;

/**
 * Creates a token for a user.
 *
 * @param input user, name, days (default 365), sources (CIDR blocks; empty allows every address)
 * @returns the record, and the token, which is shown only this once
 * @throws AppError invalid
 */
export async function createToken(services: Services, input: unknown): Promise<{ record: TokenRecord; token: string }> {
  const checked = validate(CreateToken, input);
  if (checked.problems.length > 0) throw invalid(checked.problems);
  const { user, name, days, sources } = checked.complete();
  const now = services.clock();
  const expires = new Date(now.getTime() + days * DAY_MS);
  const tokenId = services.ids.identity();
  const token = formatToken(tokenId, user, randomBytes(SECRET_BYTES));
  const record: TokenRecord = {
    tokenId,
    user,
    name,
    createdAt: now.toISOString(),
    expiresAt: expires.toISOString(),
    sources,
  };
  const hash = hashToken(token);
  const ttl = ttlAfter(expires, RETENTION_DAYS * DAY_MS);
  const transaction = new Transaction()
    .create("token", tokenEntity.write(tokenKey(tokenId), { ...record, hash }, { ttl }))
    .create("user-token", userTokenEntity.write(userTokenKey(user, tokenId), { tokenId }, { ttl }));
  const failures = await commit(services.table, transaction, deadlineIn(services.writeTimeoutMs));
  // Only an own write whose response was lost can have used a random key.
  const written = failures.find(({ label }) => label === "token")?.present;
  const isOwn = written !== undefined && tokenEntity.read(written).hash === hash;
  if (failures.length > 0 && !isOwn) throw new Error(`token id ${tokenId} was generated twice`);
  return { record, token };
}

function toRecord(token: Token): TokenRecord {
  const { tokenId, user, name, createdAt, expiresAt, revokedAt, sources } = token;
  const record: TokenRecord = { tokenId, user, name, createdAt, expiresAt, sources };
  return revokedAt === undefined ? record : { ...record, revokedAt };
}

/** Lists a user's tokens, oldest first, including revoked and expired ones. */
export async function listTokens(services: Services, user: string): Promise<TokenRecord[]> {
  const { pk } = userTokenKey(user, user);
  const items = await services.table.query({ pk, prefix: USER_TOKEN_PREFIX });
  const keys = items.map((item) => tokenKey(userTokenEntity.read(item).tokenId));
  const found = await services.table.get(keys);
  return keys
    .flatMap((key) => {
      const item = found.get(keyText(key));
      return item === undefined ? [] : [toRecord(tokenEntity.read(item))];
    })
    .sort((one, other) => (one.createdAt < other.createdAt ? -1 : one.createdAt > other.createdAt ? 1 : 0));
}

/**
 * Revokes a token: the next request with it is refused. Revoking it again changes nothing.
 *
 * @param given id of the token, or the token itself
 * @throws AppError not found
 */
export async function revokeToken(services: Services, given: string): Promise<TokenRecord> {
  const tokenId = parseToken(given)?.tokenId ?? given.toLowerCase();
  // Never repeat the input: it may be a mistyped token.
  const missing = notFound("token.missing", "There is no such token.");
  if (!v.is(uuid, tokenId)) throw missing;
  const transaction = new Transaction().update(
    "token",
    tokenKey(tokenId),
    "SET #revokedAt = if_not_exists(#revokedAt, :now)",
    { condition: "attribute_exists(#pk)", values: { ":now": services.clock().toISOString() } },
  );
  const failures = await commit(services.table, transaction, deadlineIn(services.writeTimeoutMs));
  const item = (await services.table.get([tokenKey(tokenId)])).get(keyText(tokenKey(tokenId)));
  if (failures.length > 0 || item === undefined) throw missing;
  return toRecord(tokenEntity.read(item));
}
