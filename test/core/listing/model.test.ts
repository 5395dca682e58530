import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import { compareText } from "#core/shared/order.ts";
import { slugOf } from "#core/shared/slug.ts";
import { expectInvariants } from "#test/support/invariants.ts";
import { makeWorld, type Tenant, type World } from "#test/support/world.ts";

/** Number of random sequences. `MODEL_RUNS` sets more. */
const RUNS = Number(process.env.MODEL_RUNS ?? 6);

const ENVIRONMENTS = ["a", "a-b", "ab", "b"] as const;
type Environment = (typeof ENVIRONMENTS)[number];

/** Caller, with the environments that the caller can access. */
const LOOKERS = [
  { role: "admin", overrides: {}, sees: ["a", "a-b", "ab", "b"] },
  { role: "viewer", overrides: { "a-b": "none" }, sees: ["a", "ab", "b"] },
  { role: "billing-admin", overrides: { a: "viewer", b: "admin" }, sees: ["a", "b"] },
  { role: "developer", overrides: { a: "none", "a-b": "none", ab: "none", b: "none" }, sees: [] },
] as const;

type Step =
  | { kind: "create"; environment: Environment; name: string }
  | {
      kind: "list";
      looker: number;
      environment: Environment | undefined;
      size: number;
      page: number;
      descending: boolean | undefined;
    };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("create" as const),
      environment: fc.constantFrom(...ENVIRONMENTS),
      name: fc.stringMatching(/^[a-cA-C0-1][a-c0-1 &-]{0,4}$/),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("list" as const),
      looker: fc.nat(LOOKERS.length - 1),
      environment: fc.option(fc.constantFrom(...ENVIRONMENTS), { nil: undefined }),
      size: fc.integer({ min: 1, max: 12 }),
      page: fc.nat(6),
      descending: fc.constantFrom(undefined, false, true),
    }),
  },
);

/** Expected list: every cluster as environment and slug. */
class Model {
  readonly clusters: { environment: string; slug: string }[] = [];

  create(environment: string, name: string): boolean {
    const slug = slugOf(name);
    if (this.clusters.some((each) => each.environment === environment && each.slug === slug)) return false;
    this.clusters.push({ environment, slug });
    return true;
  }

  list(sees: readonly string[], environment: string | undefined, descending: boolean): string[] {
    const ordered = this.clusters
      .filter((each) => sees.includes(each.environment) && (environment ?? each.environment) === each.environment)
      .sort((one, other) => compareText(one.environment, other.environment) || compareText(one.slug, other.slug))
      .map((each) => `${each.environment}/${each.slug}`);
    return descending ? ordered.reverse() : ordered;
  }
}

let world: World;

beforeAll(async () => {
  world = await makeWorld({ pageIndex: { bucket: 3, chunk: 3 } });
});

async function run(tenant: Tenant, tokens: readonly string[], model: Model, given: Step): Promise<void> {
  if (given.kind === "create") {
    const { environment, name } = given;
    const response = await world.send("POST", tenant.path(environment), {
      token: tenant.admin,
      body: tenant.creation({ name }),
    });
    expect(response.status, response.text).toBe(model.create(environment, name) ? 200 : 409);
    return;
  }
  const { looker, environment, size, page, descending } = given;
  const query = `pageSize=${size}&pageNumber=${page}${descending === undefined ? "" : `&sortDirection=${descending ? "DESC" : "ASC"}`}`;
  const response = await world.send("GET", `${tenant.path(environment)}?${query}`, { token: tokens[looker] });
  const { sees } = LOOKERS[looker] ?? { sees: [] };
  if (environment !== undefined && !(sees as readonly string[]).includes(environment)) {
    expect(response.status).toBe(403);
    return;
  }
  expect(response.status, response.text).toBe(200);
  const all = model.list(sees, environment, descending === true);
  const content = response.body.content.map(
    (each: { environmentSlug: { slugValue: string }; slug: { slugValue: string } }) =>
      `${each.environmentSlug.slugValue}/${each.slug.slugValue}`,
  );
  expect(content).toEqual(all.slice(page * size, page * size + size));
  const totalPages = Math.ceil(all.length / size);
  expect(response.body).toMatchObject({
    totalElements: all.length,
    totalPages,
    number: page,
    size,
    numberOfElements: content.length,
    first: page === 0,
    last: page >= totalPages - 1,
    empty: content.length === 0,
  });
}

test("any sequence of creates and lists, by callers with access to different environments, gives the model's responses", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 60 }), async (steps) => {
      const tenant = await world.tenant(ENVIRONMENTS);
      const tokens: string[] = [];
      for (const { role, overrides } of LOOKERS) tokens.push((await tenant.person(role, { ...overrides })).token);
      const model = new Model();
      for (const each of steps) await run(tenant, tokens, model, each);
      await expectInvariants(world.services, tenant.slug);
    }),
    { numRuns: RUNS, endOnFailure: true },
  );
});

test("pages of every size cover the whole list once, in both directions", async () => {
  const tenant = await world.tenant(ENVIRONMENTS);
  const model = new Model();
  for (let number = 0; number < 30; number++) {
    const environment = ENVIRONMENTS[(number * 7) % 4] ?? "a";
    await run(tenant, [], model, { kind: "create", environment, name: `c${(number * 11) % 30}` });
  }
  for (let size = 1; size <= 31; size++) {
    for (const descending of [false, true]) {
      for (let page = 0; page * size <= 30; page++) {
        await run(tenant, [tenant.admin], model, {
          kind: "list",
          looker: 0,
          environment: undefined,
          size,
          page,
          descending,
        });
      }
    }
  }
});
