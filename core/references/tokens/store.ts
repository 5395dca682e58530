/** Builds the transactions that create and revoke tokens. */

import { DAY_MS, ttlAfter } from "../../shared/time.ts";
import type { RawItem } from "../../table/entity.ts";
import { tokenKey, userTokenCountKey, userTokenKey } from "../../table/keys.ts";
import { Transaction } from "../../table/transaction.ts";
import { MAX_TOKENS, type Token, tokenCountEntity, tokenEntity, userTokenEntity } from "../../tenancy/member.ts";

/** Retention of the record of a token that is not used any more, in days: its name can still be looked up. */
const RETENTION_DAYS = 90;

/** Returns the `ttl` of the record of a token that ends at a time. */
const retainedAfter = (end: Date): number => ttlAfter(end, RETENTION_DAYS * DAY_MS);

/** Returns the number of a user's tokens. @param item as read; undefined if there is none yet */
export const tokensIn = (item: RawItem | undefined): number =>
  item === undefined ? 0 : tokenCountEntity.read(item).tokens;

/**
 * Builds the transaction that creates a token: record and link from its user. A token that counts towards the limit is counted, and both
 * stay until it is revoked. Otherwise they expire some time after the token.
 *
 * @param count number of tokens as read, for a token that counts
 */
export function createTransaction(token: Token, count = 0): Transaction {
  const { tokenId, user, isCounted, expiresAt } = token;
  const extra = isCounted === true ? {} : { ttl: retainedAfter(new Date(expiresAt)) };
  const transaction = new Transaction()
    .create("token", tokenEntity.write(tokenKey(tokenId), token, extra))
    .create("user-token", userTokenEntity.write(userTokenKey(user, tokenId), { tokenId }, extra));
  if (isCounted !== true) return transaction;
  const key = userTokenCountKey(user);
  if (count === 0) return transaction.put("count", tokenCountEntity.write(key, { tokens: 1 }), noTokens);
  return transaction.update("count", key, "ADD #tokens :one", {
    condition: "#tokens < :most",
    values: { ":one": 1, ":most": MAX_TOKENS },
  });
}

const noTokens = { condition: "attribute_not_exists(#pk) OR #tokens = :none", values: { ":none": 0 } };

/**
 * Builds the transaction that revokes a token. The record of a token that counts stays for a while without its link, and is no longer
 * counted.
 *
 * @param token record as read; the transaction requires that it is not revoked
 * @param revocation time, and the id of the request
 */
export function revokeTransaction(token: Token, { now, revokedBy }: { now: Date; revokedBy: string }): Transaction {
  const { tokenId, user, isCounted } = token;
  const isActive = { condition: "attribute_exists(#pk) AND attribute_not_exists(#revokedAt)" };
  const values = { ":now": now.toISOString(), ":by": revokedBy };
  const set = "SET #revokedAt = :now, #revokedBy = :by";
  if (isCounted !== true) {
    return new Transaction().update("token", tokenKey(tokenId), set, { ...isActive, values });
  }
  return new Transaction()
    .update("token", tokenKey(tokenId), `${set}, #ttl = :ttl`, {
      ...isActive,
      values: { ...values, ":ttl": retainedAfter(now) },
    })
    .delete("user-token", userTokenKey(user, tokenId))
    .update("count", userTokenCountKey(user), "ADD #tokens :less", { values: { ":less": -1 } });
}
