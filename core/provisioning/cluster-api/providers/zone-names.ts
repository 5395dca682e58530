/** Names of zones in the profile file. */

/**
 * Returns the name of a zone that the profile file has for its slug; the slug if it has none.
 *
 * @param slug slug of the zone in the catalogue
 */
export const zoneNameOf = ({ zoneNames }: { zoneNames: Readonly<Record<string, string>> }, slug: string): string =>
  Object.hasOwn(zoneNames, slug) ? (zoneNames[slug] as string) : slug;
