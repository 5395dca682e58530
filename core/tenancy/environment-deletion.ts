/** Deletes an environment without clusters, and its part of the page index. */

import type { Services } from "../context.ts";
import { readChunks, unchangedChunk } from "../listing/page-index.ts";
import { type AppError, unavailable } from "../shared/errors.ts";
import { backoff, type Deadline, deadlineIn } from "../shared/retry.ts";
import { environmentKey, keyText, organisationKey, totalKey } from "../table/keys.ts";
import { commit, TRANSACTION_OPERATIONS, Transaction } from "../table/transaction.ts";
import { type Environment, environmentEntity } from "./environment.ts";

/** Number of chunks in one transaction: its other operations are the environment, its organisation and the total. */
const CHUNKS_AT_ONCE = TRANSACTION_OPERATIONS - 3;

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
  return await deleteEmpty(services, organisation, environment, deadline);
}

/**
 * Removes an empty environment.
 *
 * @returns true if it is removed; false if it is not empty any more
 * @throws AppError unavailable if the deadline expires; the next attempt has less to do
 */
export async function deleteEmpty(
  services: Services,
  organisation: string,
  { identity, slug, deletedAt }: Environment,
  deadline: Deadline,
): Promise<boolean> {
  const key = environmentKey(organisation, slug);
  const isEmpty = {
    condition: "#identity = :identity AND #heldClusters = :none",
    values: { ":identity": identity, ":none": 0 },
  };
  for (let round = 1; ; round++) {
    const chunks = await readChunks(services.table, organisation, slug);
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
    } else {
      transaction.check("environment", key, isEmpty);
    }
    // A chunk that was not read can only come from the split of a chunk that was read, and then that one's condition fails.
    for (const chunk of part) transaction.delete("index", chunk.key, unchangedChunk(chunk));
    const failures = await commit(services.table, transaction, deadline);
    if (isAll && failures.length === 0) return true;
    const refused = failures.find(({ label }) => label === "environment");
    if (refused !== undefined) return refused.present?.identity !== identity;
    if (deadline.expired()) throw deletionUnfinished(slug);
    if (failures.length > 0) await backoff(round, deadline);
  }
}

/** Builds the error for a deletion that did not finish in time. */
export const deletionUnfinished = (slug: string): AppError =>
  unavailable(
    "environment.removal_unfinished",
    `The environment "${slug}" was not removed in time and still exists. Try again.`,
  );
