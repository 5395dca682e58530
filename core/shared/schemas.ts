/** Shapes that several of the contract's schemas share. */

import * as v from "valibot";
import { parseCidr } from "./ip.ts";
import { Shorthand } from "./validation.ts";

/** Free text: kept and returned as sent. Only what UTF-8 cannot carry is refused, for it could not be kept. */
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

/** Free text of at most so many bytes in UTF-8, for what has to fit into a place of fixed size. */
export const textOfBytes = (most: number) =>
  v.pipe(
    text,
    v.check((value) => Buffer.byteLength(value) <= most, `must be at most ${most} bytes`),
  );

/** An identity. Letters are folded, for a uuid is the same in both cases. */
export const uuid = v.pipe(
  v.string(),
  v.regex(/^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$/, "must be a uuid"),
  v.metadata({ format: "uuid" }),
  v.toLowerCase(),
);

/** A range of addresses in CIDR notation, host bits zero. */
export const cidr = v.pipe(
  v.string(),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    const block = parseCidr(dataset.value);
    if (typeof block === "string") addIssue({ message: block });
  }),
  // The longest there is: an IPv6 address that ends as an IPv4 one, and its prefix.
  v.metadata({ maxLength: 49, description: "A block of addresses in CIDR notation, host bits zero." }),
);

/** The documentation's IPRange. */
export const IPRange = v.object({ ipRange: cidr });

/** Accepts an IPRange sent as plain text. @param value as it was sent: text, or the documented object */
export const normaliseIpRange = (value: unknown): unknown =>
  typeof value === "string" ? new Shorthand("ipRange", value) : value;

/** Accepts an IP whitelist whose entries have plain text as `cidr`. @param list as it was sent */
export const normaliseIpWhitelist = (list: unknown): unknown =>
  Array.isArray(list)
    ? list.map((entry: unknown) =>
        typeof entry === "object" && entry !== null && "cidr" in entry
          ? { ...entry, cidr: normaliseIpRange(entry.cidr) }
          : entry,
      )
    : list;

// In answers, which nobody parses: what the document says of them beyond their type.

/** An identity in an answer. */
export const identity = v.pipe(v.string(), v.metadata({ format: "uuid" }));

/** A moment in an answer: RFC 3339, UTC, milliseconds. */
export const dateTime = v.pipe(v.string(), v.metadata({ format: "date-time" }));

/** A whole number in an answer, up to 2^31. */
export const int32 = v.pipe(v.number(), v.metadata({ type: "integer", format: "int32" }));

/** A whole number in an answer. None is beyond 2^53, so that JavaScript reads them as they are. */
export const int64 = v.pipe(v.number(), v.metadata({ type: "integer", format: "int64" }));

/** The documentation's Slug. */
export const Slug = v.object({ slugValue: v.string() });
