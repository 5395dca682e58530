import { createHash } from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import { exportTable } from "#core/admin/backup/export.ts";
import { importBackup } from "#core/admin/backup/import.ts";
import { requireNoPendingImport } from "#core/admin/backup/import-lock.ts";
import { verifyBackup } from "#core/admin/backup/verify.ts";
import { clusterEntity } from "#core/cluster/entity.ts";
import { AppError } from "#core/shared/errors.ts";
import { deadlineIn } from "#core/shared/retry.ts";
import type { Table } from "#core/table/client.ts";
import { decodeItem, encodeItem, type WireItem } from "#core/table/dynamodb-json.ts";
import { importKey } from "#core/table/keys.ts";
import { batchWrite, scanRaw } from "#core/table/raw-scan.ts";
import { commit, Transaction } from "#core/table/transaction.ts";
import { makeScene, type Scene } from "#test/support/operating.ts";
import { makeWorld, type World } from "#test/support/world.ts";

const clock = () => new Date("2026-11-24T00:00:00.000Z");

async function all<T>(elements: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const element of elements) found.push(element);
  return found;
}

/** Collects the output of an export in memory. */
async function keep(table: Table): Promise<string[]> {
  let kept: string[] = [];
  await exportTable({ table, clock }, async (lines) => {
    kept = await all(lines);
  });
  return kept;
}

const from = (lines: readonly string[]) =>
  async function* () {
    yield* lines;
  };

const bringBack = (table: Table, lines: readonly string[], resume = false) =>
  importBackup({ table, clock, writeTimeoutMs: 8_000, resume }, from(lines));

const itemsOf = async (table: Table) => (await all(scanRaw(table))).map(encodeItem).toSorted();

/** Returns the message of a refusal. */
async function refusalOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (thrown) => thrown,
  );
  expect(error).toBeInstanceOf(AppError);
  return `${(error as AppError).code}: ${(error as AppError).details.join("; ")}`;
}

/** An attribute of every DynamoDB type, with values that are easily lost. */
const EVERYTHING: WireItem = {
  pk: { S: "EVERY" },
  sk: { S: "THING" },
  text: { S: "" },
  lines: { S: "a\nb\r\nc\u2028d\u2029é😀\u0000" },
  number: { N: "12345678901234567890.123456789" },
  small: { N: "-0.5" },
  bytes: { B: new Uint8Array([0, 255, 10, 13]) },
  yes: { BOOL: true },
  no: { BOOL: false },
  nothing: { NULL: true },
  texts: { SS: ["b", "a", ""] },
  numbers: { NS: ["3", "1", "2.5"] },
  bytesSet: { BS: [new Uint8Array([2]), new Uint8Array([1])] },
  list: { L: [{ S: "x" }, { L: [] }, { M: {} }, { N: "0" }] },
  map: {
    M: { "": { S: "empty name" }, z: { N: "1" }, a: { M: { deep: { BOOL: false } } }, constructor: { S: "own" } },
  },
};

/** Table with running clusters, deleted clusters, clusters in deletion, and one attribute of every type. */
let scene: Scene;
let backup: string[];

beforeAll(async () => {
  scene = await makeScene();
  await scene.create({ name: "gone" });
  await scene.world.settle();
  await scene.send("PATCH", scene.tenant.path("production", "gone"), { status: "deleting" });
  await scene.world.settle();
  for (const name of ["one", "two", "three"]) await scene.create({ name });
  await batchWrite(scene.world.table, [EVERYTHING]);
  backup = await keep(scene.world.table);
});

describe("a backup line of an item", () => {
  test("an item with attributes of any type is decoded from its backup line unchanged", () => {
    const line = encodeItem(EVERYTHING);
    expect(line).not.toContain("\n");
    expect(encodeItem(decodeItem(line))).toBe(line);
    const { bytes, texts, numbers, bytesSet, ...rest } = decodeItem(line);
    expect(rest).toMatchObject({
      number: EVERYTHING.number,
      lines: EVERYTHING.lines,
      map: EVERYTHING.map,
      nothing: { NULL: true },
    });
    expect([bytes?.B, bytesSet?.BS].flat().map((each) => [...(each ?? [])])).toEqual([[0, 255, 10, 13], [1], [2]]);
    expect([texts, numbers]).toEqual([{ SS: ["", "a", "b"] }, { NS: ["1", "2.5", "3"] }]);
  });

  test("an item has one backup line, whatever the order of its names and set members", () => {
    const turned = Object.fromEntries(Object.entries(EVERYTHING).toReversed());
    expect(encodeItem({ ...turned, texts: { SS: ["", "a", "b"] } })).toBe(encodeItem(EVERYTHING));
  });

  test.each([
    ["[]", "not an item"],
    ["{}", "not an item"],
    ['{"Item":{"pk":{"S":"x"}}}', "without a key"],
    ['{"Item":{"pk":{"S":"x"},"sk":{"N":"1"}}}', "without a key"],
    ['{"Item":{"pk":{"S":"x"},"sk":{"S":"x"},"a":{"S":1}}}', "not DynamoDB JSON"],
    ['{"Item":{"pk":{"S":"x"},"sk":{"S":"x"},"a":{"S":"x","N":"1"}}}', "not DynamoDB JSON"],
    ['{"Item":{"pk":{"S":"x"},"sk":{"S":"x"},"a":{"X":"x"}}}', "not DynamoDB JSON"],
    ['{"Item":{"pk":{"S":"x"},"sk":{"S":"x"},"a":{"NULL":false}}}', "not DynamoDB JSON"],
    ['{"Item":{"pk":{"S":"x"},"sk":{"S":"x"},"a":"x"}}', "not DynamoDB JSON"],
    ['{"Item":{"pk":{"S":"x"},"sk":{"S":"x"},"a":{"SS":["x",1]}}}', "not DynamoDB JSON"],
  ])("the line %s is not decoded as an item", (line, text) => {
    expect(() => decodeItem(line)).toThrow(text);
  });
});

describe("a backup", () => {
  test("a restored backup contains every item unchanged, and only then does the table count as complete", async () => {
    const { table } = await makeWorld();
    const { items } = await bringBack(table, backup);
    expect(items).toBeGreaterThan(30);
    expect(await itemsOf(table)).toEqual(await itemsOf(scene.world.table));
    await requireNoPendingImport(table);
    // A second export is the same, except for its creation time.
    expect((await keep(table)).slice(1, -1).toSorted()).toEqual(backup.slice(1, -1).toSorted());
  });

  test("a restored table serves the same responses", async () => {
    const copy = await makeWorld();
    await bringBack(copy.table, backup);
    const paths = [
      "?show-compute=true&sort=name",
      "/production/one?includeDetails=true",
      "/production/two/pools",
      "/production/one/events",
    ];
    for (const path of paths) {
      const [was, is] = await Promise.all(
        [scene.world, copy].map((world) =>
          world.send("GET", `${scene.tenant.path()}${path}`, { token: scene.tenant.admin }),
        ),
      );
      expect([was?.status, is?.text, is?.headers.get("etag")]).toEqual([200, was?.text, was?.headers.get("etag")]);
    }
  });

  test("inspecting a backup reports its contents and the items that this release cannot read", async () => {
    const verified = await verifyBackup(from(backup));
    expect(verified.items).toBe(backup.length - 2);
    expect(verified.byEntity).toMatchObject({ cluster: 3, tombstone: 1, pointer: 4, organisation: 1 });
    expect(verified.unreadable).toEqual([expect.stringMatching(/^line \d+: 12345678901234567890/)]);
    expect(verified.start).toMatchObject({ table: scene.world.table.name, startedAt: "2026-11-24T00:00:00.000Z" });
  });

  const line = () => Math.floor(backup.length / 2);
  const damages: [name: string, damage: () => string[], text: string][] = [
    ["that is empty", () => [], "line 1: is not the first line of a backup"],
    ["without its first line", () => backup.slice(1), "line 1: is not the first line of a backup"],
    [
      "of another format",
      () => [backup[0]?.replace('"format":1', '"format":2') ?? "", ...backup.slice(1)],
      "unsupported backup format 2; this release reads format 1",
    ],
    ["without its last line", () => backup.slice(0, -1), `ends after line ${"{last}"} without a last line`],
    ["with a line missing", () => backup.toSpliced(line(), 1), "items; its last line says"],
    ["with a line twice", () => backup.toSpliced(line(), 0, backup[line()] ?? ""), "items; its last line says"],
    [
      "with lines in another order",
      () => [backup[0] ?? "", ...backup.slice(1, -1).toReversed(), backup.at(-1) ?? ""],
      "checksum mismatch",
    ],
    [
      "with a changed slug in an item",
      () => backup.map((each) => each.replace("CLUSTER#production#two", "CLUSTER#production#tow")),
      "checksum mismatch",
    ],
    ["with a line that is not an item", () => backup.with(line(), '{"Item":{}}'), "is not an item"],
    ["with an empty line", () => backup.with(line(), ""), "is not an item"],
    ["with a line after its end", () => [...backup, "{}"], "follows the last line of the backup"],
  ];

  test.each(damages)("a backup %s is refused before anything is written", async (_, damage, text) => {
    const { table } = scene.world.sibling();
    const unused = { ...table, client: undefined } as unknown as Table;
    const expected = text.replace("{last}", String(backup.length - 1));
    expect(await refusalOf(bringBack(unused, damage()))).toContain(`backup.invalid: `);
    expect(await refusalOf(verifyBackup(from(damage())))).toContain(expected);
  });

  test("a backup of a later release is refused", async () => {
    const later = (name: string, version: number) => {
      const [first = "", ...rest] = backup;
      const start = JSON.parse(first);
      start.backup.entities[name] = version;
      const lines = [JSON.stringify(start), ...rest.slice(0, -1)];
      const end = JSON.parse(rest.at(-1) ?? "");
      end.end.sha256 = createHash("sha256")
        .update(lines.map((each) => `${each}\n`).join(""))
        .digest("hex");
      return [...lines, JSON.stringify(end)];
    };
    const { table } = await makeWorld();
    expect(await refusalOf(bringBack(table, later("cluster", clusterEntity.version + 1)))).toMatch(
      new RegExp(`^backup\\.unknown_version: cluster ${clusterEntity.version + 1}: `),
    );
    expect(await refusalOf(bringBack(table, later("animal", 1)))).toMatch(/^backup\.unknown_version: animal 1: /);
    expect(await itemsOf(table)).toEqual([]);
  });
});

describe("an import of a backup", () => {
  test("an import into a table that is not empty is refused", async () => {
    const { table } = await makeWorld();
    await batchWrite(table, [EVERYTHING]);
    expect(await refusalOf(bringBack(table, backup))).toBe(
      "backup.not_empty: The table is not empty: it contains EVERY THING. A backup can be imported only into an empty table.",
    );
    expect(await refusalOf(bringBack(table, backup, true))).toContain("backup.not_empty");
    expect(await itemsOf(table)).toEqual([encodeItem(EVERYTHING)]);
  });

  /** Fails permanently after the given number of writes. */
  function dyingAfter(world: World, writes: number): Table {
    let left = writes;
    world.wire.fault = ({ operation }) => (operation === "BatchWriteItem" && left-- <= 0 ? "before" : undefined);
    return world.table;
  }

  test("an interrupted import is reported until it is resumed", async () => {
    const world = await makeWorld({ maxAttempts: 1 });
    for (const writes of [0, 1, 2]) {
      const resume = writes > 0;
      await expect(bringBack(dyingAfter(world, writes), backup, resume)).rejects.toThrow();
      world.wire.fault = () => undefined;
      expect(await refusalOf(requireNoPendingImport(world.table))).toContain(
        "started at 2026-11-24T00:00:00.000Z is incomplete",
      );
      expect(await refusalOf(keep(world.table))).toContain("backup.unfinished");
      expect(await refusalOf(bringBack(world.table, backup))).toContain("backup.unfinished");
    }
    // It can only be resumed with the same backup.
    const other = await keep((await makeWorld()).table);
    expect(await refusalOf(bringBack(world.table, other, true))).toContain("backup.different_import");
    await bringBack(world.table, backup, true);
    expect(await itemsOf(world.table)).toEqual(await itemsOf(scene.world.table));
    await requireNoPendingImport(world.table);
    expect(await refusalOf(bringBack(world.table, backup, true))).toContain("backup.not_empty");
  });

  test("an import writes pointers last, because they give the reconciler work", async () => {
    const world = await makeWorld();
    await bringBack(world.table, backup);
    const kinds = world.wire.spans
      .filter(({ operation }) => operation === "BatchWriteItem")
      .flatMap(({ input }) =>
        Object.values(input.RequestItems as Record<string, { PutRequest: { Item: WireItem } }[]>).flat(),
      )
      .map(({ PutRequest }) => PutRequest.Item.entity?.S === "pointer");
    expect(kinds).toEqual([...kinds].sort((one, other) => Number(one) - Number(other)));
    expect(kinds.filter(Boolean)).toHaveLength(4);
  });

  test("an import during which another process wrote fails, and the table does not count as complete", async () => {
    const world = await makeWorld();
    let isWritten = false;
    const { table } = world;
    const watched: Table = {
      ...table,
      // The first read after the mark was written is the scan of the whole table at the end.
      client: new Proxy(table.client, {
        get: (client, name) => {
          if (name !== "send") return Reflect.get(client, name);
          return async (command: { input: { RequestItems?: object } }) => {
            const response = await client.send(command as never);
            if (
              !isWritten &&
              command.input.RequestItems !== undefined &&
              command.constructor.name === "BatchWriteItemCommand"
            ) {
              isWritten = true;
              await batchWrite(table, [{ ...EVERYTHING, sk: { S: "BESIDE" } }]);
            }
            return response;
          };
        },
      }),
    };
    expect(await refusalOf(bringBack(watched, backup))).toMatch(/^backup\.differs: .*Another process wrote to it/);
    expect(await refusalOf(requireNoPendingImport(table))).toContain("is incomplete");
  });

  test("an import into one table cannot be started twice", async () => {
    const { table } = await makeWorld();
    const both = await Promise.allSettled([bringBack(table, backup), bringBack(table, backup)]);
    expect(both.filter(({ status }) => status === "fulfilled").length).toBeLessThanOrEqual(1);
    await bringBack(table, backup, true).catch(() => {});
    await expect(table.get([importKey])).resolves.toEqual(new Map());
  });
});

describe("an export of a backup", () => {
  /** Table to which another process writes at the end of the first scans. */
  function busy(world: World, writes: number): { table: Table; count: () => number } {
    const { table } = world;
    let scans = 0;
    const client = new Proxy(table.client, {
      get: (target, name) => {
        if (name !== "send") return Reflect.get(target, name);
        return async (command: object) => {
          const response = await target.send(command as never);
          if (command.constructor.name === "ScanCommand" && ++scans <= writes) {
            const transaction = new Transaction().put("x", { pk: "BUSY", sk: "BUSY", ...{ scans } });
            expect(await commit(table, transaction, deadlineIn(8_000))).toEqual([]);
          }
          return response;
        };
      },
    });
    return { table: { ...table, client }, count: () => scans };
  }

  test("an export shows one moment: it scans again when another process wrote during the scan", async () => {
    const world = await makeWorld();
    const { table, count } = busy(world, 3);
    const lines = await keep(table);
    expect(count()).toBe(5);
    expect(lines.slice(1, -1)).toEqual(await itemsOf(world.table));
    expect(lines[1]).toContain('"scans":{"N":"3"}');
  });

  test("an export fails when another process writes during every scan", async () => {
    const { table, count } = busy(await makeWorld(), Number.POSITIVE_INFINITY);
    expect(await refusalOf(keep(table))).toContain(
      "backup.concurrent_writes: The table was written to during each of 6 scans",
    );
    expect(count()).toBe(6);
  });
});
