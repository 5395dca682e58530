import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { tombstoneEntity } from "#core/cluster/entity.ts";
import { nodePoolsOf } from "#core/node-pool/items.ts";
import { type Key, keyText, pointerKey, tombstoneKey, totalKey } from "#core/table/keys.ts";
import { finishDeletion } from "#test/support/deletion.ts";
import { roundTripsOf } from "#test/support/faults.ts";
import { clustersOf, eventsOf, expectInvariants, tombstonesOf } from "#test/support/invariants.ts";
import { overwrite } from "#test/support/overwrite.ts";
import { changeReferences } from "#test/support/references.ts";
import { type Json, makeWorld, type Tenant, type TestResponse, type World } from "#test/support/world.ts";

let world: World;
let tenant: Tenant;
/** Offset of the clock, in milliseconds. */
let ahead = 0;

const DAY_MS = 24 * 60 * 60 * 1_000;
const NOBODY = "00000000-0000-4000-8000-000000000000";

beforeAll(async () => {
  world = await makeWorld({ clock: () => new Date(Date.now() + ahead), pageIndex: { bucket: 2, chunk: 64 } });
});

beforeEach(async () => {
  ahead = 0;
  world.wire.latencyMs = 0;
  tenant = await world.tenant();
});

const send = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
  world.send(method, path, { token: tenant.admin, body, headers });
const at = (environment = "production", ...rest: string[]) => [tenant.path(environment, "one"), ...rest].join("/");
const undelete = (body?: unknown, query = "", headers: Record<string, string> = {}) =>
  send("POST", `${at("production", "undelete")}${query}`, body, headers);

const POOLS = [
  { name: "web", nodeSize: "t3.medium", minSize: 3, labels: { team: "shop" }, annotations: { constructor: "x" } },
  { name: "jobs", nodeSize: "t3.medium", autoScaling: true, minSize: 0, maxSize: 4, availabilityZone: "eu-west-1b" },
];

async function create(more: Record<string, unknown> = {}): Promise<Json> {
  const response = await send("POST", tenant.path("production"), tenant.creation(more));
  expect(response.status, response.text).toBe(200);
  return response.body;
}

const remove = async () => expect((await send("PATCH", at(), { status: "deleting" })).status).toBe(200);
const finish = (identity?: string) => finishDeletion(world.services, tenant.slug, "production", "one", identity);

/** Creates a cluster and deletes it completely. @returns its last representation */
async function deleted(more: Record<string, unknown> = {}): Promise<Json> {
  const made = await create(more);
  await remove();
  await finish(made.identity);
  return made;
}

function expectRefused(response: TestResponse, status: number, ...details: RegExp[]): void {
  expect(response.status, response.text).toBe(status);
  expect(response.body.details).toEqual(details.map((each) => expect.stringMatching(each)));
}

/** Changes a stored item in the database. */
const change = (key: Key, name: string, value: unknown) => overwrite(world.table, key, [name], value);

describe("the final deletion of a cluster", () => {
  test("a deleted cluster leaves a tombstone and its pointer for 30 days, and frees slug, pools and counters", async () => {
    const made = await deleted({ nodePools: POOLS });
    expect((await send("GET", at())).status).toBe(404);
    const [tombstone, ...others] = await tombstonesOf(world.services, tenant.slug);
    expect(others).toEqual([]);
    expect(tombstone).toMatchObject({
      identity: made.identity,
      status: "deleted",
      desiredStatus: "deleting",
      revision: 3,
      ttl: Math.floor(Date.parse(tombstone?.deletedAt ?? "") / 1_000) + 30 * 24 * 60 * 60,
    });
    expect(await clustersOf(world.services, tenant.slug)).toEqual([]);
    await expectInvariants(world.services, tenant.slug);
    const event = (await eventsOf(world.services, made.identity)).at(-1);
    expect(event).toMatchObject({ type: "cluster.deleted", at: tombstone?.deletedAt });
    expect(event).not.toHaveProperty("user");
    expect(event?.changes).toEqual([{ path: "status", from: "deleting", to: "deleted" }]);
  });

  test("the final deletion of 80 pools fits into one transaction, and an undelete restores only live pools", async () => {
    const made = await create({
      nodePools: Array.from({ length: 50 }, (_, n) => ({ name: `p${n}`, nodeSize: "t3.medium" })),
    });
    const pools = (await send("GET", at("production", "pools"))).body;
    for (const { id } of pools.slice(0, 30)) {
      expect((await send("DELETE", at("production", "pools", `${id}`))).status).toBe(204);
      const body = { name: `again-${id % 1e9}`, nodeSize: "t3.medium" };
      expect((await send("POST", at("production", "pools"), body)).status).toBe(200);
    }
    expect(await nodePoolsOf(world.table, made.identity)).toHaveLength(80);
    await remove();
    await finish();
    await expectInvariants(world.services, tenant.slug);
    expect((await undelete()).status).toBe(200);
    expect(await nodePoolsOf(world.table, made.identity)).toHaveLength(50);
    await expectInvariants(world.services, tenant.slug);
  });
});

describe("undeleting a cluster", () => {
  test("an undelete restores the same cluster with its pools, which are built again", async () => {
    const addons = { constructor: { enabled: true } };
    const more = { maintenanceScheduleIdentity: tenant.schedule.identity, description: "mine", addons };
    const made = await create({ nodePools: POOLS, ...more });
    const before = (await send("GET", at("production", "pools"))).body;
    await remove();
    await finish();
    ahead = 29 * DAY_MS;
    const response = await undelete();
    expect(response.status, response.text).toBe(200);
    const { conditions, modifiedAt, generation, ...rest } = response.body;
    const { conditions: _, modifiedAt: _modified, generation: _generation, ...was } = made;
    expect(rest).toEqual(was);
    expect(rest).toMatchObject({ status: "new", desiredStatus: "starting", provisionStatus: "ACCEPTED" });
    expect([generation, Date.parse(modifiedAt) > Date.parse(made.createdAt) + 28 * DAY_MS]).toEqual([3, true]);
    for (const each of conditions) {
      expect(each).toMatchObject({ reason: "Accepted", observedGeneration: 3, lastTransitionTime: modifiedAt });
    }
    const got = await send("GET", at());
    expect([got.body, got.headers.get("etag")]).toEqual([response.body, response.headers.get("etag")]);
    expect(response.headers.get("etag")).toMatch(/^"4\./);
    const after = (await send("GET", at("production", "pools"))).body;
    const lasting = ({ modifiedAt: _at, ...pool }: Json) => pool;
    expect(after.map(lasting)).toEqual(before.map(lasting));
    expect((await nodePoolsOf(world.table, made.identity)).map(({ revision }) => revision)).toEqual([2, 2]);
    expect(await tombstonesOf(world.services, tenant.slug)).toEqual([]);
    await expectInvariants(world.services, tenant.slug);
  });

  test("an undelete makes the cluster due at once, and its event has the caller", async () => {
    const { identity } = await deleted();
    await change(pointerKey(identity), "attempts", 4);
    await change(pointerKey(identity), "lastError", { at: "x", operation: "x", message: "x" });
    const before = (await world.table.get([pointerKey(identity)])).get(keyText(pointerKey(identity)));
    const response = await undelete({}, "", { "x-request-id": "request-1" });
    const pointer = (await world.table.get([pointerKey(identity)])).get(keyText(pointerKey(identity)));
    expect(pointer).toMatchObject({
      dueAt: response.body.modifiedAt,
      attempts: 0,
      fence: before?.fence,
      wakes: Number((before as Json).wakes) + 1,
    });
    expect(pointer).not.toHaveProperty("lastError");
    const event = (await eventsOf(world.services, identity)).at(-1);
    expect(event).toMatchObject({ type: "cluster.undeleted", requestId: "request-1", at: response.body.modifiedAt });
    expect(event?.changes).toContainEqual({ path: "status", from: "deleted", to: "new" });
  });

  test("an undelete does not restore the version before the last upgrade", async () => {
    await create();
    expect((await send("PATCH", at(), { version: "v1.35.0-u-ame.1" })).status).toBe(200);
    await remove();
    await finish();
    expect((await undelete()).status).toBe(200);
    const [cluster] = await clustersOf(world.services, tenant.slug);
    expect(cluster).toMatchObject({ version: "v1.35.0-u-ame.1" });
    expect(cluster).not.toHaveProperty("rollbackVersion");
  });

  test("an undelete accepts null as an absent body, and makes two round trips", async () => {
    await deleted();
    world.wire.latencyMs = 15;
    world.wire.spans.length = 0;
    expect((await undelete(null)).status).toBe(200);
    expect(roundTripsOf(world.wire.spans)).toBe(2);
  });

  test("an undelete supersedes a deleting cluster of the slug, with a higher revision", async () => {
    const first = await deleted();
    const second = await create();
    for (const cni of ["calico", "cilium", "calico"]) expect((await send("PATCH", at(), { cni })).status).toBe(200);
    await remove();
    const tag = (await send("GET", at())).headers.get("etag");
    const response = await undelete();
    expect(response.body.identity).toBe(first.identity);
    expect([tag, response.headers.get("etag")]).toEqual([
      expect.stringMatching(/^"5\./),
      expect.stringMatching(/^"6\./),
    ]);
    await expectInvariants(world.services, tenant.slug);
    await finish(second.identity);
    await expectInvariants(world.services, tenant.slug);
    expect((await send("GET", at())).body.identity).toBe(first.identity);
  });

  test("an undelete can be repeated after each deletion", async () => {
    const { identity } = await deleted({ nodePools: POOLS });
    for (let round = 0; round < 2; round++) {
      expect((await undelete({ identity })).status).toBe(200);
      await remove();
      await finish();
      await expectInvariants(world.services, tenant.slug);
    }
    expect((await undelete()).body.generation).toBe(7);
  });

  test("one of two concurrent undeletes succeeds", async () => {
    await deleted({ nodePools: POOLS });
    const responses = await Promise.all([undelete(), undelete()]);
    expect(responses.map(({ status }) => status).toSorted()).toEqual([200, 404]);
    await expectInvariants(world.services, tenant.slug);
  });

  test("an undelete with an idempotency key happens once", async () => {
    await deleted();
    const headers = { "idempotency-key": "once" };
    const first = await undelete({}, "", headers);
    const again = await undelete({}, "", headers);
    expect([first.status, again.status, again.text]).toEqual([200, 200, first.text]);
    expect(again.headers.get("idempotency-replayed")).toBe("true");
    expect((await undelete(undefined, "", headers)).status).toBe(422);
  });

  test("a dry run of an undelete shows the result and changes nothing", async () => {
    await deleted({ nodePools: POOLS });
    const everything = async () => {
      const items = new Map<string, unknown>();
      for await (const item of world.table.scan()) items.set(keyText(item), item);
      return items;
    };
    const before = await everything();
    const shown = await undelete({}, "?dryRun=true");
    expect([shown.status, shown.headers.get("etag")]).toEqual([200, null]);
    expect(await everything()).toEqual(before);
    const { consequences, modifiedAt: _, conditions: _conditions, ...rest } = shown.body;
    expect(consequences).toEqual([]);
    expect((await undelete()).body).toMatchObject(rest);
  });
});

describe("an undelete that is refused", () => {
  test("an undelete of a cluster that exists, never existed or was deleted too long ago is refused", async () => {
    expectRefused(await undelete(), 404, /^No cluster "one" was deleted in environment "production"/);
    await create();
    expectRefused(await undelete(), 404, /^No cluster "one"/);
    await remove();
    const identity = await finish();
    expectRefused(await undelete({ identity: NOBODY }), 404, /with identity 0/);
    expectRefused(await send("POST", at("staging", "undelete")), 404, /"staging"/);
    expectRefused(await send("POST", at("mars", "undelete")), 404, /no environment "mars"/);
    ahead = 30 * DAY_MS;
    expectRefused(await undelete(), 404, /^No cluster "one"/);
    expectRefused(await undelete({ identity }), 404, /^No cluster "one"/);
    ahead = 30 * DAY_MS - 10_000;
    expect((await undelete({ identity: identity.toUpperCase() })).status).toBe(200);
  });

  test("an undelete of a cluster that is still being deleted is refused with Retry-After", async () => {
    const first = await create();
    await remove();
    const early = await undelete();
    expectRefused(early, 409, /still being deleted/);
    expect(early.headers.get("retry-after")).toBe("30");
    await create();
    // Superseded, it is still being deleted.
    expectRefused(await undelete({ identity: first.identity }), 409, /still being deleted/);
    expectRefused(await undelete({ identity: NOBODY }), 404, /No cluster/);
  });

  test("an undelete of a slug with several deleted clusters is refused until the caller selects one", async () => {
    const first = await deleted();
    ahead = 60_000;
    const second = await deleted();
    const response = await undelete();
    expectRefused(response, 409, /^identity: is required/, new RegExp(second.identity), new RegExp(first.identity));
    const [tombstone] = await tombstonesOf(world.services, tenant.slug);
    expect(response.text).toContain(tombstone?.deletedAt);
    expect((await undelete({ identity: first.identity })).body.identity).toBe(first.identity);
    expectRefused(
      await undelete({ identity: second.identity }),
      409,
      /^slug: the slug "one" is already used by the cluster/,
    );
    await expectInvariants(world.services, tenant.slug);
  });

  test("an undelete with missing references and taken names reports all of them", async () => {
    const { identity } = await deleted({ maintenanceScheduleIdentity: tenant.schedule.identity });
    await create();
    const key = tombstoneKey(tenant.slug, "production", "one", identity);
    await change(key, "environmentIdentity", NOBODY);
    await change(key, "version", "v1.20.0-u-ame.1");
    await changeReferences(world.table, tenant.slug, ["accounts"], {});
    await changeReferences(world.table, tenant.slug, ["schedules"], {});
    await change(totalKey(tenant.slug), "clusters", 100_000);
    const all = [/^slug: /, /^environmentIdentity: /, /^cloudAccountIdentity: .* does not exist any more/] as const;
    const more = [/^maintenanceScheduleIdentity: /, /^version: v1\.20/, /at most 100000 clusters/] as const;
    expectRefused(await undelete(), 409, ...all, ...more);
    expectRefused(await undelete({}, "?dryRun=true"), 409, ...all, ...more);
  });

  test("an undelete with a disabled cloud account is refused until the account is enabled", async () => {
    await deleted();
    const { account, slug } = tenant;
    const accounts = (enabled: boolean) => ({ [account.identity]: { ...account, enabled } });
    await changeReferences(world.table, slug, ["accounts"], accounts(false));
    expectRefused(await undelete(), 409, /"Main account" is disabled|is disabled/);
    await changeReferences(world.table, slug, ["accounts"], accounts(true));
    expect((await undelete()).status).toBe(200);
  });

  test("an undelete by a caller who is not an admin of the environment is refused", async () => {
    await deleted();
    const { token: developer } = await tenant.person("developer");
    const { token: elsewhere } = await tenant.person("viewer", { staging: "admin" });
    const { token: here } = await tenant.person("viewer", { production: "admin" });
    const { admin: stranger } = await world.tenant();
    for (const token of [developer, elsewhere, stranger]) {
      expect((await world.send("POST", at("production", "undelete"), { token })).status).toBe(403);
    }
    expect((await world.send("POST", at("production", "undelete"), { token: here })).status).toBe(200);
  });

  test("an undelete with an invalid request reports every error", async () => {
    await deleted();
    expectRefused(await undelete({ identity: "x" }, "?dryRun=maybe"), 400, /^dryRun: /, /^identity: "x" .* uuid/);
    expectRefused(await undelete([]), 400, /must be an object/);
    expectRefused(await undelete({ more: 1 }, "", { prefer: "handling=strict" }), 400, /^more: unknown property/);
    const text = await world.send("POST", at("production", "undelete"), {
      token: tenant.admin,
      raw: "x",
      headers: { "content-type": "text/plain" },
    });
    expect(text.status).toBe(415);
    const warned = await undelete({ more: 1 });
    expect([warned.status, warned.headers.get("warning")]).toEqual([200, expect.stringContaining("more")]);
  });
});

test("a stored tombstone is parsed with its schema and has no row in the list index", async () => {
  const { identity } = await deleted({ nodePools: POOLS });
  const key = tombstoneKey(tenant.slug, "production", "one", identity);
  const item = (await world.table.get([key])).get(keyText(key));
  if (item === undefined) throw new Error("tombstone not found");
  expect(tombstoneEntity.read(item)).toMatchObject({ identity });
  expect(item).not.toHaveProperty("listPk");
});
