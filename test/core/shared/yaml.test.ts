import fc from "fast-check";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { toYaml, type YamlValue } from "#core/shared/yaml.ts";
import { MISREAD } from "#test/support/misread.ts";

const versions = ["1.1", "1.2"] as const;

const expectReadBack = (value: YamlValue) => {
  const text = toYaml(value);
  for (const version of versions) {
    expect(parse(text, { version, merge: true, maxAliasCount: 0 }), `YAML ${version}:\n${text}`).toEqual(value);
  }
};

test("a string that unquoted YAML reads as another type is read back as a string, as a value and as a key", () => {
  for (const text of MISREAD) expectReadBack({ value: text, list: [text], nested: [{ [text]: text }] });
});

test("any text is read back unchanged by YAML 1.1 and 1.2", () => {
  const text = fc.oneof(
    fc.string({ unit: "binary", maxLength: 60 }),
    fc.string({ unit: fc.constantFrom(..."0123456789abcdefox_.:+-eE TZ~<=yYnN\n\t\"'#|>&*!%@`{}[],?"), maxLength: 20 }),
  );
  // A property called __proto__ does not occur in documents.
  const key = text.filter((each) => each !== "__proto__");
  fc.assert(
    fc.property(fc.dictionary(key, fc.oneof(text, fc.array(text), fc.boolean(), fc.integer())), (value) =>
      expectReadBack({ ...value }),
    ),
    { numRuns: 200 },
  );
});

test("an object that occurs twice is written twice, without an anchor", () => {
  const taint = { key: "a", effect: "NoSchedule" };
  expect(toYaml([taint, taint])).toBe('- key: "a"\n  effect: "NoSchedule"\n- key: "a"\n  effect: "NoSchedule"\n');
});

test("a text of several lines is one quoted line, and characters that YAML 1.1 refuses are escaped", () => {
  const text = `${"a long line ".repeat(10)}\nand more\u0085\u2028\u007f\ufeff\u0007`;
  expect(toYaml({ text })).toMatch(/^text: "[^\n]*\\ \\nand more\\u0085\\u2028\\u007f\\ufeff\\a"\n$/);
});

test("an unpaired surrogate and an unsafe integer are refused", () => {
  expect(() => toYaml({ text: "a\ud800" })).toThrow("surrogate");
  expect(() => toYaml({ "\udc00": "a" })).toThrow("surrogate");
  for (const number of [0.5, 1e21, Number.NaN, Number.POSITIVE_INFINITY]) {
    expect(() => toYaml([number])).toThrow(`${number} is not a safe integer`);
  }
});
