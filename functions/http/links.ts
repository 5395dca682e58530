/** The Link header (RFC 8288). */

/**
 * Formats the links of a page as absolute URLs.
 *
 * @param url URL of the request, without its query
 * @param links relation and query of each link
 */
export const linkHeader = (url: string, links: readonly (readonly [rel: string, query: string])[]): string =>
  links.map(([rel, query]) => `<${url}?${query}>; rel="${rel}"`).join(", ");
