/** Reads and changes the items that clusters of an organisation refer to. */

import type { Services } from "../context.ts";
import { deadlineIn } from "../shared/retry.ts";
import { isOrganisationSlug } from "../shared/slug.ts";
import { keyText, organisationKey, referencesKey, usageKey } from "../table/keys.ts";
import { commit, Transaction, writeTimedOut } from "../table/transaction.ts";
import { organisationNotFound } from "./organisation.ts";
import { buildReferencesItem, type References, referencesEntity, usageEntity } from "./references-entity.ts";

/** Reads the references of an organisation. @throws AppError not found */
export async function readReferences(services: Services, organisation: string): Promise<References> {
  if (!isOrganisationSlug(organisation)) throw organisationNotFound(organisation);
  const key = referencesKey(organisation);
  const item = (await services.table.get([key])).get(keyText(key));
  if (item === undefined) throw organisationNotFound(organisation);
  return referencesEntity.read(item);
}

/**
 * Adds a cloud account or a maintenance schedule, with the counter of the clusters that use it.
 *
 * @param identity identity of the account or schedule
 * @param change builds the new references from those that were read, or throws; called again after a concurrent change
 * @throws AppError not found; unavailable; what `change` throws
 */
export async function addReference(
  services: Services,
  organisation: string,
  identity: string,
  change: (present: References) => Pick<References, "accounts" | "schedules">,
): Promise<void> {
  const deadline = deadlineIn(services.writeTimeoutMs);
  for (; !deadline.expired(); ) {
    const present = await readReferences(services, organisation);
    const next: References = { ...change(present), revision: present.revision + 1 };
    const transaction = new Transaction()
      .put("references", buildReferencesItem(organisation, next), {
        condition: "#revision = :revision",
        values: { ":revision": present.revision },
      })
      .update("organisation", organisationKey(organisation), "SET #referencesRevision = :revision", {
        condition: "attribute_exists(#pk)",
        values: { ":revision": next.revision },
      })
      .create("usage", usageEntity.write(usageKey(organisation, identity), { clusters: 0 }));
    const failures = await commit(services.table, transaction, deadline);
    if (failures.some(({ label }) => label === "organisation")) throw organisationNotFound(organisation);
    // The counter already exists if an earlier attempt of this write succeeded and its response was lost.
    if (failures.length === 0 || failures.some(({ label }) => label === "usage")) return;
  }
  throw writeTimedOut();
}
