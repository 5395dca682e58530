import { PutCommand } from "@aws-sdk/lib-dynamodb";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { type Cluster, clusterEntity, clusterItemAt } from "#core/cluster/entity.ts";
import { RANGE_ROWS } from "#core/listing/list-index.ts";
import { compactIdentity, decodeRow, listAttributes } from "#core/listing/list-row.ts";
import { Meter } from "#core/table/capacity-meter.ts";
import { LIST_INDEX } from "#core/table/definition.ts";
import { clusterKey, type Key, LIST_SHARDS, listPartitions, supersededClusterKey } from "#core/table/keys.ts";
import { fill } from "#test/support/filling.ts";
import { makeWorld, type Tenant, type World } from "#test/support/world.ts";

/** DynamoDB ends a page of a Query after so many bytes. */
const PAGE_BYTES = 1024 * 1024;

/** An eventually consistent read of so many bytes consumes one unit. */
const UNIT_BYTES = 8 * 1024;

let world: World;
let tenant: Tenant;
let template: Cluster;

beforeAll(async () => {
  world = await makeWorld();
  tenant = await world.tenant();
  const body = tenant.creation({ name: "A cluster with a name of thirty-six" });
  await world.send("POST", tenant.path("production"), { token: tenant.admin, body });
  const [item] = await world.table.query({ pk: `ORG#${tenant.slug}`, prefix: "CLUSTER#production#" });
  if (item === undefined) throw new Error("no cluster to copy");
  template = clusterEntity.read(item);
});

test("one page of a Query holds the rows of a range in one partition of the list index", async () => {
  const filled = await world.tenant();
  await fill(world, filled, template, 500, () => ({ name: template.name }));
  const meter = new Meter();
  const parts = await Promise.all(
    listPartitions(filled.slug).map((pk) =>
      world.table.metered(meter).query({ pk, prefix: "CLUSTER#", index: LIST_INDEX }),
    ),
  );
  expect(parts.flat()).toHaveLength(500);
  // Each partition contains a quarter of the rows, with a deviation that is smaller than a tenth for so many rows.
  expect(parts.every(({ length }) => length > 80)).toBe(true);
  const bytes = (meter.readUnits * UNIT_BYTES) / 500;
  expect(((bytes * RANGE_ROWS) / LIST_SHARDS) * 1.1).toBeLessThan(PAGE_BYTES);
  // Each partition is rounded up to 4 KiB. As attributes, the properties took 380 bytes.
  expect(bytes - (LIST_SHARDS * 4 * 1024) / 500).toBeLessThan(190);
});

describe("a row of the list index", () => {
  const time = fc.date({ min: new Date(0), max: new Date("2200-01-01"), noInvalidDate: true });
  const cluster = fc.record({
    identity: fc.uuid(),
    organisation: fc.constant("org"),
    slug: fc.constantFrom("shop", "a-b", "x"),
    name: fc.oneof(fc.constantFrom("shop", "A & B", "x|y", "||"), fc.string({ minLength: 1 })),
    status: fc.constantFrom("new", "started"),
    version: fc.constantFrom("v1.33.4-u-ame.2"),
    region: fc.constantFrom("eu-west-1", "any"),
    cloudProvider: fc.constantFrom("aws", "byon"),
    createdAt: time.map((each) => each.toISOString()),
    modifiedAt: time.map((each) => each.toISOString()),
    maintenanceScheduleIdentity: fc.option(fc.uuid(), { nil: undefined }),
  });

  test("a row contains every property by which lists are filtered and sorted", () => {
    fc.assert(
      fc.property(cluster, fc.boolean(), (given, isSuperseded) => {
        const { organisation, identity, slug, createdAt, modifiedAt, maintenanceScheduleIdentity: schedule } = given;
        const key = isSuperseded
          ? supersededClusterKey(organisation, "live", slug, identity)
          : clusterKey(organisation, "live", slug);
        const { organisation: _, ...expected } = given;
        expect(decodeRow(key, listAttributes(given).row)).toEqual({
          ...expected,
          ...key,
          identity: compactIdentity(identity),
          createdAt: Date.parse(createdAt),
          modifiedAt: Date.parse(modifiedAt),
          maintenanceScheduleIdentity: schedule === undefined ? undefined : compactIdentity(schedule),
        });
      }),
    );
  });

  test("different identities stay different in a row", () => {
    const identity = fc.oneof(fc.uuid(), fc.constantFrom("one", "two", ""));
    fc.assert(
      fc.property(identity, identity, (one, other) => {
        expect(compactIdentity(one) === compactIdentity(other)).toBe(one === other);
      }),
    );
    expect(compactIdentity("7edd36c4-8016-41db-8eb9-66bfbfa7cc47")).toHaveLength(22);
  });

  test("a property with the separator, or a time that is no time, is refused", () => {
    expect(() => listAttributes({ ...template, region: "eu|west" })).toThrow(RangeError);
    expect(() => listAttributes({ ...template, createdAt: "yesterday" })).toThrow(RangeError);
    expect(() => listAttributes({ ...template, modifiedAt: "" })).toThrow(RangeError);
  });

  test("a text that is no row causes an error with the key", () => {
    const key = clusterKey("org", "live", "shop");
    const { row } = listAttributes(template);
    const times = ["|0", "0|!", "zzzzzzzzzzzz|0", "0|zzzzzzzzzzzz"].map((each) => `a|b|c|d|e|${each}||`);
    for (const text of [undefined, "", row.split("|").slice(1).join("|"), ...times]) {
      expect(() => decodeRow(key, text), String(text)).toThrow(/^ORG#org CLUSTER#live#shop has no valid row/);
    }
  });
});

describe("a list while the list index is behind", () => {
  const list = async (owner: Tenant, token: string) => {
    const response = await world.send("GET", `${owner.path()}?sort=name`, { token });
    expect(response.status, response.text).toBe(200);
    return response.body;
  };

  const putCluster = (cluster: Cluster, key: Key) =>
    world.table.client.send(
      new PutCommand({ TableName: world.table.name, Item: clusterItemAt({ pk: key.pk, sk: key.sk }, cluster) }),
    );

  test("a cluster whose environment was replaced by another one with the same name is not shown", async () => {
    const owner = await world.tenant();
    await fill(world, owner, template, 3);
    const [first] = await world.table.query({ pk: `ORG#${owner.slug}`, prefix: "CLUSTER#" });
    if (first === undefined) throw new Error("no cluster");
    const member = await owner.person("billing-admin", { production: "viewer" });
    const foreign = { ...clusterEntity.read(first), environmentIdentity: "00000000-0000-4000-8000-000000000000" };
    await putCluster(foreign, first);
    const { content } = await list(owner, member.token);
    expect(content.map(({ name }: { name: string }) => name)).toEqual(["c000001", "c000002"]);
  });

  test("a cluster with two rows is shown and counted once", async () => {
    const owner = await world.tenant();
    await fill(world, owner, template, 3);
    const [first] = await world.table.query({ pk: `ORG#${owner.slug}`, prefix: "CLUSTER#" });
    if (first === undefined) throw new Error("no cluster");
    const cluster = clusterEntity.read(first);
    await putCluster(cluster, supersededClusterKey(owner.slug, "production", cluster.slug, cluster.identity));
    const { content, totalElements } = await list(owner, owner.admin);
    expect([content.length, totalElements]).toEqual([3, 3]);
  });
});

describe("the order of a list of several hundred clusters", () => {
  test("every page of an order continues the page before it", async () => {
    const owner = await world.tenant();
    let made = 0;
    await fill(world, owner, template, 300, () => ({ name: `n${(made++ * 7919) % 97}` }));
    const names: string[] = [];
    for (let page = 0; page * 40 < 300; page++) {
      const response = await world.send("GET", `${owner.path()}?sort=name&size=40&page=${page}`, {
        token: owner.admin,
      });
      names.push(
        ...response.body.content.map(
          (each: { name: string; slug: { slugValue: string } }) => `${each.name} ${each.slug.slugValue}`,
        ),
      );
    }
    expect(names).toHaveLength(300);
    expect(names).toEqual(names.toSorted((one, other) => (one < other ? -1 : 1)));
  });
});
