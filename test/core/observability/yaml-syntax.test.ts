import { describe, expect, test } from "vitest";
import { yamlProblem } from "#core/observability/yaml-syntax.ts";

describe("the syntax of YAML files", () => {
  test.each([
    ["an empty file", ""],
    ["comments only", "# nothing\n"],
    ["rules", "groups:\n  - name: shop\n    rules:\n      - alert: Down\n        expr: up == 0\n        for: 5m\n"],
    ["several documents", "a: 1\n---\na: 2\n"],
    ["an unknown tag", "a: !secret b\n"],
    ["the same key in different maps", "a: {b: 1}\nc: {b: 1}\n"],
    ["aliases that multiply", "a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]\n"],
  ])("a file with %s has no problem", (_, text) => {
    expect(yamlProblem(text)).toBeUndefined();
  });

  test.each([
    ["an open map", "route: {", /^is not YAML: line 1: /],
    ["a tab as indentation", "a:\n\tb: c\n", /^is not YAML: line 2: /],
    ["a faulty second document", "a: 1\n---\nb: [\n", /^is not YAML: line [34]: /],
    ["a missing anchor's name", "a: & b: c: d", /^is not YAML: /],
    ["a key twice", "a: 1\nb: 2\na: 3\n", /^has the key "a" twice in one map: line 3$/],
    ["a key twice inside", "x:\n  - a: 1\n    a: 2\n", /^has the key "a" twice in one map: line 3$/],
  ])("a file with %s has a problem with its line", (_, text, problem) => {
    expect(yamlProblem(text)).toMatch(problem);
  });

  test("a file that is nested as deeply as a body can be has a problem, and exhausts no stack", () => {
    for (const text of ["[".repeat(200_000), "{a: ".repeat(60_000), "- ".repeat(100_000)]) {
      expect(yamlProblem(text)).toEqual(expect.any(String));
    }
  });
});
