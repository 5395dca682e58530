import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { describe, expect, test } from "vitest";
import { entities } from "#core/admin/entities.ts";
import { type MigrationReport, migrateItems } from "#core/admin/migrate.ts";
import { deadlineIn } from "#core/shared/retry.ts";
import type { Table } from "#core/table/client.ts";
import { defineEntity, type Properties, type RawItem } from "#core/table/entity.ts";
import { keyText } from "#core/table/keys.ts";
import { commit, Transaction } from "#core/table/transaction.ts";
import { ROOT } from "#test/support/server.ts";
import { makeWorld } from "#test/support/world.ts";

/** A shape in three versions: a name in one text, then in two, then with a language that was always implied. */
const first = defineEntity("person", 1, v.object({ name: v.string(), age: v.number() }));
const SecondPerson = v.object({ given: v.string(), family: v.string(), age: v.number() });
const ThirdPerson = v.object({ ...SecondPerson.entries, language: v.string() });
const split = ({ name, ...rest }: Properties) => {
  const [given, family] = String(name).split(" ");
  return { ...rest, given, family };
};
const third = defineEntity("person", 3, ThirdPerson, {
  migrations: { 1: split, 2: (item) => ({ ...item, language: "en" }) },
});
/** The previous release, which already reads the third version. */
const second = defineEntity("person", 2, SecondPerson, {
  migrations: { 1: split, 3: ({ language: _, ...rest }) => rest },
});

const key = (id: number) => ({ pk: `PERSON#${id}`, sk: "PERSON" });
const name = "Ada Lovelace";

describe("a stored shape with versions", () => {
  const item = first.write(key(1), { name, age: 36 }, { slimSk: "PERSON" });
  const ada = { ...key(1), given: "Ada", family: "Lovelace", age: 36 };

  test("items of older versions are read through each migration step", () => {
    expect(third.read(item)).toEqual({ ...ada, language: "en" });
    expect(second.read(item)).toEqual(ada);
    expect(first.read(item)).toEqual({ ...key(1), name, age: 36 });
  });

  test("an item is written in the current version, whatever version was read", () => {
    expect(third.write(key(1), third.read(item))).toMatchObject({ entity: "person", entityVersion: 3, given: "Ada" });
  });

  test("the next version is read by a release that supports it", () => {
    const newer = third.write(key(1), { ...ada, language: "fr" });
    expect(second.read(newer)).toEqual(ada);
    expect(() => first.read(newer)).toThrow("PERSON#1 PERSON is person 3, not person 1");
  });

  test("a migration step keeps attributes that the shape does not name", () => {
    expect(third.upgrade(item)).toEqual({
      ...ada,
      language: "en",
      slimSk: "PERSON",
      entity: "person",
      entityVersion: 3,
    });
    const present = third.upgrade(item);
    expect(third.upgrade(present)).toBe(present);
  });

  test("a migration step cannot change the key or the version stamp", () => {
    const wild = defineEntity("person", 2, v.object({}), {
      migrations: { 1: (attributes) => ({ ...attributes, pk: "x", sk: "x", entity: "x", entityVersion: 7 }) },
    });
    expect(wild.upgrade(item)).toMatchObject({ ...key(1), entity: "person", entityVersion: 2 });
  });

  test("other entities, unknown versions and items that do not match after the steps are refused", () => {
    expect(() => third.read({ ...item, entity: "animal" })).toThrow("is animal 1, not person 3");
    expect(() => third.read({ ...item, entityVersion: 4 })).toThrow("is person 4, not person 3");
    expect(() => third.read({ ...item, entityVersion: "many" })).toThrow("is person many, not person 3");
    expect(() => third.read({ ...item, ...{ age: "old" } })).toThrow("PERSON#1 PERSON does not match person 3 at age");
  });

  test.each([[{ 1: split }], [{ 5: split }], [{ 3: split }]])(
    "a shape with a step that leads to no version is refused: %o",
    (steps) => {
      expect(() => defineEntity("person", 3, ThirdPerson, { migrations: steps })).toThrow(RangeError);
    },
  );

  test("the operator's commands know every stored shape", () => {
    const sources = globSync("core/**/*.ts", { cwd: ROOT }).map((file) => readFileSync(join(ROOT, file), "utf8"));
    const defined = sources.flatMap((source) =>
      [...source.matchAll(/= defineEntity\(\s*"([a-z-]+)"/g)].map(([, it]) => it),
    );
    expect(defined.length).toBeGreaterThan(20);
    // An entity may have a second definition with a part of its properties.
    expect(entities.map((entity) => entity.name).toSorted()).toEqual([...new Set(defined)].toSorted());
  });
});

describe("a migration of stored items", () => {
  const PEOPLE = 40;

  /** A table of people of three versions, a third each. */
  async function makePeople() {
    const { table } = await makeWorld();
    const make = async (...items: RawItem[]) => {
      const transaction = new Transaction();
      for (const item of items) transaction.create("person", item);
      expect(await commit(table, transaction, deadlineIn(8_000))).toEqual([]);
    };
    const of = (id: number) => {
      const [given, family, age, language] = ["Ada", "Lovelace", id, "en"] as const;
      if (id % 3 === 0) return first.write(key(id), { name, age }, { slimSk: `PERSON#${id}` });
      if (id % 3 === 1) return second.write(key(id), { given, family, age });
      return third.write(key(id), { given, family, age, language });
    };
    await make(...Array.from({ length: PEOPLE }, (_, id) => of(id)));
    const read = async (id: number) => {
      const item = (await table.get([key(id)])).get(keyText(key(id)));
      if (item === undefined) throw new Error(`person ${id} not found`);
      return item;
    };
    const migrate = (through: Table = table): Promise<MigrationReport> =>
      migrateItems({ table: through, writeTimeoutMs: 8_000, entities: [third] });
    return { table, make, read, migrate };
  }

  /** The same table, in whose scan something happens before an item is returned. */
  const during = (table: Table, act: (item: RawItem, position: number) => Promise<unknown>): Table => ({
    ...table,
    async *scan() {
      let position = 0;
      for await (const item of table.scan()) {
        await act(item, position++);
        yield item;
      }
    },
  });

  test("a migration brings every item to the current version once, and keeps attributes that the shape does not name", async () => {
    const { read, migrate } = await makePeople();
    expect(await migrate()).toEqual({ items: PEOPLE, migrated: { person: 27 }, strange: [] });
    for (let id = 0; id < PEOPLE; id++) {
      const item = await read(id);
      const extra = id % 3 === 0 ? { slimSk: `PERSON#${id}` } : {};
      const person = { given: "Ada", family: "Lovelace", age: id, language: "en" };
      expect(item).toEqual({ ...key(id), ...person, ...extra, entity: "person", entityVersion: 3 });
    }
    expect(await migrate()).toEqual({ items: PEOPLE, migrated: {}, strange: [] });
  });

  test("a migration loses no concurrent write of servers of either release", async () => {
    const { table, read, migrate } = await makePeople();
    const meanwhile = during(table, async ({ pk }) => {
      const id = Number(pk.slice("PERSON#".length));
      const transaction = new Transaction();
      const person = { given: "Grace", family: "Hopper", age: 100 + id };
      // An in-place update, one that adds an attribute, a complete item of either release, and a deletion.
      if (id === 0) transaction.update("person", key(id), "SET #age = :age", { values: { ":age": 100 } });
      else if (id === 3) transaction.update("person", key(id), "SET #note = :note", { values: { ":note": "kept" } });
      else if (id === 6) transaction.put("person", second.write(key(id), person));
      else if (id === 9) transaction.put("person", third.write(key(id), { ...person, language: "fr" }));
      else if (id === 12) transaction.delete("person", key(id));
      else return;
      expect(await commit(table, transaction, deadlineIn(8_000))).toEqual([]);
    });
    // The migration sees an item as the scan returned it before the write.
    expect(await migrate({ ...meanwhile, get: table.get })).toMatchObject({ strange: [] });
    expect(await read(0)).toMatchObject({ entityVersion: 3, given: "Ada", age: 100 });
    expect(await read(3)).toMatchObject({ entityVersion: 3, given: "Ada", note: "kept" });
    expect(await read(6)).toMatchObject({ entityVersion: 3, given: "Grace", age: 106, language: "en" });
    expect(await read(9)).toMatchObject({ entityVersion: 3, given: "Grace", language: "fr" });
    await expect(read(12)).rejects.toThrow("person 12 not found");
  });

  test("an interrupted migration is completed by the next one", async () => {
    const { table, migrate } = await makePeople();
    const dying = during(table, async (_, position) => {
      if (position === 30) throw new Error("killed");
    });
    await expect(migrate(dying)).rejects.toThrow("killed");
    const { migrated, ...rest } = await migrate();
    expect(rest).toEqual({ items: PEOPLE, strange: [] });
    expect(migrated.person).toBeGreaterThan(0);
    expect(migrated.person).toBeLessThan(27);
    expect(await migrate()).toMatchObject({ migrated: {} });
  });

  test("a migration does not change unknown items, and reports them", async () => {
    const { make, read, migrate } = await makePeople();
    const strangers: RawItem[] = [
      { ...key(100), entity: "animal", entityVersion: 1 },
      { ...key(101), entity: "person", entityVersion: 4 },
      { ...key(102), entity: "person" },
      { ...key(103), entity: "person", entityVersion: 0 },
    ];
    await make(...strangers);
    const { strange } = await migrate();
    expect(strange.toSorted()).toEqual([
      "PERSON#100 PERSON is animal 1",
      "PERSON#101 PERSON is person 4",
      "PERSON#102 PERSON is person undefined",
      "PERSON#103 PERSON is person 0, not person 3",
    ]);
    for (const [at, stranger] of strangers.entries()) expect(await read(100 + at)).toEqual(stranger);
  });

  test("readers do not notice a migration", async () => {
    const { table, migrate } = await makePeople();
    let isOver = false;
    const reading = (async () => {
      let rounds = 0;
      for (; !isOver || rounds < 2; rounds++) {
        const items = await table.get(Array.from({ length: PEOPLE }, (_, id) => key(id)));
        expect(new Set([...items.values()].map((item) => third.read(item).family))).toEqual(new Set(["Lovelace"]));
      }
      return rounds;
    })();
    await migrate();
    isOver = true;
    expect(await reading).toBeGreaterThan(1);
  });
});
