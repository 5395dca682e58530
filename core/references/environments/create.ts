/** Creates an environment. */

import { authorize } from "../../access/authorize.ts";
import type { Context, WriteOptions } from "../../context.ts";
import { requesterOf } from "../../events/event-log.ts";
import { storeResponse } from "../../request/idempotency.ts";
import { readWriteOptions, runWrite, type WriteResult } from "../../request/write.ts";
import type { Deadline } from "../../shared/retry.ts";
import { type Parsed, type Validated, validate } from "../../shared/validation.ts";
import { environmentKey, totalKey } from "../../table/keys.ts";
import { commit } from "../../table/transaction.ts";
import { environmentEntity } from "../../tenancy/environment.ts";
import { totalEntity } from "../../tenancy/organisation.ts";
import { representEnvironment } from "./represent.ts";
import { decideCreate, type GeneratedIds, slugIn } from "./rules.ts";
import { CreateEnvironment, type EnvironmentResponse } from "./schema.ts";
import { createTransaction } from "./store.ts";

/** Parses the body of a creation. @param body as sent */
export const parseCreate = (body: unknown): Validated<CreateEnvironment> => validate(CreateEnvironment, body);

/** Request to create an environment. */
interface CreateInput {
  organisation: string;
  options: Parsed<WriteOptions>;
  body: Validated<CreateEnvironment>;
}

/**
 * Creates an environment: its item, its part of the page index, the organisation's counter and the event, all in one transaction.
 * Two database round trips. Concurrent creates retry; the second one for a slug gets the conflict.
 *
 * @throws AppError as `authorize`; invalid with every problem; conflict for a taken slug, and for the limit
 */
export async function create(context: Context, input: CreateInput): Promise<WriteResult<EnvironmentResponse>> {
  const generated: GeneratedIds = { identity: context.ids.identity(), id: context.ids.number() };
  return await runWrite(context, (deadline) => attempt(context, input, generated, deadline));
}

/** Makes one attempt. @returns undefined after a concurrent change: then everything must be read again */
async function attempt(
  context: Context,
  { organisation, options, body }: CreateInput,
  generated: GeneratedIds,
  deadline: Deadline,
): Promise<WriteResult<EnvironmentResponse> | undefined> {
  const slug = slugIn(body.value?.name);
  const keys = () => [totalKey(organisation), ...(slug === undefined ? [] : [environmentKey(organisation, slug)])];
  const authorized = await authorize<undefined, EnvironmentResponse>(context, {
    path: { organisation },
    role: "developer",
    keys,
  });
  if (authorized.replay !== undefined) return authorized.replay;
  const [total, owner] = keys().map((key) => authorized.prefetched(key));
  if (total === undefined) throw new Error(`organisation ${organisation} has no totals`);
  const { dryRun, problems } = readWriteOptions(context, options, body.unknown);
  const decision = decideCreate({
    body,
    problems,
    owner: owner && environmentEntity.read(owner),
    total: totalEntity.read(total),
    generated,
    now: context.clock().toISOString(),
  });
  if (decision.kind === "refuse") throw decision.error;
  const response = representEnvironment(decision.environment, organisation);
  if (decision.kind === "exists") return response;
  if (dryRun) return { kind: "dryRun", body: withoutGenerated(response.body), consequences: [] };
  const source = { organisation, requester: requesterOf(context, authorized.actor) };
  const transaction = createTransaction(context, decision.environment, source);
  storeResponse(context, transaction, authorized.actor, response);
  const failures = await commit(context.table, transaction, deadline);
  // After a failure, the data that was read is out of date: the next read determines the response.
  return failures.length === 0 ? response : undefined;
}

/** Removes the properties that the server would generate, for a dry run. */
function withoutGenerated(environment: EnvironmentResponse): Partial<EnvironmentResponse> {
  const { id: _, identity: _identity, createdAt: _created, modifiedAt: _modified, ...rest } = environment;
  return rest;
}
