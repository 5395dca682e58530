/** Deletes or hides an environment without live clusters, and its part of the page index. */

import type { Services } from "../context.ts";
import type { Requester } from "../events/event-log.ts";
import { appendOrganisationEvent } from "../events/organisation-events.ts";
import { type Chunk, readChunks, unchangedChunk } from "../listing/page-index.ts";
import { type AppError, unavailable } from "../shared/errors.ts";
import { backoff, type Deadline, deadlineIn } from "../shared/retry.ts";
import { environmentKey, keyText, organisationKey, totalKey } from "../table/keys.ts";
import { commit, TRANSACTION_OPERATIONS, Transaction } from "../table/transaction.ts";
import { type Environment, environmentEntity, environmentPath, environmentSettings } from "./environment.ts";

/** Number of chunks in one transaction: its other operations are the environment, its organisation, the total and the event. */
const CHUNKS_AT_ONCE = TRANSACTION_OPERATIONS - 4;

/** Reads an environment. @returns undefined if it does not exist; one that is being deleted is returned */
export async function readEnvironment(
  services: Services,
  organisation: string,
  slug: string,
): Promise<Environment | undefined> {
  const key = environmentKey(organisation, slug);
  const item = (await services.table.get([key])).get(keyText(key));
  return item && environmentEntity.read(item);
}

/**
 * Removes an environment that was deleted while it contained deleting clusters, once they are removed. Idempotent: every
 * removal of a cluster calls it.
 *
 * @param slug slug of the environment
 * @returns true if no environment with this slug is being deleted any more
 * @throws AppError unavailable if the time was too short; the next attempt has less to do
 */
export async function finishEnvironmentDeletion(
  services: Services,
  organisation: string,
  slug: string,
): Promise<boolean> {
  const deadline = deadlineIn(services.writeTimeoutMs);
  const environment = await readEnvironment(services, organisation, slug);
  if (environment?.deletedAt === undefined) return true;
  if (environment.heldClusters > 0) return false;
  return await deleteEmpty(services, { organisation, environment, requester: undefined }, deadline);
}

/** Deletion of an environment. */
interface Deletion {
  /** Slug of the organisation. */
  organisation: string;
  /** Environment as read: nothing is deleted if it has changed since. */
  environment: Environment;
  /** Request that causes the deletion; undefined for an operator, and for the reconciler. */
  requester: Requester | undefined;
}

/**
 * Removes an empty environment.
 *
 * @param deletion its `chunks` are the page index of the environment, if they were read with it
 * @returns true if it is removed; false if it has changed since it was read, or is not empty any more
 * @throws AppError unavailable if the deadline expires; the next attempt has less to do
 */
export async function deleteEmpty(
  services: Services,
  { organisation, environment, requester, chunks: read }: Deletion & { chunks?: readonly Chunk[] | undefined },
  deadline: Deadline,
): Promise<boolean> {
  const { identity, slug, deletedAt } = environment;
  const key = environmentKey(organisation, slug);
  const isEmpty = {
    condition: "#identity = :identity AND #revision = :revision AND #heldClusters = :none",
    values: { ":identity": identity, ":revision": environment.revision, ":none": 0 },
  };
  let chunks = read;
  for (let round = 1; ; round++) {
    chunks ??= await readChunks(services.table, organisation, slug);
    // Last chunks first: without its first chunk, no cluster could be added to the environment.
    const part = chunks.slice(-CHUNKS_AT_ONCE);
    const isAll = part.length === chunks.length;
    const transaction = new Transaction();
    if (isAll) {
      transaction
        .delete("environment", key, isEmpty)
        .update("total", totalKey(organisation), "ADD #environments :less", { values: { ":less": -1 } });
      if (deletedAt !== undefined) {
        transaction.update("organisation", organisationKey(organisation), "DELETE #deletedEnvironments :gone", {
          values: { ":gone": new Set([identity]) },
        });
      }
      const changes = [{ path: environmentPath(environment), from: environmentSettings(environment) }];
      const at = services.clock().toISOString();
      const source = { organisation, environmentIdentity: identity, at, requester };
      appendOrganisationEvent(services, transaction, { type: "environment.deleted", changes }, source);
    } else {
      transaction.check("environment", key, isEmpty);
    }
    // A chunk that was not read can only come from the split of a chunk that was read, and then that one's condition fails.
    for (const chunk of part) transaction.delete("index", chunk.key, unchangedChunk(chunk));
    const failures = await commit(services.table, transaction, deadline);
    if (isAll && failures.length === 0) return true;
    const refused = failures.find(({ label }) => label === "environment");
    // Without the environment, an attempt whose response was lost has removed it, or another request.
    if (refused !== undefined) return refused.present?.identity !== identity;
    if (deadline.expired()) throw deletionUnfinished(slug);
    if (failures.length > 0) await backoff(round, deadline);
    chunks = undefined;
  }
}

/**
 * Hides an environment that contains deleting clusters only, together with them.
 *
 * @returns true if it is hidden or removed; false if it has changed since it was read
 * @throws AppError unavailable as `commit`
 */
export async function hideEnvironment(
  services: Services,
  { organisation, environment, requester }: Deletion,
  deadline: Deadline,
): Promise<boolean> {
  const { identity, slug, revision } = environment;
  const at = services.clock().toISOString();
  const transaction = new Transaction()
    .update(
      "environment",
      environmentKey(organisation, slug),
      "SET #deletedAt = :now, #modifiedAt = :now ADD #revision :one",
      {
        // Without a deleting cluster, no later removal of a cluster would remove the environment.
        condition:
          "#identity = :identity AND #revision = :read AND #totalClusters = :none AND #heldClusters > :none AND attribute_not_exists(#deletedAt)",
        values: { ":identity": identity, ":read": revision, ":none": 0, ":now": at, ":one": 1 },
      },
    )
    // Lists of the whole organisation do not read environments: they find the hidden ones here.
    .update("organisation", organisationKey(organisation), "ADD #deletedEnvironments :gone", {
      condition: "attribute_exists(#pk)",
      values: { ":gone": new Set([identity]) },
    });
  const changes = [{ path: `${environmentPath(environment)}.deletedAt` as const, to: at }];
  const source = { organisation, environmentIdentity: identity, at, requester };
  appendOrganisationEvent(services, transaction, { type: "environment.deletion-requested", changes }, source);
  const failures = await commit(services.table, transaction, deadline);
  const refused = failures.find(({ label }) => label === "environment");
  // An attempt whose response was lost has hidden it, or another request.
  const isHidden =
    refused !== undefined && (refused.present?.identity !== identity || refused.present.deletedAt !== undefined);
  return failures.length === 0 || isHidden;
}

/** Builds the error for a deletion that did not finish in time. */
export const deletionUnfinished = (slug: string): AppError =>
  unavailable(
    "environment.removal_unfinished",
    `The environment "${slug}" was not removed in time and still exists. Try again.`,
  );
