/** Bootstrap tokens, with which a machine authenticates once to join as a node. Pure functions, except for token generation. */

import { createHash, randomInt } from "node:crypto";
import { HOUR_MS } from "../shared/time.ts";
import type { BootstrapTokens } from "./entity.ts";

/** Lifetime of a token, in hours; the default of kubeadm. */
const TOKEN_HOURS = 24;

/** Maximum number of valid tokens of a cluster. A further token revokes the oldest. */
export const MAX_TOKENS = 20;

// Kubernetes' format: https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/
const ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789";
const ID_LENGTH = 6;
const SECRET_LENGTH = 16;

const randomText = (length: number) => Array.from({ length }, () => ALPHABET[randomInt(ALPHABET.length)]).join("");

/** Generates a token, such as `abcdef.0123456789abcdef`. */
export const generateToken = (): string => `${randomText(ID_LENGTH)}.${randomText(SECRET_LENGTH)}`;

/** Returns the stored hash of a token. Plain SHA-256 is enough for 82 random bits that are valid for a day. */
const hashOf = (token: string) => createHash("sha256").update(token).digest("hex");

/**
 * Adds a token to those of a cluster. Removes expired tokens. Revokes the oldest ones above `MAX_TOKENS`.
 *
 * @param before stored tokens; undefined if there are none yet
 * @returns the new stored tokens, and the ids of the revoked ones
 */
export function addToken(
  before: Omit<BootstrapTokens, "sealed"> | undefined,
  clusterIdentity: string,
  token: string,
  now: Date,
): { after: BootstrapTokens; revoked: string[] } {
  const at = now.toISOString();
  const expiresAt = new Date(now.getTime() + TOKEN_HOURS * HOUR_MS).toISOString();
  const [id = ""] = token.split(".");
  const valid = (before?.tokens ?? []).filter((each) => each.expiresAt > at);
  const remaining = valid.slice(-(MAX_TOKENS - 1));
  return {
    after: {
      clusterIdentity,
      revision: (before?.revision ?? 0) + 1,
      tokens: [...remaining, { id, hash: hashOf(token), createdAt: at, expiresAt }],
    },
    revoked: valid.filter((each) => !remaining.includes(each)).map((each) => each.id),
  };
}

/** Returns the stored tokens after the pending ones were created in the cluster and the revoked ones were deleted there. */
export const withoutPending = ({
  sealed: _,
  revoked: _revoked,
  revision,
  ...rest
}: BootstrapTokens): BootstrapTokens => ({
  ...rest,
  revision: revision + 1,
});
