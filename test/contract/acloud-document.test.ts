import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { buildDifferences, insertDifferences } from "../../docs/acloud-rows.ts";

const document = readFileSync(new URL("../../docs/acloud.md", import.meta.url), "utf8");

test("docs/acloud.md shows every difference of the dialect (otherwise run `npm run diagram`)", () => {
  expect(document).toBe(insertDifferences(document));
  expect(document).toContain(buildDifferences());
});

test("insertDifferences throws for a document without the two marks", () => {
  expect(() => insertDifferences("# The dialect\n")).toThrow("does not contain");
});
