/** Pages of lists: the requested page and its content. */

/** Sort key. */
interface Order {
  readonly property: string;
  readonly descending: boolean;
}

/** Requested page of a list. */
export interface PageRequest {
  /** Number of the page, from 0. */
  readonly pageNumber: number;
  /** Maximum number of elements in the page. */
  readonly pageSize: number;
  /** Direction of the default order; undefined if none was requested: then it is ascending. */
  readonly descending: boolean | undefined;
  /** Requested sort keys. The default order applies without them, and among equal elements. */
  readonly sort: readonly Order[];
}

/** Page of a list. */
export interface Page<Element> {
  readonly content: readonly Element[];
  /** Number of elements in the whole list. A count can be older than the content. */
  readonly total: number;
  /** Order that was requested; empty if none was. */
  readonly sort: readonly Order[];
}

/** Options of a list that has no options but its page. */
export interface PageOptions {
  readonly page: PageRequest;
}

/** Maximum number of elements in a page. */
export const MAX_PAGE_SIZE = 1_000;

/**
 * Returns the order that was requested; empty if none was.
 *
 * @param defaultOrder properties of the list's default order; empty if no property has this order
 */
export function requestedOrder({ sort, descending }: PageRequest, defaultOrder: readonly string[]): readonly Order[] {
  if (sort.length > 0) return sort;
  return descending === undefined ? [] : defaultOrder.map((property) => ({ property, descending }));
}

/**
 * Returns a page of a list that was read completely.
 *
 * @param elements the whole list, in its default order
 * @param order property by which the list is sorted; undefined if no property has this order
 */
export function paginate<Element>(
  elements: readonly Element[],
  request: PageRequest,
  order: string | undefined,
): Page<Element> {
  const { pageNumber, pageSize, descending } = request;
  const offset = pageNumber * pageSize;
  const ordered = descending === true ? elements.toReversed() : elements;
  return {
    content: ordered.slice(offset, offset + pageSize),
    total: elements.length,
    sort: requestedOrder(request, order === undefined ? [] : [order]),
  };
}
