/** Converts between times and the expiry of items. DynamoDB counts expiry (`ttl`) in whole seconds since 1970. */

/** One hour, in milliseconds. */
export const HOUR_MS = 60 * 60_000;

/** One day, in milliseconds. */
export const DAY_MS = 24 * HOUR_MS;

/** Returns a time in whole seconds since 1970, rounded down. */
export const epochSeconds = (time: Date): number => Math.floor(time.getTime() / 1_000);

/** Returns the `ttl` of an item that expires a number of milliseconds after a time. */
export const ttlAfter = (time: Date, ms: number): number => epochSeconds(new Date(time.getTime() + ms));

/** Returns whether an item has expired. Reads check this, because DynamoDB removes expired items late. */
export const hasTtlExpired = ({ ttl }: { ttl: number }, now: Date): boolean => ttl <= epochSeconds(now);
