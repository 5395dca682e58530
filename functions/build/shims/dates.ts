/**
 * Replaces the SDK's parsers of dates and times. No call of a function sends or receives a timestamp: DynamoDB's reads and
 * transactions and KMS's data keys have none. Only the header `Retry-After` may contain a date.
 */

/** Returns the date of a `Retry-After` header. @throws RangeError if the text is not a date, like the SDK's parser */
export function parseRfc7231DateTime(value: unknown): Date {
  const date = new Date(String(value));
  if (Number.isNaN(date.getTime())) throw new RangeError("the text is not a date");
  return date;
}

/** Fails. @throws Error always: a call sends or receives a timestamp */
export function dateToUtcString(): never {
  throw new Error("timestamps are not in this bundle");
}

/** Fails as `dateToUtcString`. */
export const parseEpochTimestamp = dateToUtcString;

/** Fails as `dateToUtcString`. */
export const parseRfc3339DateTime = dateToUtcString;

/** Fails as `dateToUtcString`. */
export const parseRfc3339DateTimeWithOffset = dateToUtcString;
