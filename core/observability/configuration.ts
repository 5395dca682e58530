/** Gets and writes the Alertmanager configuration of an observability tenant, which is always read and written whole. */

import { type Context, type NoOptions, requireValid, type WriteOptions } from "../context.ts";
import { requesterOf } from "../events/event-log.ts";
import { type Representation, storeResponse, storeResponseOnly } from "../request/idempotency.ts";
import type { Precondition } from "../request/preconditions.ts";
import { readWriteOptions, runWrite, type WriteResult } from "../request/write.ts";
import type { Deadline } from "../shared/retry.ts";
import { type Validated, validate } from "../shared/validation.ts";
import { alertmanagerKey } from "../table/keys.ts";
import { commit } from "../table/transaction.ts";
import { decideWrite, representConfiguration } from "./configuration-rules.ts";
import { type Configuration, configurationEntity } from "./entity.ts";
import { authorizeTenant, changedInPlace, type OfTenant, tenantIn } from "./of-tenant.ts";
import { type AlertmanagerConfiguration, UpdateAlertmanagerConfiguration } from "./schema.ts";
import { configurationTransaction } from "./store.ts";

/** Parses the body of a write. @param body as sent */
export const parseConfiguration = (body: unknown): Validated<UpdateAlertmanagerConfiguration> =>
  validate(UpdateAlertmanagerConfiguration, body);

/** Gets the configuration of a tenant; an empty one for a new tenant. One database round trip. @throws AppError as `authorize`; not found */
export async function getConfiguration(
  context: Context,
  input: OfTenant<NoOptions>,
): Promise<Representation<AlertmanagerConfiguration>> {
  const authorized = await authorizeTenant(context, input, "viewer", alertmanagerKey);
  const tenant = tenantIn(authorized, input);
  requireValid(context, input.options);
  const item = authorized.prefetched(alertmanagerKey(input.organisation, input.tenant));
  return representConfiguration(tenant, item && configurationEntity.read(item));
}

/** Request to write a configuration. */
interface WriteInput extends OfTenant<WriteOptions> {
  body: Validated<UpdateAlertmanagerConfiguration>;
  precondition?: Precondition;
}

/**
 * Replaces the configuration of a tenant. Of two writers without a precondition the later one wins. Two database round trips, one if
 * nothing changes and the request has no idempotency key.
 *
 * @throws AppError as `authorize`; not found; invalid with every problem; preconditionFailed
 */
export async function writeConfiguration(
  context: Context,
  input: WriteInput,
): Promise<WriteResult<AlertmanagerConfiguration>> {
  // One id for all attempts, so that an attempt recognises the write of an earlier one.
  const mutationId = context.ids.identity();
  return await runWrite(context, (deadline) => attempt(context, input, mutationId, deadline));
}

/** Makes one attempt. @returns undefined after a concurrent change: then everything must be read again */
async function attempt(
  context: Context,
  input: WriteInput,
  mutationId: string,
  deadline: Deadline,
): Promise<WriteResult<AlertmanagerConfiguration> | undefined> {
  const { organisation, options, body, precondition } = input;
  const authorized = await authorizeTenant<AlertmanagerConfiguration>(context, input, "developer", alertmanagerKey);
  if (authorized.replay !== undefined) return authorized.replay;
  const tenant = tenantIn(authorized, input);
  const item = authorized.prefetched(alertmanagerKey(organisation, input.tenant));
  const stored = item && configurationEntity.read(item);
  const present = representConfiguration(tenant, stored);
  // An earlier attempt succeeded, and its response was lost.
  if (stored?.writtenBy === mutationId) return present;
  const { dryRun, problems } = readWriteOptions(context, options, body.unknown);
  const decision = decideWrite({ tenant, stored, body, problems, precondition });
  if (decision.kind === "refuse") throw decision.error;
  if (decision.kind === "unchanged") {
    if (dryRun) return changedInPlace(present.body, []);
    return (await storeResponseOnly(context, authorized.actor, present, deadline)) ? present : undefined;
  }
  const after: Configuration = {
    ...decision.after,
    revision: (stored?.revision ?? 0) + 1,
    writtenBy: mutationId,
  };
  const response = representConfiguration(tenant, after);
  if (dryRun) return changedInPlace(response.body, decision.properties);
  const at = context.clock().toISOString();
  const source = { organisation, requester: requesterOf(context, authorized.actor), at };
  const transaction = configurationTransaction(context, tenant, { read: stored, after }, decision.event, source);
  storeResponse(context, transaction, authorized.actor, response);
  // After a failure, the data that was read is out of date: the next read determines the response.
  return (await commit(context.table, transaction, deadline)).length === 0 ? response : undefined;
}
