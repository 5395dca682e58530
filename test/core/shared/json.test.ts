import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseJson } from "#core/shared/json.ts";

/** Makes V8 cache names with the same beginning as escapes, which it then confuses with them. */
function mislead(): void {
  for (const name of ["\\", "\\n", "\\u", "\\u000"]) {
    JSON.parse(JSON.stringify({ [name]: 0 }));
    JSON.parse(JSON.stringify({ h: [], [name]: 0 }));
  }
}

const escaped = ["\n", '"', "\\", "\u0000", "\r\nx: 1", "é\n", "a\tb", "\u2028\\"];

describe("parsing a JSON name that contains an escape", () => {
  test.each(escaped)("a name with an escape is parsed correctly, whatever was parsed before: %j", (name) => {
    mislead();
    const value = { h: 1, [name]: { h: [{ [name]: name }] } };
    expect(JSON.stringify(parseJson(JSON.stringify(value)))).toBe(JSON.stringify(value));
  });

  test.each([
    ['{"h":1,"\\u000a":2}', "\n"],
    ['{"h":1,"\\/":2}', "/"],
    ['{"h":1,"\\ud83d\\ude00":2}', "😀"],
    ['{"h":1 , "\\u0022"\n\t\r :2}', '"'],
  ])("a name with an escape is parsed in every spelling: %s", (text, name) => {
    mislead();
    expect(parseJson(text)).toEqual({ h: 1, [name]: 2 });
  });

  test("a name with an escape can be repeated or be the name of an object's built-in property", () => {
    expect(JSON.stringify(parseJson('{"\\u0061":1,"b":2,"a":3,"\\u0031":4}'))).toBe('{"1":4,"a":3,"b":2}');
    const odd = parseJson('{"\\u005f_proto__":{"a":1},"constructor":2}') as object;
    expect(Object.entries(odd)).toEqual([
      ["__proto__", { a: 1 }],
      ["constructor", 2],
    ]);
    expect(Object.getPrototypeOf(odd)).toBe(Object.prototype);
  });
});

test("a text inside a value that looks like a name remains a value", () => {
  const value = { '"a":"\\n"': '{"\\":1,"b": "c":', "\\": ['"', ":", '\\":'] };
  mislead();
  expect(parseJson(JSON.stringify(value))).toEqual(value);
});

test("any JSON value is parsed as it was written", () => {
  const character = fc.constantFrom("\\", "\n", '"', "a", "n", "\u0000", ":", "é", "😀", "1");
  const text = fc.string({ unit: character, maxLength: 4 });
  const { value } = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { depthSize: "small" },
      text,
      fc.integer(),
      fc.constantFrom(null, true),
      fc.array(tie("value"), { maxLength: 3 }),
      fc.array(fc.tuple(text, tie("value")), { maxLength: 3 }).map((entries) => Object.fromEntries(entries)),
    ),
  }));
  fc.assert(
    fc.property(value, fc.constantFrom(undefined, 1, "\t"), (given, space) => {
      const json = JSON.stringify(given, null, space);
      expect(JSON.stringify(parseJson(json))).toBe(JSON.stringify(given));
    }),
    { numRuns: 2_000 },
  );
});

test.each(["", "{", '{"\\n":}', '{"\\n" 1}', '"\\', '{"\\x":1}', '{"a":1,}', "{'\\n':1}", '"\\n":1'])(
  "invalid JSON is refused: %s",
  (text) => {
    expect(() => parseJson(text)).toThrow(SyntaxError);
  },
);

test.each([
  ["deep", `${'{"\\n":'.repeat(40_000)}0${"}".repeat(40_000)}`],
  ["deep lists", `${"[".repeat(100_000)}{"\\n":"\\n"}${"]".repeat(100_000)}`],
  ["one name of escapes", `{"${"\\n".repeat(128_000)}":0}`],
  ["many names", `{${Array.from({ length: 20_000 }, (_, at) => `"\\n${at}":0`).join()}}`],
  ["many backslashes", `{"\\n":"${"\\\\".repeat(64_000)}"}`],
])("a large body is parsed quickly: %s", (_, text) => {
  const started = performance.now();
  parseJson(text);
  expect(performance.now() - started).toBeLessThan(2_000);
});
