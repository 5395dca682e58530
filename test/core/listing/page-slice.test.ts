import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Chunk } from "#core/listing/page-index.ts";
import { findMiddleSeparator } from "#core/listing/page-index-split.ts";
import { type BucketRead, slicePage } from "#core/listing/page-slice.ts";

/** Keys cut at arbitrary places, as in an index. */
const indexed = fc
  .array(
    fc.array(fc.uniqueArray(fc.stringMatching(/^[a-z0-9]{1,4}$/), { maxLength: 8 }), { minLength: 1, maxLength: 4 }),
    { minLength: 1, maxLength: 4 },
  )
  .map((environments) => {
    const keys: string[] = [];
    const chunks = environments.map((buckets, at): Chunk => {
      const environment = `env${at}`;
      const sorted = [...new Set(buckets.flat())].sort();
      const size = Math.max(1, Math.ceil(sorted.length / buckets.length));
      const parts: string[][] = [];
      for (let start = 0; start < sorted.length; start += size) parts.push(sorted.slice(start, start + size));
      if (parts.length === 0) parts.push([]);
      keys.push(...sorted.map((slug) => `CLUSTER#${environment}#${slug}`));
      return {
        key: { pk: "ORG#o", sk: `INDEX#${environment}#` },
        environment,
        environmentIdentity: environment,
        lowerBound: "",
        buckets: parts.map((part, position) => ({
          id: `${at}.${position}`,
          bound: position === 0 ? "" : (part[0] ?? ""),
          n: part.length,
          v: 0,
        })),
      };
    });
    return { keys, chunks };
  });

/** Reads like the table. */
function read(keys: readonly string[], { span, backward, limit, skip }: BucketRead): { got: string[]; cost: number } {
  const inside = keys.filter((key) => key >= span.from && key <= span.to);
  if (backward) inside.reverse();
  const items = limit === undefined ? inside : inside.slice(0, limit);
  const got = items.slice(skip);
  return { got: backward ? got.reverse() : got, cost: items.length };
}

describe("reading a page with the index", () => {
  test("every page has exactly its elements, in both directions", () => {
    fc.assert(
      fc.property(
        indexed,
        fc.nat(40),
        fc.integer({ min: 1, max: 20 }),
        fc.boolean(),
        (index, offset, size, descending) => {
          const { reads, total } = slicePage(index.chunks, offset, size, descending);
          expect(total).toBe(index.keys.length);
          const got = reads.flatMap((each) => read(index.keys, each).got);
          const ordered = descending ? [...index.keys].reverse() : index.keys;
          expect(descending ? got.reverse() : got).toEqual(ordered.slice(offset, offset + size));
        },
      ),
      { numRuns: 1_000 },
    );
  });

  test("a page inside a bucket reads at most twice its size from the nearer end, and other pages read nothing more", () => {
    fc.assert(
      fc.property(indexed, fc.nat(40), fc.integer({ min: 1, max: 20 }), (index, offset, size) => {
        const { reads } = slicePage(index.chunks, offset, size, false);
        for (const each of reads) {
          const { got, cost } = read(index.keys, each);
          const whole = index.keys.filter((key) => key >= each.span.from && key <= each.span.to).length;
          expect(cost).toBeLessThanOrEqual(Math.max(got.length, Math.floor((whole + got.length) / 2)));
        }
      }),
    );
  });

  test("a page past the end reads nothing", () => {
    fc.assert(
      fc.property(indexed, fc.boolean(), (index, descending) => {
        expect(slicePage(index.chunks, index.keys.length, 5, descending).reads).toEqual([]);
      }),
    );
  });
});

describe("choosing the separator for a split", () => {
  test("a split cuts in the middle and never between clusters of one slug", () => {
    expect(findMiddleSeparator(["a", "b", "c", "d"])).toBe("c");
    expect(findMiddleSeparator(["a", "a", "a", "b"])).toBe("b");
    expect(findMiddleSeparator(["a", "b", "b", "b"])).toBe("b");
    expect(findMiddleSeparator(["a", "a"])).toBeUndefined();
  });
});
