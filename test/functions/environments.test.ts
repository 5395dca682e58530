import { UpdateCommand } from "@aws-sdk/lib-dynamodb";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { clusterEntity } from "#core/cluster/entity.ts";
import { deadlineIn } from "#core/shared/retry.ts";
import type { RawItem } from "#core/table/entity.ts";
import { environmentKey, keyText, totalKey } from "#core/table/keys.ts";
import { commit, Transaction } from "#core/table/transaction.ts";
import { environmentEntity } from "#core/tenancy/environment.ts";
import { finishEnvironmentDeletion } from "#core/tenancy/environment-deletion.ts";
import { finishDeletion } from "#test/support/deletion.ts";
import { expectError } from "#test/support/errors.ts";
import { expectInvariants, organisationEventsOf } from "#test/support/invariants.ts";
import { type Json, makeWorld, type Tenant, type World } from "#test/support/world.ts";

let now = Date.parse("2026-11-23T10:00:00.123Z");
let world: World;
let tenant: Tenant;

beforeAll(async () => {
  world = await makeWorld({ clock: () => new Date(now) });
});

beforeEach(async () => {
  tenant = await world.tenant();
});

const path = (...rest: string[]) => [`/api/v1/orgs/${tenant.slug}/environments`, ...rest].join("/");
const send = (method: string, to: string, body?: unknown, headers: Record<string, string> = {}, by = world) =>
  by.send(method, to, { token: tenant.admin, body, headers });
const get = (to: string, headers: Record<string, string> = {}) => send("GET", to, undefined, headers);

/** Sends a request that must succeed. */
async function ok(method: string, to: string, body?: unknown): Promise<Json> {
  const response = await send(method, to, body);
  expect(response.status, response.text).toBeLessThan(205);
  return response.body;
}

const lastEvent = async () => (await organisationEventsOf(world.services, tenant.slug)).at(-1);
const createCluster = (environment: string, name = "one", by = world) =>
  send("POST", tenant.path(environment), tenant.creation({ name }), {}, by);
const deleteCluster = (environment: string, name = "one") =>
  ok("PATCH", tenant.path(environment, name), { status: "deleting" });

/** Completes the deletion of a cluster, as the reconciler does. */
async function finish(environment: string, name = "one"): Promise<boolean> {
  await finishDeletion(world.services, tenant.slug, environment, name);
  return await finishEnvironmentDeletion(world.services, tenant.slug, environment);
}

describe("creating an environment", () => {
  test("a new environment is returned with its slug, its totals, an entity tag and its location", async () => {
    const body = { name: "Test & Demo", purpose: "shows", type: "demo", description: "ü" };
    const response = await send("POST", path(), body);
    expect(response.status, response.text).toBe(200);
    expect(response.body).toEqual({
      ...body,
      slug: { slugValue: "test-demo" },
      organisationSlug: { slugValue: tenant.slug },
      id: expect.any(Number),
      identity: expect.stringMatching(/^[0-9a-f-]{36}$/),
      totalClusters: 0,
      totalCpu: 0,
      totalMemory: 0,
      createdAt: new Date(now).toISOString(),
      modifiedAt: new Date(now).toISOString(),
    });
    expect(response.headers.get("location")).toBe(`http://localhost${path("test-demo")}`);
    const found = await get(path("test-demo"));
    expect([found.body, found.headers.get("etag")]).toEqual([response.body, response.headers.get("etag")]);
    expect((await createCluster("test-demo")).status).toBe(200);
    await expectInvariants(world.services, tenant.slug);
  });

  test("absent properties get their defaults, and null counts as absent", async () => {
    const expected = { name: "a", type: "other", purpose: "", description: "" };
    expect(await ok("POST", path(), { name: "a" })).toMatchObject(expected);
    const nulls = { name: "b", type: null, purpose: null, description: null };
    expect(await ok("POST", path(), nulls)).toMatchObject({ ...expected, name: "b" });
  });

  test("all problems are reported at once, and nothing is created", async () => {
    const body = { name: "a_b", purpose: "x".repeat(256), type: "acceptance", description: 7 };
    const response = await send("POST", `${path()}?dryRun=maybe`, body);
    expect(response.status).toBe(400);
    const paths = response.body.details.map((detail: string) => detail.split(": ")[0]);
    expect(paths.toSorted()).toEqual(["description", "dryRun", "name", "purpose", "type"]);
    for (const name of [undefined, "", "x".repeat(26), "-", " & ", "é", 5]) {
      expectError(await send("POST", path(), { name }), 400, /^name/);
    }
    expect((await get(path())).body.totalElements).toBe(2);
    await expectInvariants(world.services, tenant.slug);
  });

  test("unknown properties are named, and refused by a strict request", async () => {
    const response = await send("POST", path(), { name: "a", colour: "blue" });
    expect(response.headers.get("warning")).toContain("colour");
    const strict = await send("POST", path(), { name: "b", colour: "blue" }, { prefer: "handling=strict" });
    expectError(strict, 400, /^colour: unknown property/);
  });

  test("a name whose slug is used returns 409, with the name of the other environment", async () => {
    await ok("POST", path(), { name: "Test & Demo" });
    expectError(await send("POST", path(), { name: "test-demo" }), 409, /"test-demo" is already used.*"Test & Demo"/);
  });

  test("an organisation with 1,000 environments gets no other one", async () => {
    await world.table.client.send(
      new UpdateCommand({
        TableName: world.table.name,
        Key: totalKey(tenant.slug),
        UpdateExpression: "SET environments = :most",
        ExpressionAttributeValues: { ":most": 999 },
      }),
    );
    const all = await Promise.all(["a", "b", "c"].map((name) => send("POST", path(), { name }, {}, world.sibling())));
    expect(all.map(({ status }) => status).toSorted()).toEqual([200, 409, 409]);
    expect(all.find(({ status }) => status === 409)?.body.message).toContain("at most 1000 environments");
  });

  test("one of several concurrent creations of a slug succeeds, the others return 409", async () => {
    for (let round = 0; round < 4; round++) {
      const all = await Promise.all(
        Array.from({ length: 5 }, () => send("POST", path(), { name: `r${round}` }, {}, world.sibling())),
      );
      expect(all.map(({ status }) => status).toSorted()).toEqual([200, 409, 409, 409, 409]);
    }
    await expectInvariants(world.services, tenant.slug);
  });
});

describe("changing an environment", () => {
  test("a change is returned and stored; another name does not change the slug", async () => {
    const before = await get(path("staging"));
    now += 1_000;
    const body = { name: "Acceptance", purpose: "tests", type: "staging", description: "all of it" };
    const response = await send("PATCH", path("staging"), body);
    expect(response.status, response.text).toBe(200);
    expect(response.body).toEqual({ ...before.body, ...body, modifiedAt: new Date(now).toISOString() });
    expect(response.body.slug).toEqual({ slugValue: "staging" });
    const found = await get(path("staging"));
    expect([found.body, found.headers.get("etag")]).toEqual([response.body, response.headers.get("etag")]);
    expect(found.headers.get("etag")).not.toBe(before.headers.get("etag"));
    // The name "staging" is free, its slug is not.
    expectError(await send("POST", path(), { name: "staging" }), 409, /used by the environment "Acceptance"/);
  });

  test("a change keeps what it leaves out, and empties texts", async () => {
    await ok("PATCH", path("staging"), { purpose: "p", description: "d", type: "demo" });
    const body = await ok("PATCH", path("staging"), { description: "", purpose: null });
    expect(body).toMatchObject({ name: "staging", purpose: "p", description: "", type: "demo" });
  });

  test("a change to the present values writes nothing", async () => {
    const before = await get(path("staging"));
    now += 1_000;
    for (const body of [{}, { name: "staging", type: "other", purpose: "", description: "" }]) {
      world.wire.spans.length = 0;
      const response = await send("PATCH", path("staging"), body);
      expect(response.body).toEqual(before.body);
      expect(world.wire.spans.map(({ operation }) => operation)).toEqual(["BatchGetItem"]);
    }
  });

  test("all problems are reported at once, and nothing changes", async () => {
    const before = await get(path("staging"));
    const response = await send("PATCH", path("staging"), { name: "", type: "x", purpose: "new" });
    expect(response.status).toBe(400);
    expect(response.body.details).toHaveLength(2);
    expect((await get(path("staging"))).text).toBe(before.text);
  });

  test("concurrent changes all happen, and none is lost beside creations of clusters", async () => {
    const properties = ["name", "purpose", "description"];
    const changes = properties.map((property) =>
      send("PATCH", path("staging"), { [property]: "changed" }, {}, world.sibling()),
    );
    const clusters = ["a", "b", "c"].map((name) => createCluster("staging", name, world.sibling()));
    for (const response of await Promise.all([...changes, ...clusters]))
      expect(response.status, response.text).toBe(200);
    const { body, headers } = await get(path("staging"));
    expect(body).toMatchObject({ name: "changed", purpose: "changed", description: "changed", totalClusters: 3 });
    expect(headers.get("etag")).toMatch(/^"4-/);
    await expectInvariants(world.services, tenant.slug);
  });
});

describe("an environment stored by version 2, with its name in the document", () => {
  test("it is read, changed and migrated like any other", async () => {
    const key = environmentKey(tenant.slug, "staging");
    const item: Json = (await world.table.get([key])).get(keyText(key));
    const { name, purpose, type, description, ...rest } = item;
    const document = JSON.stringify({ ...JSON.parse(item.document), name, purpose, type, description });
    const old = new Transaction().put("environment", { ...rest, document, entityVersion: 2 });
    expect(await commit(world.table, old, deadlineIn())).toEqual([]);
    const before = (await get(path("staging"))).body;
    expect(before).toMatchObject({ name: "staging", type: "other" });
    const after = await ok("PATCH", path("staging"), { name: "Other", description: "d" });
    expect(after).toEqual({ ...before, name: "Other", description: "d", modifiedAt: after.modifiedAt });
    expect((await get(path("staging"))).body).toEqual(after);
    const changed = (await world.table.get([key])).get(keyText(key));
    const upgraded = environmentEntity.upgrade(changed as RawItem);
    expect(upgraded).toMatchObject({ entityVersion: 3, name: "Other", description: "d", type: "other" });
    expect(JSON.parse(String(upgraded.document))).not.toHaveProperty("name");
  });
});

describe("entity tags of environments", () => {
  const etag = async (slug = "staging") => (await get(path(slug))).headers.get("etag") ?? "";

  test("a read with the current tag returns 304, until the environment or its totals change", async () => {
    const first = await etag();
    const unchanged = await get(path("staging"), { "if-none-match": first });
    expect([unchanged.status, unchanged.text, unchanged.headers.get("etag")]).toEqual([304, "", first]);
    expect((await createCluster("staging")).status).toBe(200);
    expect((await get(path("staging"), { "if-none-match": first })).status).toBe(200);
    const second = await etag();
    await ok("PATCH", path("staging"), { purpose: "p" });
    expect((await get(path("staging"), { "if-none-match": second })).status).toBe(200);
  });

  test("a write with a tag of an earlier revision returns 412 with the current tag", async () => {
    const first = await etag();
    await ok("PATCH", path("staging"), { purpose: "p" });
    for (const method of ["PATCH", "DELETE"]) {
      const body = method === "PATCH" ? { purpose: "q" } : undefined;
      const response = await send(method, path("staging"), body, { "if-match": first });
      expectError(response, 412, /If-Match/);
      expect(response.headers.get("etag")).toBe(await etag());
    }
    expect((await send("PATCH", path("staging"), { purpose: "q" }, { "if-match": await etag() })).status).toBe(200);
    expect((await send("DELETE", path("staging"), undefined, { "if-match": await etag() })).status).toBe(204);
  });

  test("a write with a tag from before the totals changed succeeds", async () => {
    const first = await etag();
    expect((await createCluster("staging")).status).toBe(200);
    expect((await send("PATCH", path("staging"), { purpose: "q" }, { "if-match": first })).status).toBe(200);
  });

  test("a write with the tag of a deleted environment does not change a new one of that name", async () => {
    const first = await etag();
    await ok("DELETE", path("staging"));
    await ok("POST", path(), { name: "staging" });
    for (const method of ["PATCH", "DELETE"]) {
      const body = method === "PATCH" ? { purpose: "q" } : undefined;
      expectError(await send(method, path("staging"), body, { "if-match": first }), 412, /If-Match/);
    }
  });
});

describe("deleting an environment", () => {
  test("an empty environment is gone at once, and its slug is free", async () => {
    const response = await send("DELETE", path("staging"));
    expect([response.status, response.text]).toEqual([204, ""]);
    expectError(await get(path("staging")), 404, /no environment "staging"/);
    expectError(await send("DELETE", path("staging")), 404, /no environment "staging"/);
    expect((await get(path())).body.totalElements).toBe(1);
    const again = await ok("POST", path(), { name: "staging" });
    expect(again.identity).not.toBe(tenant.environments.staging?.identity);
    await expectInvariants(world.services, tenant.slug);
  });

  test("an environment with a live cluster returns 409, and nothing changes", async () => {
    expect((await createCluster("staging")).status).toBe(200);
    expect((await createCluster("staging", "two")).status).toBe(200);
    await deleteCluster("staging", "two");
    const before = await get(path("staging"));
    expectError(await send("DELETE", path("staging")), 409, /still contains clusters/);
    expect((await get(path("staging"))).text).toBe(before.text);
  });

  test("an environment with only deleting clusters is hidden at once, and its slug is reserved until they are removed", async () => {
    for (const name of ["one", "two"]) {
      expect((await createCluster("staging", name)).status).toBe(200);
      await deleteCluster("staging", name);
    }
    expect((await send("DELETE", path("staging"))).status).toBe(204);
    for (const hidden of [path("staging"), tenant.path("staging"), tenant.path("staging", "one")]) {
      expectError(await get(hidden), 404, /no environment "staging"/);
    }
    expect((await get(path())).body.totalElements).toBe(1);
    expect((await get(tenant.path())).body.totalElements).toBe(0);
    for (const method of ["PATCH", "DELETE"]) {
      expectError(await send(method, path("staging"), method === "PATCH" ? {} : undefined), 404, /no environment/);
    }
    const reserved = await send("POST", path(), { name: "Staging" });
    expectError(reserved, 409, /"staging" is still being deleted/);
    expect(reserved.headers.get("retry-after")).toBe("30");
    expect(await finish("staging")).toBe(false);
    expect((await send("POST", path(), { name: "Staging" })).status).toBe(409);
    await expectInvariants(world.services, tenant.slug);
    expect(await finish("staging", "two")).toBe(true);
    expect((await send("POST", path(), { name: "Staging" })).status).toBe(200);
    await expectInvariants(world.services, tenant.slug);
  });

  test("one of a deletion and a concurrent creation of a cluster succeeds", async () => {
    const ends = new Set<string>();
    for (let round = 0; round < 10; round++) {
      const name = `r${round}`;
      await ok("POST", path(), { name });
      const [removed, created] = await Promise.all([
        send("DELETE", path(name), undefined, {}, world.sibling()),
        createCluster(name, "one", world.sibling()),
      ]);
      ends.add(`${removed.status} ${created.status}`);
      const clusters = await world.table.query({ pk: `ORG#${tenant.slug}`, prefix: `CLUSTER#${name}#` });
      expect(clusters.map((item) => clusterEntity.read(item).slug)).toEqual(created.status === 200 ? ["one"] : []);
    }
    expect([...ends].filter((end) => end !== "204 404" && end !== "409 200")).toEqual([]);
    await expectInvariants(world.services, tenant.slug);
  });

  test("one of several concurrent deletions makes the event, and all of them report that the environment is gone", async () => {
    const all = await Promise.all(
      Array.from({ length: 4 }, () => send("DELETE", path("staging"), undefined, {}, world.sibling())),
    );
    expect(all.map(({ status }) => status).filter((status) => status !== 204 && status !== 404)).toEqual([]);
    expect(all.some(({ status }) => status === 204)).toBe(true);
    const events = await organisationEventsOf(world.services, tenant.slug);
    expect(events.filter(({ type }) => type === "environment.deleted")).toHaveLength(1);
    await expectInvariants(world.services, tenant.slug);
  });
});

describe("roles for environments", () => {
  test("creating an environment requires the role developer in the organisation", async () => {
    const roles: [token: string, status: number][] = [
      [(await tenant.person("developer", { staging: "none" })).token, 200],
      [(await tenant.person("viewer", { staging: "admin" })).token, 403],
      [(await tenant.person("billing-admin")).token, 403],
      [(await world.tenant()).admin, 403],
    ];
    for (const [number, [token, status]] of roles.entries()) {
      const response = await world.send("POST", path(), { token, body: { name: `e${number}` } });
      expect(response.status, response.text).toBe(status);
    }
  });

  test("changing and deleting an environment require the role developer in it", async () => {
    const roles: [token: string, status: number][] = [
      [(await tenant.person("admin", { staging: "viewer" })).token, 403],
      [(await tenant.person("developer", { staging: "none" })).token, 403],
      [(await tenant.person("viewer")).token, 403],
      [(await world.tenant()).admin, 403],
      [(await tenant.person("billing-admin", { staging: "developer" })).token, 200],
    ];
    for (const [token, status] of roles) {
      const changed = await world.send("PATCH", path("staging"), { token, body: { purpose: "p" } });
      expect(changed.status, changed.text).toBe(status);
      const removed = await world.send("DELETE", path("staging"), { token });
      expect(removed.status, removed.text).toBe(status === 200 ? 204 : status);
    }
  });
});

describe("events of environments", () => {
  test("each write appends one event with the changed properties", async () => {
    const { user, token } = await tenant.person("developer");
    const headers = { "x-request-id": "mine-1" };
    const by = (method: string, to: string, body?: unknown) =>
      world.send(method, to, { token, body, headers, peer: "198.51.100.7" });
    const requester = { user, requestId: "mine-1", sourceAddress: "198.51.100.7", organisation: tenant.slug };

    const { identity } = (await by("POST", path(), { name: "Spare" })).body;
    const settings = { identity, name: "Spare", type: "other", purpose: "", description: "" };
    expect(await lastEvent()).toMatchObject({
      ...requester,
      type: "environment.created",
      environmentIdentity: identity,
      changes: [{ path: "environments[spare]", to: settings }],
    });
    await by("PATCH", path("spare"), { name: "Other", type: "demo", purpose: "" });
    expect(await lastEvent()).toMatchObject({
      ...requester,
      type: "environment.updated",
      changes: [
        { path: "environments[spare].name", from: "Spare", to: "Other" },
        { path: "environments[spare].type", from: "other", to: "demo" },
      ],
    });
    await by("DELETE", path("spare"));
    expect(await lastEvent()).toMatchObject({
      ...requester,
      type: "environment.deleted",
      changes: [{ path: "environments[spare]", from: { ...settings, name: "Other", type: "demo" } }],
    });
  });

  test("a hidden environment has an event of its request, and one without a user when it is removed", async () => {
    expect((await createCluster("staging")).status).toBe(200);
    await deleteCluster("staging");
    await ok("DELETE", path("staging"));
    const requested = await lastEvent();
    const changes = [{ path: "environments[staging].deletedAt", to: new Date(now).toISOString() }];
    expect(requested).toMatchObject({ type: "environment.deletion-requested", changes, user: expect.any(String) });
    await finish("staging");
    const deleted = await lastEvent();
    expect(deleted?.type).toBe("environment.deleted");
    expect(deleted?.user).toBeUndefined();
  });
});
