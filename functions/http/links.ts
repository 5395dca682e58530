/** The Link header (RFC 8288). */

/**
 * Writes the links of a page, absolute.
 *
 * @param url of the request, without its query
 * @param links relation and query of each
 */
export const linkHeader = (url: string, links: readonly (readonly [rel: string, query: string])[]): string =>
  links.map(([rel, query]) => `<${url}?${query}>; rel="${rel}"`).join(", ");
