import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { conditionReasons, conditionTypes } from "#core/cluster/condition.ts";
import { type ClusterStatus, canFollow } from "#core/cluster/rules/transitions.ts";
import { clusterStatuses, desiredStatuses, provisionStatuses } from "#core/cluster/schema.ts";
import { nodePoolProvisionStatuses } from "#core/node-pool/schema.ts";
import { buildStateDiagram, insertDiagram } from "../../docs/diagram.ts";

const document = readFileSync(new URL("../../docs/life-of-a-cluster.md", import.meta.url), "utf8");

/** Lists every transition of a diagram, with the desired status that it requires. */
function arrowsOf(diagram: string): string[] {
  const lines = diagram.split("\n").map((line) => line.trim());
  const inBox = lines.slice(lines.findIndex((line) => line.endsWith("{")) + 1, lines.indexOf("}"));
  const boxed = new Set(inBox.flatMap((line) => line.split(" : ")[0]?.split(" --> ") ?? []));
  return lines.flatMap((line) => {
    const [, from = "", to = "", label = ""] = /^(\S+) --> (\S+)(?: : (.*))?$/.exec(line) ?? [];
    if (to === "" || from === "[*]") return [];
    const wishes = label.startsWith("requested ") ? label.slice("requested ".length).split(" or ") : desiredStatuses;
    return (from === "exists" ? [...boxed] : [from]).flatMap((each) => wishes.map((wish) => `${each} ${wish} ${to}`));
  });
}

describe("the document about the life of a cluster", () => {
  test("docs/life-of-a-cluster.md shows the current state machine (otherwise run `npm run diagram`)", () => {
    expect(document).toBe(insertDiagram(document));
    expect(document).toContain(buildStateDiagram());
  });

  test("the diagram has every allowed transition and no other", () => {
    const all = clusterStatuses.flatMap((from) =>
      desiredStatuses.flatMap((wish) =>
        clusterStatuses.filter((to: ClusterStatus) => canFollow(from, to, wish)).map((to) => `${from} ${wish} ${to}`),
      ),
    );
    expect(arrowsOf(buildStateDiagram()).toSorted()).toEqual(all.toSorted());
  });

  test.each([
    ["state", clusterStatuses],
    ["desired status", desiredStatuses],
    ["phase", provisionStatuses],
    ["state of a pool", nodePoolProvisionStatuses],
    ["type of a condition", conditionTypes],
    ["reason", conditionReasons],
  ])("docs/life-of-a-cluster.md names every %s", (_, names) => {
    expect(names.filter((name) => !document.includes(`\`${name}\``))).toEqual([]);
  });

  test("insertDiagram throws for a document without the two marks", () => {
    expect(() => insertDiagram("# The life of a cluster\n")).toThrow("does not contain");
  });
});
