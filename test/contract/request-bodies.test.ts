import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { routeRows } from "#functions/api/routes.ts";
import { buildRequestBodies, insertRequestBodies } from "../../docs/request-bodies.ts";

const document = readFileSync(new URL("../../docs/api.md", import.meta.url), "utf8");

test("docs/api.md shows a body for every operation that has one (otherwise run `npm run diagram`)", () => {
  expect(document).toBe(insertRequestBodies(document));
  const bodies = buildRequestBodies();
  for (const { method, path, body } of routeRows) {
    if (body !== undefined) expect(bodies).toContain(`\`${method} ${path}\`\n\n\`\`\`json\n`);
  }
});

test("the request bodies of docs/api.md are JSON", () => {
  const blocks = [...document.matchAll(/^```json\n(.*?)^```$/gms)].map(([, text = ""]) => text);
  expect(blocks.length).toBeGreaterThan(20);
  for (const block of blocks) expect(() => JSON.parse(block), block).not.toThrow();
});

test("insertRequestBodies throws for a document without the two marks", () => {
  expect(() => insertRequestBodies("# API\n")).toThrow("does not contain");
});
