import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { addToken, generateToken, MAX_TOKENS } from "#core/cluster-access/bootstrap-tokens.ts";
import type { BootstrapTokens } from "#core/cluster-access/entity.ts";

const HOUR = 60 * 60_000;
const start = Date.parse("2026-11-27T00:00:00.000Z");

/** Adds the given number of tokens, one a minute. */
function admitMany(count: number): { tokens: BootstrapTokens | undefined; revoked: string[]; drawn: string[] } {
  let tokens: BootstrapTokens | undefined;
  const revoked: string[] = [];
  const drawn = Array.from({ length: count }, generateToken);
  for (const [minute, token] of drawn.entries()) {
    const result = addToken(tokens, "one", token, new Date(start + minute * 60_000));
    tokens = result.after;
    revoked.push(...result.revoked);
  }
  return { tokens, revoked, drawn };
}

test("bootstrap tokens have kubeadm's format and are all different", () => {
  const drawn = Array.from({ length: 500 }, generateToken);
  expect(drawn.filter((token) => !/^[a-z0-9]{6}\.[a-z0-9]{16}$/.test(token))).toEqual([]);
  expect(new Set(drawn).size).toBe(500);
});

test("a bootstrap token is stored only as id, hash and times", () => {
  const {
    tokens,
    drawn: [token = ""],
  } = admitMany(1);
  expect(tokens?.tokens).toEqual([
    {
      id: token.slice(0, 6),
      hash: createHash("sha256").update(token).digest("hex"),
      createdAt: "2026-11-27T00:00:00.000Z",
      expiresAt: "2026-11-28T00:00:00.000Z",
    },
  ]);
  expect(JSON.stringify(tokens)).not.toContain(token.slice(7));
});

test("the number of valid bootstrap tokens is limited, and the oldest are revoked", () => {
  const { tokens, revoked, drawn } = admitMany(MAX_TOKENS + 3);
  const ids = drawn.map((token) => token.slice(0, 6));
  expect(tokens?.tokens.map(({ id }) => id)).toEqual(ids.slice(3));
  expect(revoked).toEqual(ids.slice(0, 3));
  expect(tokens?.revision).toBe(MAX_TOKENS + 3);
});

test("expired bootstrap tokens are deleted and not reported as revoked", () => {
  const { tokens } = admitMany(MAX_TOKENS);
  const { after, revoked } = addToken(tokens, "one", generateToken(), new Date(start + 24 * HOUR + 5 * 60_000));
  expect(after.tokens).toHaveLength(MAX_TOKENS - 6 + 1);
  expect(revoked).toEqual([]);
});
