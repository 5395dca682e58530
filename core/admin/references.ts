/** Writes of the operator's command on accounts and schedules. */

import type { Services } from "../context.ts";
import { changeTransaction, type ReferencesChange } from "../references/store.ts";
import type { AppError } from "../shared/errors.ts";
import { deadlineIn } from "../shared/retry.ts";
import { commit, retryOnConflict } from "../table/transaction.ts";
import { organisationNotFound } from "../tenancy/organisation.ts";
import { readReferences } from "../tenancy/references.ts";
import type { References } from "../tenancy/references-entity.ts";

/** Decision about a write, as the API's operations make it. */
type Decision<Result> = { kind: "refuse"; error: AppError } | ({ kind: "write"; change: ReferencesChange } & Result);

/**
 * Writes what a decision says, and again after a concurrent change.
 *
 * @param decide decides from the current references and the time (RFC 3339)
 * @returns the decision that was written
 * @throws AppError not found for the organisation; unavailable; the error of the decision
 */
export async function writeAsOperator<Result>(
  services: Services,
  organisation: string,
  decide: (references: References, now: string) => Decision<Result>,
): Promise<Result> {
  const changeId = services.ids.identity();
  let attempted: Result | undefined;
  return await retryOnConflict(deadlineIn(services.writeTimeoutMs), async (deadline) => {
    const references = await readReferences(services, organisation);
    // An earlier attempt succeeded, and its response was lost.
    if (attempted !== undefined && references.recentWrites.includes(changeId)) return attempted;
    const at = services.clock().toISOString();
    const decision = decide(references, at);
    if (decision.kind === "refuse") throw decision.error;
    const source = { organisation, requester: undefined, at, changeId };
    const { transaction } = changeTransaction(services, references, decision.change, source);
    attempted = decision;
    const failures = await commit(services.table, transaction, deadline);
    if (failures.some(({ label }) => label === "organisation")) throw organisationNotFound(organisation);
    return failures.length === 0 ? decision : undefined;
  });
}
