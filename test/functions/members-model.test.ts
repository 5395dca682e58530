import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import { createToken } from "#core/admin/personal-tokens.ts";
import { MEMBER_PREFIX, organisationKey } from "#core/table/keys.ts";
import { memberEntity } from "#core/tenancy/member.ts";
import { roles } from "#core/tenancy/role.ts";
import { expectInvariants } from "#test/support/invariants.ts";
import { type Json, makeWorld, type Tenant, type World } from "#test/support/world.ts";

/** Number of random histories. */
const RUNS = Number(process.env.MODEL_RUNS ?? 8);

const ENVIRONMENTS = ["production", "staging"] as const;
type Environment = (typeof ENVIRONMENTS)[number];
type Role = (typeof roles)[number];
type EnvironmentRole = Role | "none";

/** Person who can be a member; the first one is the admin at the start. */
interface Person {
  user: string;
  email: string;
  token: string;
}

/** Membership in the model. */
interface Member {
  role: Role;
  overrides: Partial<Record<Environment, EnvironmentRole>>;
}
type Model = Map<number, Member>;

type Step = { by: number; of: number } & (
  | { kind: "add"; role: Role }
  | { kind: "change"; role: Role }
  | { kind: "remove" }
  | { kind: "override"; environment: Environment; role: EnvironmentRole }
  | { kind: "inherit"; environment: Environment }
);

const PEOPLE = 4;
const person = fc.nat(PEOPLE - 1);
// Most roles are admin, so that many steps are about the last one.
const role = fc.oneof({ weight: 3, arbitrary: fc.constant<Role>("admin") }, fc.constantFrom(...roles));
const environment = fc.constantFrom(...ENVIRONMENTS);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant("add" as const), by: person, of: person, role }),
  fc.record({ kind: fc.constant("change" as const), by: person, of: person, role }),
  fc.record({ kind: fc.constant("remove" as const), by: person, of: person }),
  fc.record({
    kind: fc.constant("override" as const),
    by: person,
    of: person,
    environment,
    role: fc.constantFrom<EnvironmentRole>(...roles, "none"),
  }),
  fc.record({ kind: fc.constant("inherit" as const), by: person, of: person, environment }),
);

/** Slow and obvious rules: applies a step to the model. @returns the status that the request must have */
function apply(model: Model, { by, of, ...what }: Step): number {
  if (model.get(by)?.role !== "admin") return 403;
  const member = model.get(of);
  if (what.kind === "add") {
    if (member !== undefined) return 409;
    model.set(of, { role: what.role, overrides: {} });
    return 200;
  }
  if (member === undefined) return 404;
  const admins = [...model.values()].filter((each) => each.role === "admin").length;
  const isLast = member.role === "admin" && admins === 1;
  switch (what.kind) {
    case "change":
      if (isLast && what.role !== "admin") return 409;
      member.role = what.role;
      return 200;
    case "remove":
      if (isLast) return 409;
      model.delete(of);
      return 204;
    case "override":
      member.overrides[what.environment] = what.role;
      return 200;
    case "inherit":
      if (member.overrides[what.environment] === undefined) return 404;
      delete member.overrides[what.environment];
      return 204;
  }
}

let world: World;

beforeAll(async () => {
  world = await makeWorld();
});

/** Organisation with people, of whom only the first one is a member. */
async function makePeople(): Promise<{ tenant: Tenant; people: Person[] }> {
  const tenant = await world.tenant(ENVIRONMENTS);
  const own = await world.send("GET", `/api/v1/organisations/${tenant.slug}/me`, { token: tenant.admin });
  const people = [{ user: own.body.memberIdentity, email: own.body.email.email, token: tenant.admin }];
  while (people.length < PEOPLE) {
    const user = world.services.ids.identity();
    const { token } = await createToken(world.services, { user, name: "test" });
    people.push({ user, email: `${user}@example.com`, token });
  }
  return { tenant, people };
}

/** Sends the request of a step. @returns its status */
async function perform(
  tenant: Tenant,
  people: readonly Person[],
  { by, of, ...what }: Step,
  on = world,
): Promise<number> {
  const { token } = people[by] as Person;
  const { user, email } = people[of] as Person;
  const members = `/api/v1/organisations/${tenant.slug}/members`;
  const inEnvironment = (slug: string) => `/api/v1/orgs/${tenant.slug}/environments/${slug}/members/${user}`;
  const send = (method: string, path: string, body?: unknown) => on.send(method, path, { token, body });
  const sent = () => {
    if (what.kind === "add") return send("POST", members, { email, memberIdentity: user, role: what.role });
    if (what.kind === "change") return send("PATCH", `${members}/${user}`, { role: what.role });
    if (what.kind === "remove") return send("DELETE", `${members}/${user}`);
    if (what.kind === "override") return send("POST", inEnvironment(what.environment), { role: what.role });
    return send("DELETE", inEnvironment(what.environment));
  };
  return (await sent()).status;
}

const RANK: Record<EnvironmentRole, number> = { none: 0, "billing-admin": 0, viewer: 1, developer: 2, admin: 3 };

/** Compares the rights of everybody with the model, and the list of members. */
async function compare(tenant: Tenant, people: readonly Person[], model: Model): Promise<void> {
  for (const [at, { token }] of people.entries()) {
    const member = model.get(at);
    for (const slug of ENVIRONMENTS) {
      const path = tenant.path(slug);
      const role = member === undefined ? undefined : (member.overrides[slug] ?? member.role);
      const mayRead = role !== undefined && RANK[role] >= 1;
      const mayCreate = role !== undefined && RANK[role] >= 2;
      const read = await world.send("GET", path, { token });
      expect([at, slug, read.status]).toEqual([at, slug, mayRead ? 200 : 403]);
      const created = await world.send("POST", `${path}?dryRun=true`, { token, body: tenant.creation() });
      expect([at, slug, created.status]).toEqual([at, slug, mayCreate ? 200 : 403]);
    }
  }
  const reader = [...model].find(([, { role }]) => role === "admin")?.[0] ?? 0;
  const { body } = await world.send("GET", `/api/v1/organisations/${tenant.slug}/members`, {
    token: people[reader]?.token,
  });
  const listed = body.content.map(({ memberIdentity, role }: Json) => `${memberIdentity} ${role}`);
  const expected = [...model].map(([at, member]) => `${people[at]?.user} ${member.role}`);
  expect(listed.toSorted()).toEqual(expected.toSorted());
}

test("a history of members and roles has the statuses and the rights of the model", { timeout: 120_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), async (steps) => {
      const { tenant, people } = await makePeople();
      const model: Model = new Map([[0, { role: "admin", overrides: {} }]]);
      for (const each of steps) {
        const status = apply(model, each);
        expect([each, await perform(tenant, people, each)]).toEqual([each, status]);
      }
      await compare(tenant, people, model);
      await expectInvariants(world.services, tenant.slug);
    }),
    { numRuns: RUNS },
  );
});

/** Lists all orders of a few elements. */
const ordersOf = <T>(elements: readonly T[]): T[][] =>
  elements.length <= 1
    ? [[...elements]]
    : elements.flatMap((first, at) => ordersOf(elements.toSpliced(at, 1)).map((rest) => [first, ...rest]));

test("concurrent requests on members end as in some order of them, and an admin is left", {
  timeout: 120_000,
}, async () => {
  // Two admins are the case in which both can lose the role at once.
  const start = fc.tuple(fc.constant<Role>("admin"), fc.constantFrom(...roles), fc.constant<Role>("viewer"));
  const target = fc.oneof({ weight: 4, arbitrary: fc.nat(1) }, person);
  // Every step is about one of the members of the start. Roles in environments do not change the outcome.
  const concurrent = fc.array(
    fc.oneof<fc.Arbitrary<Step>[]>(
      fc.record({ kind: fc.constant("change" as const), by: fc.nat(1), of: target, role: fc.constantFrom(...roles) }),
      fc.record({ kind: fc.constant("remove" as const), by: fc.nat(1), of: target }),
    ),
    { minLength: 2, maxLength: 4 },
  );
  await fc.assert(
    fc.asyncProperty(start, concurrent, async (others, steps) => {
      const { tenant, people } = await makePeople();
      const first = (): Model =>
        new Map<number, Member>([
          [0, { role: "admin", overrides: {} }],
          ...others.map((each, at): [number, Member] => [at + 1, { role: each, overrides: {} }]),
        ]);
      for (const [at, each] of others.entries()) {
        expect(await perform(tenant, people, { kind: "add", by: 0, of: at + 1, role: each })).toBe(200);
      }
      const processes = steps.map(() => world.sibling());
      const statuses = await Promise.all(steps.map((each, at) => perform(tenant, people, each, processes[at])));
      await expectInvariants(world.services, tenant.slug);
      const shown = (model: Model) => [...model].map(([at, { role: is }]) => `${people[at]?.user} ${is}`).toSorted();
      const items = await world.table.query({ pk: organisationKey(tenant.slug).pk, prefix: MEMBER_PREFIX });
      const is = items
        .map((item) => memberEntity.read(item))
        .map(({ user, role: has }) => `${user} ${has}`)
        .toSorted();
      expect(is.filter((each) => each.endsWith(" admin")).length).toBeGreaterThanOrEqual(1);
      // A request is authorized when it begins, and another one may take its caller's role before its write: such a request may also
      // succeed although an order of whole requests would refuse it.
      const authorized = steps.map((each) => first().get(each.by)?.role === "admin");
      const outcomes = ordersOf(steps.map((each, at) => ({ each, at }))).map((order) => {
        const model = first();
        const expected: number[] = [];
        for (const { each, at } of order)
          expected[at] = applyAuthorized(model, each, authorized[at] ?? false, statuses[at]);
        return JSON.stringify([expected, shown(model)]);
      });
      expect(outcomes).toContain(JSON.stringify([statuses, is]));
    }),
    { numRuns: 3 * RUNS },
  );
});

/** Applies a step without the rule about its caller, unless the caller was refused. @returns the status */
function applyAuthorized(
  model: Model,
  { of, ...what }: Step,
  wasAuthorized: boolean,
  status: number | undefined,
): number {
  if (!wasAuthorized || status === 403) return 403;
  const member = model.get(of);
  // Two removals of a member at once may both succeed.
  if (member === undefined) return what.kind === "remove" && status === 204 ? 204 : 404;
  const admins = [...model.values()].filter((each) => each.role === "admin").length;
  const isLast = member.role === "admin" && admins === 1;
  if (what.kind === "remove") {
    if (isLast) return 409;
    model.delete(of);
    return 204;
  }
  if (what.kind !== "change") throw new Error(`${what.kind} is no concurrent step`);
  if (isLast && what.role !== "admin") return 409;
  member.role = what.role;
  return 200;
}
