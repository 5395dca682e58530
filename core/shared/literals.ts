/** Restores in messages how a request wrote its values. Used only after a request was refused, because it reads the JSON text again. */

import { AppError } from "./errors.ts";
import { elementPath, formatValue, memberPath, shorten } from "./validation.ts";

/** A JSON token: string, number, keyword or punctuation. */
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|[-\w][\w.+-]*|[{}[\],]/g;

/** Maximum depth of a path. No schema of this API is deeper. */
const DEPTH = 8;

interface Container {
  path: string;
  /** Undefined in an object. */
  index: number | undefined;
  /** Undefined in an object before the name of the next member. */
  name: string | undefined;
}

/**
 * Finds literals whose text differs from the value that JavaScript or this API reads: numbers in another notation, such as `1e400`
 * or `9007199254740993`, and strings with capital letters, because identities are converted to lower case.
 *
 * @param json valid JSON
 * @returns literals by path, in the form of problem paths; for a repeated property, the last
 */
export function findLiterals(json: string): Map<string, string> {
  const literals = new Map<string, string>();
  const containers: Container[] = [];
  for (const [token] of json.matchAll(TOKEN)) {
    const inside = containers.at(-1);
    if (token === "}" || token === "]") containers.pop();
    else if (token === ",") {
      if (inside?.index === undefined) Object.assign(inside ?? {}, { name: undefined });
      else inside.index++;
    } else if (inside !== undefined && inside.index === undefined && inside.name === undefined) {
      inside.name = JSON.parse(token);
    } else {
      const isKnown = containers.length <= DEPTH;
      const path = isKnown && inside !== undefined ? pathIn(inside) : "";
      if (token === "{" || token === "[") {
        containers.push({ path, index: token === "[" ? 0 : undefined, name: undefined });
      } else if (isKnown && (token.startsWith('"') ? /[A-Z]/.test(token) : `${Number(token)}` !== token)) {
        literals.set(path, token);
      } else if (isKnown) literals.delete(path);
    }
  }
  return literals;
}

const pathIn = ({ path, index, name = "" }: Container): string =>
  index === undefined ? memberPath(path, name) : elementPath(path, index);

/**
 * Replaces the values in the messages of an error by the literals of the request.
 *
 * @param error any error; only an AppError of kind invalid is changed
 * @param json body of the request; undefined if it is absent or cannot be parsed
 * @returns the error
 */
export function repeatAsSent(error: unknown, json: string | undefined): unknown {
  if (!(error instanceof AppError) || error.kind !== "invalid" || json === undefined) return error;
  const literals = findLiterals(json);
  if (literals.size === 0) return error;
  const details = error.details.map((detail) => asSent(detail, literals));
  const more = error.message.slice(error.details[0]?.length);
  return Object.assign(error, { details, message: `${details[0]}${more}` });
}

function asSent(detail: string, literals: ReadonlyMap<string, string>): string {
  const root = replaceLiteral(detail, "The body, ", literals.get(""), ", is not allowed: ");
  if (root !== undefined) return root;
  // A name in a path may contain the separator.
  for (let end = detail.indexOf(": "); end !== -1; end = detail.indexOf(": ", end + 1)) {
    const path = detail.slice(0, end);
    const text = replaceLiteral(detail, `${path}: `, literals.get(path), " is not allowed: ") ?? detail;
    // Quoted text of the user may look like a statement about a sibling property.
    if (!/^(-?\d|true |false )/.test(detail.slice(end + 2))) {
      if (text !== detail) return text;
      continue;
    }
    const parent = path.slice(0, path.lastIndexOf(".") + 1);
    return text.replace(/\b(\w+)((?:, which)? is )([\d.e+-]+)/g, (whole, name: string, is: string, value: string) => {
      const literal = literals.get(`${parent}${name}`);
      return literal !== undefined && `${Number(literal)}` === value ? `${name}${is}${shorten(literal)}` : whole;
    });
  }
  return detail;
}

/** Returns a detail with the literal in place of its value; undefined if the detail is not about the literal. */
function replaceLiteral(
  detail: string,
  before: string,
  literal: string | undefined,
  after: string,
): string | undefined {
  if (literal === undefined) return undefined;
  const value: unknown = JSON.parse(literal);
  const [read, sent] =
    typeof value === "string"
      ? [formatValue(value.toLowerCase()), formatValue(value)]
      : [String(value), shorten(literal)];
  const start = `${before}${read}${after}`;
  return detail.startsWith(start) ? `${before}${sent}${after}${detail.slice(start.length)}` : undefined;
}
