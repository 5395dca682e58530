import { randomUUID } from "node:crypto";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { appendEvent } from "#core/cluster/store/event-log.ts";
import { deadlineIn } from "#core/shared/retry.ts";
import { eventKey } from "#core/table/keys.ts";
import { commit, Transaction } from "#core/table/transaction.ts";
import { roundTripsOf } from "#test/support/faults.ts";
import { eventsOf } from "#test/support/invariants.ts";
import { type Json, makeWorld, type Tenant, type TestResponse, type World } from "#test/support/world.ts";

const DAY = 24 * 60 * 60 * 1_000;

let now = Date.parse("2026-11-24T10:00:00.123Z");
let world: World;
let tenant: Tenant;
/** True if the cluster is protected now. */
let isProtected = false;

beforeAll(async () => {
  world = await makeWorld({ clock: () => new Date(now) });
});

beforeEach(async () => {
  now += 60_000;
  isProtected = false;
  tenant = await world.tenant();
});

const pathOf = (environment = "production", cluster = "one") => `${tenant.path(environment, cluster)}/events`;
const get = (path = pathOf(), token = tenant.admin) => world.send("GET", path, { token });

async function send(method: string, path: string, body?: unknown): Promise<Json> {
  const response = await world.send(method, path, { token: tenant.admin, body });
  expect(response.status, response.text).toBeLessThan(300);
  return response.body;
}
const create = (more: Record<string, unknown> = {}): Promise<Json> =>
  send("POST", tenant.path("production"), tenant.creation(more));
const patch = (body: object, environment = "production"): Promise<Json> =>
  send("PATCH", tenant.path(environment, "one"), body);

/** Appends one more event. */
const happen = () => {
  isProtected = !isProtected;
  return patch({ deleteProtection: isProtected });
};

const linkOf = ({ headers }: TestResponse, rel: string): string | undefined => {
  const found = (headers.get("link") ?? "").split(", ").find((each) => each.endsWith(`; rel="${rel}"`));
  return found === undefined ? undefined : /^<http:\/\/localhost([^>]+)>/.exec(found)?.[1];
};
const cursorIn = (path: string | undefined) => new URL(`http://localhost${path}`).searchParams.get("cursor") ?? "";

/** Reads a page and all pages after it. @param between runs after each page */
async function readAll(path: string, between: () => Promise<unknown> = async () => {}): Promise<Json[][]> {
  const pages: Json[][] = [];
  for (let next: string | undefined = path; next !== undefined; ) {
    const response = await get(next);
    expect(response.status, response.text).toBe(200);
    pages.push(response.body.content);
    next = linkOf(response, "next");
    await between();
  }
  return pages;
}

/** Returns the types of the events, newest first. */
const eventTypes = async (path?: string): Promise<string[]> =>
  (await get(path)).body.content.map(({ type }: Json) => type);

/** Writes an event of the reconciler. @param at milliseconds since the epoch */
async function reconcile(identity: string, at: number): Promise<void> {
  const changes = [{ path: "status", from: "new", to: "provisioning" }] as const;
  const event = { type: "cluster.status-changed", changes } as const;
  const transaction = new Transaction();
  appendEvent(world.services, transaction, event, { clusterIdentity: identity, at: new Date(at).toISOString() });
  await commit(world.table, transaction, deadlineIn());
}

describe("the events of a cluster", () => {
  test("events of a cluster are listed complete, newest first", async () => {
    const { user, token } = await tenant.person("developer");
    const made = await create();
    now += 1;
    const body = { deleteProtection: true, ipWhitelist: [{ cidr: "192.0.2.0/24", description: "office" }] };
    const headers = { "x-request-id": "mine-1" };
    const path = tenant.path("production", "one");
    const patched = await world.send("PATCH", path, { token, body, headers, peer: "198.51.100.7" });
    expect(patched.status, patched.text).toBe(200);
    await reconcile(made.identity, now + 1);
    const response = await get();
    expect(response.status, response.text).toBe(200);
    expect(Object.keys(response.body)).toEqual(["content"]);
    const [reconciled, updated, created] = response.body.content;
    expect(response.body.content).toHaveLength(3);
    expect(reconciled).toEqual({
      at: new Date(now + 1).toISOString(),
      changes: [{ path: "status", from: "new", to: "provisioning" }],
      type: "cluster.status-changed",
    });
    expect(updated).toEqual({
      at: new Date(now).toISOString(),
      changes: expect.arrayContaining([
        { path: "deleteProtection", from: false, to: true },
        { path: "ipWhitelist", from: [], to: body.ipWhitelist },
      ]),
      requestId: "mine-1",
      sourceAddress: "198.51.100.7",
      tokenId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      type: "cluster.updated",
      user,
    });
    expect(created).toMatchObject({ at: made.createdAt, type: "cluster.created", sourceAddress: "127.0.0.1" });
    expect(linkOf(response, "next")).toBeUndefined();
  });

  test("events contain names as they were sent, also names that JavaScript objects treat specially", async () => {
    await create();
    const raw = '{"addons":{"__proto__":{"enabled":true},"":{"customValues":{"constructor":"\\u0000"}}}}';
    await world.send("PATCH", tenant.path("production", "one"), {
      token: tenant.admin,
      raw,
      headers: { "content-type": "application/json" },
    });
    const { text } = await get();
    expect(text).toContain('"to":{"__proto__":{"enabled":true},"":{"customValues":{"constructor":"\\u0000"}}}');
  });

  test.each([1, 2, 3, 7, 8, 100])("events are listed in pages of %i without gaps or repetitions", async (size) => {
    const { identity } = await create();
    // Several events in one millisecond, ordered only by their ULIDs.
    for (const step of [0, 0, 0, 1, 1_000, 0]) {
      now += step;
      await happen();
    }
    const stored = (await eventsOf(world.services, identity)).reverse();
    expect(stored).toHaveLength(7);
    now += 1;
    const pages = await readAll(`${pathOf()}?size=${size}`, happen);
    expect(pages.map((page) => page.length)).toEqual(
      Array.from({ length: Math.ceil(7 / size) }, (_, page) => Math.min(size, 7 - page * size)),
    );
    expect(pages.flat().map(({ at, requestId }) => [at, requestId])).toEqual(
      stored.map(({ at, requestId }) => [at, requestId]),
    );
    expect(await eventTypes()).toHaveLength(7 + pages.length);
  });

  test("an event in the same millisecond as a page's last event appears on the next page", async () => {
    await create();
    for (let event = 0; event < 3; event++) await happen();
    const pages = await readAll(`${pathOf()}?size=1`, happen);
    expect(pages.map((page) => page.length)).toEqual([1, 1, 1, 1]);
    expect(new Set(pages.flat().map(({ requestId }) => requestId)).size).toBe(4);
  });

  test("a page has 25 events by default, and each page links to the first", async () => {
    const { identity } = await create();
    for (let event = 0; event < 30; event++) await reconcile(identity, now + event);
    const first = await get(`${pathOf()}?colour=blue`);
    expect(first.body.content).toHaveLength(25);
    expect(first.headers.get("warning")).toContain("colour");
    const next = await get(linkOf(first, "next"));
    expect(next.body.content).toHaveLength(6);
    expect(linkOf(next, "next")).toBeUndefined();
    expect((await get(linkOf(next, "first"))).text).toBe(first.text);
    expect((await get(`${pathOf()}?size=100`)).body.content).toEqual([...first.body.content, ...next.body.content]);
  });

  test("events are not listed after 90 days, to the second", async () => {
    await create();
    now += 2_000;
    await happen();
    const first = await get(`${pathOf()}?size=1`);
    const next = linkOf(first, "next") ?? "";
    now = Math.floor((now - 2_000) / 1_000) * 1_000 + 90 * DAY - 1;
    expect(await eventTypes()).toEqual(["cluster.updated", "cluster.created"]);
    now += 1;
    expect(await eventTypes()).toEqual(["cluster.updated"]);
    expect(linkOf(await get(`${pathOf()}?size=1`), "next")).toBeUndefined();
    const behind = await get(next);
    expect([behind.status, behind.body]).toEqual([200, { content: [] }]);
    now += 2_000;
    expect(await eventTypes()).toEqual([]);
  });

  test("events and cursors of a cluster remain valid after a move", async () => {
    await create();
    await happen();
    const next = linkOf(await get(`${pathOf()}?size=1`), "next") ?? "";
    now += 1;
    await patch({ environmentSlug: "staging" });
    expect((await get()).status).toBe(404);
    expect(await eventTypes(pathOf("staging"))).toEqual(["cluster.moved", "cluster.updated", "cluster.created"]);
    const moved = await get(`${pathOf("staging")}?cursor=${cursorIn(next)}`);
    expect(moved.body.content.map(({ type }: Json) => type)).toEqual(["cluster.created"]);
  });

  test("a cluster lists its own events, not those of the deleting cluster whose slug it took", async () => {
    const first = await create();
    await happen();
    await happen();
    const cursor = cursorIn(linkOf(await get(`${pathOf()}?size=1`), "next"));
    await patch({ deleteProtection: false, status: "deleting" });
    expect(await eventTypes()).toHaveLength(4);
    const second = await create();
    const { body } = await get();
    expect(body.content).toMatchObject([{ type: "cluster.created" }]);
    expect(second.identity).not.toBe(first.identity);
    expect(await eventsOf(world.services, first.identity)).toHaveLength(4);
    expect((await get(`${pathOf()}?cursor=${cursor}`)).status).toBe(400);
  });
});

describe("events stored by version 1", () => {
  test("events stored by version 1 are listed with current types and node pool paths", async () => {
    const { identity } = await create();
    const upgraded: [type: string, changes: object[], present: { type: string; changes: object[] }][] = [
      [
        "cluster.created",
        [
          { path: "name", to: "one" },
          { path: "nodePools[0]", to: { name: "web", minSize: 1 } },
          { path: "nodePools[1]", to: { name: "web", availabilityZone: "eu-west-1a" } },
        ],
        {
          type: "cluster.created",
          changes: [
            { path: "name", to: "one" },
            { path: "nodePools[web]", to: { name: "web", minSize: 1 } },
            { path: "nodePools[web/eu-west-1a]", to: { name: "web", availabilityZone: "eu-west-1a" } },
          ],
        },
      ],
      [
        "node-pool.status-changed",
        [
          { path: 'nodePools["web"].provisionStatus', from: "ACCEPTED", to: "DONE" },
          { path: 'nodePools["web" in eu-west-1a].provisionStatus', from: "DELETING" },
        ],
        {
          type: "node-pool.status-changed",
          changes: [
            { path: "nodePools[web].provisionStatus", from: "ACCEPTED", to: "DONE" },
            { path: "nodePools[web/eu-west-1a].provisionStatus", from: "DELETING" },
          ],
        },
      ],
      [
        "node-pool.created",
        [{ path: "nodePools[0]", to: { name: "0" } }],
        { type: "node-pool.created", changes: [{ path: "nodePools[0]", to: { name: "0" } }] },
      ],
      [
        "node-pool.deletion-asked",
        [{ path: "nodePools[web/eu-west-1a].provisionStatus", from: "DONE", to: "DELETING" }],
        {
          type: "node-pool.deletion-requested",
          changes: [{ path: "nodePools[web/eu-west-1a].provisionStatus", from: "DONE", to: "DELETING" }],
        },
      ],
      ["cluster.deletion-asked", [], { type: "cluster.deletion-requested", changes: [] }],
    ];
    for (const [number, [type, changes]] of upgraded.entries()) {
      const at = new Date(now + 1 + number).toISOString();
      const key = eventKey(identity, at, world.services.ids.ulid(Date.parse(at)));
      const old: Json = {
        ...key,
        type,
        at,
        clusterIdentity: identity,
        changes: JSON.stringify(changes),
        ttl: Date.parse(at),
        entity: "event",
        entityVersion: 1,
      };
      await commit(world.table, new Transaction().create("event", old), deadlineIn());
    }
    const { body } = await get();
    const listed = body.content.map(({ type, changes }: Json) => ({ type, changes }));
    expect(listed.toReversed().slice(1)).toEqual(upgraded.map(([, , present]) => present));
  });
});

describe("the cursor of an event list", () => {
  test("a cursor of another cluster or an invalid cursor returns 400 with its name", async () => {
    const { identity } = await create();
    const { identity: other } = await create({ name: "two" });
    for (const [of, name] of [
      [identity, "one"],
      [other, "two"],
    ]) {
      await reconcile(of ?? "", now);
      expect(await eventTypes(pathOf("production", name))).toHaveLength(2);
    }
    const cursor = cursorIn(linkOf(await get(`${pathOf()}?size=1`), "next"));
    const written = (text: string) => Buffer.from(text).toString("base64url");
    const [, at, ulid] = Buffer.from(cursor, "base64url").toString().split("#");
    expect((await get(`${pathOf()}?cursor=${cursor}`)).body.content).toHaveLength(1);
    const wrong = [
      cursorIn(linkOf(await get(`${pathOf("production", "two")}?size=1`), "next")),
      written(`${randomUUID()}#${at}#${ulid}`),
      written(`${identity.toUpperCase()}#${at}#${ulid}`),
      written(`${identity}#${at}`),
      written(`${identity}#${at}#${ulid}#`),
      written(`${identity}##`),
      written(`${identity}#${at}#${"é".repeat(26)}`),
      written(`${identity}#${at}#${ulid}\n`),
      `${cursor}=`,
      `${cursor}A`,
      `${cursor}%20`,
      `%00${cursor}`,
      cursor.slice(1),
      cursor.slice(0, -2),
      "",
      "null",
      "é",
      "x".repeat(3_900),
    ];
    for (const each of wrong) {
      const response = await get(`${pathOf()}?cursor=${each}`);
      expect([each, response.status]).toEqual([each, 400]);
      expect(response.body.details).toEqual([expect.stringMatching(/^cursor: /)]);
    }
    const twice = await get(`${pathOf()}?cursor=${cursor}&cursor=${cursor}`);
    expect([twice.status, twice.body.message]).toEqual([400, expect.stringMatching(/^cursor: /)]);
  });

  test("an invalid cursor and an invalid size are reported together", async () => {
    await create();
    for (const size of ["0", "101", "-1", "1.5", "1e1", "", "x", "%00", "+1", "01"]) {
      const { status, body } = await get(`${pathOf()}?cursor=x&size=${size}`);
      const paths = body.details.map((detail: string) => detail.split(": ")[0]);
      expect([size, status, paths.toSorted()]).toEqual([size, 400, ["cursor", "size"]]);
    }
  });
});

describe("access to and cost of an event list", () => {
  test("listing events requires a viewer, and returns errors in the general order", async () => {
    await create();
    const viewer = (await tenant.person("billing-admin", { production: "viewer" })).token;
    const stranger = (await world.tenant()).admin;
    const billing = (await tenant.person("billing-admin")).token;
    const none = (await tenant.person("admin", { production: "none" })).token;
    const expected: [path: string, token: string, status: number][] = [
      [pathOf(), viewer, 200],
      [pathOf("production", "One"), "ame_nothing", 401],
      [pathOf("production", "One"), stranger, 404],
      [pathOf("production", "mars"), stranger, 403],
      [pathOf(), billing, 403],
      [pathOf(), none, 403],
      [pathOf("mars"), billing, 404],
      [pathOf("staging"), none, 404],
      [`${pathOf("production", "mars")}?size=0`, tenant.admin, 404],
      [`${pathOf()}?size=0`, none, 403],
      [`${pathOf()}?x=${"y".repeat(4_096)}`, tenant.admin, 400],
    ];
    for (const [path, token, status] of expected)
      expect([path, (await get(path, token)).status]).toEqual([path, status]);
    const wrong = await world.send("POST", pathOf(), { token: tenant.admin, body: {} });
    expect([wrong.status, wrong.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
  });

  test("listing events makes two round trips for any page", async () => {
    const { identity } = await create();
    for (let event = 0; event < 5; event++) await reconcile(identity, now + event);
    const next = linkOf(await get(`${pathOf()}?size=2`), "next") ?? "";
    world.wire.latencyMs = 15;
    for (const path of [pathOf(), `${pathOf()}?size=2`, next]) {
      world.wire.spans.length = 0;
      expect((await get(path)).status).toBe(200);
      expect(world.wire.spans.map(({ operation }) => operation)).toEqual(["BatchGetItem", "Query"]);
      expect(roundTripsOf(world.wire.spans)).toBe(2);
      expect(world.wire.spans[1]?.input.Limit).toBe(path === pathOf() ? 26 : 3);
    }
    world.wire.latencyMs = 0;
  });
});
