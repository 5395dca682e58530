/** Keeps the references of organisations in the process, by the revision that the organisation's item carries. */

import type { CachedReferences, Services } from "../context.ts";
import type { RawItem } from "../table/entity.ts";
import { keyText, referencesKey } from "../table/keys.ts";
import type { Organisation } from "./organisation.ts";
import { type References, referencesEntity } from "./references-entity.ts";

/**
 * Returns the current references of an organisation. Reads them, in a database round trip of their own, only if neither the cache nor
 * the caller has them: after they changed.
 *
 * @param organisation as read strongly for this request
 * @param cached what the cache had for its slug before that read
 * @param item item of the references if it was read with the organisation
 * @returns undefined if the organisation has no references item
 */
export async function currentReferences(
  services: Pick<Services, "table" | "referencesCache">,
  organisation: Organisation,
  cached: CachedReferences | undefined,
  item: RawItem | undefined,
): Promise<References | undefined> {
  if (item !== undefined) return keep(services, organisation, item);
  if (cached?.organisationIdentity === organisation.identity && cached.revision === organisation.referencesRevision) {
    // Only `keep` fills the cache.
    return cached.references as References;
  }
  const key = referencesKey(organisation.slug);
  const found = (await services.table.get([key])).get(keyText(key));
  return found === undefined ? undefined : keep(services, organisation, found);
}

/** Keeps references that this process has just written, so that its next request need not read them. */
export const keepWritten = (
  services: Pick<Services, "referencesCache">,
  { identity, slug }: Pick<Organisation, "identity" | "slug">,
  references: References,
): void => put(services, identity, slug, references);

function put(
  { referencesCache }: Pick<Services, "referencesCache">,
  organisationIdentity: string,
  slug: string,
  references: References,
): void {
  const bytes = Buffer.byteLength(JSON.stringify(references));
  referencesCache.set(slug, { organisationIdentity, revision: references.revision, references }, bytes);
}

/** Parses the item, and caches it unless the organisation was last written by a release that does not store the revision. */
function keep(services: Pick<Services, "referencesCache">, organisation: Organisation, item: RawItem): References {
  const references = referencesEntity.read(item);
  if (organisation.referencesRevision !== undefined) {
    put(services, organisation.identity, organisation.slug, references);
  }
  return references;
}
