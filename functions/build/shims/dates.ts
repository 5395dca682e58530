/**
 * Replaces the SDK's parsers of dates and times. No call of a function sends or receives a timestamp: DynamoDB's reads and
 * transactions and KMS's data keys have none. Only the header `Retry-After` may hold a date.
 */

/** Returns the date of a `Retry-After` header. @throws RangeError where the text is no date, as the SDK's parser throws */
export function parseRfc7231DateTime(value: unknown): Date {
  const date = new Date(String(value));
  if (Number.isNaN(date.getTime())) throw new RangeError("the text is no date");
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
