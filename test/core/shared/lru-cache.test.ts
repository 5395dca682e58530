import { describe, expect, test } from "vitest";
import { LruCache } from "#core/shared/lru-cache.ts";

describe("a cache with a limit of bytes", () => {
  test("the least recently used values are removed until the rest is within the limit", () => {
    const cache = new LruCache<string>(100);
    for (const key of ["a", "b", "c"]) cache.set(key, key, 30);
    expect(cache.get("a")).toBe("a");
    cache.set("d", "d", 60);
    expect(["a", "b", "c", "d"].map((key) => cache.get(key))).toEqual(["a", undefined, undefined, "d"]);
    expect(cache.bytes).toBe(90);
  });

  test("a value replaces the earlier one of its key, and its size", () => {
    const cache = new LruCache<string>(100);
    cache.set("a", "old", 80);
    cache.set("b", "b", 10);
    cache.set("a", "new", 90);
    expect([cache.get("a"), cache.get("b"), cache.bytes]).toEqual(["new", "b", 100]);
  });

  test("a value over the limit is not stored, and removes only the earlier one of its key", () => {
    const cache = new LruCache<string>(100);
    cache.set("a", "a", 50);
    cache.set("b", "b", 50);
    cache.set("a", "large", 101);
    expect([cache.get("a"), cache.get("b"), cache.bytes]).toEqual([undefined, "b", 50]);
  });
});
