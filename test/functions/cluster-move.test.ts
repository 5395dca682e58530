import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { clustersOf, eventsOf, expectInvariants } from "#test/support/invariants.ts";
import { type Json, makeWorld, type Tenant, type TestResponse, type World } from "#test/support/world.ts";

let now = Date.parse("2026-11-23T10:00:00.000Z");
let world: World;
let tenant: Tenant;

beforeAll(async () => {
  // Small buckets, so that a few moves cause splits of the page index.
  world = await makeWorld({ clock: () => new Date(now), pageIndex: { bucket: 2, chunk: 2 } });
});

beforeEach(async () => {
  now += 60_000;
  tenant = await world.tenant();
});

afterEach(() => {
  Object.assign(world.wire, { conflicts: false, latencyMs: 0 });
});

const POOLS = [
  { name: "web", nodeSize: "t3.medium", minSize: 3 },
  { name: "jobs", nodeSize: "m5.large", autoScaling: true, minSize: 1, maxSize: 9 },
];

const as = (token: string) => (method: string, path: string, body?: unknown) => {
  now += 1_000;
  return world.send(method, path, { token, body });
};
const send = (method: string, path: string, body?: unknown) => as(tenant.admin)(method, path, body);
const get = (environment: string, cluster = "one") => send("GET", tenant.path(environment, cluster));

type Way = (from: string, to: unknown, token?: string, cluster?: string) => Promise<TestResponse>;
const byPost: Way = (from, to, token = tenant.admin, cluster = "one") =>
  as(token)("POST", `${tenant.path(cluster)}/move`, { currentEnvironment: from, newEnvironment: to });
const byPatch: Way = (from, to, token = tenant.admin, cluster = "one") =>
  as(token)("PATCH", tenant.path(from, cluster), { environmentSlug: to });
const WAYS: [string, Way, string][] = [
  ["POST", byPost, "newEnvironment"],
  ["PATCH", byPatch, "environmentSlug"],
];

async function create(environment = "production", more: Record<string, unknown> = {}): Promise<Json> {
  const response = await send("POST", tenant.path(environment), tenant.creation({ nodePools: POOLS, ...more }));
  expect(response.status, response.text).toBe(200);
  return response.body;
}

const remove = async (environment: string, cluster = "one") => {
  const response = await send("PATCH", tenant.path(environment, cluster), { status: "deleting" });
  expect(response.status, response.text).toBe(200);
};

/** Locations of clusters in list order: environment, deleting or not, identity. */
async function places(): Promise<[string, boolean, string][]> {
  const { body } = await send("GET", `${tenant.path()}?pageSize=1000`);
  return body.content.map((each: Json) => [each.environmentSlug.slugValue, each.status === "deleting", each.identity]);
}

describe.each(WAYS)("a move by %s", (_, move, property) => {
  test("a move keeps slug, identity, pools and events, and moves the counters", async () => {
    const made = await create("production", { maintenanceScheduleIdentity: tenant.schedule.identity });
    const before = await get("production");
    const pools = await send("GET", `${tenant.path("production", "one")}/pools`);
    const response = await move("production", "staging");
    expect(response.status, response.text).toBe(200);
    expect(response.body).toEqual({
      ...before.body,
      environmentIdentity: tenant.environments.staging?.identity,
      environmentSlug: { slugValue: "staging" },
      generation: before.body.generation + 1,
      modifiedAt: new Date(now).toISOString(),
    });
    expect(response.headers.get("etag")).toMatch(/^"2\./);
    const there = await get("staging");
    expect([there.status, there.body, there.headers.get("etag")]).toEqual([
      200,
      response.body,
      response.headers.get("etag"),
    ]);
    expect((await get("production")).status).toBe(404);
    expect((await send("GET", `${tenant.path("staging", "one")}/pools`)).body).toEqual(pools.body);
    const events = await eventsOf(world.services, made.identity);
    expect(events.map(({ type }) => type)).toEqual(["cluster.created", "cluster.moved"]);
    expect(events[1]?.changes).toEqual([{ path: "environmentSlug", from: "production", to: "staging" }]);
    expect(await places()).toEqual([["staging", false, made.identity]]);
    await expectInvariants(world.services, tenant.slug);
  });

  test("a move to the present environment changes nothing, also for a deleting cluster", async () => {
    await create();
    const before = await get("production");
    const response = await move("production", "production");
    expect([response.status, response.body]).toEqual([200, before.body]);
    expect(response.headers.get("etag")).toBe(before.headers.get("etag"));
    await remove("production");
    expect((await move("production", "production")).status).toBe(200);
  });

  test("a move to an environment where a cluster has its slug returns a conflict that names it, and both stay", async () => {
    const mine = await create();
    const other = await create("staging");
    const response = await move("production", "staging");
    expect([response.status, response.body.message]).toEqual([409, expect.stringContaining('"one"')]);
    expect(response.body.message.startsWith(`${property}: `)).toBe(true);
    expect(await places()).toEqual([
      ["production", false, mine.identity],
      ["staging", false, other.identity],
    ]);
  });

  test("a move to an environment where a deleting cluster has its slug supersedes that cluster", async () => {
    const mine = await create();
    const other = await create("staging");
    await remove("staging");
    const response = await move("production", "staging");
    expect(response.status, response.text).toBe(200);
    expect((await get("staging")).body.identity).toBe(mine.identity);
    expect(await places()).toEqual([
      ["staging", false, mine.identity],
      ["staging", true, other.identity],
    ]);
    await expectInvariants(world.services, tenant.slug);
  });

  test("a move of a deleting cluster returns a conflict", async () => {
    const { identity } = await create();
    await remove("production");
    const response = await move("production", "staging");
    expect([response.status, response.body.message]).toEqual([409, expect.stringContaining("deleting")]);
    expect(await places()).toEqual([["production", true, identity]]);
    await expectInvariants(world.services, tenant.slug);
  });

  test.each([["nowhere"], ["Not A Slug"], ["x".repeat(101)], [7], ["../staging"]])(
    "a move to %j is refused with the name of the property",
    async (to) => {
      await create();
      const response = await move("production", to);
      expect(response.status, response.text).toBe(400);
      const paths = response.body.details.map((detail: string) => detail.split(": ")[0]);
      expect(new Set(paths)).toEqual(new Set([property]));
      expect((await get("production")).status).toBe(200);
    },
  );

  test("a move of a missing cluster or from a missing environment returns 404", async () => {
    for (const from of ["nowhere", "staging", "Not_A_Slug"]) {
      expect([from, (await move(from, "production")).status]).toEqual([from, 404]);
    }
    expect((await move("production", "nowhere")).status).toBe(404);
  });

  test.each([
    [{ production: "developer" }, 403],
    [{ staging: "developer" }, 403],
    [{ staging: "none" }, 403],
    [{ production: "viewer", staging: "viewer" }, 403],
    [{}, 200],
  ] as const)("a move by an admin who is %j returns %i", async (overrides, status) => {
    await create();
    const { token } = await tenant.person("admin", overrides);
    expect((await move("production", "staging", token)).status).toBe(status);
    expect((await get("production")).status).toBe(status === 200 ? 404 : 200);
  });

  test("a move by a developer of the organisation who is an admin in both environments succeeds", async () => {
    await create();
    const { token } = await tenant.person("developer", { production: "admin", staging: "admin" });
    expect((await move("production", "staging", token)).status).toBe(200);
  });

  test("during a move, readers see the cluster at exactly one of the two paths", async () => {
    await create();
    world.wire.latencyMs = 3;
    for (let round = 0; round < 8; round++) {
      const [from, to]: [string, string] = round % 2 === 0 ? ["production", "staging"] : ["staging", "production"];
      let moved = false;
      const seen = { before: 0, after: 0 };
      const reader = async () => {
        for (let last = false; !last; ) {
          last = moved;
          const [old, young] = [await get(from), await get(to)];
          if (old.status === 404) expect(young.status).toBe(200);
          const [later, earlier] = [await get(to), await get(from)];
          if (later.status === 200) expect(earlier.status).toBe(404);
          seen[old.status === 200 ? "before" : "after"]++;
        }
      };
      const readers = [reader(), reader(), reader()];
      expect((await move(from, to)).status).toBe(200);
      moved = true;
      await Promise.all(readers);
      expect(seen.before).toBeGreaterThan(0);
      expect(seen.after).toBeGreaterThan(0);
    }
  });
});

describe("a move by PATCH", () => {
  test("a move by PATCH to a taken slug returns a conflict, also with an unreachable version", async () => {
    await create("production", { version: "v1.33.4-u-ame.1" });
    await create("staging");
    const body = { environmentSlug: "staging", version: "v1.35.0-u-ame.1" };
    const response = await send("PATCH", tenant.path("production", "one"), body);
    expect([response.status, response.body.message]).toEqual([
      409,
      expect.stringContaining('the slug "one" is already used'),
    ]);
    expect((await send("PATCH", tenant.path("production", "one"), { version: body.version })).status).toBe(400);
  });

  test("a move by PATCH that also deletes returns a conflict, because a deleting cluster does not move", async () => {
    const { identity } = await create();
    const body = { environmentSlug: "staging", status: "deleting" };
    const response = await send("PATCH", tenant.path("production", "one"), body);
    expect([response.status, response.body.message]).toEqual([409, expect.stringContaining("cannot move")]);
    expect(await places()).toEqual([["production", false, identity]]);
  });
});

describe("a move by POST", () => {
  const post = (body: unknown, token = tenant.admin) => as(token)("POST", `${tenant.path("one")}/move`, body);

  test.each([
    [{}, ["currentEnvironment", "newEnvironment"]],
    [{ newEnvironment: "staging" }, ["currentEnvironment"]],
    [{ currentEnvironment: null, newEnvironment: "staging" }, ["currentEnvironment"]],
    [{ currentEnvironment: 7, newEnvironment: "staging" }, ["currentEnvironment"]],
    [{ currentEnvironment: "production" }, ["newEnvironment"]],
    [{ currentEnvironment: "production", newEnvironment: null }, ["newEnvironment"]],
    [{ currentEnvironment: "production", newEnvironment: "" }, ["newEnvironment"]],
  ])("a move by POST with %j is refused and names %j", async (body, paths) => {
    await create();
    const response = await post(body);
    expect(response.status, response.text).toBe(400);
    expect(response.body.details.map((detail: string) => detail.split(": ")[0])).toEqual(paths);
  });

  test("a move by POST from an environment given as empty text returns a validation error", async () => {
    await create();
    const response = await post({ currentEnvironment: "", newEnvironment: "staging" });
    expect([400, 404]).toContain(response.status);
    expect(response.body.message).toMatch(/environment/i);
  });

  test("a move by POST requires an admin, also when it changes nothing", async () => {
    await create();
    const { token } = await tenant.person("developer");
    expect((await byPost("production", "production", token)).status).toBe(403);
  });
});

describe("concurrent moves", () => {
  test("one of ten clusters of the same slug moves to an environment, and the others stay and get an error", async () => {
    const names = Array.from({ length: 10 }, (_, number) => `e${number}`);
    tenant = await world.tenant(["target", ...names]);
    for (const name of names) await create(name);
    const processes = [world, world.sibling(), world.sibling()];
    for (const { wire } of processes) wire.conflicts = true;
    const responses = await Promise.all(
      names.map((name, number) =>
        (processes[number % 3] ?? world).send("PATCH", tenant.path(name, "one"), {
          token: tenant.admin,
          body: { environmentSlug: "target" },
        }),
      ),
    );
    expect(responses.map(({ status }) => status).toSorted()).toEqual([200, ...Array(9).fill(409)]);
    await expectInvariants(world.services, tenant.slug);
  });

  test("twenty clusters move to one environment concurrently, through every split of its index", async () => {
    const names = Array.from({ length: 20 }, (_, number) => `c-${number}`);
    for (const name of names) await create("production", { name });
    const responses = await Promise.all(names.map((name) => byPatch("production", "staging", tenant.admin, name)));
    expect(responses.map(({ status }) => status)).toEqual(Array(20).fill(200));
    expect((await places()).map(([environment]) => environment)).toEqual(Array(20).fill("staging"));
    await expectInvariants(world.services, tenant.slug);
  });
});

describe("a slug whose cluster is deleting", () => {
  test("a deleting cluster's slug is available at once, and its path returns the deleting cluster until a new one exists", async () => {
    const first = await create();
    await remove("production");
    expect((await get("production")).body).toMatchObject({ identity: first.identity, status: "deleting" });
    const second = await create();
    expect((await get("production")).body).toMatchObject({ identity: second.identity, status: "new" });
    expect(await places()).toEqual([
      ["production", false, second.identity],
      ["production", true, first.identity],
    ]);
    expect((await byPost("production", "staging")).status).toBe(200);
    expect((await get("production")).status).toBe(404);
    expect(await places()).toEqual([
      ["production", true, first.identity],
      ["staging", false, second.identity],
    ]);
    const third = await create();
    expect((await get("production")).body.identity).toBe(third.identity);
    expect(await clustersOf(world.services, tenant.slug)).toHaveLength(3);
    await expectInvariants(world.services, tenant.slug);
  });

  test("a move to a slug with 32 superseded clusters is refused", async () => {
    // All clusters of one slug are in one bucket, which must be large enough.
    world = await makeWorld();
    tenant = await world.tenant();
    await create("staging");
    for (let round = 0; round < 33; round++) {
      await remove("staging");
      if (round < 32) await create("staging", { nodePools: [] });
    }
    const mine = await create();
    const response = await byPost("production", "staging");
    expect([response.status, response.body.message]).toEqual([409, expect.stringContaining("32")]);
    expect(response.headers.get("retry-after")).toMatch(/^[0-9]+$/);
    expect((await get("production")).body.identity).toBe(mine.identity);
    await expectInvariants(world.services, tenant.slug);
  });
});
