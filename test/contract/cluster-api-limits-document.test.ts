import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { buildRefusals, insertRefusals } from "../../docs/refusal-rows.ts";

const document = readFileSync(new URL("../../docs/cluster-api-limits.md", import.meta.url), "utf8");

test("docs/cluster-api-limits.md shows every refused setting (otherwise run `npm run diagram`)", () => {
  expect(document).toBe(insertRefusals(document));
  expect(document).toContain(buildRefusals());
});

test("insertRefusals throws for a document without the two marks", () => {
  expect(() => insertRefusals("# Limits\n")).toThrow("does not contain");
});
