/** Deletes an environment. */

import { authorize, environmentNotFound } from "../../access/authorize.ts";
import type { Context, WriteOptions } from "../../context.ts";
import { requesterOf } from "../../events/event-log.ts";
import { type Chunk, readChunks } from "../../listing/page-index.ts";
import type { Precondition } from "../../request/preconditions.ts";
import { readWriteOptions, runWrite, type WriteResult } from "../../request/write.ts";
import type { Deadline } from "../../shared/retry.ts";
import type { Parsed } from "../../shared/validation.ts";
import { deleteEmpty, hideEnvironment } from "../../tenancy/environment-deletion.ts";
import { representEnvironment } from "./represent.ts";
import { decideDelete } from "./rules.ts";
import type { EnvironmentResponse } from "./schema.ts";

/** Request to delete an environment. */
interface RemoveInput {
  organisation: string;
  environment: string;
  options: Parsed<WriteOptions>;
  precondition?: Precondition;
}

/**
 * Deletes an environment without clusters, and its part of the page index. If it contains only deleting clusters, it is hidden at once
 * together with them, and the removal of the last cluster removes it. Two database round trips, more if its page index is large.
 *
 * @throws AppError as `authorize`; preconditionFailed; conflict while it contains clusters that are not deleting; unavailable if the
 *   time was too short: then it still exists with a complete index, and the next attempt has less to do
 */
export const remove = (context: Context, input: RemoveInput): Promise<WriteResult<EnvironmentResponse>> =>
  runWrite(context, (deadline) => attempt(context, input, deadline));

/** Makes one attempt. @returns undefined after a concurrent change: then everything must be read again */
async function attempt(
  context: Context,
  { organisation, environment: slug, options, precondition }: RemoveInput,
  deadline: Deadline,
): Promise<WriteResult<EnvironmentResponse> | undefined> {
  const authorized = await authorize<Chunk[], EnvironmentResponse>(context, {
    path: { organisation, environment: slug },
    role: "developer",
    alongside: () => readChunks(context.table, organisation, slug),
  });
  const { actor, environment, replay, alongside: chunks } = authorized;
  if (replay !== undefined) return replay;
  if (environment === undefined) throw environmentNotFound(slug, organisation);
  const { dryRun, problems } = readWriteOptions(context, options, []);
  const decision = decideDelete({ environment, problems, precondition });
  if (decision.kind === "refuse") throw decision.error;
  if (dryRun) return { kind: "dryRun", body: {}, consequences: [] };
  const deletion = { organisation, environment, requester: requesterOf(context, actor) };
  const isDone =
    decision.kind === "remove"
      ? await deleteEmpty(context, { ...deletion, chunks }, deadline)
      : await hideEnvironment(context, deletion, deadline);
  return isDone ? representEnvironment(environment, organisation) : undefined;
}
