/** Reading JSON whose names are free text. */

/** A string of JSON, whatever is in it. */
const STRING = /"[^"\\]*(?:\\.[^"\\]*)*"/g;

/** Whether the string that ends at a position is a name, not a value. */
const isName = (text: string, end: number): boolean => {
  let at = end;
  while (" \t\r\n".includes(text.charAt(at)) && at < text.length) at++;
  return text.charAt(at) === ":";
};

/**
 * Parses JSON as `JSON.parse` should. V8 reads a name with an escape in it, such as `"\n"`, as another one where it has seen
 * an object before whose name begins like the escape, `"\\"` (nodejs/node#63785): whoever sent that one, and whenever. A name
 * that users chose would be lost so. Names without escapes and all values are read rightly.
 *
 * @param text JSON; what has no backslash costs nothing more than `JSON.parse`
 * @returns what the caller knows was written there
 * @throws SyntaxError where it is none
 */
export function parseJson<Value = unknown>(text: string): Value {
  const parsed: Value = JSON.parse(text);
  if (!text.includes("\\")) return parsed;
  const names: string[] = [];
  let hasEscapes = false;
  const numbered = text.replace(STRING, (string, at: number) => {
    if (!isName(text, at + string.length)) return string;
    hasEscapes ||= string.includes("\\");
    // A string alone is a value, and read rightly.
    return `"n${names.push(JSON.parse(string)) - 1}"`;
  });
  return hasEscapes ? (named(JSON.parse(numbered), names) as Value) : parsed;
}

type Container = unknown[] | object;

const isContainer = (value: unknown): value is Container => typeof value === "object" && value !== null;

/** Gives a value's numbered names back. Without recursion, for what is sent may be nested as deeply as it likes. */
function named(value: unknown, names: readonly string[]): unknown {
  const shell = (source: Container): Container => (Array.isArray(source) ? [] : {});
  const whole: { value?: unknown } = {};
  const pending: [source: Container, target: Container, isWhole?: boolean][] = [[{ value }, whole, true]];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const [source, target, isWhole = Array.isArray(source)] = next;
    for (const [key, part] of Object.entries(source)) {
      const copy = isContainer(part) ? shell(part) : part;
      // Defined, not assigned, so that a name such as `__proto__` stays a name.
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
