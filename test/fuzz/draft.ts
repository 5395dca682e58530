/** A request as it stands before it is written. */

import type { Caller } from "./scene.ts";

/** What mutations are done to. */
export interface Draft {
  method: string;
  /** Written as they stand: whoever puts something in encodes it, or does not. */
  segments: string[];
  /** `name=value`, written as they stand, too. */
  query: string[];
  headers: Record<string, string>;
  caller: Caller;
  /** Undefined where the operation takes none. */
  body: unknown;
  /** Instead of what JSON makes of the body. */
  raw: string | Uint8Array<ArrayBuffer> | undefined;
}

/** What one is written as, in a path or in a query. */
export const encoded = (text: string): string => encodeURIComponent(text.toWellFormed());

/** The body as text; what was made of it before, where that is text. */
export function textOf({ raw, body }: Draft): string {
  if (typeof raw === "string") return raw;
  if (raw !== undefined) return Buffer.from(raw).toString("latin1");
  return JSON.stringify(body) ?? "";
}
