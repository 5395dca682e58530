import { describe, expect, test } from "vitest";
import { readExpression } from "#core/observability/regular-expression.ts";

/** Expressions with what Go 1.26 says about `^(?:…)$`: whether it matches the empty string; undefined for an invalid one. */
const EXPRESSIONS: [text: string, matchesEmpty: boolean | undefined][] = [
  ["", true],
  ["a", false],
  ["é😀", false],
  ["a*", true],
  ["a+", false],
  ["a?b", false],
  ["a|", true],
  ["(a|b)*?", true],
  ["(?:a|b)", false],
  ["(?P<x>a)(?P<x>b)", false],
  ["(?<n>a)", false],
  ["(?i)a", false],
  ["(?i-s:a)*", true],
  ["(?)", true],
  [".*", true],
  [".+", false],
  ["^$", true],
  ["\\A\\z", true],
  ["\\b", false],
  ["\\B", true],
  ["a{0}", true],
  ["a{0,}b{2}", false],
  ["a{2,3}", false],
  ["a{,2}", false],
  ["a{01}", false],
  ["{", false],
  ["(a{10}){100}", false],
  ["(|){30}x", false],
  ["\\Q*+\\E", false],
  ["\\Qab\\E*", false],
  ["\\Qa\\E*", true],
  ["[]a]", false],
  ["[^]a]*", true],
  ["[a-]", false],
  ["[[:alpha:][:^digit:]]", false],
  ["[\\d-z]", false],
  ["\\pL\\p{Greek}\\P{Lu}", false],
  ["\\x41\\x{1F600}\\07\\12", false],
  ["\\.\\ \\_", false],
  ["a**", undefined],
  ["a???", undefined],
  ["a{2}{3}", undefined],
  ["a{1001}", undefined],
  ["x{2,1}", undefined],
  ["(a{100}){11}", undefined],
  ["*a", undefined],
  ["{2}", undefined],
  ["(?i)*", undefined],
  ["(", undefined],
  ["a)", undefined],
  ["(?=a)", undefined],
  ["(?!a)", undefined],
  ["(?<=a)", undefined],
  ["(?z)", undefined],
  ["(?i-)", undefined],
  ["(?P<>a)", undefined],
  ["[a", undefined],
  ["[z-a]", undefined],
  ["[a-\\d]", undefined],
  ["[[:foo:]]", undefined],
  ["[\\b]", undefined],
  ["\\1", undefined],
  ["\\8", undefined],
  ["\\Z", undefined],
  ["\\C", undefined],
  ["\\x{110000}", undefined],
  ["\\p{Foo}", undefined],
  ["a\\", undefined],
  ["a\\Qb", undefined],
];

describe("regular expressions of RE2", () => {
  test.each(EXPRESSIONS)("the expression %j is read as Go reads it", (text, matchesEmpty) => {
    const read = readExpression(text);
    expect(typeof read === "string" ? undefined : read.matchesEmpty).toBe(matchesEmpty);
  });

  test("the problem of an invalid expression says what is wrong", () => {
    expect(readExpression("(?!x)")).toBe('has a group that RE2 does not know, such as a lookahead, at "(?!x)"');
    expect(readExpression("a**")).toBe('repeats a repetition at "*"');
    expect(readExpression("[[:foo:]]")).toBe("has the unknown class [:foo:]");
  });

  test("an expression of the longest value is read without an exhausted stack", () => {
    for (const text of [
      "(".repeat(1_000),
      `${"(".repeat(500)}${")".repeat(500)}`,
      "[".repeat(1_000),
      "a|".repeat(500),
    ]) {
      expect(() => readExpression(text)).not.toThrow();
    }
  });
});
