import { UpdateCommand } from "@aws-sdk/lib-dynamodb";
import * as v from "valibot";
import { beforeAll, describe, expect, test } from "vitest";
import { type Cluster, clusterEntity } from "#core/cluster/entity.ts";
import {
  ClusterUpgradesResponse,
  NewerVersion,
  ReachableVersion,
  upgradesOf,
} from "#core/cluster/operations/upgrades.ts";
import { applyUpdate, parseUpdate, updateConflict } from "#core/cluster/rules/update.ts";
import { clusterStatuses, desiredStatuses } from "#core/cluster/schema.ts";
import { clusterKey, keyText } from "#core/table/keys.ts";
import { roundTripsOf } from "#test/support/faults.ts";
import { type Json, makeWorld, type Tenant, type World } from "#test/support/world.ts";

let world: World;
let tenant: Tenant;

beforeAll(async () => {
  world = await makeWorld();
  tenant = await world.tenant();
});

const pathOf = (cluster: string) => `${tenant.path("production", cluster)}/upgrades`;
const get = (path: string, token = tenant.admin) => world.send("GET", path, { token });

async function create(name: string, version: string): Promise<void> {
  const body = tenant.creation({ name, version });
  const response = await world.send("POST", tenant.path("production"), { token: tenant.admin, body });
  expect(response.status, response.text).toBe(200);
}

async function patch(name: string, body: object): Promise<void> {
  const response = await world.send("PATCH", tenant.path("production", name), { token: tenant.admin, body });
  expect(response.status, response.text).toBe(200);
}

async function upgrades(name: string): Promise<Json> {
  const { status, body, text } = await get(pathOf(name));
  expect(status, text).toBe(200);
  v.parse(v.strictObject(ClusterUpgradesResponse.entries), body);
  for (const each of body.reachable) v.parse(v.strictObject(ReachableVersion.entries), each);
  for (const each of body.newer) v.parse(v.strictObject(NewerVersion.entries), each);
  return body;
}

/** Sets a cluster to a state that only the reconciler sets. */
const overwrite = (name: string, status: string) =>
  world.table.client.send(
    new UpdateCommand({
      TableName: world.table.name,
      Key: clusterKey(tenant.slug, "production", name),
      UpdateExpression: "SET #status = :status",
      ConditionExpression: "attribute_exists(pk)",
      ExpressionAttributeNames: { "#status": "status" },
      ExpressionAttributeValues: { ":status": status },
    }),
  );

async function stored(name: string): Promise<Cluster> {
  const key = clusterKey(tenant.slug, "production", name);
  const item = (await world.table.get([key])).get(keyText(key));
  if (item === undefined) throw new Error(`cluster ${name} not found`);
  return clusterEntity.read(item);
}

describe("the reachable versions of a cluster", () => {
  test("upgrades lists the versions reachable in one step, and the steps to every newer version", async () => {
    await create("whole", "v1.33.4-u-ame.2");
    expect(await upgrades("whole")).toEqual({
      version: "v1.33.4-u-ame.2",
      reachable: [
        { version: "v1.33.4-u-ame.1", direction: "downgrade", blockedBy: [] },
        { version: "v1.33.8-u-ame.1", direction: "upgrade", blockedBy: [] },
        { version: "v1.34.3-u-ame.1", direction: "upgrade", blockedBy: [] },
        { version: "v1.34.4-u-ame.1", direction: "upgrade", blockedBy: [] },
        { version: "v1.34.4-u-ame.2", direction: "upgrade", blockedBy: [] },
      ],
      newer: [
        { version: "v1.33.8-u-ame.1", chain: ["v1.33.8-u-ame.1"], blockedBy: [] },
        { version: "v1.34.3-u-ame.1", chain: ["v1.34.3-u-ame.1"], blockedBy: [] },
        { version: "v1.34.4-u-ame.1", chain: ["v1.34.4-u-ame.1"], blockedBy: [] },
        { version: "v1.34.4-u-ame.2", chain: ["v1.34.4-u-ame.2"], blockedBy: [] },
        { version: "v1.35.0-u-ame.1", chain: ["v1.34.4-u-ame.2", "v1.35.0-u-ame.1"], blockedBy: [] },
        { version: "v1.35.1-u-ame.1", chain: ["v1.34.4-u-ame.2", "v1.35.1-u-ame.1"], blockedBy: [] },
      ],
    });
  });

  test("upgrades of the newest version lists only a downgrade", async () => {
    await create("newest", "v1.35.1-u-ame.1");
    expect(await upgrades("newest")).toEqual({
      version: "v1.35.1-u-ame.1",
      reachable: [{ version: "v1.35.0-u-ame.1", direction: "downgrade", blockedBy: [] }],
      newer: [],
    });
  });

  test("upgrades lists the rollback version until another version is accepted", async () => {
    await create("back", "v1.33.8-u-ame.1");
    await patch("back", { version: "v1.34.3-u-ame.1" });
    const rollback = { version: "v1.33.8-u-ame.1", direction: "rollback", blockedBy: [] };
    expect((await upgrades("back")).reachable[0]).toEqual(rollback);
    await patch("back", { version: "v1.34.4-u-ame.1" });
    const { version, reachable } = await upgrades("back");
    expect(version).toBe("v1.34.4-u-ame.1");
    expect(reachable[0]).toEqual({ version: "v1.34.3-u-ame.1", direction: "downgrade", blockedBy: [] });
  });

  test("every step of a listed upgrade path is accepted", async () => {
    await create("walk", "v1.33.4-u-ame.1");
    const { chain } = (await upgrades("walk")).newer.at(-1);
    for (const version of chain) await patch("walk", { version });
    expect((await upgrades("walk")).version).toBe("v1.35.1-u-ame.1");
  });

  test("upgrades offers exactly the versions that a PATCH accepts", async () => {
    await create("same", "v1.34.3-u-ame.1");
    await patch("same", { version: "v1.35.0-u-ame.1" });
    const { reachable } = await upgrades("same");
    const offered = (await get("/api/v1/cluster-versions")).body.map((each: Json) => each.version);
    for (const version of offered) {
      const path = `${tenant.path("production", "same")}?dryRun=true`;
      const response = await world.send("PATCH", path, { token: tenant.admin, body: { version } });
      const isReachable = reachable.some((each: Json) => each.version === version);
      expect(response.status, version).toBe(isReachable || version === "v1.35.0-u-ame.1" ? 200 : 400);
    }
  });

  test.each([
    ["stopped", /stopped: start it first/],
    ["stopping", /stopping: wait/],
    ["deleting", /deleting: its version cannot change/],
  ])("upgrades of a cluster that is %s is blocked with a reason", async (status, says) => {
    await create(status, "v1.33.8-u-ame.1");
    await overwrite(status, status);
    const { reachable, newer } = await upgrades(status);
    expect(reachable.length).toBeGreaterThan(0);
    expect(newer.length).toBeGreaterThan(0);
    for (const { blockedBy } of [...reachable, ...newer]) expect(blockedBy).toEqual([expect.stringMatching(says)]);
  });

  test("upgrades is blocked exactly when a PATCH is refused", async () => {
    await create("states", "v1.33.8-u-ame.1");
    const cluster = await stored("states");
    const { value: request } = parseUpdate({ version: "v1.34.3-u-ame.1" });
    const accepts = (present: Cluster) =>
      updateConflict(present, request, applyUpdate(present, request, false)) === undefined;
    // Deleted clusters are never read, so their result does not matter.
    for (const status of clusterStatuses.filter((each) => each !== "deleted")) {
      for (const desiredStatus of desiredStatuses) {
        const present: Cluster = { ...cluster, status, desiredStatus };
        const { reachable } = upgradesOf(present, [{ version: "v1.34.3-u-ame.1", available: true }]);
        expect(reachable[0]?.blockedBy.length === 0, `${status}, ${desiredStatus}`).toBe(accepts(present));
      }
    }
  });
});

describe("a catalogue with gaps", () => {
  const offered = (...versions: string[]) => versions.map((version) => ({ version, available: true }));
  const at = (version: string, rollbackVersion?: string) => ({
    version,
    ...(rollbackVersion === undefined ? {} : { rollbackVersion }),
    status: "started" as const,
    desiredStatus: "starting" as const,
  });

  test("an upgrade path over a missing minor is blocked with the name of the minor", () => {
    const catalogue = [
      ...offered("v1.9.0-u-ame.1", "v1.12.0-u-ame.1", "v1.10.9-u-ame.1", "v1.10.10-u-ame.1"),
      { version: "v1.11.0-u-ame.1", available: false },
    ];
    const { newer, reachable } = upgradesOf(at("v1.9.0-u-ame.1"), catalogue);
    expect(reachable.map(({ version }) => version)).toEqual(["v1.10.9-u-ame.1", "v1.10.10-u-ame.1"]);
    expect(newer.map(({ version }) => version)).toEqual(["v1.10.9-u-ame.1", "v1.10.10-u-ame.1", "v1.12.0-u-ame.1"]);
    expect(newer.at(-1)).toEqual({
      version: "v1.12.0-u-ame.1",
      chain: [],
      blockedBy: [expect.stringMatching(/no version of v1\.11 is available/)],
    });
  });

  test("an upgrade path uses the newest build of each minor in between", () => {
    const catalogue = offered("v1.12.1-u-ame.1", "v1.10.2-u-ame.10", "v1.10.2-u-ame.9", "v1.11.0-u-ame.3");
    const { newer } = upgradesOf(at("v1.9.0-u-ame.1"), catalogue);
    expect(newer.at(-1)?.chain).toEqual(["v1.10.2-u-ame.10", "v1.11.0-u-ame.3", "v1.12.1-u-ame.1"]);
  });

  test("the rollback version is offered although its minor is no longer in the catalogue", () => {
    const { reachable, newer } = upgradesOf(at("v1.10.0-u-ame.1", "v1.9.3-u-ame.1"), offered("v1.10.0-u-ame.1"));
    expect(reachable).toEqual([{ version: "v1.9.3-u-ame.1", direction: "rollback", blockedBy: [] }]);
    expect(newer).toEqual([]);
  });
});

describe("access to and cost of upgrades", () => {
  beforeAll(() => create("asked", "v1.34.3-u-ame.1"));

  test("reading upgrades makes one round trip and requires a viewer", async () => {
    const { token } = await tenant.person("viewer");
    world.wire.latencyMs = 15;
    world.wire.spans.length = 0;
    const response = await get(`${pathOf("asked")}?colour=blue`, token);
    world.wire.latencyMs = 0;
    expect(response.status, response.text).toBe(200);
    expect(response.headers.get("warning")).toContain("colour");
    expect(roundTripsOf(world.wire.spans)).toBe(1);
  });

  test("reading upgrades returns errors in the general order", async () => {
    const stranger = (await world.tenant()).admin;
    const billing = (await tenant.person("billing-admin")).token;
    const none = (await tenant.person("admin", { production: "none" })).token;
    const long = `?x=${"y".repeat(4_096)}`;
    const expected: [path: string, token: string, status: number][] = [
      [pathOf("Asked"), "ame_nothing", 401],
      [pathOf("Asked"), stranger, 404],
      [pathOf("mars"), stranger, 403],
      [pathOf("asked"), billing, 403],
      [pathOf("mars"), none, 403],
      [`${tenant.path("mars", "asked")}/upgrades`, billing, 404],
      [`${pathOf("mars")}${long}`, tenant.admin, 404],
      [`${pathOf("asked")}${long}`, tenant.admin, 400],
    ];
    for (const [path, token, status] of expected) expect((await get(path, token)).status, path).toBe(status);
    const wrong = await world.send("POST", pathOf("asked"), { token: tenant.admin, body: {} });
    expect(wrong.status).toBe(405);
    expect(wrong.headers.get("allow")).toBe("GET, HEAD");
  });
});
