/** Lists, creates and expires the silences of an observability tenant. */

import { type Context, type NoOptions, requireValid, type WriteOptions } from "../context.ts";
import { requesterOf } from "../events/event-log.ts";
import { storeResponse } from "../request/idempotency.ts";
import type { Precondition } from "../request/preconditions.ts";
import { readWriteOptions, runWrite, type WriteResult } from "../request/write.ts";
import type { Deadline } from "../shared/retry.ts";
import { type Validated, validate } from "../shared/validation.ts";
import { silencesKey } from "../table/keys.ts";
import { commit } from "../table/transaction.ts";
import { silencesEntity } from "./entity.ts";
import { authorizeTenant, type OfTenant, tenantIn } from "./of-tenant.ts";
import { CreateSilence, type SilenceResponse } from "./schema.ts";
import {
  decideCreate,
  decideExpire,
  representSilence,
  silencesAt,
  silencesItem,
  toSilenceResponse,
} from "./silence-rules.ts";
import { silencesTransaction } from "./store.ts";
import { tenantPath } from "./tenant-rules.ts";

/** Parses the body of a creation. @param body as sent */
export const parseSilence = (body: unknown): Validated<CreateSilence> => validate(CreateSilence, body);

/**
 * Lists the silences of a tenant: active ones, pending ones, and expired ones during their retention. One database round trip.
 *
 * @throws AppError as `authorize`; not found; invalid for the options
 */
export async function listSilences(context: Context, input: OfTenant<NoOptions>): Promise<SilenceResponse[]> {
  const authorized = await authorizeTenant(context, input, "viewer", silencesKey);
  tenantIn(authorized, input);
  requireValid(context, input.options);
  const item = authorized.prefetched(silencesKey(input.organisation, input.tenant));
  const now = context.clock();
  return silencesAt(item && silencesEntity.read(item), now).map((silence) => toSilenceResponse(silence, now));
}

/** Request to create a silence. */
interface CreateInput extends OfTenant<WriteOptions> {
  body: Validated<CreateSilence>;
}

/**
 * Creates a silence. Two database round trips.
 *
 * @throws AppError as `authorize`; not found; invalid with every problem; conflict for the limit
 */
export async function createSilence(context: Context, input: CreateInput): Promise<WriteResult<SilenceResponse>> {
  // One id for all attempts, so that an attempt recognises the write of an earlier one.
  const id = context.ids.identity();
  return await runWrite(context, (deadline) => attemptCreate(context, input, id, deadline));
}

/** Makes one attempt. @returns undefined after a concurrent change: then everything must be read again */
async function attemptCreate(
  context: Context,
  input: CreateInput,
  id: string,
  deadline: Deadline,
): Promise<WriteResult<SilenceResponse> | undefined> {
  const { organisation, options, body } = input;
  const authorized = await authorizeTenant<SilenceResponse>(context, input, "developer", silencesKey);
  if (authorized.replay !== undefined) return authorized.replay;
  const tenant = tenantIn(authorized, input);
  const item = authorized.prefetched(silencesKey(organisation, input.tenant));
  const stored = item && silencesEntity.read(item);
  const { dryRun, problems } = readWriteOptions(context, options, body.unknown);
  const now = context.clock();
  const decision = decideCreate({ body, problems, stored, id, createdBy: authorized.member.email, now });
  if (decision.kind === "refuse") throw decision.error;
  const { silence } = decision;
  const response = representSilence(silence, now);
  if (decision.kind === "exists") return response;
  if (dryRun) {
    const { id: _, ...rest } = response.body;
    return { kind: "dryRun", body: rest, consequences: [] };
  }
  const { comment, endsAt, matchers, startsAt } = silence;
  const change = {
    path: `${tenantPath(tenant)}.silences[${id}]`,
    to: { comment, endsAt, matchers, startsAt },
  } as const;
  const transaction = silencesTransaction(
    context,
    tenant,
    { read: stored, after: silencesItem(decision.silences, stored?.revision ?? 0) },
    { type: "silence.created", changes: [change] },
    { organisation, requester: requesterOf(context, authorized.actor), at: now.toISOString() },
  );
  storeResponse(context, transaction, authorized.actor, response);
  // After a failure, the data that was read is out of date: the next read determines the response.
  return (await commit(context.table, transaction, deadline)).length === 0 ? response : undefined;
}

/** Request to expire a silence. */
interface ExpireInput extends OfTenant<WriteOptions> {
  /** Id as sent; it is case-insensitive. */
  silence: string;
  precondition?: Precondition;
}

/**
 * Expires a silence: it ends now. One that has expired stays as it is. Two database round trips, one if nothing changes.
 *
 * @throws AppError as `authorize`; not found; invalid for the options; preconditionFailed
 */
export async function expireSilence(context: Context, input: ExpireInput): Promise<WriteResult<SilenceResponse>> {
  const mutationId = context.ids.identity();
  return await runWrite(context, (deadline) => attemptExpire(context, input, mutationId, deadline));
}

/** Makes one attempt. @returns undefined after a concurrent change: then everything must be read again */
async function attemptExpire(
  context: Context,
  input: ExpireInput,
  mutationId: string,
  deadline: Deadline,
): Promise<WriteResult<SilenceResponse> | undefined> {
  const { organisation, options, precondition, silence: id } = input;
  const authorized = await authorizeTenant<SilenceResponse>(context, input, "developer", silencesKey);
  if (authorized.replay !== undefined) return authorized.replay;
  const tenant = tenantIn(authorized, input);
  const item = authorized.prefetched(silencesKey(organisation, input.tenant));
  const stored = item && silencesEntity.read(item);
  const { dryRun, problems } = readWriteOptions(context, options, []);
  const now = context.clock();
  const decision = decideExpire({ id, tenant: tenant.slug, problems, stored, precondition, mutationId, now });
  if (decision.kind === "refuse") throw decision.error;
  if (dryRun) return { kind: "dryRun", body: {}, consequences: [] };
  const response = representSilence(decision.silence, now);
  if (decision.kind === "unchanged") return response;
  const path = `${tenantPath(tenant)}.silences[${decision.silence.id}].endsAt` as const;
  const transaction = silencesTransaction(
    context,
    tenant,
    { read: stored, after: silencesItem(decision.silences, stored?.revision ?? 0) },
    { type: "silence.expired", changes: [{ path, from: decision.before.endsAt, to: decision.silence.endsAt }] },
    { organisation, requester: requesterOf(context, authorized.actor), at: now.toISOString() },
  );
  return (await commit(context.table, transaction, deadline)).length === 0 ? response : undefined;
}
