import fc from "fast-check";
import * as v from "valibot";
import { describe, expect, test } from "vitest";
import { deadlineIn } from "#core/shared/retry.ts";
import { freeNames } from "#core/shared/schemas.ts";
import { DOCUMENT, defineEntity, type RawItem, sameProperties } from "#core/table/entity.ts";
import { type Key, keyText } from "#core/table/keys.ts";
import { commit, Transaction } from "#core/table/transaction.ts";
import { makeWorld } from "#test/support/world.ts";

const Ship = v.object({
  name: v.string(),
  revision: v.number(),
  isSunk: v.optional(v.boolean(), false),
  owner: v.optional(v.string()),
  flags: freeNames<string>(),
});
const attributes = ["revision", "owner"] as const;

/** A shape in two versions: all properties are attributes, then only two. */
const before = defineEntity("ship", 1, Ship, { migrations: { 2: sameProperties } });
const ship = defineEntity("ship", 2, Ship, { attributes, migrations: { 1: sameProperties } });

const key: Key = { pk: "SHIP#1", sk: "SHIP" };
const FREE: readonly string[] = [
  "__proto__",
  "constructor",
  "prototype",
  "toString",
  "",
  "\n",
  "\\",
  '"',
  "é😀",
  "1",
  "\u0000",
];

/** Builds an object whose names are any texts. */
const named = (names: readonly string[]): Record<string, string> =>
  Object.fromEntries(names.map((name) => [name, name]));

const stored = { name: "Ada", revision: 3, isSunk: false, owner: undefined, flags: named(FREE) };

/** Returns the names and values of an object, also of names such as `__proto__`. */
const entriesOf = (object: object) => Object.entries(object);

describe("an entity with a document", () => {
  test("an item has the listed attributes, and one text with the other properties", () => {
    const { [DOCUMENT]: document, ...rest } = ship.write(key, stored, { slimSk: "SHIP" });
    expect(rest).toEqual({ ...key, entity: "ship", entityVersion: 2, revision: 3, owner: undefined, slimSk: "SHIP" });
    expect(String(document)).toMatch(/^\{"name":"Ada","flags":\{/);
  });

  test("names of free text are read as they were stored, from the database", async () => {
    const { table } = await makeWorld();
    // V8 reads a name with an escape wrong after it has parsed a name that begins like the escape.
    JSON.parse('{"\\\\":1,"\\\\n":1}');
    expect(await commit(table, new Transaction().create("ship", ship.write(key, stored)), deadlineIn())).toEqual([]);
    const item = (await table.get([key])).get(keyText(key)) as RawItem;
    const { flags, ...rest } = ship.read(item);
    expect(entriesOf(flags).toSorted()).toEqual(entriesOf(named(FREE)).toSorted());
    expect(Object.getPrototypeOf(flags)).toBe(Object.prototype);
    expect(rest).toEqual({ ...key, name: "Ada", revision: 3, isSunk: false });
  });

  test("a property that has its default is not stored, and another value is", () => {
    const write = (isSunk: boolean) => ship.write(key, { ...stored, isSunk });
    expect(String(write(false)[DOCUMENT])).not.toContain("isSunk");
    expect(String(write(true)[DOCUMENT])).toContain('"isSunk":true');
    expect([ship.read(write(false)).isSunk, ship.read(write(true)).isSunk]).toEqual([false, true]);
  });

  test("an item without a document is read through the step from its version, and brought to a document", () => {
    const old = before.write(key, stored, { slimSk: "SHIP" });
    expect(old).toHaveProperty("name");
    expect(entriesOf(ship.read(old).flags)).toEqual(entriesOf(stored.flags));
    expect(ship.upgrade(old)).toEqual(ship.write(key, stored, { slimSk: "SHIP" }));
  });

  test("a release before documents reads an item with a document through the step from its version", () => {
    const item = ship.write(key, stored, { slimSk: "SHIP" });
    expect(before.read(item)).toEqual({ ...ship.read(item) });
    expect(before.upgrade(item)).not.toHaveProperty(DOCUMENT);
    expect(before.upgrade(item)).toMatchObject({ name: "Ada", revision: 3, slimSk: "SHIP", entityVersion: 1 });
  });

  test("an item whose document does not fit the schema is refused with the name of the property", () => {
    const item = { ...ship.write(key, stored), [DOCUMENT]: '{"name":7,"flags":[]}' };
    expect(() => ship.read(item)).toThrow("SHIP#1 SHIP does not match ship 2 at name, flags");
  });

  test("a property that follows from the key is not stored, unless it has another value", () => {
    const Boat = v.object({ name: v.string(), owner: v.optional(v.string(), "us"), length: v.number() });
    const boat = defineEntity("boat", 1, Boat, {
      attributes: ["length"],
      derive: ({ pk }) => ({ name: pk.slice(5), owner: "them" }),
    });
    const [at, same] = [
      { pk: "BOAT#Mary", sk: "BOAT" },
      { name: "Mary", owner: "them", length: 9 },
    ];
    const other = { name: "Anne", owner: "us", length: 9 };
    expect(boat.write(at, same)[DOCUMENT]).toBe("{}");
    expect(JSON.parse(String(boat.write(at, other)[DOCUMENT]))).toEqual({ name: "Anne", owner: "us" });
    for (const each of [same, other]) {
      const item = boat.write(at, each);
      expect(boat.read(item)).toEqual({ ...each, ...at });
      // An unknown property makes the item one that is parsed.
      const document = JSON.stringify({ ...JSON.parse(String(item[DOCUMENT])), unknown: 1 });
      expect(boat.read({ ...item, [DOCUMENT]: document })).toEqual({ ...each, ...at });
    }
  });

  test("an item is read as its schema parses attributes and document together, whatever they contain", () => {
    const other = fc.constantFrom<unknown>("x", 7, true, null, { a: "b" }, []);
    const often = (value: unknown) =>
      fc.oneof({ weight: 8, arbitrary: fc.constant(value) }, { weight: 1, arbitrary: other });
    const properties = fc.record(
      {
        name: often("x"),
        revision: often(3),
        flags: often({ a: "b" }),
        isSunk: often(true),
        owner: often("y"),
        more: other,
      },
      { requiredKeys: [] },
    );
    const whole = fc.record({
      name: often("z"),
      revision: often(4),
      flags: often({ c: "d" }),
      isSunk: often(true),
      owner: often("z"),
    });
    const [attribute, text] = [properties, fc.oneof(properties, whole)];
    let read = 0;
    fc.assert(
      fc.property(attribute, text, (attributes, document) => {
        const item = { ...key, ...attributes, entity: "ship", entityVersion: 2, [DOCUMENT]: JSON.stringify(document) };
        const parsed = v.safeParse(Ship, { ...document, ...attributes });
        if (!parsed.success) {
          expect(() => ship.read(item)).toThrow("SHIP#1 SHIP does not match ship 2 at");
          return;
        }
        read++;
        expect(ship.read(item)).toStrictEqual({ ...parsed.output, ...key });
      }),
      { numRuns: 2_000 },
    );
    expect(read).toBeGreaterThan(200);
  });
});
