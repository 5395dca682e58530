import { PutCommand } from "@aws-sdk/lib-dynamodb";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { clusterItemAt } from "#core/cluster/entity.ts";
import { sortable } from "#core/cluster/operations/search.ts";
import { listRanges } from "#core/listing/list-index.ts";
import { filters } from "#functions/api/v1/clusters.ts";
import { roundTripsOf } from "#test/support/faults.ts";
import { clustersOf } from "#test/support/invariants.ts";
import { makeWorld, type Tenant, type World } from "#test/support/world.ts";

let world: World;
let tenant: Tenant;
let viewer: string;
let clusters: Awaited<ReturnType<typeof clustersOf>>;
let now = Date.parse("2026-11-23T10:00:00.000Z");

const VERSIONS = ["v1.33.4-u-ame.2", "v1.33.8-u-ame.1", "v1.34.4-u-ame.1", "v1.35.1-u-ame.1"];
const REGIONS = ["eu-west-1", "eu-central-1"];
const STATUSES = ["new", "started", "deleting"] as const;

beforeAll(async () => {
  world = await makeWorld({ clock: () => new Date(now), pageIndex: { bucket: 5, chunk: 3 } });
  tenant = await world.tenant(["a", "a-b", "ab"]);
  viewer = (await tenant.person("viewer", { "a-b": "none" })).token;
  const names = ["Zeta", "alpha", "Beta 2", "beta 10", "eta", "Alpha & Co", "gamma", "omega-1", "iota", "x"];
  for (const [position, name] of [...names, ...names, ...names].entries()) {
    now += 1_000 * ((position * 7) % 5);
    const environment = ["a", "a-b", "ab"][Math.floor(position / 10)] ?? "a";
    const body = tenant.creation({
      name,
      version: VERSIONS[(position * 3) % 4],
      ...(position % 5 === 0
        ? { cloudAccountIdentity: tenant.byonAccount.identity, region: undefined }
        : { region: REGIONS[position % 2] }),
      ...(position % 3 === 0 ? { maintenanceScheduleIdentity: tenant.schedule.identity } : {}),
    });
    const response = await world.send("POST", tenant.path(environment), {
      token: tenant.admin,
      body: await withRegion(body),
    });
    expect(response.status, response.text).toBe(200);
  }
  for (const [position, cluster] of (await clustersOf(world.services, tenant.slug)).entries()) {
    await setStatus(cluster, STATUSES[position % 3] ?? "new");
  }
  clusters = await clustersOf(world.services, tenant.slug);
});

/** Writes a cluster with another status, without a transition. */
const setStatus = (cluster: Row, status: Row["status"]) =>
  world.table.client.send(
    new PutCommand({ TableName: world.table.name, Item: clusterItemAt(cluster, { ...cluster, status }) }),
  );

/** Any region of bring-your-own-nodes. */
async function withRegion(body: Record<string, unknown>): Promise<Record<string, unknown>> {
  if (body.region !== undefined) return body;
  const refused = await world.send("POST", tenant.path("a"), { token: tenant.admin, body: { ...body, region: "?" } });
  const [, region] = /must be a region of [^:]*: ([a-z0-9-]+)/.exec(JSON.stringify(refused.body)) ?? [];
  return { ...body, region };
}

type Row = (typeof clusters)[number];
const ORDERS: Record<string, (row: Row) => string | number[]> = {
  name: ({ name }) => name,
  slug: ({ slug }) => slug,
  createdAt: ({ createdAt }) => createdAt,
  modifiedAt: ({ modifiedAt }) => modifiedAt,
  status: ({ status }) => status,
  version: ({ version }) => (version.match(/[0-9]+/g) ?? []).map(Number),
  region: ({ region }) => region,
  cloudProvider: ({ cloudProvider }) => cloudProvider,
};

function compare(one: string | number[], other: string | number[]): number {
  if (typeof one === "string" || typeof other === "string") return one < other ? -1 : one > other ? 1 : 0;
  for (const [position, number] of one.entries()) {
    const difference = number - (other[position] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Values of each filter; half of the time none. */
const FILTERS = {
  status: fc.constantFrom(undefined, undefined, ...STATUSES, "stopped"),
  region: fc.constantFrom(undefined, undefined, ...REGIONS, "nowhere"),
  cloudProvider: fc.constantFrom(undefined, undefined, "aws", "byon"),
  version: fc.constantFrom(undefined, undefined, ...VERSIONS),
  name: fc.constantFrom(undefined, undefined, "beta", "A", "Alpha &", ""),
  maintenanceSchedule: fc.constantFrom(undefined, undefined, "SCHEDULE", ""),
};

const query = fc.record({
  sort: fc.array(fc.tuple(fc.constantFrom(...Object.keys(ORDERS)), fc.constantFrom("", ",asc", ",desc", ",DESC")), {
    maxLength: 3,
  }),
  sortDirection: fc.constantFrom(undefined, "ASC", "DESC"),
  ...FILTERS,
  size: fc.integer({ min: 1, max: 40 }),
  page: fc.nat(3),
  looks: fc.constantFrom("admin", "viewer"),
  environment: fc.constantFrom(undefined, undefined, "a", "ab"),
});

describe("a list with another order or with filters", () => {
  test("the tested lists use every order and filter", () => {
    expect(Object.keys(ORDERS)).toEqual(sortable);
    expect(Object.keys(FILTERS).toSorted()).toEqual(Object.keys(filters).toSorted());
  });

  test("a list with any order and filters equals the model's list, for every caller", async () => {
    await fc.assert(
      fc.asyncProperty(query, async (given) => {
        const { sort, sortDirection, size, page, looks, environment, ...wanted } = given;
        const filters = Object.entries(wanted).flatMap(([name, value]): [string, string][] =>
          value === undefined ? [] : [[name, value === "SCHEDULE" ? tenant.schedule.identity.toUpperCase() : value]],
        );
        const pairs = [...sort.map(([property, way]) => ["sort", `${property}${way}`]), ...filters];
        if (sortDirection !== undefined) pairs.push(["sortDirection", sortDirection]);
        const search = new URLSearchParams([...pairs, ["size", `${size}`], ["page", `${page}`]] as [string, string][]);
        const response = await world.send("GET", `${tenant.path(environment)}?${search}`, {
          token: looks === "admin" ? tenant.admin : viewer,
        });
        expect(response.status, response.text).toBe(200);

        // Of two orders by the same property the first one applies.
        const firsts = sort.filter(([property], at) => sort.findIndex(([other]) => other === property) === at);
        const orders = firsts.map(([property, way]) => ({
          property,
          sign: (way === "" ? sortDirection : way.slice(1).toUpperCase()) === "DESC" ? -1 : 1,
        }));
        const expected = clusters
          .filter(
            (row) =>
              (looks === "admin" || row.environment !== "a-b") &&
              (environment ?? row.environment) === row.environment &&
              (wanted.status ?? row.status) === row.status &&
              (wanted.region ?? row.region) === row.region &&
              (wanted.cloudProvider ?? row.cloudProvider) === row.cloudProvider &&
              (wanted.version ?? row.version) === row.version &&
              row.name.startsWith(wanted.name ?? "") &&
              (!wanted.maintenanceSchedule || row.maintenanceScheduleIdentity === tenant.schedule.identity),
          )
          .sort((one, other) => {
            for (const { property, sign } of orders) {
              const value = ORDERS[property];
              const result = value === undefined ? 0 : sign * compare(value(one), value(other));
              if (result !== 0) return result;
            }
            const byKey = compare(one.sk, other.sk);
            return sort.length === 0 && sortDirection === "DESC" ? -byKey : byKey;
          });
        const content = response.body.content.map(({ identity }: { identity: string }) => identity);
        const there = expected.slice(page * size, page * size + size).map(({ identity }) => identity);
        expect(content).toEqual(there);
        expect(response.body).toMatchObject({
          totalElements: expected.length,
          totalPages: Math.ceil(expected.length / size),
          sort:
            orders.length > 0
              ? orders.map(({ property, sign }) => ({ property, ascending: sign === 1 }))
              : expect.any(Array),
        });
      }),
      { numRuns: 150 },
    );
  });

  test("a filtered list makes three round trips, four with details, with parallel reads", async () => {
    world.wire.latencyMs = 15;
    for (const [search, roundTrips] of [
      ["sort=name", 3],
      ["status=started", 3],
      ["sort=version,desc&includeDetails=true", 4],
    ] as const) {
      world.wire.spans.length = 0;
      const response = await world.send("GET", `${tenant.path()}?${search}`, { token: tenant.admin });
      expect(response.status, response.text).toBe(200);
      expect(roundTripsOf(world.wire.spans)).toBe(roundTrips);
    }
    world.wire.latencyMs = 0;
  });

  test("a filtered list keeps order and filters in its links", async () => {
    const response = await world.send("GET", `${tenant.path()}?sort=name,desc&sort=version&status=new&size=2`, {
      token: tenant.admin,
    });
    const [, next = ""] = /<([^>]*)>; rel="next"/.exec(response.headers.get("link") ?? "") ?? [];
    const { searchParams } = new URL(next);
    expect([...searchParams].sort()).toEqual([
      ["pageNumber", "1"],
      ["pageSize", "2"],
      ["sort", "name,desc"],
      ["sort", "version,asc"],
      ["status", "new"],
    ]);
  });

  test("a filtered list omits clusters that no longer match when the index is behind", async () => {
    const [row] = clusters.filter(({ status }) => status === "started");
    if (row === undefined) throw new Error("no started cluster found");
    const find = async () => {
      const response = await world.send("GET", `${tenant.path()}?status=started&size=1000`, { token: tenant.admin });
      return response.body.content.map(({ identity }: { identity: string }) => identity);
    };
    expect(await find()).toContain(row.identity);
    // The index still has the old row: the cluster changes between the read of the index and the read of the cluster.
    let changed = false;
    world.wire.fault = (call) => {
      if (call.operation === "BatchGetItem" && JSON.stringify(call.input).includes(row.sk) && !changed) {
        changed = true;
        return "before";
      }
      return undefined;
    };
    const search = find();
    await setStatus(row, "stopping");
    expect(await search).not.toContain(row.identity);
    await setStatus(row, "started");
    world.wire.fault = () => undefined;
  });
});

describe("key ranges of the list index", () => {
  const chunk = (environment: string, lowerBound: string, buckets: [bound: string, n: number][]) => ({
    key: { pk: "ORG#o", sk: `INDEX#${environment}#${lowerBound}` },
    environment,
    environmentIdentity: environment,
    lowerBound,
    buckets: buckets.map(([bound, n], position) => ({ id: `${environment}${lowerBound}${position}`, bound, n, v: 0 })),
  });

  test("ranges of the list index have a limited size, no inaccessible rows, and every key once", () => {
    const chunks = [
      chunk("a", "", [
        ["", 60],
        ["f", 60],
      ]),
      chunk("a", "m", [
        ["m", 60],
        ["t", 60],
      ]),
      chunk("b", "", [["", 10]]),
      chunk("c", "", [["", 50]]),
    ];
    expect(listRanges(chunks, ({ environment }) => environment !== "b", 130)).toEqual([
      { from: "CLUSTER#a#", to: "CLUSTER#a#l~" },
      { from: "CLUSTER#a#m", to: "CLUSTER#a$" },
      { from: "CLUSTER#c#", to: "CLUSTER#c$" },
    ]);
    expect(listRanges(chunks, () => true, 1_000)).toEqual([{ from: "CLUSTER#a#", to: "CLUSTER#c$" }]);
    const [first, second] = listRanges(chunks, () => true, 240);
    expect(first).toEqual({ from: "CLUSTER#a#", to: "CLUSTER#b!" });
    expect(second).toEqual({ from: "CLUSTER#b#", to: "CLUSTER#c$" });
  });
});
