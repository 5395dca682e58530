import fc from "fast-check";
import * as v from "valibot";
import { describe, expect, test } from "vitest";
import { invalid } from "#core/shared/errors.ts";
import { text } from "#core/shared/schemas.ts";
import { SECRET, Shorthand, formatValue as shown, validate } from "#core/shared/validation.ts";

/** Any character; ASCII as often as all others together. */
const character = fc
  .oneof(fc.nat(0x7f), fc.nat(0xd7ff), fc.integer({ min: 0xe000, max: 0x10ffff }))
  .map((code) => String.fromCodePoint(code));

const Pool = v.object({
  name: v.pipe(v.string(), v.regex(/^[a-z]+$/, "must be small letters")),
  size: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(9))),
});

const Order = v.object({
  title: v.pipe(v.string(), v.minLength(2), v.maxLength(5)),
  active: v.optional(v.boolean()),
  colour: v.optional(v.picklist(["red", "green"])),
  count: v.optional(v.number(), 7),
  pools: v.optional(v.pipe(v.array(Pool), v.maxLength(2))),
  labels: v.optional(v.pipe(v.record(v.pipe(v.string(), v.maxLength(70)), v.string()), v.maxEntries(3))),
  notes: v.optional(v.record(text, v.object({ on: v.optional(v.boolean()) }))),
});

const texts = (input: unknown) =>
  validate(Order, input).problems.map(({ path, message: wrong }) => `${path}: ${wrong}`);

/** Parsed from JSON like a request: `__proto__` is then a name like any other. */
const json = (source: string): unknown => JSON.parse(source);

describe("validating an input that matches its schema", () => {
  test("a valid input is returned complete, with defaults and without unknown properties", () => {
    const input = {
      title: "abc",
      active: false,
      pools: [{ name: "x", size: 3, more: 1 }],
      labels: { a: "b" },
      extra: 1,
    };
    const checked = validate(Order, input);
    expect(checked.problems).toEqual([]);
    expect(checked.complete()).toStrictEqual({
      title: "abc",
      active: false,
      count: 7,
      pools: [{ name: "x", size: 3 }],
      labels: { a: "b" },
    });
    expect(checked.unknown).toEqual(["extra", "pools[0].more"]);
  });

  test("a null in an input counts as an absent property, at every depth", () => {
    const input = {
      title: "abc",
      active: null,
      count: null,
      pools: [{ name: "x", size: null }],
      labels: { a: null, b: "c" },
      notes: null,
    };
    expect(validate(Order, input).complete()).toEqual({
      title: "abc",
      count: 7,
      pools: [{ name: "x" }],
      labels: { b: "c" },
    });
  });

  test("an input is never changed, and the result is a new object", () => {
    const input = { title: "abc", pools: [{ name: "x" }], labels: {} };
    const before = JSON.stringify(input);
    const output = validate(Order, input).complete();
    expect(JSON.stringify(input)).toBe(before);
    expect(output.labels).not.toBe(input.labels);
    expect(output.pools).not.toBe(input.pools);
  });

  test.each(["__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "valueOf", "length", "", "0"])(
    "a map keeps an entry with the name %j",
    (name) => {
      const labels = validate(Order, json(`{"title": "abc", "labels": {${JSON.stringify(name)}: "value"}}`)).complete()
        .labels;
      expect(Object.entries(labels ?? {})).toEqual([[name, "value"]]);
      const { notes } = validate(
        Order,
        json(`{"title": "abc", "notes": {${JSON.stringify(name)}: {"on": true}}}`),
      ).complete();
      expect(Object.entries(notes ?? {})).toEqual([[name, { on: true }]]);
    },
  );

  test.each(["__proto__", "constructor", "toString", "hasOwnProperty"])(
    "a validated object does not inherit a property %s",
    (name) => {
      const Inherited = v.object({ [name]: v.optional(v.string()) });
      expect(validate(Inherited, {}).complete()).toEqual({});
      const checked = validate(Order, json(`{"title": "abc", ${JSON.stringify(name)}: {"polluted": true}}`));
      expect(checked.unknown).toEqual([name]);
      expect(({} as Record<string, unknown>).polluted).toBeUndefined();
    },
  );
});

describe("validating an input with errors", () => {
  test("an input with several errors gets all of them, each with its path", () => {
    const input = {
      title: "a",
      active: "yes",
      colour: "blue",
      count: "1",
      pools: [{ name: "X", size: 1.5 }, 4, { size: 10 }],
      labels: { a: 1, b: [] },
      notes: { c: { on: 0 }, d: "e" },
    };
    expect(texts(input)).toEqual([
      'title: "a" is not allowed: must have at least 2 characters',
      'active: "yes" is not allowed: must be true or false',
      'colour: "blue" is not allowed: must be one of red, green',
      'count: "1" is not allowed: must be a number',
      'pools[0].name: "X" is not allowed: must be small letters',
      "pools[0].size: 1.5 is not allowed: must be a whole number",
      "pools[1]: 4 is not allowed: must be an object",
      "pools[2].name: is required",
      "pools[2].size: 10 is not allowed: must be at most 9",
      "labels.a: 1 is not allowed: must be a string",
      "labels.b: an array is not allowed: must be a string",
      "notes.c.on: 0 is not allowed: must be true or false",
      'notes.d: "e" is not allowed: must be an object',
    ]);
  });

  test("a missing array and an unexpected array are both reported", () => {
    expect(texts({ title: [], pools: {}, labels: [], notes: "" })).toEqual([
      "title: an array is not allowed: must be a string",
      "pools: an object is not allowed: must be an array",
      "labels: an array is not allowed: must be an object",
      'notes: "" is not allowed: must be an object',
    ]);
  });

  test("the valid parts of an input with errors are returned", () => {
    const checked = validate(Order, {
      title: 5,
      active: true,
      pools: [{ name: "x" }, "no", { name: "Y", size: 2 }],
      labels: { a: "b", c: 1 },
    });
    expect(checked.value).toEqual({
      active: true,
      count: 7,
      pools: [{ name: "x" }, undefined, { size: 2 }],
      labels: { a: "b", c: undefined },
    });
  });

  test("several errors of one value are reported in one problem", () => {
    const Strict = v.object({ name: v.pipe(v.string(), v.maxLength(3), v.regex(/^[a-z]+$/, "must be small letters")) });
    const { problems } = validate(Strict, { name: "ABCD" });
    expect(problems).toEqual([
      { path: "name", message: '"ABCD" is not allowed: must have at most 3 characters; must be small letters' },
    ]);
  });

  test("a null for a required property is reported as missing", () => {
    expect(texts({ title: null, pools: [null, {}] })).toEqual([
      "title: is required",
      "pools[0]: is required",
      "pools[1].name: is required",
    ]);
  });

  test("the number of entries is checked only when all entries are valid", () => {
    expect(texts({ title: "abc", pools: [{ name: "a" }, { name: "b" }, { name: "c" }] })).toEqual([
      "pools: an array is not allowed: must have at most 2 entries",
    ]);
    expect(texts({ title: "abc", pools: [{ name: "a" }, { name: "b" }, { name: 3 }] })).toHaveLength(1);
    expect(texts({ title: "abc", labels: { a: "", b: "", c: "", d: "" } })).toEqual([
      "labels: an object is not allowed: must have at most 3 entries",
    ]);
  });

  test("an input with errors is never complete", () => {
    expect(() => validate(Order, {}).complete()).toThrow("a value with problems is not complete");
  });

  test.each([null, undefined, true, 0, "", "x", [], [[]], Number.POSITIVE_INFINITY, -0])(
    "the input %j in place of an object is one problem",
    (input) => {
      const { problems, value: draft } = validate(Order, input);
      expect(problems).toHaveLength(1);
      expect(problems[0]?.path).toBe("");
      expect(draft).toBeUndefined();
      expect(invalid(problems).message).not.toBe("");
    },
  );

  test("long names and values are truncated in messages", () => {
    const long = "n".repeat(100_000);
    const [name, value] = texts({ title: "abc", labels: { [long]: "", a: "b" }, colour: long }).sort();
    expect(name).toBe(`colour: "${"n".repeat(64)}"… (100000 characters) is not allowed: must be one of red, green`);
    expect(value?.startsWith(`labels.${"n".repeat(64)}…: `)).toBe(true);
    expect((value ?? "").length).toBeLessThan(250);
  });

  test("unknown properties are named by their plain paths, of which the first 64 characters are kept", () => {
    const long = "n".repeat(100);
    const input = { title: "abc", "a b": 1, [long]: 1, pools: [{ name: "x", 'a"b': 1 }], notes: { é: { more: 1 } } };
    expect(validate(Order, input).unknown).toEqual(["a b", long.slice(0, 64), 'pools[0].a"b', "notes.é.more"]);
  });

  test("a plain value that was sent in place of an object is named by the object's path", () => {
    const pools = [new Shorthand("name", "x"), { name: "y" }];
    expect([...validate(Order, { title: "abc", pools }).shorthands]).toEqual(["pools[0]"]);
  });

  test("all messages are well-formed Unicode", () => {
    const input = { title: "abc", colour: `${"x".repeat(63)}😀`, notes: { "\ud800": {}, [`${"y".repeat(63)}😀`]: 1 } };
    expect(texts(input)).toHaveLength(3);
    expect(texts(input).filter((each) => !each.isWellFormed())).toEqual([]);
  });

  test("any JSON input gets a message for each error and no exception", () => {
    fc.assert(
      fc.property(
        fc.jsonValue({ stringUnit: character }),
        fc.constantFrom("", ...Object.keys(Order.entries)),
        (value, name) => {
          const { problems, value: draft } = validate(Order, name === "" ? value : { title: "abc", [name]: value });
          for (const { message: wrong } of problems)
            expect(wrong).toMatch(/is required\.?$|is not allowed: must (be|have) /);
          if (name !== "") expect(draft).toBeDefined();
        },
      ),
      { numRuns: 500 },
    );
  });

  test("an input can be nested as deeply as JSON can be parsed", () => {
    for (const deep of ["[".repeat(1e5) + "]".repeat(1e5), `${'{"a":'.repeat(1e5)}1${"}".repeat(1e5)}`]) {
      expect(texts(json(`{"title": ${deep}}`))).toHaveLength(1);
      expect(texts(json(`{"title": "abc", "pools": [${deep}]}`))).toHaveLength(1);
      expect(validate(Order, json(`{"title": "abc", "unknown": ${deep}}`)).problems).toEqual([]);
    }
  });
});

describe("formatting a value for a message", () => {
  test.each([
    ["x".repeat(65), `"${"x".repeat(64)}"… (65 characters)`],
    ["x".repeat(64), `"${"x".repeat(64)}"`],
    ['a"b\n\u0000', '"a\\"b\\n\\u0000"'],
    ["\ud800", '"\\ud800"'],
    ["😀".repeat(64), `"${"😀".repeat(64)}"`],
    ["😀".repeat(65), `"${"😀".repeat(64)}"… (65 characters)`],
    [-0, "0"],
    [Number.POSITIVE_INFINITY, "Infinity"],
    [null, "null"],
    [true, "true"],
    [[1, 2], "an array"],
    [{ a: 1 }, "an object"],
    [{ toString: null }, "an object"],
  ])("the value %j is formatted as %s", (value, text_) => {
    expect(shown(value)).toBe(text_);
  });
});

describe("a value that is marked as secret", () => {
  const secret = v.pipe(v.string(), v.minLength(3), v.metadata(SECRET));
  const schema = v.object({
    name: v.string(),
    credentials: v.optional(v.object({ key: secret, others: v.optional(v.array(secret)) })),
  });
  const problemsOf = (input: unknown) =>
    validate(schema, input).problems.map(({ path, message }) => `${path}: ${message}`);

  test("a problem of a secret names its path and what is required, and never its value", () => {
    expect(problemsOf({ name: 5, credentials: { key: "ab", others: ["hunter22", 77_777] } })).toEqual([
      "name: 5 is not allowed: must be a string",
      "credentials.key: must have at least 3 characters",
      "credentials.others[1]: must be a string",
    ]);
  });

  test("a value in the place of an object or array with secrets is not shown either", () => {
    for (const wrong of ["hunter22", 77_777, ["hunter22"], true]) {
      expect(problemsOf({ name: "a", credentials: wrong })).toEqual(["credentials: must be an object"]);
      expect(problemsOf(wrong)).toEqual([": The body must be an object."]);
    }
    expect(problemsOf({ name: "a", credentials: { key: "abc", others: "hunter22" } })).toEqual([
      "credentials.others: must be an array",
    ]);
  });
});
