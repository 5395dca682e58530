/** Lists, gets, creates, changes and deletes observability tenants. */

import { authorize } from "../access/authorize.ts";
import { type Context, type NoOptions, requireValid, type WriteOptions } from "../context.ts";
import { requesterOf } from "../events/event-log.ts";
import { type Page, type PageOptions, paginate } from "../listing/page.ts";
import { type Representation, storeResponse } from "../request/idempotency.ts";
import type { Precondition } from "../request/preconditions.ts";
import { readWriteOptions, runWrite, type WriteResult } from "../request/write.ts";
import type { Deadline } from "../shared/retry.ts";
import { type Parsed, type Validated, validate } from "../shared/validation.ts";
import { OBSERVABILITY_TENANT_PREFIX, observabilityTenantKey, organisationKey, totalKey } from "../table/keys.ts";
import { commit } from "../table/transaction.ts";
import { totalEntity } from "../tenancy/organisation.ts";
import { type Tenant, tenantEntity } from "./entity.ts";
import { authorizeTenant, changedInPlace, type OfTenant, tenantIn } from "./of-tenant.ts";
import {
  CreateObservabilityTenant,
  type TenantResponse,
  toTenantResponse,
  UpdateObservabilityTenant,
} from "./schema.ts";
import { createTransaction, deleteTransaction, updateTransaction } from "./store.ts";
import {
  decideCreate,
  decideUpdate,
  type GeneratedIds,
  refuseDelete,
  representTenant,
  slugIn,
} from "./tenant-rules.ts";

/** Parses the body of a creation. @param body as sent */
export const parseCreate = (body: unknown): Validated<CreateObservabilityTenant> =>
  validate(CreateObservabilityTenant, body);

/** Parses the body of a change. @param body as sent */
export const parseUpdate = (body: unknown): Validated<UpdateObservabilityTenant> =>
  validate(UpdateObservabilityTenant, body);

/** Lists the tenants of an organisation by slug. One database round trip. @throws AppError as `authorize`; invalid for the options */
export async function list(
  context: Context,
  { organisation, options }: { organisation: string; options: Parsed<PageOptions> },
): Promise<Page<TenantResponse>> {
  const { alongside = [] } = await authorize(context, {
    path: { organisation },
    role: "viewer",
    alongside: () => context.table.query({ pk: organisationKey(organisation).pk, prefix: OBSERVABILITY_TENANT_PREFIX }),
  });
  const { page } = requireValid(context, options);
  const listed = paginate(alongside, page, "slug");
  return { ...listed, content: listed.content.map((item) => toTenantResponse(tenantEntity.read(item), organisation)) };
}

/** Gets one tenant. One database round trip. @throws AppError as `authorize`; not found; invalid for the options */
export async function get(context: Context, input: OfTenant<NoOptions>): Promise<Representation<TenantResponse>> {
  const tenant = tenantIn(await authorizeTenant(context, input, "viewer"), input);
  requireValid(context, input.options);
  return representTenant(tenant, input.organisation);
}

/** Request to create a tenant. */
interface CreateInput {
  organisation: string;
  options: Parsed<WriteOptions>;
  body: Validated<CreateObservabilityTenant>;
}

/**
 * Creates a tenant. Two database round trips. Concurrent creates retry; the second one for a slug gets the conflict.
 *
 * @throws AppError as `authorize`; invalid with every problem; conflict for a taken slug, and for the limit
 */
export async function create(context: Context, input: CreateInput): Promise<WriteResult<TenantResponse>> {
  const generated: GeneratedIds = { identity: context.ids.identity(), id: context.ids.number() };
  return await runWrite(context, (deadline) => attemptCreate(context, input, generated, deadline));
}

/** Makes one attempt. @returns undefined after a concurrent change: then everything must be read again */
async function attemptCreate(
  context: Context,
  { organisation, options, body }: CreateInput,
  generated: GeneratedIds,
  deadline: Deadline,
): Promise<WriteResult<TenantResponse> | undefined> {
  const slug = slugIn(body.value?.name);
  const keys = () => [
    totalKey(organisation),
    ...(slug === undefined ? [] : [observabilityTenantKey(organisation, slug)]),
  ];
  const authorized = await authorize<undefined, TenantResponse>(context, {
    path: { organisation },
    role: "developer",
    keys,
  });
  if (authorized.replay !== undefined) return authorized.replay;
  const [total, owner] = keys().map((key) => authorized.prefetched(key));
  if (total === undefined) throw new Error(`organisation ${organisation} has no totals`);
  const { dryRun, problems } = readWriteOptions(context, options, body.unknown);
  const now = context.clock().toISOString();
  const decision = decideCreate({
    body,
    problems,
    owner: owner && tenantEntity.read(owner),
    total: totalEntity.read(total),
    generated,
    now,
  });
  if (decision.kind === "refuse") throw decision.error;
  const response = representTenant(decision.tenant, organisation);
  if (decision.kind === "exists") return response;
  if (dryRun) {
    const { id: _, identity: _identity, createdAt: _created, modifiedAt: _modified, ...rest } = response.body;
    return { kind: "dryRun", body: rest, consequences: [] };
  }
  const source = { organisation, requester: requesterOf(context, authorized.actor), at: now };
  const transaction = createTransaction(context, decision.tenant, source);
  storeResponse(context, transaction, authorized.actor, response);
  const failures = await commit(context.table, transaction, deadline);
  // After a failure, the data that was read is out of date: the next read determines the response.
  return failures.length === 0 ? response : undefined;
}

/** Request to change a tenant. */
interface UpdateInput extends OfTenant<WriteOptions> {
  body: Validated<UpdateObservabilityTenant>;
  precondition?: Precondition;
}

/**
 * Changes a tenant: the whole request, or nothing. Its slug stays. Two database round trips, one if nothing changes.
 *
 * @throws AppError as `authorize`; not found; invalid with every problem; preconditionFailed
 */
export async function update(context: Context, input: UpdateInput): Promise<WriteResult<TenantResponse>> {
  // One id for all attempts, so that an attempt recognises the write of an earlier one.
  const mutationId = context.ids.identity();
  return await runWrite(context, (deadline) => attemptUpdate(context, input, mutationId, deadline));
}

/** Makes one attempt. @returns undefined after a concurrent change: then everything must be read again */
async function attemptUpdate(
  context: Context,
  input: UpdateInput,
  mutationId: string,
  deadline: Deadline,
): Promise<WriteResult<TenantResponse> | undefined> {
  const { organisation, options, body, precondition } = input;
  const authorized = await authorizeTenant<TenantResponse>(context, input, "developer");
  if (authorized.replay !== undefined) return authorized.replay;
  const tenant = tenantIn(authorized, input);
  const present = representTenant(tenant, organisation);
  // An earlier attempt succeeded, and its response was lost.
  if (tenant.writtenBy === mutationId) return present;
  const { dryRun, problems } = readWriteOptions(context, options, body.unknown);
  const decision = decideUpdate({ tenant, problems, precondition }, body);
  if (decision.kind === "refuse") throw decision.error;
  if (decision.kind === "unchanged") return dryRun ? changedInPlace(present.body, []) : present;
  const at = context.clock().toISOString();
  const after: Tenant = { ...decision.after, modifiedAt: at, writtenBy: mutationId, revision: tenant.revision + 1 };
  const response = representTenant(after, organisation);
  if (dryRun) return changedInPlace(response.body, decision.properties);
  const source = { organisation, requester: requesterOf(context, authorized.actor), at };
  const transaction = updateTransaction(context, tenant, after, decision.event, source);
  return (await commit(context.table, transaction, deadline)).length === 0 ? response : undefined;
}

/** Request to delete a tenant. */
interface RemoveInput extends OfTenant<WriteOptions> {
  precondition?: Precondition;
}

/**
 * Deletes a tenant with its Alertmanager configuration and its silences. Two database round trips.
 *
 * @throws AppError as `authorize`; not found; preconditionFailed
 */
export const remove = (context: Context, input: RemoveInput): Promise<WriteResult<TenantResponse>> =>
  runWrite(context, (deadline) => attemptRemove(context, input, deadline));

/** Makes one attempt. @returns undefined after a concurrent change: then everything must be read again */
async function attemptRemove(
  context: Context,
  input: RemoveInput,
  deadline: Deadline,
): Promise<WriteResult<TenantResponse> | undefined> {
  const { organisation, options, precondition } = input;
  const authorized = await authorizeTenant<TenantResponse>(context, input, "developer");
  if (authorized.replay !== undefined) return authorized.replay;
  const tenant = tenantIn(authorized, input);
  const { dryRun, problems } = readWriteOptions(context, options, []);
  const error = refuseDelete({ tenant, problems, precondition });
  if (error !== undefined) throw error;
  if (dryRun) return { kind: "dryRun", body: {}, consequences: [] };
  const source = { organisation, requester: requesterOf(context, authorized.actor), at: context.clock().toISOString() };
  const failures = await commit(context.table, deleteTransaction(context, tenant, source), deadline);
  const refused = failures.find(({ label }) => label === "tenant");
  // Without the tenant, an attempt whose response was lost has deleted it, or another request.
  const isGone = refused !== undefined && refused.present?.identity !== tenant.identity;
  return failures.length === 0 || isGone ? representTenant(tenant, organisation) : undefined;
}
