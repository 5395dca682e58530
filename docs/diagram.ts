/** The state machine of a cluster as a Mermaid diagram, drawn from the table that the API and the reconciler go by. */

import { type ClusterStatus, canFollow } from "#core/cluster/rules/transitions.ts";
import { clusterStatuses, desiredStatuses } from "#core/cluster/schema.ts";

const BEGIN = "<!-- What follows is written by `npm run diagram`. -->";
const END = "<!-- What precedes was written by `npm run diagram`. -->";

/** What was last asked for, where a state may follow another. */
const wishesFor = (from: ClusterStatus, to: ClusterStatus) =>
  desiredStatuses.filter((desired) => canFollow(from, to, desired));

const followersOf = (from: ClusterStatus) => clusterStatuses.filter((to) => wishesFor(from, to).length > 0);

function arrow(from: string, to: string, label: string): string {
  return `${from} --> ${to}${label === "" ? "" : ` : ${label}`}`;
}

/** An arrow between two states; it says what must have been asked for, where that matters. */
function arrowBetween(from: ClusterStatus, to: ClusterStatus): string {
  const wishes = wishesFor(from, to);
  if (from === "deleted") return arrow(from, to, "undelete");
  return arrow(from, to, wishes.length === desiredStatuses.length ? "" : `asked for ${wishes.join(" or ")}`);
}

/**
 * Draws the state machine. States that deleting and unknown may follow alike share one box, and those two arrows.
 *
 * @returns Mermaid, ending in a line break
 */
export function stateDiagram(): string {
  const shared: readonly ClusterStatus[] = ["deleting", "unknown"];
  const isBoxed = (status: ClusterStatus) =>
    !shared.includes(status) && shared.every((to) => wishesFor(status, to).length === desiredStatuses.length);
  const boxed = clusterStatuses.filter(isBoxed);
  const inside = boxed.flatMap((from) =>
    followersOf(from)
      .filter((to) => !shared.includes(to))
      .map((to) => arrowBetween(from, to)),
  );
  const outside = clusterStatuses
    .filter((from) => !isBoxed(from))
    .flatMap((from) => followersOf(from).map((to) => arrowBetween(from, to)));
  return [
    "stateDiagram-v2",
    "  [*] --> new",
    '  state "there" as there {',
    ...inside.map((line) => `    ${line}`),
    "  }",
    ...shared.map((to) => `  ${arrow("there", to, "")}`),
    ...outside.map((line) => `  ${line}`),
    "",
  ].join("\n");
}

/**
 * Puts the diagram between its two marks.
 *
 * @param document Markdown
 * @throws Error where the marks are not there
 */
export function withDiagram(document: string): string {
  const [begin, end] = [document.indexOf(BEGIN), document.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`"${BEGIN}" and "${END}" are not there`);
  const before = document.slice(0, begin + BEGIN.length);
  return `${before}\n\n\`\`\`mermaid\n${stateDiagram()}\`\`\`\n\n${document.slice(end)}`;
}
