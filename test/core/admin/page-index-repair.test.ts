import { setTimeout as sleep } from "node:timers/promises";
import { beforeEach, describe, expect, test } from "vitest";
import { createEnvironment, getEnvironment, removeEnvironment } from "#core/admin/environments.ts";
import { checkPageIndex, rebuildPageIndex } from "#core/admin/page-index-repair.ts";
import { clusterEntity } from "#core/cluster/entity.ts";
import { bucketOf, buildChunkItem, decrementBucket, readChunks } from "#core/listing/page-index.ts";
import { deadlineIn } from "#core/shared/retry.ts";
import { Meter } from "#core/table/capacity-meter.ts";
import { commit, Transaction } from "#core/table/transaction.ts";
import { commands } from "#functions/admin/commands.ts";
import { readConfig } from "#functions/runtime/config.ts";
import { interrupt, roundTripsOf } from "#test/support/faults.ts";
import { fill } from "#test/support/filling.ts";
import { expectInvariants } from "#test/support/invariants.ts";
import { type Json, makeWorld, type Tenant, type World } from "#test/support/world.ts";

const SMALL = { bucket: 4, chunk: 4 };

let world: World;
let tenant: Tenant;

beforeEach(async () => {
  world ??= await makeWorld({ pageIndex: SMALL });
  tenant = await world.tenant();
});

const name = (number: number) => `c${String(number).padStart(3, "0")}`;
const names = Array.from({ length: 20 }, (_, number) => name(number));

async function createAll(all: readonly string[], environment = "production"): Promise<void> {
  for (const each of all) {
    const body = tenant.creation({ name: each });
    const response = await world.send("POST", tenant.path(environment), { token: tenant.admin, body });
    expect(response.status, response.text).toBe(200);
  }
}

async function moveAll(all: readonly string[]): Promise<void> {
  for (const each of all) {
    const body = { environmentSlug: "staging" };
    const response = await world.send("PATCH", tenant.path("production", each), { token: tenant.admin, body });
    expect(response.status, response.text).toBe(200);
  }
}

const chunks = () => readChunks(world.table, tenant.slug, "production");
const production = () => getEnvironment(world.services, tenant.slug, "production");

/** Runs the operator's command on the tenant's organisation. */
async function index(of: World, word: "check" | "rebuild"): Promise<{ found: Json[]; failed: boolean }> {
  const given = { values: { org: tenant.slug }, positionals: [] };
  const context = {
    config: readConfig({}),
    environment: {},
    target: { on: "directory", directory: "unused" } as const,
    report: () => {},
  };
  const { print, failed = false } = (await commands[`index ${word}`]?.run(of.services, given, context)) ?? {};
  return { found: (print as Json).discrepancies, failed };
}

/** Another process, in which something happens around the calls whose input contains a text. */
function interrupted(text: string, when: "before" | "after", act: () => Promise<void>, times = 1): World {
  const sibling = world.sibling();
  interrupt(sibling.table, act, { when, times, isMeant: (input) => input.includes(text) });
  return sibling;
}

const LISTED_ENVIRONMENTS = '":prefix":"ENV#"';
const remove = () => removeEnvironment(world.services, tenant.slug, "production");
const make = async (environment: string) => {
  await createEnvironment(world.services, tenant.slug, { name: environment, type: "other" });
};

describe("a bucket to which other processes write continuously", () => {
  /** Runs in every scan, after the clusters were read: as if a cluster was created and deleted. */
  const restless = async () => {
    const bound = (await chunks())[0]?.buckets[1]?.bound ?? "none";
    const other = interrupted(
      '"ProjectionExpression":"pk, sk"',
      "after",
      async () => {
        const [chunk] = await chunks();
        const bucket = chunk?.buckets[1];
        if (chunk === undefined || bucket === undefined) throw new Error("bucket not found");
        const touch = new Transaction().update("index", chunk.key, "SET #buckets.#id.#v = :v", {
          names: { "#id": bucket.id },
          values: { ":v": bucket.v + 1 },
        });
        expect(await commit(world.table, touch, deadlineIn())).toEqual([]);
      },
      Number.POSITIVE_INFINITY,
    );
    return { bound, other };
  };

  test("a continuously changing bucket fails the check, which names the bucket", async () => {
    await createAll(names);
    const { bound, other } = await restless();
    expect(await index(other, "check")).toEqual({
      found: [
        {
          organisation: tenant.slug,
          environment: "production",
          text: `bucket "${bound}" was not compared: it changed during each of 50 scans`,
        },
      ],
      failed: true,
    });
  });

  test("a rebuild names a continuously changing bucket and repairs the others", async () => {
    await createAll(names);
    const { bound, other } = await restless();
    const last = (await chunks()).at(-1);
    const bucket = last?.buckets.at(-1);
    if (last === undefined || bucket === undefined) throw new Error("bucket not found");
    const spoil = new Transaction().update("index", last.key, "SET #buckets.#id.#n = :n", {
      names: { "#id": bucket.id },
      values: { ":n": 0 },
    });
    await commit(world.table, spoil, deadlineIn());
    const { found } = await index(other, "rebuild");
    expect(found.map(({ text }) => text)).toEqual([
      expect.stringContaining(`bucket "${bucket.bound}" counts 0 clusters`),
      expect.stringContaining(`bucket "${bound}" was not compared`),
    ]);
    await expectInvariants(world.services, tenant.slug);
  });
});

describe.each(["check", "rebuild"] as const)(
  "the index %s concurrent with the creation and removal of environments",
  (word) => {
    test("an environment that is created concurrently is not reported", async () => {
      const other = interrupted(LISTED_ENVIRONMENTS, "after", () => make("fresh"));
      expect(await index(other, word)).toEqual({ found: [], failed: false });
      await expectInvariants(world.services, tenant.slug);
    });

    test("an environment that is removed concurrently is not reported and not changed", async () => {
      const other = interrupted(LISTED_ENVIRONMENTS, "after", remove);
      expect(await index(other, word)).toEqual({ found: [], failed: false });
      expect(await chunks()).toEqual([]);
      await expectInvariants(world.services, tenant.slug);
    });

    test("an environment that is removed between two reads of the index is not reported", async () => {
      const other = interrupted('":prefix":"INDEX#"', "after", remove);
      expect(await index(other, word)).toEqual({ found: [], failed: false });
      expect(await chunks()).toEqual([]);
    });

    test("an environment that is replaced concurrently is not reported, and the new one is not changed", async () => {
      const other = interrupted(LISTED_ENVIRONMENTS, "after", async () => {
        await remove();
        await make("production");
        await createAll(names);
      });
      expect(await index(other, word)).toEqual({ found: [], failed: false });
      await expectInvariants(world.services, tenant.slug);
    });
  },
);

describe("rebuilding the page index", () => {
  test("a rebuild reads four times as much for four times as many clusters", async () => {
    await createAll(["c0"]);
    const [item] = await world.table.query({ pk: `ORG#${tenant.slug}`, prefix: "CLUSTER#production#c0" });
    if (item === undefined) throw new Error("no cluster to copy");
    const unitsOf = async (count: number) => {
      const meter = new Meter();
      const filled = await world.tenant();
      const services = { ...world.services, table: world.table.metered(meter) };
      await fill({ ...world, services }, filled, clusterEntity.read(item), count);
      const { production: environment } = filled.environments;
      if (environment === undefined) throw new Error("no environment production");
      expect(await checkPageIndex(world.services, filled.slug, environment)).toEqual([]);
      return meter.readUnits;
    };
    expect((await unitsOf(160)) / (await unitsOf(40))).toBeLessThan(5);
  });

  test("a rebuild creates no index for an environment that is removed concurrently", async () => {
    const [chunk] = await chunks();
    if (chunk === undefined) throw new Error("chunk not found");
    await commit(world.table, new Transaction().delete("index", chunk.key), deadlineIn());
    const other = interrupted('"TransactItems"', "before", remove);
    expect(await rebuildPageIndex(other.services, tenant.slug, await production())).toEqual([]);
    expect(await chunks()).toEqual([]);
    await expectInvariants(world.services, tenant.slug);
  });

  test("a repair is reported once, whatever the number of conflicts", async () => {
    await createAll(names);
    const [chunk] = await chunks();
    const bucket = chunk?.buckets[0];
    if (chunk === undefined || bucket === undefined) throw new Error("bucket not found");
    const spoil = (n: number, v: number) =>
      commit(
        world.table,
        new Transaction().update("index", chunk.key, "SET #buckets.#id.#n = :n, #buckets.#id.#v = :v", {
          names: { "#id": bucket.id },
          values: { ":n": n, ":v": v },
        }),
        deadlineIn(),
      );
    await spoil(bucket.n + 1, bucket.v + 1);
    const other = interrupted('"TransactItems"', "before", async () => {
      await spoil(bucket.n + 2, bucket.v + 2);
    });
    expect(await rebuildPageIndex(other.services, tenant.slug, await production())).toHaveLength(1);
    await expectInvariants(world.services, tenant.slug);
  });

  test("a rebuild deletes the leftover chunks of a removed environment", async () => {
    const gone = { slug: "gone", identity: "f3c1c6a4-5a3a-4d63-9a5b-b7c3c2f1a001" };
    const bucket = { id: "old", bound: "", n: 0, v: 1 };
    await commit(
      world.table,
      new Transaction().put("index", buildChunkItem(tenant.slug, gone, "", [bucket])),
      deadlineIn(),
    );
    const stray = {
      organisation: tenant.slug,
      environment: "gone",
      text: 'chunk "" does not belong to an environment',
    };
    expect(await index(world, "check")).toEqual({ found: [stray], failed: true });
    expect((await index(world, "rebuild")).found).toEqual([stray]);
    expect(await index(world, "check")).toEqual({ found: [], failed: false });
    expect((await readChunks(world.table, tenant.slug)).map(({ environment }) => environment)).toEqual([
      "production",
      "staging",
    ]);
  });

  test("a rebuild deletes the leftover chunks of a removed environment whose name another environment has", async () => {
    const gone = { slug: "production", identity: "f3c1c6a4-5a3a-4d63-9a5b-b7c3c2f1a001" };
    const bucket = { id: "old", bound: "c5", n: 0, v: 1 };
    await commit(
      world.table,
      new Transaction().put("index", buildChunkItem(tenant.slug, gone, "c5", [bucket])),
      deadlineIn(),
    );
    const { found } = await index(world, "rebuild");
    expect(found).toMatchObject([{ text: 'chunk "c5" belongs to a deleted environment' }]);
    expect(await chunks()).toMatchObject([{ lowerBound: "" }]);
    await expectInvariants(world.services, tenant.slug);
  });
});

describe("removing the last cluster of a bucket", () => {
  test("the write that empties a bucket deletes the bucket without an additional round trip", async () => {
    await createAll(names);
    expect((await chunks())[0]?.buckets).toMatchObject([{ n: 2 }, { bound: "c002", n: 2 }]);
    await moveAll(["c002"]);
    world.wire.spans.length = 0;
    await moveAll(["c003"]);
    expect(roundTripsOf(world.wire.spans)).toBe(2);
    expect((await chunks())[0]?.buckets).toMatchObject([{ n: 2 }]);
  });

  test("the write that empties a bucket also deletes an empty chunk", async () => {
    await createAll(names);
    await createAll(names.map((each) => `x${each}`));
    for (const each of [...names, ...names.map((slug) => `x${slug}`)]) {
      await moveAll([each]);
      for (const chunk of await chunks()) {
        const empty = chunk.buckets.slice(1).filter(({ n }) => n === 0);
        expect(empty, each).toEqual([]);
      }
    }
    expect(await chunks()).toMatchObject([{ lowerBound: "", buckets: [{ bound: "", n: 0 }] }]);
    await expectInvariants(world.services, tenant.slug);
    await createAll(names);
    await expectInvariants(world.services, tenant.slug);
  });

  test("the write that empties a bucket keeps the bucket if a cluster was added concurrently", async () => {
    await createAll(names);
    const chunk = (await chunks())[0];
    const last = chunk?.buckets.at(-1);
    if (chunk === undefined || last === undefined) throw new Error("bucket not found");
    // As if the bucket had one cluster when it was read, and others were added since.
    const stale = { ...last, n: 1, v: last.v - 1 };
    const transaction = new Transaction();
    const read = { ...chunk, buckets: [...chunk.buckets.slice(0, -1), stale] };
    decrementBucket(transaction, "index", read, bucketOf(read, stale.bound));
    expect(await commit(world.table, transaction, deadlineIn())).toHaveLength(1);
    expect(await checkPageIndex(world.services, tenant.slug, await production())).toEqual([]);
  });

  test("the deletion of an empty bucket does not cause a wrong concurrent split of the bucket before it", async () => {
    await createAll(names);
    // The last bucket of the first chunk is full, and one cluster is left after it, in another chunk.
    await createAll(["c0021", "c0022"]);
    await moveAll(names.slice(5));
    expect(await chunks()).toMatchObject([
      { buckets: [{ n: 2 }, { bound: "c002", n: SMALL.bucket }] },
      { lowerBound: "c004", buckets: [{ n: 1 }] },
    ]);
    // The clusters of the full bucket are read, and only then its upper bound: the next bucket is deleted.
    const other = interrupted('"INDEX#production#~"', "before", async () => {
      await sleep(100);
      await moveAll(["c004"]);
    });
    const body = tenant.creation({ name: "c0023" });
    const response = await other.send("POST", tenant.path("production"), { token: tenant.admin, body });
    expect(response.status, response.text).toBe(200);
    await expectInvariants(world.services, tenant.slug);
  });
});
