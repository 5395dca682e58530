import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { gunzipSync } from "node:zlib";
import { beforeAll, describe, expect, inject, test } from "vitest";
import { importBackup } from "#core/admin/backup/import.ts";
import { showCluster } from "#core/admin/clusters.ts";
import { entities } from "#core/admin/entities.ts";
import { conditionReasons } from "#core/cluster/condition.ts";
import { parseJson } from "#core/shared/json.ts";
import { compareText } from "#core/shared/order.ts";
import { LIST_INDEX, PREVIOUS_LIST_INDEX } from "#core/table/definition.ts";
import { type Key, listPartitions } from "#core/table/keys.ts";
import { runAdmin } from "#test/support/admin.ts";
import { expectInvariants } from "#test/support/invariants.ts";
import { ROOT } from "#test/support/server.ts";
import { type Json, makeWorld, type TestResponse, type World } from "#test/support/world.ts";

const FIXTURE = join(ROOT, "test/fixtures/previous-release");
const MESSAGES = join(ROOT, "test/fixtures/stored-messages");
const backup = gunzipSync(readFileSync(join(FIXTURE, "backup.jsonl.gz")));
const { tokens, creation, answers } = JSON.parse(readFileSync(join(FIXTURE, "answers.json"), "utf8")) as {
  tokens: Record<"ann" | "bob" | "revoked", string>;
  creation: string;
  answers: Record<string, string>;
};

/** Reads the responses of the release that stored messages. */
function readMessages() {
  const { answers: texts, ...rest } = JSON.parse(
    gunzipSync(readFileSync(join(MESSAGES, "answers.json.gz"))).toString(),
  );
  return { ...rest, texts } as {
    token: string;
    readAt: string;
    gone: { identity: string; conditions: Json };
    texts: Record<string, string>;
  };
}

const orgOf = (path = "") => path.split("/")[4];

/** Shortly after the backup was made. */
const clock = () => new Date("2026-11-27T23:40:00.000Z");

const SHOP = "/api/v1/orgs/acme/clusters/live/shop";
const PATHS = [...Object.keys(answers), "/api/v1/orgs/acme/clusters?status=started&sort=name,desc"];

/** Formats JSON with sorted names, so that equal values are equal texts, whatever their names. */
const canonical = (text: string): string =>
  JSON.stringify(parseJson(text), (name, value) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
    // The rest of a profile comes from the catalogue, which each release extends.
    if (name === "cloudProfile") return { identity: value.identity, cloudProvider: value.cloudProvider };
    return Object.fromEntries(Object.entries(value).toSorted(([one], [other]) => (one < other ? -1 : 1)));
  });

/** Messages of conditions in the previous release's words, and the present ones, which are not stored. */
const REWORDED: readonly [before: string, after: string][] = [
  ["The control plane comes from ", "The control plane is being changed from "],
  ["Every node pool is as it was asked.", "All node pools have the requested configuration."],
  ["The cluster is built.", "The cluster is provisioned."],
  ["The last step went well.", "The last reconciliation succeeded."],
  ["The cluster serves.", "The cluster is running."],
  [
    "The cluster is stopped; ask for starting to bring it up.",
    'The cluster is stopped; send \\"status\\": \\"starting\\" to start it.',
  ],
  ["The cluster runs ", "The control plane and all nodes run "],
];

/** Replaces the messages of a response by the present ones. */
const reworded = (text: string): string =>
  REWORDED.reduce((result, [before, after]) => result.replaceAll(`"message":"${before}`, `"message":"${after}`), text);

/** Creates a world with the database of a backup. */
async function makeImportedWorld(contents: Buffer, now: () => Date): Promise<World> {
  const world = await makeWorld({ clock: now });
  const lines = () => createInterface({ input: Readable.from([contents]) });
  await importBackup({ table: world.table, clock: now, writeTimeoutMs: 8_000, resume: false }, lines);
  return world;
}

/** Creates a world with the previous release's database. */
const makePreviousWorld = (): Promise<World> => makeImportedWorld(backup, clock);

const send = (world: World, method: string, path: string, body?: unknown): Promise<TestResponse> =>
  world.send(method, path, { token: tokens.ann, ...(body === undefined ? {} : { body }) });

async function read(world: World): Promise<Record<string, string>> {
  const texts: Record<string, string> = {};
  for (const path of PATHS) {
    const { status, text } = await send(world, "GET", path);
    expect([path, status]).toEqual([path, 200]);
    texts[path] = text;
  }
  return texts;
}

async function migrate({ table }: World): Promise<Json> {
  const environment = { DYNAMODB_ENDPOINT: inject("endpoint"), TABLE_NAME: table.name };
  const { code, stdout, stderr } = await runAdmin(environment, "table", "migrate");
  expect([code, stderr.replaceAll(/^\d+ items\n/gm, "")]).toEqual([0, ""]);
  return JSON.parse(stdout);
}

describe("a database whose conditions have stored messages", () => {
  const { token, readAt, gone, texts } = readMessages();

  async function readAll(world: World): Promise<Record<string, string>> {
    const paths = Object.keys(texts);
    const responses = await Promise.all(paths.map((path) => world.send("GET", path, { token })));
    return Object.fromEntries(responses.map(({ text }, position) => [paths[position], text]));
  }

  test("responses are the same to the byte without the stored messages, before and after a migration", async () => {
    const stored = gunzipSync(readFileSync(join(MESSAGES, "backup.jsonl.gz")));
    const world = await makeImportedWorld(stored, () => new Date(readAt));
    const all = Object.values(texts).join("");
    // That release had all reasons but those that only real clusters have.
    const reasons = conditionReasons.filter((reason) => reason !== "Degraded");
    for (const reason of reasons) expect(all).toContain(`"reason":"${reason}"`);
    const tombstone = async () => (await showCluster(world.services, { identity: gone.identity })).conditions;

    expect(await readAll(world)).toEqual(texts);
    expect(await tombstone()).toEqual(gone.conditions);
    const { strange, migrated } = await migrate(world);
    expect(strange).toEqual([]);
    expect(migrated).toMatchObject({ cluster: Object.keys(texts).length, tombstone: 1 });
    expect(await readAll(world)).toEqual(texts);
    expect(await tombstone()).toEqual(gone.conditions);
    for (const { sk, ...item } of await world.table.query({
      pk: `ORG#${orgOf(Object.keys(texts)[0])}`,
      prefix: "CLUSTER#",
    })) {
      expect([sk, JSON.stringify(item)]).not.toEqual([sk, expect.stringMatching(/message|failed; it will/)]);
    }
  });
});

describe("a database that the previous release wrote", () => {
  test("the present release returns what the previous release returned, before and after a migration", async () => {
    const world = await makePreviousWorld();
    const before = await read(world);
    for (const [path, text] of Object.entries(answers))
      expect(canonical(before[path] ?? "")).toBe(canonical(reworded(text)));
    await expectInvariants(world.services, "acme");

    const { items, migrated, strange } = await migrate(world);
    expect(strange).toEqual([]);
    const isOlder = (line: string) => {
      const { Item } = JSON.parse(line);
      const present = entities.find(({ name }) => name === Item?.entity?.S);
      return present !== undefined && Number(Item.entityVersion.N) < present.version;
    };
    const older = backup.toString().trim().split("\n").filter(isOlder).length;
    const sum = Object.values<number>(migrated).reduce((total, count) => total + count, 0);
    expect([sum, items > older]).toEqual([older, true]);
    for (const entity of ["cluster", "node-pool", "event", "tombstone", "references", "token", "member"]) {
      expect(migrated[entity]).toBeGreaterThan(0);
    }

    expect(await read(world)).toEqual(before);
    const range = { pk: "ORG#acme", prefix: "CLUSTER#", attributes: [] };
    const clusters = await world.table.query(range);
    const rows = listPartitions("acme").map((pk) => world.table.query({ ...range, pk, index: LIST_INDEX }));
    const byKey = (one: Key, other: Key) => compareText(one.sk, other.sk);
    expect((await Promise.all(rows)).flat().sort(byKey)).toEqual(clusters);
    expect(await world.table.query({ ...range, index: PREVIOUS_LIST_INDEX })).toEqual([]);
    await expectInvariants(world.services, "acme");
    expect(await migrate(world)).toMatchObject({ migrated: {}, strange: [] });
  });

  describe.each([
    ["before a migration", async () => {}],
    ["after a migration", migrate],
  ] as const)("requests %s", (_, prepare) => {
    let world: World;
    beforeAll(async () => {
      world = await makePreviousWorld();
      await prepare(world);
    });

    test("a revoked token is refused, and the role of a member in one environment applies", async () => {
      const get = async (token: string, path: string) => (await world.send("GET", path, { token })).status;
      expect(await get(tokens.revoked, SHOP)).toBe(401);
      expect(await get(tokens.bob, SHOP)).toBe(200);
      const create = async (environment: string) => {
        const path = `/api/v1/orgs/acme/clusters/${environment}?dryRun=true`;
        return (
          await world.send("POST", path, { token: tokens.bob, body: { ...parseJson<object>(creation), name: "x" } })
        ).status;
      };
      expect([await create("live"), await create("lab")]).toEqual([403, 200]);
    });

    test("a retry of a creation returns the stored response", async () => {
      const headers = { "idempotency-key": "shop-once", "content-type": "application/json" };
      const again = await world.send("POST", "/api/v1/orgs/acme/clusters/live", {
        token: tokens.ann,
        raw: creation,
        headers,
      });
      expect([again.status, again.headers.get("idempotency-replayed")]).toEqual([200, "true"]);
      expect(again.headers.get("etag")).toMatch(/^"1\.[\d.]+"$/);
      const shop = parseJson<Json>(answers[SHOP] ?? "");
      expect(again.body.identity).toBe(shop.identity);
      expect(canonical(JSON.stringify(again.body.addons))).toBe(canonical(JSON.stringify(shop.addons)));
    });

    test("clusters, node pools and tombstones can be written", async () => {
      const shop = parseJson<Json>(answers[SHOP] ?? "");
      const changed = await send(world, "PATCH", SHOP, { deleteProtection: true });
      expect([changed.status, changed.body.deleteProtection]).toEqual([200, true]);
      expect(canonical(JSON.stringify(changed.body.addons))).toBe(canonical(JSON.stringify(shop.addons)));

      const [pool] = parseJson<Json[]>(answers[`${SHOP}/pools`] ?? "");
      const resized = await send(world, "PUT", `${SHOP}/pools/${pool.id}`, { maxSize: 5 });
      expect([resized.status, resized.body.maxSize]).toEqual([200, 5]);
      expect(resized.body.labels).toEqual(pool.labels);

      const restored = await send(world, "POST", "/api/v1/orgs/acme/clusters/live/gone/undelete");
      expect([restored.status, restored.body.status]).toEqual([200, "new"]);
      expect(canonical(JSON.stringify(restored.body.addons))).toBe(canonical(JSON.stringify(shop.addons)));
      const pools = await send(world, "GET", "/api/v1/orgs/acme/clusters/live/gone/pools");
      expect(pools.body).toMatchObject([{ name: "old", labels: { constructor: "deleted" } }]);

      expect((await send(world, "GET", `${SHOP}/join-config`)).status).toBe(200);
      await expectInvariants(world.services, "acme");
    });
  });
});
