import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { describe, expect, test } from "vitest";
import { entities } from "#core/admin/entities.ts";
import { type MigrationReport, migrateItems } from "#core/admin/migrate.ts";
import { deadlineIn } from "#core/shared/retry.ts";
import type { Table } from "#core/table/client.ts";
import { defineEntity, type RawItem } from "#core/table/entity.ts";
import { keyText } from "#core/table/keys.ts";
import { commit, Transaction } from "#core/table/transaction.ts";
import { ROOT } from "#test/support/server.ts";
import { makeWorld } from "#test/support/world.ts";

/** A shape through its releases: a name in one text, then in two, then with a language that was always meant. */
const first = defineEntity("person", 1, v.object({ name: v.string(), age: v.number() }));
const SecondPerson = v.object({ given: v.string(), family: v.string(), age: v.number() });
const ThirdPerson = v.object({ ...SecondPerson.entries, language: v.string() });
const split = ({ name, ...rest }: RawItem) => {
  const [given, family] = String(name).split(" ");
  return { ...rest, given, family };
};
const third = defineEntity("person", 3, ThirdPerson, { 1: split, 2: (item) => ({ ...item, language: "en" }) });
/** The release before, which already reads what the third writes. */
const second = defineEntity("person", 2, SecondPerson, { 1: split, 3: ({ language: _, ...rest }) => rest });

const key = (id: number) => ({ pk: `PERSON#${id}`, sk: "PERSON" });
const name = "Ada Lovelace";

describe("a stored shape", () => {
  const item = first.write(key(1), { name, age: 36 }, { slimSk: "PERSON" });
  const ada = { ...key(1), given: "Ada", family: "Lovelace", age: 36 };

  test("reads items of older versions, step by step", () => {
    expect(third.read(item)).toEqual({ ...ada, language: "en" });
    expect(second.read(item)).toEqual(ada);
    expect(first.read(item)).toEqual({ ...key(1), name, age: 36 });
  });

  test("is written in the present version, whatever was read", () => {
    expect(third.write(key(1), third.read(item))).toMatchObject({ entity: "person", entityVersion: 3, given: "Ada" });
  });

  test("reads the next version where the release was made ready for it", () => {
    const newer = third.write(key(1), { ...ada, language: "fr" });
    expect(second.read(newer)).toEqual(ada);
    expect(() => first.read(newer)).toThrow("PERSON#1 PERSON is person 3, not person 1");
  });

  test("keeps attributes that it does not name where an item is brought to its version", () => {
    expect(third.bring(item)).toEqual({ ...ada, language: "en", slimSk: "PERSON", entity: "person", entityVersion: 3 });
    const present = third.bring(item);
    expect(third.bring(present)).toBe(present);
  });

  test("lets no step change key or stamp", () => {
    const wild = defineEntity("person", 2, v.object({}), {
      1: (attributes) => ({ ...attributes, pk: "x", sk: "x", entity: "x", entityVersion: 7 }),
    });
    expect(wild.bring(item)).toMatchObject({ ...key(1), entity: "person", entityVersion: 2 });
  });

  test("refuses other entities, unknown versions and what does not fit after the steps", () => {
    expect(() => third.read({ ...item, entity: "animal" })).toThrow("is animal 1, not person 3");
    expect(() => third.read({ ...item, entityVersion: 4 })).toThrow("is person 4, not person 3");
    expect(() => third.read({ ...item, entityVersion: "many" })).toThrow("is person many, not person 3");
    expect(() => third.read({ ...item, age: "old" })).toThrow("PERSON#1 PERSON does not fit person 3 at age");
  });

  test.each([[{ 1: split }], [{ 5: split }], [{ 3: split }]])(
    "is refused with a step that leads nowhere: %o",
    (steps) => {
      expect(() => defineEntity("person", 3, ThirdPerson, steps)).toThrow(RangeError);
    },
  );

  test("of every kind is known to the operator's commands", () => {
    const sources = globSync("core/**/*.ts", { cwd: ROOT }).map((file) => readFileSync(join(ROOT, file), "utf8"));
    const defined = sources.flatMap((source) =>
      [...source.matchAll(/= defineEntity\(\s*"([a-z-]+)"/g)].map(([, it]) => it),
    );
    expect(defined.length).toBeGreaterThan(20);
    expect(entities.map((entity) => entity.name).toSorted()).toEqual(defined.toSorted());
  });
});

describe("a migration", () => {
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
      if (item === undefined) throw new Error(`no person ${id}`);
      return item;
    };
    const migrate = (through: Table = table): Promise<MigrationReport> =>
      migrateItems({ table: through, writeTimeoutMs: 8_000, entities: [third] });
    return { table, make, read, migrate };
  }

  /** The same table, in whose scan something happens before an item is handed out. */
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

  test("brings every item to the present version once, keeping what the shape does not name", async () => {
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

  test("loses nothing that servers of either release write meanwhile", async () => {
    const { table, read, migrate } = await makePeople();
    const meanwhile = during(table, async ({ pk }) => {
      const id = Number(pk.slice("PERSON#".length));
      const transaction = new Transaction();
      const person = { given: "Grace", family: "Hopper", age: 100 + id };
      // An update in place, one that adds an attribute and touches no other, a whole item of either release, a deletion.
      if (id === 0) transaction.update("person", key(id), "SET #age = :age", { values: { ":age": 100 } });
      else if (id === 3) transaction.update("person", key(id), "SET #note = :note", { values: { ":note": "kept" } });
      else if (id === 6) transaction.put("person", second.write(key(id), person));
      else if (id === 9) transaction.put("person", third.write(key(id), { ...person, language: "fr" }));
      else if (id === 12) transaction.delete("person", key(id));
      else return;
      expect(await commit(table, transaction, deadlineIn(8_000))).toEqual([]);
    });
    // What the scan handed out before it was written, the migration meets as it was.
    expect(await migrate({ ...meanwhile, get: table.get })).toMatchObject({ strange: [] });
    expect(await read(0)).toMatchObject({ entityVersion: 3, given: "Ada", age: 100 });
    expect(await read(3)).toMatchObject({ entityVersion: 3, given: "Ada", note: "kept" });
    expect(await read(6)).toMatchObject({ entityVersion: 3, given: "Grace", age: 106, language: "en" });
    expect(await read(9)).toMatchObject({ entityVersion: 3, given: "Grace", language: "fr" });
    await expect(read(12)).rejects.toThrow("no person 12");
  });

  test("that was killed is finished by the next", async () => {
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

  test("leaves what it does not know as it is, and tells of it", async () => {
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

  test("is not seen by readers", async () => {
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
