/** Formats the examples of request bodies for docs/api.md. */

import { routeRows } from "../functions/api/routes.ts";
import { requests } from "../functions/openapi/examples.ts";

const BEGIN = "<!-- request bodies: written by `npm run diagram` -->";
const END = "<!-- end of the request bodies -->";

/** Maximum length of a line, in characters. */
const LINE = 120;

/** Formats a value as JSON, on one line if that is short enough. */
function format(value: unknown, indentation = ""): string {
  const isList = Array.isArray(value);
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const join = (separator: string, inner: string) =>
    Object.entries(value)
      .map(([name, each]) => `${isList ? "" : `${JSON.stringify(name)}: `}${format(each, inner)}`)
      .join(separator);
  const [open, close] = isList ? ["[", "]"] : ["{", "}"];
  const line = `${open}${join(", ", indentation)}${close}`;
  if (indentation.length + line.length <= LINE && !line.includes("\n")) return line;
  const inner = `${indentation}  `;
  return `${open}\n${inner}${join(`,\n${inner}`, inner)}\n${indentation}${close}`;
}

/** Builds a code block for each operation with a body, in the order of the table of routes. */
export const buildRequestBodies = (): string =>
  routeRows
    .filter(({ id }) => requests[id] !== undefined)
    .map(({ method, path, id }) => `\`${method} ${path}\`\n\n\`\`\`json\n${format(requests[id])}\n\`\`\``)
    .join("\n\n");

/**
 * Replaces the text between the two marks with the bodies.
 *
 * @param document Markdown
 * @throws Error if a mark is missing
 */
export function insertRequestBodies(document: string): string {
  const [begin, end] = [document.indexOf(BEGIN), document.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`the document does not contain "${BEGIN}" and then "${END}"`);
  return `${document.slice(0, begin + BEGIN.length)}\n\n${buildRequestBodies()}\n\n${document.slice(end)}`;
}
