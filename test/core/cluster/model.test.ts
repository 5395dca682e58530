import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import { sortable } from "#core/cluster/operations/search.ts";
import { compareText } from "#core/shared/order.ts";
import { slugOf } from "#core/shared/slug.ts";
import { expectInvariants } from "#test/support/invariants.ts";
import { type Json, makeWorld, type Tenant, type World } from "#test/support/world.ts";

const ENVIRONMENTS = ["a", "b"] as const;
type Environment = (typeof ENVIRONMENTS)[number];

interface Cluster {
  identity: string;
  environment: Environment;
  slug: string;
  deleting: boolean;
  /** True if a later cluster took the slug of this deleting cluster. */
  displaced: boolean;
  name: string;
  autoUpgrade: boolean;
  version: string;
  pools: Map<string, number>;
}

/** Expected state, derived from the responses. */
class Model {
  readonly clusters: Cluster[] = [];

  present(environment: string, slug: string): Cluster | undefined {
    return this.clusters.find((each) => each.environment === environment && each.slug === slug && !each.displaced);
  }

  /** Reserves a slug if it is available. */
  take(environment: string, slug: string): boolean {
    const holder = this.present(environment, slug);
    if (holder !== undefined && !holder.deleting) return false;
    if (holder !== undefined) holder.displaced = true;
    return true;
  }

  ordered(): Cluster[] {
    const key = (each: Cluster) => `${each.environment}#${each.slug}${each.displaced ? `#${each.identity}` : ""}`;
    return [...this.clusters].sort((one, other) => compareText(key(one), key(other)));
  }
}

const VERSIONS = ["v1.34.3-u-ame.1", "v1.34.4-u-ame.1", "v1.34.4-u-ame.2"];

/** Returns true if a cluster matches a filter. */
const FILTERS: Record<string, (value: string, cluster: Cluster) => boolean> = {
  status: (value, { deleting }) => value === (deleting ? "deleting" : "new"),
  version: (value, { version }) => value === version,
  name: (value, { name }) => name.startsWith(value),
  region: (value) => value === "eu-west-1",
  cloudProvider: (value) => value === "aws",
};

const clusterPath = {
  environment: fc.constantFrom(...ENVIRONMENTS),
  name: fc.constantFrom("one", "One", "two", "t-3", "t 3"),
};
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("create" as const), ...clusterPath }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("update" as const),
      ...clusterPath,
      autoUpgrade: fc.boolean(),
      version: fc.constantFrom(...VERSIONS),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("delete" as const), ...clusterPath }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("move" as const),
      ...clusterPath,
      to: fc.constantFrom(...ENVIRONMENTS),
      patch: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("add pool" as const), ...clusterPath, pool: fc.constantFrom("x", "y") }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("remove pool" as const),
      ...clusterPath,
      pool: fc.constantFrom("x", "y"),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("list" as const),
      ...clusterPath,
      sort: fc.option(fc.constantFrom(...sortable), { nil: undefined }),
      way: fc.constantFrom("ASC", "DESC"),
      filter: fc.constantFrom(
        ...(["", "", "", "status=deleting", "status=new", "name=t", "name=One"] as const),
        ...(["region=eu-west-1", "region=mars", "cloudProvider=aws", `version=${VERSIONS[1]}`] as const),
      ),
      size: fc.integer({ min: 1, max: 12 }),
      page: fc.nat(3),
    }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

let world: World;

beforeAll(async () => {
  world = await makeWorld({ pageIndex: { bucket: 40, chunk: 4 } });
});

interface User {
  token: string;
  isAdmin: boolean;
}

/** Sends a step as one of several users, and compares its response with the model. */
async function run(tenant: Tenant, { token, isAdmin }: User, model: Model, given: Step): Promise<void> {
  const { environment, name } = given;
  const slug = slugOf(name);
  const path = tenant.path(environment, slug);
  const cluster = model.present(environment, slug);
  const send = async (method: string, to: string, body: unknown, status: number): Promise<Json> => {
    const response = await world.send(method, to, { token, ...(body === undefined ? {} : { body }) });
    expect(response.status, `${JSON.stringify(given)} ${response.text}`).toBe(status);
    return response.body;
  };

  switch (given.kind) {
    case "create": {
      const isFree = cluster === undefined || cluster.deleting;
      const made = await send("POST", tenant.path(environment), tenant.creation({ name }), isFree ? 200 : 409);
      if (!isFree) return;
      model.take(environment, slug);
      const { identity } = made;
      const fresh = { deleting: false, displaced: false, autoUpgrade: false, version: made.version, pools: new Map() };
      model.clusters.push({ identity, environment, slug, name, ...fresh });
      return;
    }
    case "update": {
      const { autoUpgrade, version } = given;
      const changes = cluster !== undefined && (cluster.autoUpgrade !== autoUpgrade || cluster.version !== version);
      const status = cluster === undefined ? 404 : cluster.deleting && changes ? 409 : 200;
      const answered = await send("PATCH", path, { enableAutoUpgrade: autoUpgrade, version }, status);
      if (status !== 200 || cluster === undefined) return;
      Object.assign(cluster, { autoUpgrade, version });
      expect(answered).toMatchObject({ identity: cluster.identity, autoUpgrade, version });
      return;
    }
    case "delete": {
      const status = isAdmin ? (cluster === undefined ? 404 : 200) : 403;
      await send("PATCH", path, { status: "deleting" }, status);
      if (status === 200 && cluster !== undefined) cluster.deleting = true;
      return;
    }
    case "move": {
      const { to, patch } = given;
      const holder = to === environment ? undefined : model.present(to, slug);
      const refused = to !== environment && (cluster?.deleting === true || (holder !== undefined && !holder.deleting));
      // A PATCH to the present location requests no move.
      const mayAsk = isAdmin || (patch && to === environment);
      const status = mayAsk ? (cluster === undefined ? 404 : refused ? 409 : 200) : 403;
      if (patch) await send("PATCH", path, { environmentSlug: to }, status);
      else {
        const body = { currentEnvironment: environment, newEnvironment: to };
        await send("POST", `${tenant.path()}/${slug}/move`, body, status);
      }
      if (status !== 200 || cluster === undefined || to === environment) return;
      model.take(to, slug);
      cluster.environment = to;
      return;
    }
    case "add pool": {
      const held = cluster?.pools.has(given.pool) === true;
      const status = cluster === undefined ? 404 : cluster.deleting || held ? 409 : 200;
      const made = await send("POST", `${path}/pools`, { name: given.pool, nodeSize: "t3.medium", minSize: 2 }, status);
      if (status === 200) cluster?.pools.set(given.pool, made.id);
      return;
    }
    case "remove pool": {
      const id = cluster?.pools.get(given.pool);
      await send("DELETE", `${path}/pools/${id ?? 1}`, undefined, id === undefined ? 404 : 204);
      cluster?.pools.delete(given.pool);
      return;
    }
    case "list": {
      const { sort, way, filter, size, page } = given;
      const order = sort === undefined ? `sortDirection=${way}` : `sort=${sort},${way.toLowerCase()}`;
      const query = `?${[order, ...(filter === "" ? [] : [filter])].join("&")}`;
      const whole = await send("GET", `${tenant.path()}${query}&size=1000`, undefined, 200);
      const [by = "", value = ""] = filter.split("=");
      const wanted = model.ordered().filter((each) => FILTERS[by]?.(value, each) ?? true);
      if (sort === undefined && way === "DESC") wanted.reverse();
      const shown = new Map<string, Json>(whole.content.map((each: Json) => [each.identity, each]));
      const rank = ({ identity }: Cluster) => textOf(shown.get(identity)?.[sort ?? ""]);
      if (sort !== undefined) {
        wanted.sort((one, other) => compareText(rank(one), rank(other)) * (way === "DESC" ? -1 : 1));
      }
      expect(identitiesOf(whole)).toEqual(wanted.map(({ identity }) => identity));
      expect(whole.totalElements).toBe(wanted.length);
      const part = await send("GET", `${tenant.path()}${query}&size=${size}&page=${page}`, undefined, 200);
      expect(part.content).toEqual(whole.content.slice(page * size, (page + 1) * size));
      expect(part.totalElements).toBe(wanted.length);
    }
  }
}

const identitiesOf = ({ content }: Json): string[] => content.map(({ identity }: Json) => identity);

/** Returns a shown property as text. These versions have the same order as their texts. */
const textOf = (shown: Json): string => (typeof shown === "object" ? shown.slugValue : String(shown));

test("any sequence of writes and lists by several users gives the model's responses, and all counters agree", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(step, fc.nat(2)), { minLength: 15, maxLength: 45 }), async (steps) => {
      const tenant = await world.tenant(ENVIRONMENTS);
      const users = [
        { token: tenant.admin, isAdmin: true },
        { token: (await tenant.person("admin")).token, isAdmin: true },
        { token: (await tenant.person("developer")).token, isAdmin: false },
      ] as const;
      const model = new Model();
      for (const [each, user] of steps) await run(tenant, users[user] ?? users[0], model, each);
      await expectInvariants(world.services, tenant.slug);
    }),
    { numRuns: 25, endOnFailure: true },
  );
});

test("two concurrent writers of one cluster lose no change; with If-Match one of them is refused", async () => {
  const tenant = await world.tenant(ENVIRONMENTS);
  await world.send("POST", tenant.path("a"), { token: tenant.admin, body: tenant.creation({ name: "one" }) });
  const path = tenant.path("a", "one");
  const patch = (body: object, headers: Record<string, string> = {}) =>
    world.send("PATCH", path, { token: tenant.admin, body, headers });
  const free = await Promise.all([patch({ enableAutoUpgrade: true }), patch({ deleteProtection: true })]);
  expect(free.map(({ status }) => status)).toEqual([200, 200]);
  const { body, headers } = await world.send("GET", path, { token: tenant.admin });
  expect(body).toMatchObject({ autoUpgrade: true, deleteProtection: true });
  const held = { "if-match": headers.get("etag") ?? "" };
  const bound = await Promise.all([
    patch({ enableAutoUpgrade: false }, held),
    patch({ deleteProtection: false }, held),
  ]);
  expect(bound.map(({ status }) => status).sort()).toEqual([200, 412]);
});
