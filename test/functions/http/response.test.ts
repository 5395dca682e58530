import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodePath } from "#functions/http/response.ts";

/** Any character; ASCII as often as all others together. */
const character = fc
  .oneof(fc.nat(0x7f), fc.nat(0xd7ff), fc.integer({ min: 0xe000, max: 0x10ffff }))
  .map((code) => String.fromCodePoint(code));

describe("the path of an ignored property in a header", () => {
  test("a path in a header contains no character that can end the header's text, and at most 64 characters", () => {
    fc.assert(
      fc.property(fc.string({ unit: character, maxLength: 100 }), (path) => {
        expect(encodePath(path)).toMatch(/^[\][A-Za-z0-9%_.!~*'()-]{0,64}$/);
      }),
    );
    expect(encodePath("\udc00")).toBe("%EF%BF%BD");
    expect(encodePath("😀".repeat(20))).toBe("%F0%9F%98%80".repeat(6).slice(0, 64));
  });

  test("a path in a header keeps the positions in lists readable, and different short names different", () => {
    expect(encodePath("nodePools[0].a b")).toBe("nodePools[0].a%20b");
    expect(encodePath("a[b]")).toBe("a%5Bb%5D");
    fc.assert(
      fc.property(fc.string({ unit: character, maxLength: 5 }), (name) => {
        expect(decodeURIComponent(encodePath(name))).toBe(name);
      }),
    );
  });
});
