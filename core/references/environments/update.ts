/** Changes an environment. */

import { authorize, environmentNotFound } from "../../access/authorize.ts";
import type { Context, WriteOptions } from "../../context.ts";
import { requesterOf } from "../../events/event-log.ts";
import type { Precondition } from "../../request/preconditions.ts";
import { type Consequence, readWriteOptions, runWrite, type WriteResult } from "../../request/write.ts";
import type { Deadline } from "../../shared/retry.ts";
import { type Parsed, type Validated, validate } from "../../shared/validation.ts";
import { commit } from "../../table/transaction.ts";
import type { Environment } from "../../tenancy/environment.ts";
import { representEnvironment } from "./represent.ts";
import { decideUpdate } from "./rules.ts";
import { type EnvironmentResponse, UpdateEnvironment } from "./schema.ts";
import { updateTransaction } from "./store.ts";

/** Parses the body of a change. @param body as sent */
export const parseUpdate = (body: unknown): Validated<UpdateEnvironment> => validate(UpdateEnvironment, body);

/** Request to change an environment. */
interface UpdateInput {
  organisation: string;
  environment: string;
  options: Parsed<WriteOptions>;
  body: Validated<UpdateEnvironment>;
  precondition?: Precondition;
}

/**
 * Changes an environment: the whole request, or nothing. Its slug stays. Two database round trips, one if nothing changes.
 *
 * @throws AppError as `authorize`; invalid with every problem; preconditionFailed
 */
export async function update(context: Context, input: UpdateInput): Promise<WriteResult<EnvironmentResponse>> {
  // One id for all attempts, so that an attempt recognises the write of an earlier one.
  const mutationId = context.ids.identity();
  return await runWrite(context, (deadline) => attempt(context, input, mutationId, deadline));
}

/** Makes one attempt. @returns undefined after a concurrent change: then everything must be read again */
async function attempt(
  context: Context,
  { organisation, environment: slug, options, body, precondition }: UpdateInput,
  mutationId: string,
  deadline: Deadline,
): Promise<WriteResult<EnvironmentResponse> | undefined> {
  const authorized = await authorize<undefined, EnvironmentResponse>(context, {
    path: { organisation, environment: slug },
    role: "developer",
  });
  const { actor, environment, replay } = authorized;
  if (replay !== undefined) return replay;
  if (environment === undefined) throw environmentNotFound(slug, organisation);
  // An earlier attempt succeeded, and its response was lost.
  if (environment.writtenBy === mutationId) return representEnvironment(environment, organisation);
  const { dryRun, problems } = readWriteOptions(context, options, body.unknown);
  const decision = decideUpdate({ environment, problems, precondition }, body);
  if (decision.kind === "refuse") throw decision.error;
  if (decision.kind === "unchanged") {
    const unchanged = representEnvironment(environment, organisation);
    return dryRun ? { kind: "dryRun", body: unchanged.body, consequences: [] } : unchanged;
  }
  const after: Environment = {
    ...decision.after,
    modifiedAt: context.clock().toISOString(),
    writtenBy: mutationId,
    revision: environment.revision + 1,
  };
  const response = representEnvironment(after, organisation);
  if (dryRun) {
    const consequences = decision.properties.map(
      (property): Consequence => ({ property, effect: "inPlace", nodePools: [] }),
    );
    return { kind: "dryRun", body: response.body, consequences };
  }
  const source = { organisation, requester: requesterOf(context, actor) };
  const transaction = updateTransaction(context, environment, after, decision, source);
  const failures = await commit(context.table, transaction, deadline);
  // After a failure, the data that was read is out of date: the next read determines the response.
  return failures.length === 0 ? response : undefined;
}
