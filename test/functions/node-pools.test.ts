import * as v from "valibot";
import { beforeAll, describe, expect, test } from "vitest";
import { ClusterNodePoolResponse } from "#core/node-pool/schema.ts";
import { type Json, makeWorld, type Tenant, type TestResponse, type World } from "#test/support/world.ts";

const NOW = "2026-11-23T10:00:00.123Z";

let world: World;
let tenant: Tenant;

beforeAll(async () => {
  world = await makeWorld({ clock: () => new Date(NOW) });
  tenant = await world.tenant();
});

let clusters = 0;

/** Creates a cluster with these pools. */
async function createWith(nodePools: unknown, more: Record<string, unknown> = {}) {
  const name = `c${++clusters}`;
  const body = tenant.creation({ name, nodePools, ...more });
  const response = await world.send("POST", tenant.path("production"), { token: tenant.admin, body });
  return { response, pools: `${tenant.path("production", name)}/pools` };
}

const get = (path: string) => world.send("GET", path, { token: tenant.admin });

const own = () => ({ cloudAccountIdentity: tenant.byonAccount.identity, region: "europe" });

/** Creates a cluster with these pools and lists them. */
async function listed(nodePools: unknown, more: Record<string, unknown> = {}): Promise<Json[]> {
  const { response, pools } = await createWith(nodePools, more);
  expect(response.status, response.text).toBe(200);
  const list = await get(pools);
  expect(list.status).toBe(200);
  return list.body;
}

function expectOnly(response: TestResponse, path: string): string {
  expect(response.status, response.text).toBe(400);
  expect(response.body.details).toEqual([expect.stringContaining(`${path}: `)]);
  expect(response.body.details[0].startsWith(`${path}: `)).toBe(true);
  expect(response.body.message).toBe(response.body.details[0]);
  return response.body.message;
}

const pool = (more: Record<string, unknown> = {}) => ({ name: "workers", nodeSize: "t3.medium", ...more });

const many = <Value>(count: number, value: Value): Record<string, Value> =>
  Object.fromEntries(Array.from({ length: count }, (_, at) => [`k${at}`, value]));

describe("a node pool of a new cluster", () => {
  test("a node pool has every default, and no other properties", async () => {
    const [shown] = await listed([pool()]);
    v.parse(v.strictObject(ClusterNodePoolResponse.entries), shown);
    expect(shown).toEqual({
      annotations: {},
      autoScaling: false,
      createdAt: NOW,
      enableNodeAutoReplacement: true,
      enableNodeReboots: false,
      id: expect.any(Number),
      identity: expect.stringMatching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/),
      labels: {},
      maxSize: 1,
      minSize: 1,
      modifiedAt: NOW,
      name: "workers",
      nodeSize: "t3.medium",
      provisionStatus: "ACCEPTED",
      securityUpdatesOnJoin: "OFF",
      taints: [],
      upgradeStrategy: "REPLACE",
    });
  });

  test("a node pool keeps every property of the request", async () => {
    const sent = {
      annotations: { "example.com/note": "free text, naïve ✓" },
      autoScaling: true,
      availabilityZone: "eu-west-1b",
      enableNodeAutoReplacement: false,
      enableNodeReboots: true,
      labels: { role: "", "example.com/Tier_1.x": "a-B_c.9" },
      maxSize: 7,
      minSize: 2,
      securityUpdatesOnJoin: "INSTALL_AND_REBOOT",
      taints: [
        { key: "dedicated", value: "gpu", effect: "NoSchedule" },
        { key: "dedicated", effect: "NoExecute" },
        { key: "example.com/x", value: "", effect: "PreferNoSchedule" },
      ],
      upgradeStrategy: "REPLACE_MINOR_INPLACE_PATCH_WITHOUT_DRAIN",
    };
    const [shown] = await listed([pool(sent)]);
    expect(shown).toMatchObject(sent);
    expect(shown.labels).toEqual(sent.labels);
    expect(shown.annotations).toEqual(sent.annotations);
    expect(shown.taints).toEqual(sent.taints);
  });

  test("a node pool keeps labels and annotations with the names of built-in object properties", async () => {
    const sent = {
      labels: { constructor: "a", "x.y/toString": "b" },
      annotations: { constructor: "c", prototype: "d" },
    };
    const [shown] = await listed([pool(sent)]);
    expect(Object.entries(shown.labels).sort()).toEqual(Object.entries(sent.labels).sort());
    expect(Object.entries(shown.annotations).sort()).toEqual(Object.entries(sent.annotations).sort());
  });

  test("a node pool treats null as absent, and warns of unknown properties", async () => {
    const nulled = {
      ...{ annotations: null, autoScaling: null, availabilityZone: null, enableNodeAutoReplacement: null },
      ...{ enableNodeReboots: null, labels: { gone: null }, maxSize: null, minSize: null, taints: null },
    };
    const { response, pools } = await createWith([pool({ ...nulled, upgradeStrategy: null, bogus: 1 })]);
    expect(response.headers.get("warning")).toMatch(/^299 .*nodePools.*bogus/);
    const [shown] = (await get(pools)).body;
    expect(shown).toMatchObject({ labels: {}, maxSize: 1, enableNodeAutoReplacement: true });
    expect(shown).not.toHaveProperty("availabilityZone");
    expect(shown).not.toHaveProperty("bogus");
  });

  test.each([
    [{}, 1, 1],
    [{ minSize: 3 }, 3, 3],
    [{ maxSize: 4 }, 4, 4],
    [{ minSize: 0, maxSize: 0 }, 0, 0],
    [{ maxSize: 0 }, 0, 0],
    [{ minSize: 1000, maxSize: 1000 }, 1000, 1000],
    [{ autoScaling: true }, 1, 1],
    [{ autoScaling: true, maxSize: 5 }, 1, 5],
    [{ autoScaling: true, minSize: 0 }, 0, 1],
    [{ autoScaling: true, minSize: 2, maxSize: 2 }, 2, 2],
    [{ autoScaling: true, minSize: 0, maxSize: 1000 }, 0, 1000],
  ])("a node pool with %j has sizes %i to %i", async (sizes, minSize, maxSize) => {
    expect(await listed([pool(sizes)])).toMatchObject([{ minSize, maxSize }]);
  });

  test.each([
    [{ minSize: -1 }, "minSize"],
    [{ minSize: 1001 }, "minSize"],
    [{ maxSize: 1001 }, "maxSize"],
    [{ minSize: 1.5 }, "minSize"],
    [{ minSize: "1" }, "minSize"],
    [{ maxSize: true }, "maxSize"],
    [{ maxSize: 1e300 }, "maxSize"],
    [{ minSize: 2, maxSize: 3 }, "maxSize"],
    [{ minSize: 3, maxSize: 2 }, "maxSize"],
    [{ minSize: 2, maxSize: 3, autoScaling: false }, "maxSize"],
    [{ minSize: 3, maxSize: 2, autoScaling: true }, "maxSize"],
    [{ minSize: 3, autoScaling: true }, "minSize"],
    [{ maxSize: 0, autoScaling: true }, "maxSize"],
    [{ autoScaling: "true" }, "autoScaling"],
    [{ enableNodeAutoReplacement: 1 }, "enableNodeAutoReplacement"],
    [{ enableNodeReboots: "no" }, "enableNodeReboots"],
    [{ securityUpdatesOnJoin: "install" }, "securityUpdatesOnJoin"],
    [{ upgradeStrategy: "replace" }, "upgradeStrategy"],
    [{ name: "" }, "name"],
    [{ name: "Workers" }, "name"],
    [{ name: "a_b" }, "name"],
    [{ name: "a b" }, "name"],
    [{ name: "x".repeat(26) }, "name"],
    [{ name: 7 }, "name"],
    [{ nodeSize: "m1.small" }, "nodeSize"],
    [{ nodeSize: 7 }, "nodeSize"],
    [{ nodeSize: null }, "nodeSize"],
    [{ availabilityZone: "eu-west-2a" }, "availabilityZone"],
    [{ availabilityZone: 7 }, "availabilityZone"],
    [{ labels: [] }, "labels"],
    [{ taints: {} }, "taints"],
  ])("a node pool with %j is refused for its %s", async (more, path) => {
    const { response } = await createWith([pool({ name: "good" }), pool(more)]);
    expectOnly(response, `nodePools[1].${path}`);
  });

  test("a node pool with an unknown node type or zone lists the available ones", async () => {
    const { response } = await createWith([pool({ nodeSize: "huge", availabilityZone: "mars" })]);
    expect(response.status).toBe(400);
    expect(response.body.details.toSorted()).toEqual([
      expect.stringMatching(/availabilityZone: "mars".*eu-west-1a, eu-west-1b, eu-west-1c/),
      expect.stringMatching(/nodeSize: "huge".*t3\.medium.* and \d+ more$/),
    ]);
    expect(response.body.message).toBe(`${response.body.details[0]} (and 1 more)`);
  });

  test("a pool of the user's own machines accepts any node size, defaults to byon, and counts known sizes", async () => {
    const sizes = ["Rack 7 / big", "medium", undefined];
    const nodePools = sizes.map((nodeSize, at) => ({ name: `p${at}`, nodeSize, minSize: 2 }));
    const shown = await listed(nodePools, own());
    expect(shown.map(({ nodeSize }) => nodeSize)).toEqual(["Rack 7 / big", "medium", "byon"]);
    const cluster = await get(`${tenant.path("production", `c${clusters}`)}?show-compute=true`);
    expect(cluster.body).toMatchObject({ cpu: 8, memory: 16384 });
  });

  test("a node pool can have the name of a pool in another zone", async () => {
    const zones = ["eu-west-1a", "eu-west-1b", undefined];
    const shown = await listed(zones.map((availabilityZone) => pool({ availabilityZone })));
    expect(shown.map(({ availabilityZone }) => availabilityZone)).toEqual(zones);
  });

  test.each([[undefined], ["eu-west-1a"]])(
    "a node pool cannot have the name of another pool in zone %s",
    async (availabilityZone) => {
      const nodePools = [pool({ availabilityZone }), pool({ name: "other" }), pool({ availabilityZone })];
      const { response } = await createWith(nodePools);
      expect(expectOnly(response, "nodePools[2].name")).toContain("nodePools[0]");
    },
  );

  const long = `${"a".repeat(61)}.`.repeat(4);

  test.each([
    "a",
    "A-b_c.9",
    "x".repeat(63),
    "example.com/x",
    `${long}a1234/${"x".repeat(63)}`,
    "x-k8s.io/x",
    "notcluster.x-k8s.io/x",
    "cluster.x-k8s.io.example.com/x",
  ])("a node pool can have the label, annotation and taint %s", async (key) => {
    const sent = { labels: { [key]: "v" }, annotations: { [key]: "v" }, taints: [{ key, effect: "NoSchedule" }] };
    expect(await listed([pool(sent)])).toMatchObject([sent]);
  });

  test.each([
    "",
    "-a",
    "a-",
    "a b",
    "é",
    "a/b/c",
    "/a",
    "a/",
    "x".repeat(64),
    "Example.com/x",
    "a..b/x",
    "-a.b/x",
    `${long}a123456/x`,
    "cluster.x-k8s.io/x",
    "node.cluster.x-k8s.io/x",
    "a.b.cluster.x-k8s.io/paused",
  ])("a node pool cannot have the label or taint %j, nor the annotation unless only its case is wrong", async (key) => {
    const taints = [{ key, effect: "NoSchedule" }];
    const { response } = await createWith([pool({ labels: { [key]: "v" }, taints })]);
    expect(response.status, response.text).toBe(400);
    const paths = response.body.details.map((detail: string) => detail.slice(0, "nodePools[0].labels".length));
    expect(paths.sort()).toEqual(["nodePools[0].labels", "nodePools[0].taints"]);
    if (/[A-Z]/.test(key)) return expect(await listed([pool({ annotations: { [key]: "v" } })])).toHaveLength(1);
    const annotated = await createWith([pool({ annotations: { [key]: "v" } })]);
    expect(annotated.response.status).toBe(400);
    expect(annotated.response.body.details).toEqual([expect.stringMatching(/^nodePools\[0\]\.annotations/)]);
  });

  test("takes a nodeSize of 63 characters that are four bytes each, and no more", async () => {
    const tooLong = await createWith([pool({ nodeSize: "😀".repeat(64) })]);
    expect(expectOnly(tooLong.response, "nodePools[0].nodeSize")).toContain("must have at most 63 characters");
    const unknown = await createWith([pool({ nodeSize: "😀".repeat(63) })]);
    expect(expectOnly(unknown.response, "nodePools[0].nodeSize")).toContain("must be a node type of");
  });

  test("annotations whose prefixes differ only in case are stored as sent", async () => {
    const annotations = { "Example.com/Owner": "a", "example.com/Owner": "b", "EXAMPLE.com/owner": "c" };
    expect(await listed([pool({ annotations })])).toMatchObject([{ annotations }]);
    const { response } = await createWith([pool({ annotations: { "Cluster.X-K8s.io/paused": "" } })]);
    expectOnly(response, "nodePools[0].annotations.Cluster.X-K8s.io/paused");
  });

  test.each(
    [
      ["-", "a-", "a b", "é", "a/b", "x".repeat(64), 7, {}].map((value) => ({ labels: { k: value } })),
      ["-", "a b", "x".repeat(64), 7].map((value) => ({ taints: [{ key: "k", value, effect: "NoExecute" }] })),
      [7, {}].map((value) => ({ annotations: { k: value } })),
      [
        { taints: [{ key: "k", value: "v", effect: "noexecute" }] },
        { taints: [{ key: "k", value: "v", effect: "Never" }] },
        { taints: [{ key: "k", value: "v" }] },
        { taints: [{ value: "v", effect: "NoSchedule" }] },
        { taints: [7] },
      ],
      [
        { labels: many(51, "") },
        { annotations: many(51, "") },
        { taints: Array.from({ length: 51 }, (_, at) => ({ key: `k${at}`, effect: "NoSchedule" })) },
      ],
    ].flat(),
  )("a node pool with %j is refused", async (more) => {
    const [name = ""] = Object.keys(more);
    const { response } = await createWith([pool(more)]);
    expect(response.status, response.text).toBe(400);
    expect(response.body.details).toEqual([expect.stringMatching(new RegExp(`^nodePools\\[0\\]\\.${name}\\b`))]);
  });

  test("a node pool can have 50 labels, annotations and taints, of 63 characters", async () => {
    const sent = {
      labels: { ...many(49, "v"), long: "x".repeat(63) },
      annotations: many(50, "v"),
      taints: Array.from({ length: 50 }, (_, at) => ({ key: `k${at}`, effect: "NoSchedule" })),
    };
    expect(await listed([pool({ ...sent, taints: sent.taints.slice(0, 5) })])).toMatchObject([{ labels: sent.labels }]);
    expect(await listed([pool({ taints: sent.taints })])).toMatchObject([{ taints: sent.taints }]);
  });

  test("a node pool over 4 KB of UTF-8 is refused with its largest property", async () => {
    const text = (bytes: number) => "€".repeat(bytes / 3);
    expect(await listed([pool({ annotations: { note: text(3_600) } })])).toHaveLength(1);
    const labels = many(30, "x".repeat(60));
    const { response } = await createWith([pool(), pool({ name: "big", labels, annotations: { note: text(3_000) } })]);
    expect(expectOnly(response, "nodePools[1].annotations")).toMatch(/4 ?KB|4096/);
    const other = await createWith([pool({ labels: many(50, "x".repeat(60)), annotations: { note: text(1_500) } })]);
    expect(expectOnly(other.response, "nodePools[0].labels")).toMatch(/4 ?KB|4096/);
  });
});

describe("the node pools of a new cluster", () => {
  test("a cluster has at most 50 pools, otherwise 409, and they keep the order of the request", async () => {
    const pools = (count: number) => Array.from({ length: count }, (_, at) => pool({ name: `p${(at * 37) % count}` }));
    const shown = await listed(pools(50));
    expect(shown.map(({ name }) => name)).toEqual(pools(50).map(({ name }) => name));
    const ids = shown.map(({ id }) => id);
    expect(new Set(ids).size).toBe(50);
    expect(ids.every((id) => Number.isInteger(id) && id > 0 && id < 2 ** 52)).toBe(true);
    // Random over the whole range: fifty random ids below 2^48 are practically impossible.
    expect(Math.max(...ids)).toBeGreaterThan(2 ** 48);
    expect(new Set(shown.map(({ identity }) => identity)).size).toBe(50);
    const { response } = await createWith(pools(51));
    expect(response.status, response.text).toBe(409);
    expect(response.body.message).toMatch(/\b50\b/);
    expect(response.headers.get("retry-after")).toBeNull();
  });

  test("a cluster can have no pools, and each pool is found by its id and its identity in any case", async () => {
    expect(await listed([])).toEqual([]);
    const { pools } = await createWith([pool({ name: "a" }), pool({ name: "b" })]);
    const { body: list, headers } = await get(pools);
    expect(headers.get("content-type")).toBe("application/json; charset=utf-8");
    for (const each of list) {
      for (const path of [each.id, each.identity, each.identity.toUpperCase()]) {
        const response = await get(`${pools}/${path}`);
        expect(response.status).toBe(200);
        expect(response.body).toEqual(each);
        expect(response.headers.get("etag")).toBe('"1"');
      }
    }
  });

  test("a pool is found only under its own cluster, and no other id finds it", async () => {
    const { pools } = await createWith([pool()]);
    const { pools: others } = await createWith([pool()]);
    const [{ id, identity }] = (await get(others)).body;
    const [mine] = (await get(pools)).body;
    const wrong = [`${id}`, identity, "0", "-1", `0${mine.id}`, `${mine.id}.0`, "workers", "%2e", "x".repeat(500)];
    for (const path of wrong) {
      const response = await get(`${pools}/${path}`);
      expect([path, response.status]).toEqual([path, 404]);
      expect(response.body).toEqual({ message: expect.any(String), details: [response.body.message] });
    }
    for (const path of [`${tenant.path("production", "nobody")}/pools`, `${tenant.path("mars", "c1")}/pools`]) {
      expect((await get(path)).status).toBe(404);
      expect((await get(`${path}/${mine.id}`)).status).toBe(404);
    }
  });
});
