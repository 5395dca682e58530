/** Deletes an environment that holds no clusters, with its part of the page index. */

import type { Services } from "../context.ts";
import { readChunks, unchangedChunk } from "../listing/page-index.ts";
import { type AppError, unavailable } from "../shared/errors.ts";
import { backoff, type Deadline, deadlineIn } from "../shared/retry.ts";
import { environmentKey, keyText, organisationKey, totalKey } from "../table/keys.ts";
import { commit, TRANSACTION_OPERATIONS, Transaction } from "../table/transaction.ts";
import { type Environment, environmentEntity } from "./environment.ts";

/** What one transaction takes beside an environment, its organisation and the total of that. */
const CHUNKS_AT_ONCE = TRANSACTION_OPERATIONS - 3;

/** Reads an environment. @returns undefined where it does not exist; one that is being deleted is returned */
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
 * Removes an environment that was deleted while deleting clusters were in it, once they are gone. Called again it does no
 * harm: whoever removes a cluster calls it.
 *
 * @param slug of the environment
 * @returns whether no environment of this name is being deleted any more
 * @throws AppError unavailable where time did not suffice; the next try has less to do
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
 * Deletes an environment that holds no clusters.
 *
 * @returns whether it is deleted; false where it holds clusters again
 * @throws AppError unavailable where the deadline expires; the next try has less to do
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
    // The last ones first: without its first chunk nothing could be added to the environment.
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
    // A chunk that nobody read can only have been split off one that was, which is then not as it was read.
    for (const chunk of part) transaction.delete("index", chunk.key, unchangedChunk(chunk));
    const failures = await commit(services.table, transaction, deadline);
    if (isAll && failures.length === 0) return true;
    const refused = failures.find(({ label }) => label === "environment");
    if (refused !== undefined) return refused.present?.identity !== identity;
    if (deadline.expired()) throw deletionUnfinished(slug);
    if (failures.length > 0) await backoff(round, deadline);
  }
}

/** Returns the error for a deletion that did not finish in time. */
export const deletionUnfinished = (slug: string): AppError =>
  unavailable(
    "environment.removal_unfinished",
    `The environment "${slug}" could not be removed in time and is still there. Try again.`,
  );
