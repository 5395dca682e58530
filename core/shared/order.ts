/** Compares texts and properties, for sorting. */

/** Compares two texts by their UTF-16 code units, independently of the language. @returns a negative number, 0 or a positive number */
export const compareText = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0);

/** Compares two properties of an object by their names. @returns as `compareText` */
export const compareNames = (one: readonly [string, unknown], other: readonly [string, unknown]): number =>
  compareText(one[0], other[0]);

/** Item with the time of its creation (RFC 3339) and its identity. */
interface Created {
  readonly createdAt: string;
  readonly identity: string;
}

/** Compares two items by their age; those that are equally old by their identities. @returns as `compareText` */
export const byAge = (one: Created, other: Created): number =>
  compareText(one.createdAt, other.createdAt) || compareText(one.identity, other.identity);
