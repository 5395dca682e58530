/** Bootstrap tokens: with which a machine proves once that it may become a node. Pure rules, but for the drawing. */

import { createHash, randomInt } from "node:crypto";
import type { BootstrapTokens } from "./entity.ts";

/** How long a token is good for, in hours: kubeadm's own default. */
export const TOKEN_HOURS = 24;

/** How many tokens of a cluster are good at a time; the oldest gives way. */
export const MAX_TOKENS = 20;

// Kubernetes' format: https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/
const ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789";
const ID_LENGTH = 6;
const SECRET_LENGTH = 16;

const randomText = (length: number) => Array.from({ length }, () => ALPHABET[randomInt(ALPHABET.length)]).join("");

/** Draws a token, such as `abcdef.0123456789abcdef`. */
export const generateToken = (): string => `${randomText(ID_LENGTH)}.${randomText(SECRET_LENGTH)}`;

/** What is kept of a token. A plain SHA-256 is enough for 82 random bits that are good for a day. */
const hashOf = (token: string) => createHash("sha256").update(token).digest("hex");

/**
 * Adds a token to those of a cluster. Those that expired are forgotten, and of too many the oldest are revoked.
 *
 * @param before undefined where there was none yet
 * @returns all tokens as they are now, and the ids of those that were good and are not any more
 */
export function addToken(
  before: BootstrapTokens | undefined,
  clusterIdentity: string,
  token: string,
  now: Date,
): { after: BootstrapTokens; revoked: string[] } {
  const at = now.toISOString();
  const expiresAt = new Date(now.getTime() + TOKEN_HOURS * 60 * 60_000).toISOString();
  const [id = ""] = token.split(".");
  const alive = (before?.tokens ?? []).filter((each) => each.expiresAt > at);
  const kept = alive.slice(-(MAX_TOKENS - 1));
  return {
    after: {
      clusterIdentity,
      revision: (before?.revision ?? 0) + 1,
      tokens: [...kept, { id, hash: hashOf(token), createdAt: at, expiresAt }],
    },
    revoked: alive.filter((each) => !kept.includes(each)).map((each) => each.id),
  };
}
