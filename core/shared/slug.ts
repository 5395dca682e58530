/** Slugs: names as they stand in paths and keys. */

const SLUG = /^[a-z0-9-]{1,63}$/;
const ORGANISATION_SLUG = /^[a-z0-9_-]{1,63}$/;

/** Whether a text can be the slug of an environment or a cluster. */
export const isSlug = (text: string): boolean => SLUG.test(text);

/** Whether a text can be the slug of an organisation, where `_` is allowed too. */
export const isOrganisationSlug = (text: string): boolean => ORGANISATION_SLUG.test(text);

/**
 * Makes a slug of a name: lower case, every run of other characters one `-`, trimmed.
 *
 * @param name holds at least one ASCII letter or digit, else the slug is empty
 */
export function slugOf(name: string): string {
  return name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-|-$/g, "");
}

/** What names of environments and clusters are made of: ASCII letters, digits, space, `-` and `&`. */
export const NAME_PATTERN = /^(?=.*[A-Za-z0-9])[A-Za-z0-9 &-]*$/;
