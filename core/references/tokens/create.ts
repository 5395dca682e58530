/** Creates a personal access token of the caller. */

import { randomBytes } from "node:crypto";
import { authenticate } from "../../access/authorize.ts";
import type { Context, WriteOptions } from "../../context.ts";
import { storeResponse } from "../../request/idempotency.ts";
import { type DryRun, readWriteOptions } from "../../request/write.ts";
import { conflict } from "../../shared/errors.ts";
import { type Deadline, deadlineIn } from "../../shared/retry.ts";
import { type Parsed, type Validated, validate } from "../../shared/validation.ts";
import { tokenKey, userTokenCountKey } from "../../table/keys.ts";
import { commit, retryOnConflict } from "../../table/transaction.ts";
import { tokenEntity } from "../../tenancy/member.ts";
import { formatToken, hashToken, SECRET_BYTES } from "../../tenancy/token.ts";
import { decideCreate } from "./rules.ts";
import { CreateToken, type NewTokenResponse, type TokenResponse, toTokenResponse } from "./schema.ts";
import { createTransaction, tokensIn } from "./store.ts";

/** Parses the body of a creation. @param body as sent */
export const parseCreate = (body: unknown): Validated<CreateToken> => validate(CreateToken, body);

/** Request to create a token. */
interface CreateInput {
  options: Parsed<WriteOptions>;
  body: Validated<CreateToken>;
}

/** Result of a creation: the token, which is shown only this once, or the result of a dry run. */
type CreateTokenResult = { kind: "created"; body: NewTokenResponse } | DryRun<TokenResponse>;

/**
 * Creates a token of the caller. Two database round trips. The table stores only its hash, so a retry with the same idempotency key
 * cannot get the token again: it gets a conflict.
 *
 * @throws AppError as `authenticate`; invalid with every problem; conflict for the limit, and for a repeated idempotency key
 */
export async function create(context: Context, input: CreateInput): Promise<CreateTokenResult> {
  const tokenId = context.ids.identity();
  const secret = randomBytes(SECRET_BYTES);
  const generated = { tokenId, secret };
  return await retryOnConflict(deadlineIn(context.writeTimeoutMs), (deadline) =>
    attempt(context, input, generated, deadline),
  );
}

/** Makes one attempt. @returns undefined after a concurrent change: then everything must be read again */
async function attempt(
  context: Context,
  { options, body }: CreateInput,
  { tokenId, secret }: { tokenId: string; secret: Uint8Array },
  deadline: Deadline,
): Promise<CreateTokenResult | undefined> {
  const own = tokenKey(tokenId);
  const authenticated = await authenticate<undefined, TokenResponse>(context, {
    keys: (user) => [own, userTokenCountKey(user)],
  });
  const { actor, prefetched, replay } = authenticated;
  const { user, sources: callerSources } = actor;
  const token = formatToken(tokenId, user, secret);
  const written = prefetched(own);
  if (written !== undefined) {
    // An earlier attempt succeeded, and its response was lost.
    context.responseMetadata.replayed = false;
    return { kind: "created", body: { ...toTokenResponse(tokenEntity.read(written)), token } };
  }
  if (replay !== undefined) throw alreadyCreated(context, replay.body.identity);
  const { dryRun, problems } = readWriteOptions(context, options, body.unknown);
  const tokens = tokensIn(prefetched(userTokenCountKey(user)));
  const decision = decideCreate({
    body,
    problems,
    callerSources,
    tokens,
    generated: { tokenId, user, hash: hashToken(token) },
    now: context.clock(),
  });
  if (decision.kind === "refuse") throw decision.error;
  const response = toTokenResponse(decision.token);
  if (dryRun) return { kind: "dryRun", body: withoutGenerated(response), consequences: [] };
  const transaction = createTransaction(decision.token, tokens);
  storeResponse(context, transaction, actor, { kind: "representation", body: response, etag: "" });
  const failures = await commit(context.table, transaction, deadline);
  return failures.length === 0 ? { kind: "created", body: { ...response, token } } : undefined;
}

/** Builds the error for a repeated request, whose response would contain a token that is not stored. */
function alreadyCreated({ idempotency, responseMetadata }: Context, identity: string) {
  responseMetadata.replayed = false;
  return conflict(
    "token.already_created",
    `${idempotency?.name}: the first request with this key created the token ${identity}, which is shown only once; if its response was lost, delete this token and create another one with a new key`,
  );
}

/** Removes the properties that the server would generate, for a dry run. */
function withoutGenerated(token: TokenResponse): Partial<TokenResponse> {
  const { identity: _, createdAt: _created, ...rest } = token;
  return rest;
}
