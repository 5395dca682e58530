/** Formats the differences of the published clients' dialect as tables of docs/acloud.md. */

import { requestRows } from "../functions/api/acloud/requests.ts";
import { responseRows } from "../functions/api/acloud/responses.ts";
import { rules } from "../functions/api/acloud/rules.ts";

const BEGIN = "<!-- differences: written by `npm run diagram` -->";
const END = "<!-- end of the differences -->";

const table = (heads: readonly [string, string], rows: readonly (readonly [string, string])[]): string =>
  [heads, ["---", "---"], ...rows].map(([one, other]) => `| ${one} | ${other} |`).join("\n");

const rowsOf = (tables: Readonly<Record<string, Readonly<Record<string, { readonly text: string }>>>>) =>
  Object.entries(tables).flatMap(([schema, own]) =>
    Object.entries(own).map(([name, { text }]): [string, string] => [`\`${schema}.${name}\``, text]),
  );

/** Builds the tables: of responses, of requests, and of rules. */
export const buildDifferences = (): string =>
  [
    table(["property of a response", "difference"], rowsOf(responseRows)),
    table(["property of a request", "difference"], rowsOf(requestRows)),
    table(["rule", "text"], Object.entries(rules)),
  ].join("\n\n");

/**
 * Replaces the text between the two marks with the tables.
 *
 * @param document Markdown
 * @throws Error if a mark is missing
 */
export function insertDifferences(document: string): string {
  const [begin, end] = [document.indexOf(BEGIN), document.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`the document does not contain "${BEGIN}" and then "${END}"`);
  return `${document.slice(0, begin + BEGIN.length)}\n\n${buildDifferences()}\n\n${document.slice(end)}`;
}
