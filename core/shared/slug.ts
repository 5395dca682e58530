/** Slugs: names in paths and keys. */

const SLUG = /^[a-z0-9-]{1,63}$/;
const ORGANISATION_SLUG = /^[a-z0-9_-]{1,63}$/;

/** Returns whether a text is a valid slug of an environment or a cluster. */
export const isSlug = (text: string): boolean => SLUG.test(text);

/** Returns whether a text is a valid slug of an organisation, which may also contain `_`. */
export const isOrganisationSlug = (text: string): boolean => ORGANISATION_SLUG.test(text);

/**
 * Converts a name to a slug: lower case, every run of other characters replaced by one `-`, trimmed.
 *
 * @param name name with at least one ASCII letter or digit; otherwise the slug is empty
 */
export function slugOf(name: string): string {
  return name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-|-$/g, "");
}

/** Pattern of names of environments and clusters: ASCII letters, digits, space, `-` and `&`. */
export const NAME_PATTERN = /^(?=.*[A-Za-z0-9])[A-Za-z0-9 &-]*$/;
