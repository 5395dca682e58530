/** Reads the items that clusters of an organisation refer to. */

import type { Services } from "../context.ts";
import { isOrganisationSlug } from "../shared/slug.ts";
import { keyText, referencesKey } from "../table/keys.ts";
import { organisationNotFound } from "./organisation.ts";
import { type References, referencesEntity } from "./references-entity.ts";

/** Reads the references of an organisation. @throws AppError not found */
export async function readReferences(services: Services, organisation: string): Promise<References> {
  if (!isOrganisationSlug(organisation)) throw organisationNotFound(organisation);
  const key = referencesKey(organisation);
  const item = (await services.table.get([key])).get(keyText(key));
  if (item === undefined) throw organisationNotFound(organisation);
  return referencesEntity.read(item);
}
