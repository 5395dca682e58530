/** Formats the settings that Cluster API cannot express as tables of docs/cluster-api-limits.md. */

import { nodePoolRefusals } from "../core/provisioning/cluster-api/node-pool-refusals.ts";
import { type Refusal, TRANSLATED_TYPES } from "../core/provisioning/cluster-api/refusal.ts";
import { clusterRefusals } from "../core/provisioning/cluster-api/refusals.ts";

const BEGIN = "<!-- refusals: written by `npm run diagram` -->";
const END = "<!-- end of the refusals -->";

const providersOf = (types: readonly string[]): string =>
  TRANSLATED_TYPES.every((type) => types.includes(type)) ? "all" : types.join(", ");

const row = (prefix: string, { types, property, values, reason, only }: Refusal<never, string>): string =>
  `| ${[`\`${prefix}${property}\``, providersOf(types), values, reason, only ?? "both"].join(" | ")} |`;

/** Builds the table, with the settings of clusters before those of node pools. */
export const buildRefusals = (): string =>
  [
    "| setting | providers | refused | reason in the response, and what to do | request |",
    "| --- | --- | --- | --- | --- |",
    ...clusterRefusals.map((each) => row("", each)),
    ...nodePoolRefusals.map((each) => row("nodePools[].", each)),
  ].join("\n");

/**
 * Replaces the text between the two marks with the table.
 *
 * @param document Markdown
 * @throws Error if a mark is missing
 */
export function insertRefusals(document: string): string {
  const [begin, end] = [document.indexOf(BEGIN), document.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`the document does not contain "${BEGIN}" and then "${END}"`);
  return `${document.slice(0, begin + BEGIN.length)}\n\n${buildRefusals()}\n\n${document.slice(end)}`;
}
