import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { UpdateCommand } from "@aws-sdk/lib-dynamodb";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { setMember } from "#core/admin/members.ts";
import { createToken, revokeToken } from "#core/admin/personal-tokens.ts";
import { clusterStatuses } from "#core/cluster/schema.ts";
import { clusterKey } from "#core/table/keys.ts";
import { type Json, makeWorld, type Tenant, type TestResponse, type World } from "#test/support/world.ts";

let world: World;
let tenant: Tenant;
let made: Json;

const now = new Date();

beforeAll(async () => {
  // The test clock does not advance: waits use real time.
  world = await makeWorld({ clock: () => now });
});

beforeEach(async () => {
  tenant = await world.tenant();
  const response = await send("POST", tenant.path("production"), tenant.creation());
  expect(response.status, response.text).toBe(200);
  made = response.body;
});

const at = (query = "") => `${tenant.path("production", "one")}${query}`;
const send = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
  world.send(method, path, { token: tenant.admin, body, headers });

interface Timed {
  response: TestResponse;
  milliseconds: number;
}

/** Gets the cluster, and measures the duration. */
async function wait(prefer: string, query: string, more: Record<string, string> = {}, token?: string): Promise<Timed> {
  world.wire.spans.length = 0;
  const started = performance.now();
  const headers = { ...(prefer === "" ? {} : { prefer }), ...more };
  const response = await world.send("GET", at(query), { token: token ?? tenant.admin, headers });
  return { response, milliseconds: performance.now() - started };
}

/** Counts the successful reads of the cluster. */
const looks = () => world.wire.spans.filter(({ operation, end }) => operation === "BatchGetItem" && end > 0).length;

/** Runs an action when the given number of waits have read once. */
async function during<T>(waiting: Promise<T>, happen: () => Promise<unknown>, waits = 1): Promise<T> {
  for (const before = looks(); looks() < before + waits; ) await sleep(5);
  const [waited] = await Promise.all([waiting, happen()]);
  return waited;
}

/** Sets the cluster to a status that only the reconciler sets. */
const overwrite = (status: string) =>
  world.table.client.send(
    new UpdateCommand({
      TableName: world.table.name,
      Key: clusterKey(tenant.slug, "production", "one"),
      UpdateExpression: "SET #status = :status ADD revision :one",
      ConditionExpression: "attribute_exists(pk)",
      ExpressionAttributeNames: { "#status": "status" },
      ExpressionAttributeValues: { ":status": status, ":one": 1 },
    }),
  );

const patch = async (body: object) => {
  const response = await send("PATCH", at(), body);
  expect(response.status, response.text).toBe(200);
};

const appliedIn = ({ headers }: TestResponse) => headers.get("preference-applied");

describe("a GET that waits for a status", () => {
  test("a wait ends at once if the cluster already has the status", async () => {
    const { response } = await wait("wait=10", "?waitFor=status:new");
    expect([response.status, response.body, appliedIn(response)]).toEqual([200, made, "wait=10"]);
    expect(looks()).toBe(1);
  });

  test.each<[string, string, () => Promise<unknown>]>([
    ["a user's change", "deleting", () => patch({ status: "deleting" })],
    ["the reconciler", "started", () => overwrite("started")],
  ])("a wait ends soon after %s sets the status", async (_, status, happen) => {
    const { response, milliseconds } = await during(wait("wait=10", `?waitFor=status:${status}`), happen);
    expect([response.status, response.body.status, appliedIn(response)]).toEqual([200, status, "wait=10"]);
    expect(response.headers.get("etag")).toMatch(/^"2\./);
    expect(milliseconds).toBeLessThan(3_000);
  });

  test("a wait ends at its timeout with the current cluster", async () => {
    const waiting = wait("wait=1", "?waitFor=status:started");
    const { response, milliseconds } = await during(waiting, () => patch({ deleteProtection: true }));
    expect([response.status, response.body.status, response.body.deleteProtection]).toEqual([200, "new", true]);
    expect(appliedIn(response)).toBe("wait=1");
    expect(milliseconds).toBeGreaterThan(990);
    expect(milliseconds).toBeLessThan(4_000);
  });

  test("a wait polls no more often than needed", async () => {
    await wait("wait=2", "?waitFor=status:started");
    expect(looks()).toBeGreaterThanOrEqual(3);
    expect(looks()).toBeLessThanOrEqual(6);
  });

  test("a wait reads details once, at its end", async () => {
    await wait("wait=1", "?waitFor=status:started&includeDetails=true&show-compute=true");
    const details = world.wire.spans.map(({ input }) => JSON.stringify(input).includes(`CLUSTER#${made.identity}`));
    expect(details.length).toBeGreaterThanOrEqual(3);
    expect(details.indexOf(true)).toBe(details.length - 1);
  });

  test("a wait with If-None-Match compares the cluster at its end", async () => {
    const tag = (await send("GET", at())).headers.get("etag") ?? "";
    const condition = { "if-none-match": tag };
    const same = await wait("wait=1", "?waitFor=status:started", condition);
    expect([same.response.status, same.response.text, appliedIn(same.response)]).toEqual([304, "", "wait=1"]);
    const waiting = wait("wait=10", "?waitFor=status:started", condition);
    const other = await during(waiting, () => overwrite("started"));
    expect([other.response.status, other.response.body.status]).toEqual([200, "started"]);
  });

  test.each(["started", "deleted"])(
    "a wait for %s returns 404 when the cluster moves to another environment",
    async (status) => {
      const waiting = wait("wait=10", `?waitFor=status:${status}`);
      const { response, milliseconds } = await during(waiting, () => patch({ environmentSlug: "staging" }));
      expect([response.status, response.body.message]).toEqual([404, expect.stringContaining('no cluster "one"')]);
      expect(appliedIn(response)).toBe("wait=10");
      expect(milliseconds).toBeLessThan(3_000);
    },
  );

  test("a wait is refused when the token is revoked or the role is removed", async () => {
    const email = `${randomUUID()}@example.com`;
    const { user } = await setMember(world.services, tenant.slug, { email, role: "viewer" });
    const tokens = [1, 2].map(async () => (await createToken(world.services, { user, name: "test" })).token);
    const [kept = "", revoked = ""] = await Promise.all(tokens);
    const waiting = [revoked, kept].map((token) => wait("wait=10", "?waitFor=status:started", {}, token));
    const ended = await during(
      Promise.all(waiting),
      async () => {
        await revokeToken(world.services, revoked);
        await sleep(500);
        const none = { email, environment: "production", environmentRole: "none" };
        await setMember(world.services, tenant.slug, none);
      },
      2,
    );
    expect(ended.map(({ response }) => response.status)).toEqual([401, 403]);
    expect(Math.max(...ended.map(({ milliseconds }) => milliseconds))).toBeLessThan(4_000);
  });

  test("a wait for a missing cluster returns 404 at once", async () => {
    await patch({ environmentSlug: "staging" });
    const { response } = await wait("wait=10", "?waitFor=status:deleted");
    expect([response.status, appliedIn(response)]).toEqual([404, null]);
    expect(looks()).toBe(1);
  });
});

describe("the parameter waitFor", () => {
  test.each([
    "",
    "started",
    "status",
    "status:",
    "status:STARTED",
    "status: started",
    "status:gone",
    "name:one",
    "%00",
  ])("waitFor with the value %j returns 400 with its name, with or without a wait", async (waitFor) => {
    for (const prefer of ["", "wait=10"]) {
      const { response } = await wait(prefer, `?waitFor=${waitFor}`);
      expect(response.status, response.text).toBe(400);
      expect(response.body.details).toEqual([expect.stringMatching(/^waitFor: .*status:started/)]);
      expect(appliedIn(response)).toBeNull();
      expect(looks()).toBe(1);
    }
  });

  test("waitFor sent twice returns 400", async () => {
    const { response } = await wait("wait=1", "?waitFor=status:started&waitFor=status:started");
    expect([response.status, response.body.message]).toEqual([400, expect.stringMatching(/^waitFor: .*only once/)]);
  });

  test.each(clusterStatuses)("waitFor accepts the status %s", async (status) => {
    const { response } = await wait("", `?waitFor=status:${status}`);
    expect([response.status, response.headers.get("warning")]).toEqual([200, null]);
  });
});

describe("the preference wait", () => {
  test.each([
    "",
    "wait",
    "wait=0",
    "wait=-1",
    "wait=1.5",
    "wait=1s",
    "wait=x",
    "handling=lenient; wait=1",
    "await=1",
    "wait=0, wait=1",
  ])("the preference %j is ignored", async (prefer) => {
    const { response } = await wait(prefer, "?waitFor=status:started");
    expect([response.status, response.body, appliedIn(response)]).toEqual([200, made, null]);
    expect(looks()).toBe(1);
  });

  test.each([
    ["wait=1", "wait=1"],
    ['Wait = "1"; x=y', "wait=1"],
    ["respond-async, wait=007, wait=8", "wait=7"],
    ["wait=11", "wait=10"],
    [`wait=${"9".repeat(400)}`, "wait=10"],
    ["wait=3, handling=strict", "handling=strict, wait=3"],
    ["handling=strict, wait=30", "handling=strict, wait=10"],
  ])("the preference %j is applied as %s", async (prefer, applied) => {
    const { response } = await wait(prefer, "?waitFor=status:new");
    expect([response.status, appliedIn(response)]).toEqual([200, applied]);
  });

  test.each([
    ["wait=10", null],
    ["wait=10, handling=strict", "handling=strict"],
  ])("the preference wait without a waitFor status does not wait: %s", async (prefer, applied) => {
    const { response } = await wait(prefer, "");
    expect([response.status, appliedIn(response)]).toEqual([200, applied]);
    expect(looks()).toBe(1);
  });

  test("the preference wait is ignored by other operations", async () => {
    const headers = { prefer: "wait=1" };
    const list = await send("GET", `${tenant.path("production")}?waitFor=status:started`, undefined, headers);
    expect([list.status, list.headers.get("warning"), appliedIn(list)]).toEqual([
      200,
      expect.stringContaining("waitFor"),
      null,
    ]);
    const patched = await send("PATCH", at("?waitFor=status:started"), { deleteProtection: true }, headers);
    expect([patched.status, appliedIn(patched)]).toEqual([200, null]);
  });
});

test("a wait of more than ten seconds counts as ten", async () => {
  const { response, milliseconds } = await wait("wait=60", "?waitFor=status:started");
  expect([response.status, response.body.status]).toEqual([200, "new"]);
  expect(milliseconds).toBeGreaterThan(9_900);
  expect(milliseconds).toBeLessThan(12_500);
});
