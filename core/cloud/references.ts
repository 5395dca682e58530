/** Reading and changing what clusters of an organisation refer to. */

import type { Services } from "../context.ts";
import { noSuchOrganisation } from "../organisation/operations.ts";
import { isOrganisationSlug } from "../slug.ts";
import { keyText, referencesKey, usageKey } from "../table/keys.ts";
import { deadlineIn } from "../table/pause.ts";
import { commit, contended, Transaction } from "../table/transact.ts";
import { type References, referencesEntity, referencesItem, usageEntity } from "./schema.ts";

/** Reads an organisation's references. @throws AppError missing */
export async function readReferences(services: Services, organisation: string): Promise<References> {
  if (!isOrganisationSlug(organisation)) throw noSuchOrganisation(organisation);
  const key = referencesKey(organisation);
  const item = (await services.table.get([key])).get(keyText(key));
  if (item === undefined) throw noSuchOrganisation(organisation);
  return referencesEntity.read(item);
}

/**
 * Adds a cloud account or a maintenance schedule, with the counter of the clusters that use it.
 *
 * @param change makes the new references of those that were read, or throws; called again when others changed them meanwhile
 * @param identity of what is added
 * @throws AppError missing; unavailable; what `change` throws
 */
export async function addReference(
  services: Services,
  organisation: string,
  identity: string,
  change: (present: References) => Pick<References, "accounts" | "schedules">,
): Promise<void> {
  const deadline = deadlineIn(services.patienceMs);
  for (; !deadline.passed(); ) {
    const present = await readReferences(services, organisation);
    const next: References = { ...change(present), revision: present.revision + 1 };
    const transaction = new Transaction()
      .put("references", referencesItem(organisation, next), {
        condition: "#revision = :revision",
        values: { ":revision": present.revision },
      })
      .create("usage", usageEntity.write(usageKey(organisation, identity), { clusters: 0 }));
    const failures = await commit(services.table, transaction, deadline);
    // The counter is there already when this very write was done before and its answer was lost.
    if (failures.length === 0 || failures.some(({ label }) => label === "usage")) return;
  }
  throw contended();
}
