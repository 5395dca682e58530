import { beforeEach, describe, expect, test } from "vitest";
import { createEnvironment, getEnvironment, removeEnvironment } from "#core/admin/environments.ts";
import { checkPageIndex } from "#core/admin/page-index-repair.ts";
import { type Bucket, buildChunkItem, readChunks } from "#core/listing/page-index.ts";
import { splitChunk } from "#core/listing/page-index-split.ts";
import { deadlineIn, WRITE_TIMEOUT_MS } from "#core/shared/retry.ts";
import { commit, Transaction } from "#core/table/transaction.ts";
import { interrupt } from "#test/support/faults.ts";
import { expectInvariants } from "#test/support/invariants.ts";
import { makeWorld, type Tenant, type World } from "#test/support/world.ts";

const SMALL = { bucket: 4, chunk: 4 };

let world: World;
let tenant: Tenant;

beforeEach(async () => {
  world ??= await makeWorld({ pageIndex: SMALL });
  tenant = await world.tenant();
});

const name = (number: number) => `c${String(number).padStart(4, "0")}`;

const production = () => getEnvironment(world.services, tenant.slug, "production");

const create = (each: string) =>
  world.send("POST", tenant.path("production"), { token: tenant.admin, body: tenant.creation({ name: each }) });

async function moveToStaging(each: string): Promise<void> {
  const body = { environmentSlug: "staging" };
  const response = await world.send("PATCH", tenant.path("production", each), { token: tenant.admin, body });
  expect(response.status, response.text).toBe(200);
}

const chunksOf = async (environment: string) => await readChunks(world.table, tenant.slug, environment);

/** Leaves 1000 empty buckets in 250 chunks, as created and deleted clusters do. */
async function plantEmptyBuckets(): Promise<void> {
  const environment = await production();
  const buckets = Array.from(
    { length: 1000 },
    (_, number): Bucket => ({ id: `id${number}`, bound: number === 0 ? "" : name(number), n: 0, v: 3 }),
  );
  for (let start = 0; start < buckets.length; start += 100 * SMALL.chunk) {
    const transaction = new Transaction();
    for (let at = start; at < Math.min(start + 100 * SMALL.chunk, buckets.length); at += SMALL.chunk) {
      const part = buckets.slice(at, at + SMALL.chunk);
      transaction.put("index", buildChunkItem(tenant.slug, environment, part[0]?.bound ?? "", part));
    }
    expect(await commit(world.table, transaction, deadlineIn())).toEqual([]);
  }
  expect(await checkPageIndex(world.services, tenant.slug, environment)).toEqual([]);
}

/** Another process, in which something happens before its first transaction. */
function interrupted(act: () => Promise<void>): World {
  const sibling = world.sibling();
  interrupt(sibling.table, act);
  return sibling;
}

describe("removing an environment without clusters", () => {
  test("removing an environment deletes its thousand empty buckets, although every call is slow", async () => {
    await plantEmptyBuckets();
    const slow = world.sibling();
    slow.wire.latencyMs = 20;
    const start = performance.now();
    await removeEnvironment(slow.services, tenant.slug, "production");
    expect(performance.now() - start).toBeLessThan(WRITE_TIMEOUT_MS);
    expect(await chunksOf("production")).toEqual([]);
    await expect(production()).rejects.toMatchObject({ kind: "notFound" });
    await expectInvariants(world.services, tenant.slug);
  });

  test("a removal that cannot finish in time is refused, changes nothing visible, and continues when requested again", async () => {
    await plantEmptyBuckets();
    const hasty = { ...world.services, writeTimeoutMs: 1 };
    const refusal = { kind: "unavailable", retryAfterSeconds: 1 };
    await expect(removeEnvironment(hasty, tenant.slug, "production")).rejects.toMatchObject(refusal);
    expect((await create(name(500))).status).toBe(200);
    await expectInvariants(world.services, tenant.slug);
    await expect(removeEnvironment(hasty, tenant.slug, "production")).rejects.toMatchObject({ kind: "conflict" });
    await moveToStaging(name(500));
    await expect(removeEnvironment(hasty, tenant.slug, "production")).rejects.toMatchObject(refusal);
    await removeEnvironment(hasty, tenant.slug, "production");
    expect(await chunksOf("production")).toEqual([]);
    await expectInvariants(world.services, tenant.slug);
  });

  test("removing an environment deletes buckets of clusters that were created and deleted concurrently", async () => {
    const names = Array.from({ length: 24 }, (_, number) => name(number));
    const other = interrupted(async () => {
      for (const each of names) expect((await create(each)).status).toBe(200);
      expect((await chunksOf("production")).length).toBeGreaterThan(1);
      for (const each of names) await moveToStaging(each);
    });
    await removeEnvironment(other.services, tenant.slug, "production");
    expect(await chunksOf("production")).toEqual([]);
    await expectInvariants(world.services, tenant.slug);
  });

  test("removing an environment deletes a chunk that was split off concurrently", async () => {
    const buckets = ["", "c1", "c2", "c3"].map((bound): Bucket => ({ id: `id${bound}`, bound, n: 0, v: 1 }));
    const full = buildChunkItem(tenant.slug, await production(), "", buckets);
    await commit(world.table, new Transaction().put("index", full), deadlineIn());
    const other = interrupted(async () => {
      const [chunk] = await chunksOf("production");
      expect(chunk && (await splitChunk(world.table, tenant.slug, chunk, deadlineIn()))).toBe(true);
    });
    await removeEnvironment(other.services, tenant.slug, "production");
    expect(await chunksOf("production")).toEqual([]);
    await expectInvariants(world.services, tenant.slug);
  });

  test("removing an environment deletes no chunk after a cluster was created, whatever the number of chunks", async () => {
    await plantEmptyBuckets();
    const other = interrupted(async () => {
      expect((await create(name(900))).status).toBe(200);
    });
    const refused = removeEnvironment(other.services, tenant.slug, "production");
    await expect(refused).rejects.toMatchObject({ kind: "conflict" });
    expect(await chunksOf("production")).toHaveLength(250);
    await expectInvariants(world.services, tenant.slug);
  });

  test("removing an environment does not change a new environment of the same name", async () => {
    const other = interrupted(async () => {
      await removeEnvironment(world.services, tenant.slug, "production");
      await createEnvironment(world.services, tenant.slug, { name: "production", type: "other" });
    });
    await removeEnvironment(other.services, tenant.slug, "production");
    expect((await production()).slug).toBe("production");
    await expectInvariants(world.services, tenant.slug);
  });

  test("one of a removal and a concurrent creation of a cluster succeeds, and the index is consistent", async () => {
    for (let round = 0; round < 12; round++) {
      const [removed, ...made] = await Promise.all([
        removeEnvironment(world.sibling().services, tenant.slug, "production").then(
          () => true,
          () => false,
        ),
        ...[1, 2].map(async (number) => (await create(name(10 * round + number))).status),
      ]);
      expect(made.every((status) => status === (removed ? 404 : 200))).toBe(true);
      await expectInvariants(world.services, tenant.slug);
      if (!removed) continue;
      expect(await chunksOf("production")).toEqual([]);
      await createEnvironment(world.services, tenant.slug, { name: "production", type: "other" });
    }
  });
});
