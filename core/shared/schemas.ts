/** Shapes that several schemas of the contract share. */

import * as v from "valibot";
import { parseCidr } from "./ip.ts";
import { isObject } from "./json.ts";
import { Shorthand } from "./validation.ts";

/** Free text, stored and returned as sent. Only text that UTF-8 cannot encode is refused, because it cannot be stored. */
export const text = v.pipe(
  v.string(),
  v.check((value) => value.isWellFormed(), "must be well-formed Unicode, without half a surrogate pair"),
);

/**
 * Limits the length of a text in characters: Unicode code points, as `maxLength` of JSON Schema counts them. valibot's own
 * `maxLength` counts UTF-16 units.
 */
export const maxCharacters = (most: number) => {
  const action = v.maxLength<string, number>(most);
  const run: (typeof action)["~run"] = (dataset, config) =>
    dataset.typed && [...dataset.value].length <= most ? dataset : action["~run"](dataset, config);
  return { ...action, "~run": run };
};

/** End of the message about a length in bytes. */
export const BYTES_LIMIT = "bytes of UTF-8, with characters that JSON escapes counted as their escapes";

/**
 * Builds the schema of free text with a maximum length in bytes of UTF-8, for data with limited space. Characters that JSON
 * escapes, such as quotes, count as their escapes, because documents of items contain these.
 */
export const textOfBytes = (most: number) =>
  v.pipe(
    text,
    v.check((value) => Buffer.byteLength(JSON.stringify(value)) - 2 <= most, `must be at most ${most} ${BYTES_LIMIT}`),
    v.metadata({ maxLength: most }),
  );

/** Identity, converted to lower case, because UUIDs are case-insensitive. */
export const uuid = v.pipe(
  v.string(),
  v.regex(/^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$/, "must be a uuid"),
  v.metadata({ format: "uuid" }),
  v.toLowerCase(),
);

const TIMESTAMP = /^\d{4}-\d\d-\d\dT([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$/;

/** Returns whether the day of a timestamp exists: February 30 is read as a day of March. */
const isDay = (timestamp: string): boolean => {
  const midnight = new Date(`${timestamp.slice(0, 10)}T00:00:00Z`);
  return !Number.isNaN(midnight.getTime()) && midnight.toISOString().startsWith(timestamp.slice(0, 10));
};

/** Date and time in a request: RFC 3339, any offset. */
export const timestamp = v.pipe(
  v.string(),
  v.regex(TIMESTAMP, "must be a date and time with an offset, such as 2026-11-28T02:00:00Z"),
  v.check((value) => !TIMESTAMP.test(value) || isDay(value), "must be an existing day"),
  v.metadata({ format: "date-time" }),
);

/** Range of addresses in CIDR notation, host bits zero. */
export const cidr = v.pipe(
  v.string(),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    const block = parseCidr(dataset.value);
    if (typeof block === "string") addIssue({ message: block });
  }),
  // The longest form: an IPv6 address that ends in IPv4 notation, with a prefix length.
  v.metadata({ maxLength: 49, description: "Address block in CIDR notation, host bits zero." }),
);

/** IPRange of the API documentation. */
export const IPRange = v.object({ ipRange: cidr });

/** Accepts an IPRange sent as plain text. @param value value as sent: text, or the documented object */
export const normaliseIpRange = (value: unknown): unknown =>
  typeof value === "string" ? new Shorthand("ipRange", value) : value;

/** Accepts an IP whitelist whose entries have plain text as `cidr`. @param list list as sent */
export const normaliseIpWhitelist = (list: unknown): unknown =>
  Array.isArray(list)
    ? list.map((entry: unknown) =>
        isObject(entry) && "cidr" in entry ? { ...entry, cidr: normaliseIpRange(entry.cidr) } : entry,
      )
    : list;

// Schemas of responses, which are not parsed: their metadata is for the OpenAPI document.

/** Identity in a response. */
export const identity = v.pipe(v.string(), v.metadata({ format: "uuid" }));

/** Date and time in a response: RFC 3339, UTC, milliseconds. */
export const dateTime = v.pipe(v.string(), v.metadata({ format: "date-time" }));

/** Whole number in a response, up to 2^31. */
export const int32 = v.pipe(v.number(), v.metadata({ type: "integer", format: "int32" }));

/** Whole number in a response, at most 2^53, so that JavaScript reads it exactly. */
export const int64 = v.pipe(v.number(), v.metadata({ type: "integer", format: "int64" }));

/**
 * Builds the schema of a stored object whose names are free text. Names and values are not validated, because valibot's record
 * leaves out names such as `__proto__` and `constructor`.
 */
export const freeNames = <Value>() =>
  v.custom<Record<string, Value>>(
    (input) => typeof input === "object" && input !== null && !Array.isArray(input),
    "must be an object",
  );

/** Slug of the API documentation. */
export const Slug = v.object({ slugValue: v.string() });
