import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { makeWorld, type Tenant, type TestResponse, type World } from "#test/support/world.ts";

let world: World;
let tenant: Tenant;
/** Creates the cluster "one" with a pool. */
let pool: string;
/** Path of the cluster's scheduled upgrade. */
let upgrade: string;

beforeAll(async () => {
  world = await makeWorld();
});

const at = (environment = "production") => tenant.path(environment, "one");
const send = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
  world.send(method, path, { token: tenant.admin, body, headers });
const tagOf = ({ headers }: TestResponse) => headers.get("etag") ?? "";
const present = async (path = at()) => tagOf(await send("GET", path));

beforeEach(async () => {
  tenant = await world.tenant();
  const nodePools = [{ name: "web", nodeSize: "t3.medium" }];
  await send("POST", tenant.path("production"), tenant.creation({ nodePools }));
  const [{ id }] = (await send("GET", `${at()}/pools`)).body;
  pool = `${at()}/pools/${id}`;
  const { identity } = (await send("GET", at())).body;
  const upgrades = `/api/v1/orgs/${tenant.slug}/scheduled-cluster-upgrades`;
  const request = { clusterIdentity: identity, version: "v1.35.0-u-ame.1" };
  upgrade = `${upgrades}/${(await send("POST", upgrades, request)).body.identity}`;
});

describe("a read with If-None-Match", () => {
  const reads: [string, () => string][] = [
    ["a cluster", () => at()],
    ["a cluster with its compute", () => `${at()}?show-compute=true`],
    ["a pool", () => pool],
    ["a scheduled upgrade", () => upgrade],
  ];
  test.each(reads)(
    "GET of %s with If-None-Match returns 304 without a body while the caller's tag is current",
    async (_, path) => {
      const tag = await present(path());
      for (const method of ["GET", "HEAD"]) {
        for (const header of [tag, `W/${tag}`, "*", `"other", ${tag}`, `"other",W/${tag} , "more"`]) {
          const response = await send(method, path(), undefined, { "if-none-match": header });
          expect([header, response.status, response.text, tagOf(response)]).toEqual([header, 304, "", tag]);
        }
      }
      for (const header of ['"other"', `"x${tag.slice(1)}`, `${tag.slice(0, -1)}1"`, `"9", "${tag.slice(1, -1)}.0"`]) {
        const response = await send("GET", path(), undefined, { "if-none-match": header });
        expect([header, response.status, tagOf(response)]).toEqual([header, 200, tag]);
      }
    },
  );

  test("GET with If-None-Match returns the new representation after a change", async () => {
    const [cluster, ofPool] = [await present(), await present(pool)];
    expect((await send("PUT", pool, { minSize: 2 })).status).toBe(200);
    expect((await send("GET", at(), undefined, { "if-none-match": cluster })).status).toBe(200);
    expect((await send("GET", pool, undefined, { "if-none-match": ofPool })).status).toBe(200);
  });

  test("GET with details and If-None-Match returns 200, because details change without the tag", async () => {
    const tag = await present();
    for (const header of [tag, "*"]) {
      const response = await send("GET", `${at()}?includeDetails=true`, undefined, { "if-none-match": header });
      expect([response.status, response.body.name]).toEqual([200, "one"]);
    }
  });

  test("GET of a missing cluster with If-None-Match returns 404", async () => {
    expect((await send("GET", at("staging"), undefined, { "if-none-match": "*" })).status).toBe(404);
  });
});

/** Writes that change something, each on the path whose tag it requires. */
const writes: [string, () => Promise<string>, (headers: Record<string, string>) => Promise<TestResponse>][] = [
  ["PATCH of a cluster", () => present(), (headers) => send("PATCH", at(), { cni: "calico" }, headers)],
  ["PATCH that moves", () => present(), (headers) => send("PATCH", at(), { environmentSlug: "staging" }, headers)],
  [
    "POST that moves",
    () => present(),
    (headers) =>
      send("POST", tenant.path("one/move"), { currentEnvironment: "production", newEnvironment: "staging" }, headers),
  ],
  ["PUT of a pool", () => present(pool), (headers) => send("PUT", pool, { minSize: 2 }, headers)],
  ["DELETE of an upgrade", () => present(upgrade), (headers) => send("DELETE", upgrade, undefined, headers)],
  ["DELETE of a pool", () => present(pool), (headers) => send("DELETE", pool, undefined, headers)],
];

describe.each(writes)("a %s with If-Match", (_, tagNow, write) => {
  test.each<[string, (tag: string, revision: string) => string]>([
    ["the current tag", (tag) => tag],
    ["only the first part of the current tag", (_tag, revision) => `"${revision}"`],
    ["the first part of the current tag with others", (_tag, revision) => `"${revision}.999.999"`],
    ["anything", () => "*"],
    ["a list with the current tag", (tag) => `"0", ${tag}`],
    ["a list that begins with the current tag", (tag) => `${tag},"0.1.2"`],
  ])("a write with If-Match of %s succeeds", async (_name, headerOf) => {
    const tag = await tagNow();
    const revision = /^"(\d+)/.exec(tag)?.[1] ?? "";
    const response = await write({ "if-match": headerOf(tag, revision) });
    expect(response.status, response.text).toBeLessThan(205);
    if (response.status === 200) expect(tagOf(response)).toMatch(new RegExp(`^"${Number(revision) + 1}[."]`));
  });

  test.each([['"0"'], ['"0.1.2"'], ['"11"'], ['"x"'], ['"0", "99.1"'], ['""'], ['"-1"'], ['"*"'], ["x"]])(
    "a write with If-Match of another or invalid tag, %s, returns 412 with the current tag, and changes nothing",
    async (header) => {
      const [tag, cluster] = [await tagNow(), await present()];
      const response = await write({ "if-match": header });
      expect(response.status, response.text).toBe(412);
      expect(tagOf(response)).toBe(tag);
      expect(response.body.details).toEqual([response.body.message]);
      expect([await tagNow(), await present()]).toEqual([tag, cluster]);
    },
  );

  test.each<[string, (tag: string, revision: string) => string]>([
    ["the current tag as a weak one", (tag) => `W/${tag}`],
    ["the first part of the current tag as a weak tag", (_tag, revision) => `W/"${revision}"`],
    ["a list with the current tag first, as a weak tag", (tag) => `W/${tag}, "0"`],
    ["a list with the current tag last, as a weak tag", (tag) => `"0" ,W/${tag}`],
    ["a list with the current tag twice, as a weak tag", (tag) => `W/${tag},W/${tag}`],
    ["a weak prefix in lower case", (tag) => `w/${tag}`],
    ["a weak prefix with a space", (tag) => `W/ ${tag}`],
    ["the current tag after other text", (tag) => `x${tag}`],
  ])(
    "a write with If-Match of a weak or malformed tag, %s, returns 412 with the current tag, and changes nothing",
    async (_name, headerOf) => {
      const [tag, cluster] = [await tagNow(), await present()];
      const header = headerOf(tag, /^"(\d+)/.exec(tag)?.[1] ?? "");
      const response = await write({ "if-match": header });
      expect([response.status, tagOf(response)], response.text).toEqual([412, tag]);
      expect(response.body.message).toContain(tag);
      expect(response.body.message.includes("a weak entity tag")).toBe(header.includes('W/"'));
      expect([await tagNow(), await present()]).toEqual([tag, cluster]);
    },
  );

  test("a write with If-Match of a weak tag and the current strong tag succeeds", async () => {
    const tag = await tagNow();
    const response = await write({ "if-match": `W/${tag}, ${tag}` });
    expect(response.status, response.text).toBeLessThan(205);
  });

  test("one of ten concurrent writes with the same If-Match succeeds, and the others get the new tag", async () => {
    const tag = await tagNow();
    const responses = await Promise.all(Array.from({ length: 10 }, () => write({ "if-match": tag })));
    const statuses = responses.map(({ status }) => status);
    expect(statuses.filter((status) => status < 205)).toHaveLength(1);
    // A cluster that has moved no longer exists at this path.
    expect(statuses.filter((status) => status >= 205).every((status) => status === 412 || status === 404)).toBe(true);
    for (const each of responses.filter(({ status }) => status === 412)) expect(tagOf(each)).not.toBe(tag);
  });
});

describe("the order of If-Match and other checks", () => {
  const stale = { "if-match": '"0"' };

  test("If-Match is checked after missing resources and invalid values, and before conflicts and unreachable versions", async () => {
    expect((await send("PATCH", at("staging"), {}, stale)).status).toBe(404);
    expect((await send("PATCH", at(), { cni: "x" }, stale)).status).toBe(400);
    expect((await send("PATCH", at(), { status: "stopping" }, stale)).status).toBe(412);
    expect((await send("PATCH", at(), { version: "v1.33.4-u-ame.1" }, stale)).status).toBe(412);
    expect((await send("PATCH", at(), { environmentSlug: "nowhere" }, stale)).status).toBe(400);
    expect((await send("PUT", pool, { name: "other" }, stale)).status).toBe(412);
    expect((await send("PUT", pool, { nodeSize: "huge" }, stale)).status).toBe(400);
    expect((await send("DELETE", `${at()}/pools/7`, undefined, stale)).status).toBe(404);
  });

  test("If-Match applies to a request that would change nothing, and to a dry run", async () => {
    expect((await send("PATCH", at(), {}, stale)).status).toBe(412);
    expect((await send("PUT", pool, {}, stale)).status).toBe(412);
    expect((await send("PATCH", `${at()}?dryRun=true`, { cni: "calico" }, stale)).status).toBe(412);
    expect((await send("DELETE", `${pool}?dryRun=true`, undefined, stale)).status).toBe(412);
  });

  test("a write with a tag that was read before another write returns 412", async () => {
    const tag = await present();
    expect((await send("PATCH", at(), { cni: "calico" })).status).toBe(200);
    expect((await send("PATCH", at(), { enableAutoUpgrade: true }, { "if-match": tag })).status).toBe(412);
    const next = await present();
    expect((await send("PUT", pool, { minSize: 2 })).status).toBe(200);
    expect((await send("PATCH", at(), { enableAutoUpgrade: true }, { "if-match": next })).status).toBe(412);
  });
});

describe("a request with Prefer: handling=strict", () => {
  const asks: [string, string, () => string, () => Record<string, unknown>][] = [
    ["creation", "POST", () => tenant.path("production"), () => tenant.creation({ name: "two" })],
    ["change", "PATCH", at, () => ({ cni: "calico" })],
    [
      "move",
      "POST",
      () => tenant.path("one/move"),
      () => ({ currentEnvironment: "production", newEnvironment: "staging" }),
    ],
    ["rule", "POST", () => `${at()}/prometheus-rules-inheritance`, () => ({ environmentPrometheusRules: false })],
    ["new pool", "POST", () => `${at()}/pools`, () => ({ name: "jobs", nodeSize: "t3.medium" })],
    ["changed pool", "PUT", () => pool, () => ({ minSize: 2 })],
  ];
  test.each(asks)(
    "%s with handling=strict names each unknown property, and changes nothing",
    async (_, method, path, body) => {
      const tag = await present();
      const sent = { ...body(), bogus: 1, más: null };
      const refused = await send(method, path(), sent, { prefer: "handling=strict" });
      expect(refused.status, refused.text).toBe(400);
      expect(refused.body.details.map((detail: string) => decodeURIComponent(detail.split(": ")[0] ?? ""))).toEqual([
        "bogus",
        "más",
      ]);
      expect(refused.headers.get("preference-applied")).toBe("handling=strict");
      expect(refused.headers.get("warning")).toBeNull();
      expect(await present()).toBe(tag);
      const known = await send(method, path(), body(), { prefer: "handling=strict" });
      expect([known.status, known.headers.get("preference-applied")]).toEqual([200, "handling=strict"]);
    },
  );

  test.each([
    ["handling=strict", 400],
    ['Handling="strict"', 400],
    ["return=minimal, handling=strict", 400],
    ["handling=strict; wait=1", 400],
    ["handling=lenient", 200],
    ['note="a, handling=strict", handling=lenient', 200],
    ['note="a \\" b, c", handling="strict"', 400],
    ['note="a, handling=strict', 400],
    ["handling=stricter", 200],
    ["strict", 200],
    ["handling=lenient, handling=strict", 200],
    ["x-handling=strict", 200],
  ])("a request with Prefer: %s and an unknown property returns %i", async (prefer, status) => {
    const response = await send("PATCH", at(), { bogus: { deep: 1 } }, { prefer });
    expect(response.status, response.text).toBe(status);
    expect(response.headers.get("preference-applied")).toBe(status === 400 ? "handling=strict" : null);
    expect(response.headers.get("warning")).toEqual(status === 400 ? null : expect.stringMatching(/^299 .*bogus/));
  });

  test("a strict request names unknown properties together with errors, at any depth", async () => {
    const nodePools = [{ name: "web", nodeSize: "t3.medium", bogus: 1 }];
    const body = tenant.creation({ name: "two", nodePools, cni: "x", other: 1 });
    const response = await send("POST", tenant.path("production"), body, { prefer: "handling=strict" });
    const paths = response.body.details.map((detail: string) => detail.split(": ")[0]);
    expect([response.status, paths.toSorted()]).toEqual([400, ["cni", "nodePools[0].bogus", "other"]]);
  });
});
