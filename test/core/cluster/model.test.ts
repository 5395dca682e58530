import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import { slugOf } from "#core/slug.ts";
import { expectInvariants } from "#test/support/invariants.ts";
import { type Json, makeWorld, type Tenant, type World } from "#test/support/world.ts";

const ENVIRONMENTS = ["a", "b"] as const;
type Environment = (typeof ENVIRONMENTS)[number];

interface Cluster {
  identity: string;
  environment: Environment;
  slug: string;
  deleting: boolean;
  /** Whether a later cluster took the slug of this deleting one. */
  displaced: boolean;
  autoUpgrade: boolean;
  pools: Map<string, number>;
}

/** Everything as it must be, told by what was answered. */
class Model {
  readonly clusters: Cluster[] = [];

  present(environment: string, slug: string): Cluster | undefined {
    return this.clusters.find((each) => each.environment === environment && each.slug === slug && !each.displaced);
  }

  /** Makes room at a place, if it can be taken. */
  take(environment: string, slug: string): boolean {
    const holder = this.present(environment, slug);
    if (holder !== undefined && !holder.deleting) return false;
    if (holder !== undefined) holder.displaced = true;
    return true;
  }

  ordered(): string[] {
    const key = (each: Cluster) => `${each.environment}#${each.slug}${each.displaced ? `#${each.identity}` : ""}`;
    const byText = (one: string, other: string) => (one < other ? -1 : one > other ? 1 : 0);
    return [...this.clusters].sort((one, other) => byText(key(one), key(other))).map(({ identity }) => identity);
  }
}

const place = {
  environment: fc.constantFrom(...ENVIRONMENTS),
  name: fc.constantFrom("one", "One", "two", "t-3", "t 3"),
};
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("create" as const), ...place }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("update" as const), ...place, autoUpgrade: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("delete" as const), ...place }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("move" as const),
      ...place,
      to: fc.constantFrom(...ENVIRONMENTS),
      patch: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("add pool" as const), ...place, pool: fc.constantFrom("x", "y") }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("remove pool" as const), ...place, pool: fc.constantFrom("x", "y") }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("list" as const),
      ...place,
      query: fc.constantFrom("", "?sortDirection=DESC", "?pageSize=3&pageNumber=1", "?sort=slug", "?status=deleting"),
    }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

let world: World;

beforeAll(async () => {
  world = await makeWorld({ pageIndex: { bucket: 40, chunk: 4 } });
});

/** Sends a step as one of several users, and holds its answer against the model. */
async function run(tenant: Tenant, token: string, model: Model, given: Step): Promise<void> {
  const { environment, name } = given;
  const slug = slugOf(name);
  const path = tenant.path(environment, slug);
  const cluster = model.present(environment, slug);
  const send = async (method: string, to: string, body: unknown, status: number): Promise<Json> => {
    const answer = await world.send(method, to, { token, ...(body === undefined ? {} : { body }) });
    expect(answer.status, `${JSON.stringify(given)} ${answer.text}`).toBe(status);
    return answer.body;
  };

  switch (given.kind) {
    case "create": {
      const isFree = cluster === undefined || cluster.deleting;
      const made = await send("POST", tenant.path(environment), tenant.creation({ name }), isFree ? 200 : 409);
      if (!isFree) return;
      model.take(environment, slug);
      const { identity } = made;
      const fresh = { deleting: false, displaced: false, autoUpgrade: false, pools: new Map() };
      model.clusters.push({ identity, environment, slug, ...fresh });
      return;
    }
    case "update": {
      const { autoUpgrade } = given;
      const changes = cluster !== undefined && cluster.autoUpgrade !== autoUpgrade;
      const status = cluster === undefined ? 404 : cluster.deleting && changes ? 409 : 200;
      const answered = await send("PATCH", path, { enableAutoUpgrade: autoUpgrade }, status);
      if (status !== 200 || cluster === undefined) return;
      cluster.autoUpgrade = autoUpgrade;
      expect(answered).toMatchObject({ identity: cluster.identity, autoUpgrade });
      return;
    }
    case "delete": {
      await send("PATCH", path, { status: "deleting" }, cluster === undefined ? 404 : 200);
      if (cluster !== undefined) cluster.deleting = true;
      return;
    }
    case "move": {
      const { to, patch } = given;
      const holder = to === environment ? undefined : model.present(to, slug);
      const refused = to !== environment && (cluster?.deleting === true || (holder !== undefined && !holder.deleting));
      const status = cluster === undefined ? 404 : refused ? 409 : 200;
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
      const { content, totalElements } = await send("GET", `${tenant.path()}${given.query}`, undefined, 200);
      const identities = content.map(({ identity }: { identity: string }) => identity);
      const all = model.ordered();
      if (given.query === "?sort=slug") expect([...identities].sort()).toEqual([...all].sort());
      else if (given.query === "?status=deleting") {
        expect(identities).toEqual(all.filter((each) => model.clusters.find((c) => c.identity === each)?.deleting));
      } else if (given.query === "?sortDirection=DESC") expect(identities).toEqual(all.reverse());
      else expect(identities).toEqual(given.query === "" ? all : all.slice(3, 6));
      if (given.query !== "?status=deleting") expect(totalElements).toBe(all.length);
    }
  }
}

test("any sequence of writes and lists by several users answers as the model does, and all counters agree", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(step, fc.nat(1)), { minLength: 15, maxLength: 45 }), async (steps) => {
      const tenant = await world.tenant(ENVIRONMENTS);
      const tokens = [tenant.admin, (await tenant.person("admin")).token];
      const model = new Model();
      for (const [each, user] of steps) await run(tenant, tokens[user] ?? tenant.admin, model, each);
      await expectInvariants(world.services, tenant.slug);
    }),
    { numRuns: 25, endOnFailure: true },
  );
});

test("two writers at once on one cluster lose nothing; held to a tag, one of them is told", async () => {
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
