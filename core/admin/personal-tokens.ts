/** Creates, lists and revokes personal access tokens. */

import { randomBytes } from "node:crypto";
import * as v from "valibot";
import type { Services } from "../context.ts";
import { DEFAULT_TOKEN_DAYS, MAX_TOKEN_DAYS } from "../references/tokens/rules.ts";
import { tokenName, tokenSources } from "../references/tokens/schema.ts";
import { createTransaction, revokeTransaction } from "../references/tokens/store.ts";
import { invalid, notFound } from "../shared/errors.ts";
import { deadlineIn } from "../shared/retry.ts";
import { uuid } from "../shared/schemas.ts";
import { DAY_MS } from "../shared/time.ts";
import { validate } from "../shared/validation.ts";
import { keyText, tokenKey, USER_TOKEN_PREFIX, userTokenKey } from "../table/keys.ts";
import { commit, retryOnConflict } from "../table/transaction.ts";
import { type Token, tokenEntity, userTokenEntity } from "../tenancy/member.ts";
import { formatToken, hashToken, parseToken, SECRET_BYTES } from "../tenancy/token.ts";

const CreateToken = v.object({
  user: uuid,
  name: tokenName,
  days: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(MAX_TOKEN_DAYS)), DEFAULT_TOKEN_DAYS),
  sources: v.optional(tokenSources, []),
});

/** Record of a token as shown to its user, without the token and its hash. */
type TokenRecord = Omit<Token, "hash" | "revokedBy" | "isCounted">;

/**
 * Creates a token for a user. It does not count towards the limit of the user's own tokens.
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
  const failures = await commit(
    services.table,
    createTransaction({ ...record, hash }),
    deadlineIn(services.writeTimeoutMs),
  );
  // Only an own write whose response was lost can have used a random key.
  const written = failures.find(({ label }) => label === "token")?.present;
  const isOwn = written !== undefined && tokenEntity.read(written).hash === hash;
  if (failures.length > 0 && !isOwn) throw new Error(`token id ${tokenId} was generated twice`);
  return { record, token };
}

function toRecord(token: Token): TokenRecord {
  const { tokenId, user, name, createdAt, expiresAt, revokedAt, lastUsedAt, sources } = token;
  const record: TokenRecord = { tokenId, user, name, createdAt, expiresAt, sources };
  return {
    ...record,
    ...(revokedAt === undefined ? {} : { revokedAt }),
    ...(lastUsedAt === undefined ? {} : { lastUsedAt }),
  };
}

/**
 * Lists a user's tokens, oldest first, including expired ones, and revoked ones that an operator created. A token that its user created
 * and revoked is not listed.
 */
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
  const key = tokenKey(tokenId);
  const revokedBy = services.ids.identity();
  return await retryOnConflict(deadlineIn(services.writeTimeoutMs), async (deadline) => {
    const item = (await services.table.get([key])).get(keyText(key));
    if (item === undefined) throw missing;
    const token = tokenEntity.read(item);
    if (token.revokedAt !== undefined) return toRecord(token);
    const now = services.clock();
    const failures = await commit(services.table, revokeTransaction(token, { now, revokedBy }), deadline);
    return failures.length === 0 ? toRecord({ ...token, revokedAt: now.toISOString() }) : undefined;
  });
}
