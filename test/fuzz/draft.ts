/** Draft of a request before it is encoded. */

import type { Caller } from "./scene.ts";

/** Draft that mutations change. */
export interface Draft {
  method: string;
  /** Path segments, sent unchanged: mutations encode them or not. */
  segments: string[];
  /** `name=value` pairs, sent unchanged, too. */
  query: string[];
  headers: Record<string, string>;
  caller: Caller;
  /** Undefined if the operation takes no body. */
  body: unknown;
  /** Text in place of the JSON of the body. */
  raw: string | Uint8Array<ArrayBuffer> | undefined;
}

/** Encodes a value for a path or a query. */
export const encoded = (text: string): string => encodeURIComponent(text.toWellFormed());

/** Returns the body as text, or the text that a mutation made of it. */
export function textOf({ raw, body }: Draft): string {
  if (typeof raw === "string") return raw;
  if (raw !== undefined) return Buffer.from(raw).toString("latin1");
  return JSON.stringify(body) ?? "";
}
