/** Parses JSON whose names are free text. */

import { compareNames } from "./order.ts";

/** Pattern of a JSON string. */
const STRING = /"[^"\\]*(?:\\.[^"\\]*)*"/g;

/** Returns whether the string that ends at a position is a name, not a value. */
const isName = (text: string, end: number): boolean => {
  let at = end;
  while (" \t\r\n".includes(text.charAt(at)) && at < text.length) at++;
  return text.charAt(at) === ":";
};

/**
 * Parses JSON like `JSON.parse`, without a defect of V8 (nodejs/node#63785): V8 reads a name with an escape, such as `"\n"`,
 * as another name if the process has parsed an object before, from any source, whose name begins like the escape, `"\\"`. A
 * name that a user chose would be lost. Names without escapes and all values are not affected.
 *
 * @param text JSON; without a backslash, the cost is the same as for `JSON.parse`
 * @returns the parsed value, of the type that the caller expects
 * @throws SyntaxError if the text is not JSON
 */
export function parseJson<Value = unknown>(text: string): Value {
  const parsed: Value = JSON.parse(text);
  if (!text.includes("\\")) return parsed;
  const names: string[] = [];
  let hasEscapes = false;
  const numbered = text.replace(STRING, (string, at: number) => {
    if (!isName(text, at + string.length)) return string;
    hasEscapes ||= string.includes("\\");
    // A string by itself is a value, which is parsed correctly.
    return `"n${names.push(JSON.parse(string)) - 1}"`;
  });
  return hasEscapes ? (restoreNames(JSON.parse(numbered), names) as Value) : parsed;
}

type Container = unknown[] | object;

const isContainer = (value: unknown): value is Container => typeof value === "object" && value !== null;

/** Restores the numbered names of a value. Without recursion, because the nesting of the input has no limit. */
function restoreNames(value: unknown, names: readonly string[]): unknown {
  const shell = (source: Container): Container => (Array.isArray(source) ? [] : {});
  const whole: { value?: unknown } = {};
  const pending: [source: Container, target: Container, isWhole?: boolean][] = [[{ value }, whole, true]];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const [source, target, isWhole = Array.isArray(source)] = next;
    for (const [key, part] of Object.entries(source)) {
      const copy = isContainer(part) ? shell(part) : part;
      // Define instead of assign, so that a name such as `__proto__` stays a name.
      Object.defineProperty(target, isWhole ? key : (names[Number(key.slice(1))] ?? ""), {
        value: copy,
        configurable: true,
        enumerable: true,
        writable: true,
      });
      if (isContainer(part)) pending.push([part, copy as Container]);
    }
  }
  return whole.value;
}

/** Returns whether a value of JSON is an object: neither null nor an array. */
export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Writes a value as JSON with sorted names, so that equal values are equal texts. */
export const canonicalJson = (value: unknown): string =>
  JSON.stringify(value, (_, each) =>
    isObject(each) ? Object.fromEntries(Object.entries(each).sort(compareNames)) : each,
  );
