/** Shapes of personal access tokens in requests and responses. */

import * as v from "valibot";
import { canSendRequests } from "../../shared/ip.ts";
import { cidr, dateTime, identity, maxCharacters, text } from "../../shared/schemas.ts";
import type { Token } from "../../tenancy/member.ts";

/** Name of a token. */
export const tokenName = v.pipe(text, v.minLength(1), maxCharacters(64));

const source = v.pipe(cidr, v.check(canSendRequests, "must contain addresses that requests can come from"));

/** Address blocks from which a token can be used. */
export const tokenSources = v.pipe(v.array(source), v.maxLength(50));

const requestedTime = v.pipe(
  v.string(),
  v.regex(
    /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})$/,
    "must be a date and time with a time zone, such as 2027-01-31T12:00:00Z",
  ),
  v.check((value) => !Number.isNaN(Date.parse(value)), "must be a date and time that exists"),
  v.metadata({ format: "date-time" }),
);

/** CreateToken: a personal access token of the caller. */
export const CreateToken = v.object({
  expiresAt: v.optional(
    v.pipe(requestedTime, v.description("At most ten years from now. Default: one year from now.")),
  ),
  name: tokenName,
  sources: v.optional(
    v.pipe(tokenSources, v.description("Address blocks from which the token can be used. Default: every address.")),
  ),
});
export type CreateToken = v.InferOutput<typeof CreateToken>;

/** Personal access token of the caller, without the token itself. */
export const TokenResponse = v.object({
  createdAt: dateTime,
  expiresAt: dateTime,
  identity,
  lastUsedAt: v.optional(v.pipe(dateTime, v.description("Recorded at most once a day."))),
  name: v.string(),
  sources: v.array(v.string()),
});
export type TokenResponse = v.InferOutput<typeof TokenResponse>;

/** New personal access token, with the token itself, which no other response contains. */
export const NewTokenResponse = v.object({ ...TokenResponse.entries, token: v.string() });
export type NewTokenResponse = v.InferOutput<typeof NewTokenResponse>;

/** Builds the response for a token. */
export function toTokenResponse({ tokenId, name, createdAt, expiresAt, sources, lastUsedAt }: Token): TokenResponse {
  const response = { createdAt, expiresAt, identity: tokenId, name, sources };
  return lastUsedAt === undefined ? response : { ...response, lastUsedAt };
}
