import fc from "fast-check";
import * as v from "valibot";
import { describe, expect, test } from "vitest";
import { freeNames } from "#core/shared/schemas.ts";
import { createMatcher } from "#core/table/matcher.ts";

const Part = v.object({
  kind: v.picklist(["a", "b"]),
  text: v.pipe(v.string(), v.description("free")),
  count: v.optional(v.number()),
});
const Whole = v.object({
  name: v.string(),
  isOn: v.optional(v.boolean(), true),
  parts: v.array(Part),
  flags: freeNames<string>(),
  trimmed: v.optional(v.pipe(v.string(), v.trim())),
  either: v.optional(v.union([v.string(), v.number()])),
  any: v.optional(v.unknown()),
  rows: v.pipe(v.array(v.pipe(v.array(v.union([v.string(), v.number()])), v.minLength(2))), v.maxLength(2)),
});

/** Values that match, nearly match or do not match. */
const leaf = fc.constantFrom<unknown>("a", "b", " c ", "", 1, Number.NaN, true, null, undefined, {}, []);
const part = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom("a", "b"), text: fc.string(), count: fc.integer() }) },
  { weight: 1, arbitrary: fc.record({ text: leaf, kind: leaf, count: leaf, more: leaf }, { requiredKeys: [] }) },
);
const often = <T>(arbitrary: fc.Arbitrary<T>) => fc.oneof({ weight: 6, arbitrary }, { weight: 1, arbitrary: leaf });
const whole = fc.record(
  {
    name: often(fc.string()),
    isOn: often(fc.boolean()),
    parts: often(fc.array(part)),
    flags: often(fc.dictionary(fc.string(), fc.string())),
    trimmed: often(fc.constant("a")),
    either: often(fc.constantFrom("a", 1)),
    any: leaf,
    rows: fc.array(often(fc.array(fc.constantFrom("a", 1), { minLength: 1, maxLength: 3 })), { maxLength: 3 }),
    more: leaf,
  },
  { requiredKeys: ["name", "parts", "flags", "rows"] },
);

describe("a matcher", () => {
  test("a value that matches is parsed to an equal value, with its members in the same order", () => {
    const matches = createMatcher(Whole);
    let matched = 0;
    fc.assert(
      fc.property(whole, (value) => {
        if (!matches(value)) return;
        matched++;
        const parsed = v.safeParse(Whole, value);
        expect(parsed.success).toBe(true);
        expect(JSON.stringify(parsed.output)).toBe(JSON.stringify(value));
        expect(parsed.output).toEqual(value);
      }),
      { numRuns: 3_000 },
    );
    expect(matched).toBeGreaterThan(20);
  });

  test("a list of lists with validations matches if it satisfies them", () => {
    const matches = createMatcher(Whole.entries.rows);
    expect([[["a", 1]], [["a"]], [[true, "a"]], Array(3).fill(["a", 1])].map(matches)).toEqual([
      true,
      false,
      false,
      false,
    ]);
  });

  test("a pipe that begins with another pipe applies the validations and transformations of both", () => {
    const inner = v.pipe(v.string(), v.minLength(2));
    const outer = createMatcher(v.pipe(inner, v.maxLength(3)));
    expect(["a", "ab", "abcd"].map(outer)).toEqual([false, true, false]);
    const trimmed = createMatcher(v.pipe(v.pipe(v.string(), v.trim()), v.maxLength(3)));
    expect([" a", "a"].map(trimmed)).toEqual([false, true]);
  });

  test("a pipe with a further schema applies it", () => {
    const matches = createMatcher(v.pipe(v.string(), v.picklist(["a", "b"])));
    expect(["a", "c"].map(matches)).toEqual([true, false]);
  });

  test.each<[string, unknown]>([
    ["another type", { kind: "a", text: 1 }],
    ["a value that is not in the list", { kind: "c", text: "" }],
    ["a missing property", { kind: "a" }],
    ["an unknown property", { kind: "a", text: "", more: 1 }],
    ["another order", { text: "", kind: "a" }],
    ["null", null],
    ["an array", []],
  ])("a value with %s does not match", (_, value) => {
    expect(createMatcher(Part)({ kind: "a", text: "" })).toBe(true);
    expect(createMatcher(Part)(value)).toBe(false);
  });
});
