import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createEnvironment, removeEnvironment } from "#core/admin/environments.ts";
import { expectError } from "#test/support/errors.ts";
import { type Json, makeWorld, type Tenant, type TestResponse, type World } from "#test/support/world.ts";

const DAY = 24 * 60 * 60 * 1_000;
const START = Date.parse("2026-11-23T10:00:00.123Z");

let now = START;
let world: World;
let tenant: Tenant;

beforeAll(async () => {
  world = await makeWorld({ clock: () => new Date(now) });
  // The first organisation of a world keeps the events of its creation by the operator; the next ones are copies without events.
  await world.tenant();
});

beforeEach(async () => {
  now = START;
  tenant = await world.tenant();
});

const pathOf = (query = "") => `/api/v1/organisations/${tenant.slug}/events${query}`;
const environment = (slug: string) => `/api/v1/orgs/${tenant.slug}/environments/${slug}`;
const get = (path: string, token = tenant.admin) => world.send("GET", path, { token });
const nextOf = ({ headers }: TestResponse): string | undefined =>
  /<http:\/\/localhost([^>]+)>; rel="next"/.exec(headers.get("link") ?? "")?.[1];
const typesIn = ({ body }: TestResponse): string[] => body.content.map(({ type }: Json) => type);

async function change(slug: string, purpose: string): Promise<void> {
  const response = await world.send("PATCH", environment(slug), { token: tenant.admin, body: { purpose } });
  expect(response.status, response.text).toBe(200);
}

describe("the events of an organisation", () => {
  test("events are listed newest first, with user and request", async () => {
    const { user, token } = await tenant.person("developer");
    await world.send("PATCH", environment("staging"), {
      token,
      body: { purpose: "tests" },
      headers: { "x-request-id": "mine-1" },
      peer: "198.51.100.7",
    });
    now += 1;
    await createEnvironment(world.services, tenant.slug, { name: "By the operator" });
    now += 1;
    await removeEnvironment(world.services, tenant.slug, "by-the-operator");
    const response = await get(pathOf());
    expect(response.status, response.text).toBe(200);
    const ofMember = "member.added";
    expect(typesIn(response)).toEqual(["environment.deleted", "environment.created", "environment.updated", ofMember]);
    const [, created, updated] = response.body.content;
    expect(Object.keys(created).toSorted()).toEqual(["at", "changes", "type"]);
    expect(updated).toEqual({
      at: new Date(START).toISOString(),
      changes: [{ path: "environments[staging].purpose", from: "", to: "tests" }],
      requestId: "mine-1",
      sourceAddress: "198.51.100.7",
      tokenId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      type: "environment.updated",
      user,
    });
  });

  test.each([1, 2, 3, 100])("events are listed in pages of %i without gaps or repetitions", async (size) => {
    for (const step of [0, 0, 1, 1_000, 0]) {
      now += step;
      await change("staging", `${now} ${Math.random()}`);
    }
    const whole = (await get(pathOf("?size=100"))).body.content;
    expect(whole).toHaveLength(5);
    const pages: Json[][] = [];
    for (let next: string | undefined = pathOf(`?size=${size}`); next !== undefined; ) {
      const response = await get(next);
      pages.push(response.body.content);
      next = nextOf(response);
      now += 1;
      await change("production", `${now}`);
    }
    expect(pages.flat()).toEqual(whole);
    expect(pages).toHaveLength(Math.ceil(5 / size));
  });

  test("events are not listed after 90 days", async () => {
    await change("staging", "a");
    now += 90 * DAY - 1_000;
    expect((await get(pathOf())).body.content).toHaveLength(1);
    now += 2_000;
    expect((await get(pathOf())).body.content).toEqual([]);
  });

  test("events of other organisations and of clusters are not listed", async () => {
    const other = await world.tenant();
    const path = `/api/v1/orgs/${other.slug}/environments/staging`;
    await world.send("PATCH", path, { token: other.admin, body: { purpose: "p" } });
    const made = await world.send("POST", tenant.path("staging"), { token: tenant.admin, body: tenant.creation() });
    expect(made.status).toBe(200);
    expect((await get(pathOf())).body).toEqual({ content: [] });
  });

  test("events about environments that the caller cannot access are left out, and their pages stay complete", async () => {
    const { token } = await tenant.person("viewer", { staging: "none" });
    for (const slug of ["production", "staging", "staging", "production", "staging"]) {
      now += 1;
      await change(slug, `${now}`);
    }
    const visible: string[] = [];
    let pages = 0;
    for (let next: string | undefined = pathOf("?size=2"); next !== undefined; pages++) {
      const response = await get(next, token);
      visible.push(...response.body.content.map(({ changes }: Json) => changes[0].path));
      next = nextOf(response);
    }
    const ofEnvironments = visible.filter((path) => path.startsWith("environments"));
    expect([ofEnvironments, pages]).toEqual([Array(2).fill("environments[production].purpose"), 4]);
  });

  test("listing events requires the role viewer in the organisation", async () => {
    const tokens: [token: string, status: number][] = [
      [(await tenant.person("viewer")).token, 200],
      [(await tenant.person("billing-admin", { production: "admin" })).token, 403],
      [(await world.tenant()).admin, 403],
      ["ame_nothing", 401],
    ];
    for (const [token, status] of tokens) expect((await get(pathOf(), token)).status).toBe(status);
    const wrong = await world.send("POST", pathOf(), { token: tenant.admin, body: {} });
    expect([wrong.status, wrong.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
  });

  test("a cursor of another organisation or of a cluster returns 400", async () => {
    for (const purpose of ["a", "b"]) await change("staging", purpose);
    const cursor = new URL(`http://localhost${nextOf(await get(pathOf("?size=1")))}`).searchParams.get("cursor");
    expect((await get(pathOf(`?cursor=${cursor}`))).body.content).toHaveLength(1);
    const other = await world.tenant();
    const foreign = `/api/v1/organisations/${other.slug}/events?cursor=${cursor}&size=0`;
    const response = await get(foreign, other.admin);
    expectError(response, 400, /^(cursor|size): /);
    expect(response.body.details).toHaveLength(2);
    const body = tenant.creation();
    expect((await world.send("POST", tenant.path("staging"), { token: tenant.admin, body })).status).toBe(200);
    expectError(await get(`${tenant.path("staging", "one")}/events?cursor=${cursor}`), 400, /^cursor: /);
  });
});
