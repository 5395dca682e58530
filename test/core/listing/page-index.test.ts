import { UpdateCommand } from "@aws-sdk/lib-dynamodb";
import { beforeEach, describe, expect, test } from "vitest";
import { removeEnvironment } from "#core/admin/environments.ts";
import { checkPageIndex, rebuildPageIndex, removeEmptyBuckets } from "#core/admin/page-index-repair.ts";
import {
  bucketOf,
  buildChunkItem,
  type Chunk,
  decrementBucket,
  readChunkOf,
  readChunks,
} from "#core/listing/page-index.ts";
import { deadlineIn } from "#core/shared/retry.ts";
import { clusterKey, environmentKey, indexChunkKey } from "#core/table/keys.ts";
import { commit, Transaction } from "#core/table/transaction.ts";
import { expectInvariants } from "#test/support/invariants.ts";
import { makeWorld, type Tenant, type World } from "#test/support/world.ts";

/** Four clusters per bucket and four buckets per chunk: splits and removals with few clusters. */
const SMALL = { bucket: 4, chunk: 4 };

let world: World;
let tenant: Tenant;

beforeEach(async () => {
  world ??= await makeWorld({ pageIndex: SMALL });
  tenant = await world.tenant();
});

const name = (number: number) => `c${String(number).padStart(3, "0")}`;

/** Creates a few clusters at a time: small buckets are split so often that more creations would only wait for each other. */
async function createAll(names: readonly string[]): Promise<void> {
  for (let start = 0; start < names.length; start += 6) {
    await Promise.all(names.slice(start, start + 6).map(createOne));
  }
}

async function createOne(each: string): Promise<void> {
  const body = tenant.creation({ name: each });
  const response = await world.send("POST", tenant.path("production"), { token: tenant.admin, body });
  expect(response.status, response.text).toBe(200);
}

const chunks = () => readChunks(world.table, tenant.slug, "production");

async function listed(): Promise<string[]> {
  const response = await world.send("GET", `${tenant.path()}?pageSize=1000`, { token: tenant.admin });
  return response.body.content.map(({ slug }: { slug: { slugValue: string } }) => slug.slugValue);
}

/** Removes a cluster as its final deletion does: item and count in one transaction. The rest does not matter here. */
async function take(slug: string): Promise<void> {
  for (;;) {
    const chunk = await readChunkOf(world.table, tenant.slug, "production", slug);
    if (chunk === undefined) throw new Error("chunk not found");
    const transaction = new Transaction().delete("cluster", clusterKey(tenant.slug, "production", slug));
    decrementBucket(transaction, "index", chunk, bucketOf(chunk, slug));
    if ((await commit(world.table, transaction, deadlineIn())).length === 0) return;
  }
}

const production = () => {
  const { production: environment } = tenant.environments;
  if (environment === undefined) throw new Error("environment not found");
  return environment;
};
const check = () => checkPageIndex(world.services, tenant.slug, production());

describe("buckets of the page index", () => {
  test("full buckets and chunks are split, whatever the order of names", async () => {
    const names = Array.from({ length: 45 }, (_, number) => name((number * 37) % 45));
    await createAll(names);
    const all = await chunks();
    expect(all.length).toBeGreaterThan(2);
    for (const chunk of all) {
      expect(chunk.buckets.length).toBeLessThanOrEqual(SMALL.chunk);
      expect(chunk.buckets[0]?.bound).toBe(chunk.lowerBound);
      for (const { n } of chunk.buckets) expect(n).toBeLessThanOrEqual(SMALL.bucket);
    }
    expect(await listed()).toEqual([...names].sort());
    await expectInvariants(world.services, tenant.slug);
  });

  test("buckets accept ascending names, which all go to the end", async () => {
    for (let number = 0; number < 24; number++) await createAll([name(number)]);
    expect(await listed()).toEqual(Array.from({ length: 24 }, (_, number) => name(number)));
    await expectInvariants(world.services, tenant.slug);
  });

  test("emptied buckets and chunks are deleted, and the remaining ones still find every slug", async () => {
    const names = Array.from({ length: 30 }, (_, number) => name(number));
    await createAll(names);
    const before = await chunks();
    const kept = [name(0), name(20), name(29)];
    for (const each of names.filter((candidate) => !kept.includes(candidate))) await take(each);
    const after = await chunks();
    expect(after.flatMap(({ buckets }) => buckets).length).toBeLessThan(
      before.flatMap(({ buckets }) => buckets).length,
    );
    expect(after.length).toBeLessThan(before.length);
    expect(await check()).toEqual([]);
    expect(await listed()).toEqual(kept);
    await createAll(["c0005", "c0205", "c0285"]);
    expect(await check()).toEqual([]);
    expect(await listed()).toEqual([...kept, "c0005", "c0205", "c0285"].sort());
  });

  test("buckets that are already empty are deleted, unless clusters are added concurrently", async () => {
    const empty = (bound: string) => ({ id: `id${bound}`, bound, n: 0, v: 0 });
    const bounds = [
      ["", "c1", "c2", "c3"],
      ["c4", "c5"],
      ["c6", "c7", "c8", "c9"],
    ];
    const transaction = new Transaction();
    for (const [bound = "", ...others] of bounds) {
      transaction.put("chunk", buildChunkItem(tenant.slug, production(), bound, [bound, ...others].map(empty)));
    }
    await commit(world.table, transaction, deadlineIn());
    await createAll(["c55", "c99"]);
    await Promise.all([
      removeEmptyBuckets(world.services, tenant.slug, "production", deadlineIn()),
      createAll(["c11", "c71"]),
    ]);
    expect(await check()).toEqual([]);
    await removeEmptyBuckets(world.services, tenant.slug, "production", deadlineIn());
    expect((await chunks()).flatMap(({ buckets }) => buckets.slice(1)).every(({ n }) => n > 0)).toBe(true);
    expect(await check()).toEqual([]);
    expect(await listed()).toEqual(["c11", "c55", "c71", "c99"]);
  });

  test("buckets of one environment never contain clusters of another", async () => {
    await createAll([name(1)]);
    const body = tenant.creation({ name: name(1) });
    expect((await world.send("POST", tenant.path("staging"), { token: tenant.admin, body })).status).toBe(200);
    const all = await readChunks(world.table, tenant.slug);
    expect(all.map(({ environment, buckets }) => [environment, buckets.map(({ n }) => n)])).toEqual([
      ["production", [1]],
      ["staging", [1]],
    ]);
  });
});

describe("checking and rebuilding the page index", () => {
  const spoil = async (chunk: Chunk, update: string, names: Record<string, string>, values: Record<string, unknown>) =>
    world.table.client.send(
      new UpdateCommand({
        TableName: world.table.name,
        Key: { pk: chunk.key.pk, sk: chunk.key.sk },
        UpdateExpression: update,
        ExpressionAttributeNames: names,
        ...(Object.keys(values).length === 0 ? {} : { ExpressionAttributeValues: values }),
      }),
    );
  const names = Array.from({ length: 20 }, (_, number) => name(number));

  const expectMended = async () => {
    expect(await check()).not.toEqual([]);
    const mended = await rebuildPageIndex(world.services, tenant.slug, production());
    expect(mended.length).toBeGreaterThan(0);
    expect(await check()).toEqual([]);
    expect(await listed()).toEqual(names);
    await createAll(["c0001"]);
    await expectInvariants(world.services, tenant.slug);
  };

  test("a rebuild repairs a wrong count", async () => {
    await createAll(names);
    const [chunk] = await chunks();
    if (chunk === undefined) throw new Error("chunk not found");
    const id = chunk.buckets[0]?.id ?? "";
    await spoil(chunk, "SET #b.#id.#n = :n", { "#b": "buckets", "#id": id, "#n": "n" }, { ":n": 1 });
    await expectMended();
  });

  test("a rebuild repairs a lost bucket, whose clusters then belong to its left neighbour", async () => {
    await createAll(names);
    const chunk = (await chunks()).find(({ buckets }) => buckets.length > 1);
    const id = chunk?.buckets.at(-1)?.id;
    if (chunk === undefined || id === undefined) throw new Error("bucket not found");
    await spoil(chunk, "REMOVE #b.#id", { "#b": "buckets", "#id": id }, {});
    await expectMended();
  });

  test.each([0, 1])("a rebuild repairs the loss of chunk number %i", async (lost) => {
    await createAll(names);
    const chunk = (await chunks())[lost];
    if (chunk === undefined) throw new Error("chunk not found");
    await commit(world.table, new Transaction().delete("chunk", chunk.key), deadlineIn());
    await expectMended();
  });

  test("a rebuild creates a completely lost index", async () => {
    await createAll(names);
    for (const chunk of await chunks()) {
      await commit(world.table, new Transaction().delete("chunk", chunk.key), deadlineIn());
    }
    await expectMended();
  });

  test("a rebuild repairs buckets in a wrong order", async () => {
    await createAll(names);
    const [chunk] = await chunks();
    if (chunk === undefined) throw new Error("chunk not found");
    const buckets = chunk.buckets.map((bucket, position) => (position === 0 ? { ...bucket, bound: "zzz" } : bucket));
    const item = buildChunkItem(tenant.slug, production(), "", buckets);
    await commit(world.table, new Transaction().put("chunk", item), deadlineIn());
    await expectMended();
  });

  test("check and rebuild are correct while clusters are created", async () => {
    await createAll(names.slice(0, 10));
    const [chunk] = await chunks();
    if (chunk === undefined) throw new Error("chunk not found");
    const id = chunk.buckets[0]?.id ?? "";
    await spoil(chunk, "SET #b.#id.#n = :n", { "#b": "buckets", "#id": id, "#n": "n" }, { ":n": 0 });
    await Promise.all([
      createAll(names.slice(10)),
      (async () => {
        for (let round = 0; round < 5; round++) await rebuildPageIndex(world.services, tenant.slug, production());
      })(),
    ]);
    expect(await check()).toEqual([]);
    expect(await listed()).toEqual(names);
  });
});

describe("the page index of one environment", () => {
  test("the page index of an environment is deleted with the environment", async () => {
    await removeEnvironment(world.services, tenant.slug, "staging");
    const items = await world.table.get([
      environmentKey(tenant.slug, "staging"),
      indexChunkKey(tenant.slug, "staging", ""),
    ]);
    expect([...items]).toEqual([]);
    expect((await readChunks(world.table, tenant.slug)).map(({ environment }) => environment)).toEqual(["production"]);
    await expectInvariants(world.services, tenant.slug);
  });

  test("the page index of an environment remains, like the environment, while it has clusters", async () => {
    await createAll([name(1)]);
    await expect(removeEnvironment(world.services, tenant.slug, "production")).rejects.toMatchObject({
      kind: "conflict",
    });
    expect(await listed()).toEqual([name(1)]);
  });
});
