/** Shapes that several of the contract's schemas share. */

import * as v from "valibot";
import { parseBlock } from "./address.ts";

/** Free text: kept and returned as sent. Only what UTF-8 cannot carry is refused, for it could not be kept. */
export const text = v.pipe(
  v.string(),
  v.check((value) => value.isWellFormed(), "must be well-formed Unicode, without half a surrogate pair"),
);

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
  v.toLowerCase(),
);

/** A range of addresses in CIDR notation, host bits zero. */
export const cidr = v.pipe(
  v.string(),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    const block = parseBlock(dataset.value);
    if (typeof block === "string") addIssue({ message: block });
  }),
);

/** The documentation's IPRange. */
export const IPRange = v.object({ ipRange: cidr });

/** The documentation's Slug. */
export const Slug = v.object({ slugValue: v.string() });
