import * as v from "valibot";
import { beforeAll, describe, expect, test } from "vitest";
import { clusterKey, type Key, pointerKey } from "#core/table/keys.ts";
import { SortObject } from "#functions/api/v1/page.ts";
import { overwrite as overwriteIn } from "#test/support/overwrite.ts";
import { type Json, makeWorld, type Tenant, type TestResponse, type World } from "#test/support/world.ts";

// Environments and clusters whose slugs are prefixes of each other, for which a wrong order is likely.
const ENVIRONMENTS = ["a", "a-b", "a1", "ab", "empty"];
const SLUGS = ["b", "a-b", "a", "a1", "ab", "0", "z"];

let world: World;
let tenant: Tenant;
/** All clusters as `environment/slug`, in the default order. */
const ordered: string[] = ENVIRONMENTS.filter((name) => name !== "empty").flatMap((environment) =>
  SLUGS.toSorted().map((slug) => `${environment}/${slug}`),
);

beforeAll(async () => {
  // Buckets of three, so that few clusters fill many.
  world = await makeWorld({ pageIndex: { bucket: 3, chunk: 2 } });
  tenant = await world.tenant(ENVIRONMENTS);
  const nodePools = [{ name: "p", nodeSize: "t3.medium" }];
  for (const environment of ENVIRONMENTS.filter((name) => name !== "empty")) {
    for (const name of SLUGS) {
      const body = tenant.creation({ name, nodePools });
      const response = await world.send("POST", tenant.path(environment), { token: tenant.admin, body });
      expect(response.status, response.text).toBe(200);
    }
  }
});

const get = (path: string) => world.send("GET", path, { token: tenant.admin });
const list = (query = "", environment?: string) => get(`${tenant.path(environment)}${query}`);

const shownIn = (response: TestResponse): string[] =>
  response.body.content.map((each: Json) => `${each.environmentSlug.slugValue}/${each.slug.slugValue}`);

/** Returns the links of a response, by relation. */
function linksOf(response: TestResponse): Record<string, string> {
  const links = (response.headers.get("link") ?? "")
    .split(", ")
    .map((each) => /^<([^>]*)>; rel="([a-z]+)"$/.exec(each));
  return Object.fromEntries(links.map((match) => [match?.[2] ?? "malformed", match?.[1] ?? ""]));
}

/** Follows a link like a client. */
async function follow(response: TestResponse, relation: string): Promise<TestResponse> {
  const url = new URL(linksOf(response)[relation] ?? "missing:");
  const there = await get(`${url.pathname}${url.search}`);
  expect(there.status, there.text).toBe(200);
  return there;
}

const json = (value: unknown) => `pageable=${encodeURIComponent(JSON.stringify(value))}`;

const overwrite = ({ table }: World, key: Key, name: string, value: unknown) => overwriteIn(table, key, [name], value);

describe("a list of clusters", () => {
  test("a list of clusters has by default the first fifty, by environment slug and cluster slug", async () => {
    const response = await list();
    expect(response.status, response.text).toBe(200);
    const { content, ...page } = response.body;
    expect(shownIn(response)).toEqual(ordered);
    expect(page).toEqual({
      empty: false,
      first: true,
      last: true,
      number: 0,
      numberOfElements: 28,
      pageable: { offset: 0, pageNumber: 0, pageSize: 50, paged: true, sort: [], unpaged: false },
      size: 50,
      sort: [],
      totalElements: 28,
      totalPages: 1,
    });
    expect(Object.keys(linksOf(response)).sort()).toEqual(["first", "last"]);
    expect(response.headers.get("content-type")).toBe("application/json; charset=utf-8");
    const got = await get(tenant.path("a", "0"));
    expect(content[0]).toEqual(got.body);
  });

  test("a list of one environment has only its clusters", async () => {
    const response = await list("", "a");
    expect(shownIn(response)).toEqual(ordered.slice(0, 7));
    expect(response.body).toMatchObject({ totalElements: 7, totalPages: 1 });
    expect((await list("", "mars")).status).toBe(404);
  });

  test("a list of an empty environment is empty, first and last", async () => {
    const response = await list("", "empty");
    const page = { content: [], empty: true, first: true, last: true, numberOfElements: 0 };
    expect(response.body).toMatchObject({ ...page, totalElements: 0, totalPages: 0, sort: [] });
    expect(response.status).toBe(200);
    expect((await follow(response, "first")).body.content).toEqual([]);
    expect((await follow(response, "last")).body.content).toEqual([]);
    expect(Object.keys(linksOf(response)).sort()).toEqual(["first", "last"]);
  });

  test.each([1, 2, 5, 14, 28, 1000])("a list is split into pages of %i, in both directions", async (size) => {
    for (const direction of ["ASC", "DESC"]) {
      const expected = direction === "ASC" ? ordered : ordered.toReversed();
      for (let page = 0; page * size < 28 + size; page++) {
        const response = await list(`?pageNumber=${page}&pageSize=${size}&sortDirection=${direction}`);
        expect(shownIn(response)).toEqual(expected.slice(page * size, page * size + size));
        expect(response.body).toMatchObject({
          totalElements: 28,
          totalPages: Math.ceil(28 / size),
          number: page,
          size,
        });
        expect(response.body.pageable).toMatchObject({ offset: page * size, pageNumber: page, pageSize: size });
        expect(response.body).toMatchObject({ first: page === 0, last: (page + 1) * size >= 28 });
        expect(response.body.empty).toBe(response.body.content.length === 0);
        expect(response.body.numberOfElements).toBe(response.body.content.length);
      }
    }
  });

  test.each(["ASC", "DESC"])("a list with sortDirection %s names both default sort keys", async (direction) => {
    const { body } = await list(`?sortDirection=${direction}`);
    const rest = { ascending: direction === "ASC", direction, ignoreCase: false, nullHandling: "NATIVE" };
    const sort = ["environmentSlug", "slug"].map((property) => ({ ...rest, property }));
    expect(body.sort).toEqual(sort);
    expect(body.pageable.sort).toEqual(sort);
    v.parse(v.array(v.strictObject(SortObject.entries)), body.sort);
  });

  test.each([
    ["?page=2&size=5"],
    ["?pageNumber=2&page=2&size=5&pageSize=5"],
    [`?${json({ pageNumber: 2, pageSize: 5 })}`],
    [`?${json({ page: 2, size: 5, pageNumber: null, sort: null })}`],
    [`?${json({ page: 2 })}&size=5`],
    [`?${json({ page: 2, pageSize: 5 })}&pageNumber=2`],
    [`?${json({ pageNumber: 2, pageSize: 5, sortDirection: "ASC" })}&sortDirection=ASC`],
  ])("a list accepts the parameters %s", async (query) => {
    const response = await list(query);
    expect(response.status, response.text).toBe(200);
    expect(shownIn(response)).toEqual(ordered.slice(10, 15));
    expect(response.headers.get("warning")).toBeNull();
    expect(shownIn(await follow(response, "next"))).toEqual(ordered.slice(15, 20));
  });

  test("a list accepts the sort order inside pageable", async () => {
    const response = await list(`?${json({ sortDirection: "DESC", size: 3 })}`);
    expect(shownIn(response)).toEqual(ordered.toReversed().slice(0, 3));
    expect(shownIn(await follow(response, "next"))).toEqual(ordered.toReversed().slice(3, 6));
  });

  const BAD: [query: string, path: string, says?: RegExp][] = [
    ["pageSize=0", "pageSize"],
    ["pageSize=1001", "pageSize", /\b1000\b/],
    ["size=1001", "size", /\b1000\b/],
    ["pageSize=-1", "pageSize"],
    ["pageSize=1.5", "pageSize"],
    ["pageSize=1e2", "pageSize"],
    ["pageSize=0x10", "pageSize"],
    ["pageSize=", "pageSize"],
    ["pageSize=ten", "pageSize"],
    ["pageSize=%201", "pageSize"],
    ["pageNumber=-1", "pageNumber"],
    ["page=first", "page"],
    ["pageNumber=99999999999999999999", "pageNumber"],
    ["sortDirection=DOWN", "sortDirection", /ASC.*DESC/],
    ["sortDirection=", "sortDirection"],
    ["includeDetails=yes", "includeDetails", /true.*false/],
    ["includeDetails=TRUE", "includeDetails"],
    ["includeDetails=", "includeDetails"],
    ["show-compute=1", "show-compute"],
    ["pageNumber=1&pageNumber=1", "pageNumber"],
    ["size=5&size=6", "size"],
    ["sortDirection=ASC&sortDirection=ASC", "sortDirection"],
    ["includeDetails=true&includeDetails=true", "includeDetails"],
    ["show-compute=true&show-compute=false", "show-compute"],
    [`${json({})}&${json({})}`, "pageable"],
    ["pageNumber=1&page=2", "page"],
    ["page=2&pageNumber=1", "page(Number)?"],
    ["pageSize=5&size=6", "size"],
    [`pageSize=5&${json({ pageSize: 6 })}`, "pageable\\.pageSize"],
    [`sortDirection=ASC&${json({ sortDirection: "DESC" })}`, "pageable\\.sortDirection"],
    [json({ page: 1, pageNumber: 2 }), "pageable\\.page(Number)?"],
    [json({ pageSize: 1001 }), "pageable\\.pageSize", /\b1000\b/],
    [json({ pageSize: true }), "pageable\\.pageSize"],
    [json({ pageSize: {} }), "pageable\\.pageSize"],
    [json({ pageNumber: 1.5 }), "pageable\\.pageNumber"],
    [json({ sortDirection: 1 }), "pageable\\.sortDirection"],
    ["pageable=7", "pageable", /object/],
    ["pageable=[]", "pageable", /object/],
    ["pageable=null", "pageable", /object/],
    ["pageable=", "pageable", /object/],
    ["pageable=%7B", "pageable", /object/],
    ["sort=color", "sort", /name, slug, createdAt, modifiedAt, status, version, region, cloudProvider/],
    ["sort=", "sort", /name, slug/],
    ["sort=name,down", "sort", /,asc or ,desc/],
    ["sort=name,slug", "sort"],
    [json({ sort: "colour,asc" }), "pageable\\.sort", /name, slug/],
    ["status=gone", "status", /new, provisioning/],
    ["maintenanceSchedule=weekend", "maintenanceSchedule", /uuid/],
    ["region=a&region=b", "region"],
  ];

  test.each(BAD)("a list with %s is refused and names %s", async (query, path, says = /./) => {
    for (const environment of [undefined, "a"]) {
      const response = await list(`?${query}`, environment);
      expect(response.status, response.text).toBe(400);
      expect(response.body.details).toEqual([expect.stringMatching(new RegExp(`^${path}: `))]);
      expect(response.body.message).toBe(response.body.details[0]);
      expect(response.body.message).toMatch(says);
    }
  });

  test("a list with several invalid parameters reports all of them", async () => {
    const { status, body } = await list(
      "?pageSize=0&page=x&sortDirection=UP&includeDetails=2&sort=nothing&status=gone",
    );
    expect(status).toBe(400);
    const paths = body.details.map((detail: string) => detail.split(": ")[0]);
    expect(paths.sort()).toEqual(["includeDetails", "page", "pageSize", "sort", "sortDirection", "status"]);
    expect(body.message).toBe(`${body.details[0]} (and 5 more)`);
  });

  test("a list accepts a query of 4 KB and refuses a longer one", async () => {
    const unknown = "x=".padEnd(4096, "y");
    expect((await list(`?${unknown}`)).status).toBe(200);
    const response = await list(`?${unknown}y`);
    expect(response.status).toBe(400);
    expect(response.body.message).toMatch(/query.*4 ?KB|4096/);
  });

  test("a list with unknown parameters, also inside pageable, returns them in warnings", async () => {
    const response = await list(`?foo=1&Page=2&${json({ bar: 1, size: 2 })}`);
    expect(shownIn(response)).toEqual(ordered.slice(0, 2));
    const warning = response.headers.get("warning") ?? "";
    expect(warning).toMatch(/^299 /);
    for (const name of ["foo", "Page", "bar"]) expect(warning).toMatch(new RegExp(`\\b${name}\\b`));
    expect(warning).not.toContain("size");
  });

  test("the links of a list to its neighbour pages are absolute and have its other parameters", async () => {
    const query = "?show-compute=true&foo=a%26b%3D%C3%A9&page=1&size=5&sortDirection=DESC";
    const response = await list(query, "a");
    const links = linksOf(response);
    expect(Object.keys(links).sort()).toEqual(["first", "last", "prev"]);
    for (const [relation, link] of Object.entries(links)) {
      const url = new URL(link);
      expect(`${url.origin}${url.pathname}`).toBe(`http://localhost${tenant.path("a")}`);
      expect(url.searchParams.getAll("show-compute")).toEqual(["true"]);
      expect(url.searchParams.getAll("foo")).toEqual(["a&b=é"]);
      const there = await follow(response, relation);
      expect(there.body.number).toBe(relation === "last" ? 1 : 0);
      expect(there.body.content[0].cpu).toBe(2);
    }
    const middle = linksOf(await list("?page=1&size=5"));
    expect(Object.keys(middle).sort()).toEqual(["first", "last", "next", "prev"]);
  });

  test.each(["ASC", "DESC"])("the links of a list lead from end to end, %s", async (direction) => {
    const expected = direction === "ASC" ? ordered : ordered.toReversed();
    const found: string[] = [];
    let response = await list(`?size=5&sortDirection=${direction}`);
    const first = response.body;
    for (;;) {
      found.push(...shownIn(response));
      if (linksOf(response).next === undefined) break;
      response = await follow(response, "next");
    }
    expect(found).toEqual(expected);
    expect(response.body.last).toBe(true);
    expect((await follow(response, "first")).body).toEqual(first);
    while (linksOf(response).prev !== undefined) {
      response = await follow(response, "prev");
      expect(shownIn(response)).toEqual(found.slice(response.body.number * 5, response.body.number * 5 + 5));
    }
    expect(response.body).toEqual(first);
  });

  test.each([6, 7, 2 ** 31 - 1])(
    "page %i past the end is empty and last, and its prev link leads to the last page",
    async (at) => {
      const response = await list(`?page=${at}&size=5`);
      expect(response.status, response.text).toBe(200);
      const page = { content: [], empty: true, first: false, last: true, number: at, numberOfElements: 0 };
      expect(response.body).toMatchObject({ ...page, totalElements: 28, totalPages: 6 });
      expect(Object.keys(linksOf(response)).sort()).toEqual(["first", "last", "prev"]);
      expect((await follow(response, "prev")).body.number).toBe(5);
      expect((await follow(response, "last")).body.number).toBe(5);
    },
  );

  test("a list shows compute and details only on request", async () => {
    const { identity } = (await get(tenant.path("a", "0"))).body;
    const actualState = { collectedAt: "2026-11-23T10:00:00.123Z", status: "started", version: "v1.34.4-u-ame.2" };
    await overwrite(world, pointerKey(identity), "observation", actualState);
    for (const environment of [undefined, "a"]) {
      const shown = async (query: string) => (await list(query, environment)).body.content;
      const [plain, next] = await shown("");
      for (const name of ["cpu", "memory", "actualState"]) expect(plain).not.toHaveProperty(name);
      const [first, second] = await shown("?show-compute=true&includeDetails=true&size=2");
      expect(first).toEqual({ ...plain, cpu: 2, memory: 4096, actualState });
      expect(second).toEqual({ ...next, cpu: 2, memory: 4096 });
      expect((await shown("?show-compute=false&includeDetails=false"))[0]).toEqual(plain);
    }
  });

  test("a list shows a slug's current owner first, then its deleting clusters by identity, and counts them all", async () => {
    // A slug and its deleting clusters share a bucket, for which three places are not enough.
    const roomy = await makeWorld();
    const other = await roomy.tenant(["production"]);
    const path = other.path("production");
    const send = async (name: string) => {
      const response = await roomy.send("POST", path, { token: other.admin, body: other.creation({ name }) });
      expect(response.status, response.text).toBe(200);
      return response.body.identity;
    };
    const made: string[] = [];
    for (let count = 0; count < 5; count++) {
      if (count > 0) await overwrite(roomy, clusterKey(other.slug, "production", "same"), "status", "deleting");
      made.push(await send("same"));
    }
    await send("same-1");
    await send("a");
    const identities = async (query: string) => {
      const { body } = await roomy.send("GET", `${path}${query}`, { token: other.admin });
      expect(body.totalElements).toBe(7);
      return body.content.map((each: Json) => (each.slug.slugValue === "same" ? each.identity : each.slug.slugValue));
    };
    const expected = ["a", made[4], ...made.slice(0, 4).sort(), "same-1"];
    expect(await identities("")).toEqual(expected);
    expect(await identities("?sortDirection=DESC")).toEqual(expected.toReversed());
    expect(await identities("?size=2&page=1")).toEqual(expected.slice(2, 4));
  });

  test("a list over 4 MB returns 400 with a smaller pageSize, which then succeeds", async () => {
    const there = await world.tenant(["production"]);
    const path = there.path("production");
    // Far larger than an allowed cluster, so that 16 clusters are enough, not 400.
    const customValues = Object.fromEntries(Array.from({ length: 50 }, (_, at) => [`k${at}`, "x".repeat(1_000)]));
    const addons = Object.fromEntries([..."abcdef"].map((name) => [name, { customValues }]));
    for (let at = 0; at < 16; at++) {
      const body = there.creation({ name: `c${at}` });
      expect((await world.send("POST", path, { token: there.admin, body })).status).toBe(200);
      await overwrite(world, clusterKey(there.slug, "production", `c${at}`), "addons", addons);
    }
    const response = await world.send("GET", path, { token: there.admin });
    expect(response.status).toBe(400);
    expect(response.body.message).toMatch(/smaller pageSize/);
    expect(response.body.details).toEqual([response.body.message]);
    const smaller = await world.send("GET", `${path}?pageSize=10`, { token: there.admin });
    expect(smaller.status).toBe(200);
    expect(smaller.body).toMatchObject({ numberOfElements: 10, totalElements: 16 });
  });
});
