/** Decides about writes of personal access tokens. Pure functions. */

import { type AppError, conflict, invalid, type Problem } from "../../shared/errors.ts";
import { contains, parseCidr } from "../../shared/ip.ts";
import { DAY_MS } from "../../shared/time.ts";
import { elementPath, type Validated } from "../../shared/validation.ts";
import { MAX_TOKENS, type Token } from "../../tenancy/member.ts";
import type { CreateToken } from "./schema.ts";

/** Default lifetime of a token, in days. */
export const DEFAULT_TOKEN_DAYS = 365;

/** Maximum lifetime of a token, in days. */
export const MAX_TOKEN_DAYS = 3_650;

/** Request to create a token, and the state that decides about it. */
export interface CreateState {
  body: Validated<CreateToken>;
  /** Problems of the request in addition to those of the body. */
  problems: readonly Problem[];
  /** Address blocks of the token of the request; empty if it can be used from every address. */
  callerSources: readonly string[];
  /** Number of the caller's tokens that count towards the limit. */
  tokens: number;
  generated: Pick<Token, "tokenId" | "user" | "hash">;
  now: Date;
}

/** Decides about the creation of a token, in the contract's order: problems, conflicts. */
export function decideCreate(
  state: CreateState,
): { kind: "refuse"; error: AppError } | { kind: "write"; token: Token } {
  const { body, callerSources, tokens, generated, now } = state;
  const { expiresAt: requested, sources: given } = body.value ?? {};
  const problems = [
    ...state.problems,
    ...body.problems,
    ...expiryProblems(requested, now),
    ...sourceProblems(given ?? [], callerSources),
  ];
  if (problems.length > 0) return { kind: "refuse", error: invalid(problems) };
  if (tokens >= MAX_TOKENS) return { kind: "refuse", error: limitReached() };
  const { name, sources = [], expiresAt } = body.complete();
  const expires = expiresAt === undefined ? now.getTime() + DEFAULT_TOKEN_DAYS * DAY_MS : Date.parse(expiresAt);
  const token: Token = {
    ...generated,
    name,
    createdAt: now.toISOString(),
    expiresAt: new Date(expires).toISOString(),
    sources,
    isCounted: true,
  };
  return { kind: "write", token };
}

function expiryProblems(requested: string | undefined, now: Date): Problem[] {
  if (requested === undefined) return [];
  const left = Date.parse(requested) - now.getTime();
  if (left > 0 && left <= MAX_TOKEN_DAYS * DAY_MS) return [];
  const message = `${JSON.stringify(requested)} is not allowed: must be in the future, and at most ${MAX_TOKEN_DAYS} days from now`;
  return [{ path: "expiresAt", message }];
}

/** A token that is limited to some addresses must not make one that can be used from others: it would end its own limit. */
function sourceProblems(sources: readonly (string | undefined)[], callerSources: readonly string[]): Problem[] {
  if (callerSources.length === 0) return [];
  const allowed = `the token of this request can be used from ${callerSources.join(", ")} only, and so must the new one`;
  if (sources.length === 0) return [{ path: "sources", message: `is required: ${allowed}` }];
  return sources.flatMap((source, index) =>
    source === undefined || callerSources.some((outer) => isWithin(source, outer))
      ? []
      : [{ path: elementPath("sources", index), message: `"${source}" is not allowed: ${allowed}` }],
  );
}

/** Returns whether an address block lies within another one. */
function isWithin(inner: string, outer: string): boolean {
  const [small, large] = [parseCidr(inner), parseCidr(outer)];
  if (typeof small === "string" || typeof large === "string") return false;
  return contains(large, small.address) && small.bits >= large.bits;
}

const limitReached = (): AppError =>
  conflict(
    "token.limit",
    `Limit reached: a user can have at most ${MAX_TOKENS} personal access tokens; delete one first. Expired ones count until they are deleted.`,
  );
