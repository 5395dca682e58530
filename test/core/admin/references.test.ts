import { randomUUID } from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import { createAccount, listAccounts } from "#core/admin/cloud-accounts.ts";
import { createEnvironment, listEnvironments, removeEnvironment } from "#core/admin/environments.ts";
import { createSchedule, listSchedules } from "#core/admin/maintenance-schedules.ts";
import { listMembers, setMember } from "#core/admin/members.ts";
import { createOrganisation, showOrganisation } from "#core/admin/organisations.ts";
import { createToken, revokeToken } from "#core/admin/personal-tokens.ts";
import type { Services } from "#core/context.ts";
import { AppError } from "#core/shared/errors.ts";
import { compareNames } from "#core/shared/order.ts";
import { deadlineIn } from "#core/shared/retry.ts";
import { totalKey } from "#core/table/keys.ts";
import { commit, Transaction } from "#core/table/transaction.ts";
import { MAX_ENVIRONMENTS } from "#core/tenancy/organisation.ts";
import { readReferences } from "#core/tenancy/references.ts";
import { buildReferencesItem, MAX_REFERENCES, type References } from "#core/tenancy/references-entity.ts";
import type { Fault } from "#test/support/faults.ts";
import { expectInvariants } from "#test/support/invariants.ts";
import { makeWorld, type World } from "#test/support/world.ts";

let world: World;
let services: Services;
/** Servers that share one table and have no other connection. */
let servers: World[];
let made = 0;

beforeAll(async () => {
  world = await makeWorld();
  services = world.services;
  servers = [world, world.sibling(), world.sibling()];
});

/** Creates an empty organisation. */
async function organisation(within: Services = services): Promise<string> {
  const slug = `org-${++made}`;
  await createOrganisation(within, { slug, name: "Testers" });
  return slug;
}

/** Describes the outcome of a call: `ok`, or the refusal's kind, code and first name. Any other error is a defect. */
async function outcome(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return "ok";
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return error.kind === "invalid" ? `invalid ${error.details[0]?.split(":")[0]}` : `${error.kind} ${error.code}`;
  }
}

const times = <T>(count: number, make: (number: number) => T): T[] =>
  Array.from({ length: count }, (_, at) => make(at));

/**
 * Describes the outcomes of concurrent calls through several servers, where overlapping transactions are cancelled as DynamoDB
 * does.
 */
async function contended(
  count: number,
  call: (within: Services, at: number) => Promise<unknown>[],
  latencyMs = 0,
): Promise<Record<string, number>> {
  for (const { wire } of servers) Object.assign(wire, { conflicts: true, latencyMs });
  try {
    const counts: Record<string, number> = {};
    const calls = times(count, (at) => call(servers[at % servers.length]?.services ?? services, at)).flat();
    for (const end of await Promise.all(calls.map(outcome))) counts[end] = (counts[end] ?? 0) + 1;
    return counts;
  } finally {
    for (const { wire } of servers) Object.assign(wire, { conflicts: false, latencyMs: 0 });
  }
}

const windows = (count: number, more: object = {}) =>
  times(count, () => ({ day: "WEDNESDAY", startTime: "02:00", duration: 1_440, ...more }));
const account = (more: object = {}) => ({ displayName: "Main", cloudProfile: "aws", credentials: "main", ...more });
const schedule = (more: object = {}) => ({ name: "nightly", ...more });

/** Fills an organisation's references with copies of one account and one schedule. */
async function fill(slug: string, count: number): Promise<void> {
  const [one] = await listAccounts(services, slug);
  const [other] = await listSchedules(services, slug);
  const copies = <T>(of: T) => Object.fromEntries(times(count, (at) => [`copy-${at}`.padEnd(36, "-"), of]));
  const references = { accounts: copies(one), schedules: copies(other), revision: 3 } as References;
  const item = buildReferencesItem(slug, references);
  expect(await commit(world.table, new Transaction().put("references", item), deadlineIn())).toEqual([]);
}

describe("a cloud account", () => {
  test("a created cloud account is listed with its credential names and without secrets", async () => {
    const slug = await organisation();
    const metadata = { tenantId: "é", parentFolder: null, other: "" };
    const one = await createAccount(services, slug, account({ metadata }));
    expect(await listAccounts(services, slug)).toEqual([one]);
    expect(one).toMatchObject({
      displayName: "Main",
      enabled: true,
      metadata: { tenantId: "é", other: "" },
      revision: 1,
    });
    const { createdAt, primaryCloudCredentialsIdentity: identity } = one;
    const common = { cloudType: "aws", metadata: {}, createdAt, revision: 1 };
    expect(one.credentials).toEqual([{ identity, displayName: "main", ...common }]);
    const cloudProfile = one.cloudProfile.toUpperCase();
    const bare = await createAccount(services, slug, { displayName: "Bare", cloudProfile });
    expect(bare).toMatchObject({ cloudProfile: one.cloudProfile, credentials: [], metadata: {} });
    expect(bare.primaryCloudCredentialsIdentity).toBeUndefined();
  });

  test("a cloud account with an invalid value is refused", async () => {
    const slug = await organisation();
    const wrong = {
      displayName: ["", "x".repeat(65), "a/b", " - &", "é", "a\n", null],
      cloudProfile: ["AWS", "__proto__", "", null, ["aws"]],
      "metadata.tenantId": [
        { tenantId: "x".repeat(161) },
        { tenantId: '"'.repeat(81) },
        { tenantId: "é".repeat(81) },
        { tenantId: 1 },
        { tenantId: "\ud800" },
      ],
      credentials: ["", "x".repeat(65), "\ud800", {}],
    };
    for (const [path, values] of Object.entries(wrong)) {
      for (const value of values) {
        const refusal = outcome(createAccount(services, slug, account({ [path.split(".")[0] ?? ""]: value })));
        expect(await refusal, JSON.stringify(value)).toBe(`invalid ${path}`);
      }
    }
    expect(await listAccounts(services, slug)).toEqual([]);
  });

  test("a cloud account's name must be unique within its provider and organisation", async () => {
    const slug = await organisation();
    await createAccount(services, slug, account());
    await createAccount(services, slug, account({ cloudProfile: "azure" }));
    await createAccount(services, await organisation(), account());
    expect(await outcome(createAccount(services, slug, account()))).toBe("conflict account.name_taken");
    expect(await listAccounts(services, slug)).toHaveLength(2);
  });
});

describe("a maintenance schedule", () => {
  test("a maintenance schedule keeps the spelling of its windows", async () => {
    const slug = await organisation();
    const sent = [
      windows(1, { day: "sat", startTime: "2:00", duration: 1 }),
      windows(20, { startTime: "23:59" }),
    ].flat();
    const one = await createSchedule(services, slug, { name: "\u0000é😀", windows: sent.slice(0, 20) });
    expect(one).toMatchObject({ name: "\u0000é😀", windows: sent.slice(0, 20), revision: 1 });
    expect(await createSchedule(services, slug, schedule())).toMatchObject({ windows: [] });
    expect(await listSchedules(services, slug)).toHaveLength(2);
  });

  test("a maintenance schedule with an invalid value is refused", async () => {
    const slug = await organisation();
    const wrong = {
      day: ["Caturday", "", "SATURDAY ", 6],
      startTime: ["24:00", "2:0", "02:60", "0200", "-1:00", "٠٢:٠٠"],
      duration: [0, -1, 1.5, 1_441, "60"],
    };
    for (const [name, values] of Object.entries(wrong)) {
      for (const value of values) {
        const refusal = outcome(createSchedule(services, slug, schedule({ windows: windows(1, { [name]: value }) })));
        expect(await refusal, JSON.stringify(value)).toBe(`invalid windows[0].${name}`);
      }
    }
    expect(await outcome(createSchedule(services, slug, schedule({ windows: windows(21) })))).toBe("invalid windows");
    expect(await outcome(createSchedule(services, slug, schedule({ name: "x".repeat(65) })))).toBe("invalid name");
    expect(await outcome(createSchedule(services, slug, schedule({ name: "\u0000".repeat(43) })))).toBe("invalid name");
    expect(await listSchedules(services, slug)).toEqual([]);
  });
});

describe("the references of an organisation", () => {
  test("all references are stored when many are created concurrently", async () => {
    const slug = await organisation();
    const ends = await contended(12, (within, at) => [
      createAccount(within, slug, account({ displayName: `A ${at}` })),
      createAccount(within, slug, account({ displayName: "same" })),
      createSchedule(within, slug, schedule()),
    ]);
    expect(ends).toEqual({ ok: 25, "conflict account.name_taken": 11 });
    expect(servers.reduce((sum, { wire }) => sum + wire.conflicted, 0)).toBeGreaterThan(0);
    const { accounts, schedules, revision } = await readReferences(services, slug);
    const names = Object.values(accounts).map(({ displayName }) => displayName);
    expect(names.sort()).toEqual([...times(12, (at) => `A ${at}`), "same"].sort());
    expect(Object.keys(schedules)).toHaveLength(12);
    expect(revision).toBe(1 + 25);
  });

  test("at most 200 accounts and 200 schedules are stored, also when many are created concurrently", async () => {
    const slug = await organisation();
    await createAccount(services, slug, account());
    await createSchedule(services, slug, schedule());
    await fill(slug, MAX_REFERENCES - 2);
    const ends = await contended(3, (within, at) => [
      createAccount(within, slug, account({ displayName: `A ${at}` })),
      createSchedule(within, slug, schedule()),
    ]);
    expect(ends).toEqual({ ok: 4, "conflict account.limit": 1, "conflict schedule.limit": 1 });
    expect(await listAccounts(services, slug)).toHaveLength(MAX_REFERENCES);
    expect(await listSchedules(services, slug)).toHaveLength(MAX_REFERENCES);
  });

  test.each([
    ["plain text", "x".repeat(160), "\uffff".repeat(64)],
    ["text that JSON escapes", '"'.repeat(80), '"'.repeat(64)],
    ["text of four bytes a character", "😀".repeat(40), "😀".repeat(64)],
  ])("the maximum number of references of maximum size fits into one item: %s", async (_, value, name) => {
    const slug = await organisation();
    const metadata = { parentFolder: value, parentResourcePool: value, tenantId: value };
    const texts = { displayName: "x".repeat(64), credentials: "c".repeat(64) };
    await createAccount(services, slug, account({ ...texts, metadata }));
    await createSchedule(services, slug, schedule({ name, windows: windows(20) }));
    // The engine refuses items of more than 400 KB, as DynamoDB does.
    await fill(slug, MAX_REFERENCES - 1);
    await createAccount(services, slug, account({ ...texts, metadata, displayName: "last" }));
    await createSchedule(services, slug, schedule({ name, windows: windows(20) }));
    expect(await listAccounts(services, slug)).toHaveLength(MAX_REFERENCES);
    expect(await listSchedules(services, slug)).toHaveLength(MAX_REFERENCES);
  });
});

describe("a member", () => {
  test("an e-mail address gets one membership, also when two are created concurrently", async () => {
    const slug = await organisation();
    const spellings = ["a@example.com", "A@example.com", "a@EXAMPLE.com"];
    // Slow calls: every server looks up the address before one of them writes it.
    await contended(3, (within, at) => [setMember(within, slug, { email: spellings[at], role: "viewer" })], 30);
    expect(await listMembers(services, slug)).toHaveLength(1);
  });

  test("a change of a member keeps all concurrent changes", async () => {
    const slug = await organisation();
    const added = await setMember(services, slug, { email: "a@b", role: "viewer", kubernetesRole: "edit" });
    const { user, revision } = added;
    const names = times(8, (at) => `e${at}`);
    const all = await Promise.all(names.map((name) => createEnvironment(services, slug, { name, type: "other" })));
    const changes = [...names.map((environment) => ({ environment, environmentRole: "admin" })), { role: "developer" }];
    const change = (within: Services, at: number) => [setMember(within, slug, { email: "a@b", ...changes[at] })];
    expect(await contended(9, change)).toEqual({ ok: 9 });
    const [member] = await listMembers(services, slug);
    expect(member).toMatchObject({ user, role: "developer", kubernetesRole: "edit", revision: revision + 9 });
    expect(member?.environmentRoles).toEqual(Object.fromEntries(all.map(({ identity }) => [identity, "admin"])));
    await setMember(services, slug, { email: "A@B", environment: "e0", environmentRole: "inherit" });
    expect(Object.keys((await listMembers(services, slug))[0]?.environmentRoles ?? {})).toHaveLength(7);
  });

  test.each([
    [{ email: "a@b" }, "invalid role"],
    [{ email: "no address", role: "admin" }, "invalid email"],
    [{ email: "a@b", role: "owner" }, "invalid role"],
    [{ email: "a@b", role: "none" }, "invalid role"],
    [{ email: "a@b", role: "admin", user: "1" }, "invalid user"],
    [{ email: "a@b", role: "admin", environment: "e" }, "invalid environment"],
    [{ email: "a@b", role: "admin", environmentRole: "none" }, "invalid environment"],
    [{ email: "a@b", role: "admin", environment: "#", environmentRole: "none" }, "notFound environment.missing"],
  ])("a member cannot be created from %j", async (input, refusal) => {
    const slug = await organisation();
    expect(await outcome(setMember(services, slug, input))).toBe(refusal);
    expect(await listMembers(services, slug)).toEqual([]);
  });

  test("a taken e-mail address and a missing role of a new member are refused in one error", async () => {
    const slug = await organisation();
    const { user } = await setMember(services, slug, { email: "a@b", role: "viewer" });
    const refused = setMember(services, slug, { email: "A@b", user: randomUUID() });
    await expect(refused).rejects.toMatchObject({
      details: [`email: is already used by another member, ${user}`, expect.stringMatching(/^role: is required/)],
    });
  });
});

describe("an organisation", () => {
  test("an organisation gets a unique slug, also when several are created concurrently", async () => {
    const [slug, wrong] = [`org-${++made}`, ["", "A", "a.b", "a#b", "é", "x".repeat(64)]];
    const ends = await contended(6, (within, at) => [createOrganisation(within, { slug, name: `Name ${at}` })]);
    expect(ends).toEqual({ ok: 1, "conflict organisation.slug_taken": 5 });
    const none = { clusters: 0, cpu: 0, memory: 0, environments: 0 };
    expect((await showOrganisation(services, slug)).total).toMatchObject(none);
    for (const text of wrong)
      expect(await outcome(createOrganisation(services, { slug: text, name: "abc" }))).toBe("invalid slug");
    for (const name of ["", "ab", "x".repeat(31)]) {
      expect(await outcome(createOrganisation(services, { slug: "a-b", name }))).toBe("invalid name");
    }
  });

  test("an unknown organisation lists nothing and accepts nothing", async () => {
    for (const slug of ["nobody", "", "No-Body", "a#b", "x".repeat(64), "__proto__"]) {
      const lists = [listAccounts, listSchedules, listMembers, listEnvironments, showOrganisation];
      const calls = () => [
        ...lists.map((list) => list(services, slug)),
        createAccount(services, slug, account()),
        createSchedule(services, slug, schedule()),
        createEnvironment(services, slug, { name: "x", type: "other" }),
        setMember(services, slug, { email: "a@b", role: "admin" }),
      ];
      expect(await contended(1, calls)).toEqual({ "notFound organisation.missing": 9 });
    }
  });
});

describe("an environment", () => {
  const make = (within: Services, slug: string, name = "") => createEnvironment(within, slug, { name, type: "other" });

  test("an environment gets a unique slug and is counted once, also when several are created or removed concurrently", async () => {
    const slug = await organisation();
    const spellings = ["A b", "a-b", "a  B", "a&b", "-a-b-"];
    const ends = await contended(5, (within, at) => [make(within, slug, spellings[at])]);
    expect(ends).toEqual({ ok: 1, "conflict environment.slug_taken": 4 });
    await expectInvariants(services, slug);
    const removed = await contended(4, (within) => [removeEnvironment(within, slug, "a-b")]);
    expect(Object.keys(removed).filter((end) => end !== "ok" && end !== "notFound environment.missing")).toEqual([]);
    expect(await listEnvironments(services, slug)).toEqual([]);
    await expectInvariants(services, slug);
    const again = await make(services, slug, "A b");
    expect(await listEnvironments(services, slug)).toMatchObject([{ identity: again.identity, heldClusters: 0 }]);
  });

  test("an organisation has at most 1,000 environments, also when many are created concurrently", async () => {
    const slug = await organisation();
    const values = { ":n": MAX_ENVIRONMENTS - 3 };
    const transaction = new Transaction().update("total", totalKey(slug), "SET #environments = :n", { values });
    expect(await commit(world.table, transaction, deadlineIn())).toEqual([]);
    const ends = await contended(8, (within, at) => [make(within, slug, `e ${at}`)]);
    expect(ends).toEqual({ ok: 3, "conflict organisation.environment_limit": 5 });
    expect(await listEnvironments(services, slug)).toHaveLength(3);
  });

  test("an environment is never removed while a cluster is created in it, in either order", async () => {
    const tenant = await world.tenant(times(12, (at) => `e-${at}`));
    const pairs: string[] = [];
    const pair = async (within: Services, at: number) => {
      const sending = { token: tenant.admin, body: tenant.creation() };
      const removal = outcome(removeEnvironment(within, tenant.slug, `e-${at}`));
      const created = await world.send("POST", tenant.path(`e-${at}`), sending);
      pairs.push(`${created.status} ${await removal}`);
    };
    expect(await contended(12, (within, at) => [pair(within, at)])).toEqual({ ok: 12 });
    expect(pairs.filter((end) => end !== "404 ok" && end !== "200 conflict environment.not_empty")).toEqual([]);
    await expectInvariants(services, tenant.slug);
  });
});

describe("operations during which a database call fails", () => {
  type Operation = (within: Services, slug: string, token: string) => Promise<unknown>;
  /** Calls of each operation, with the number of items that it changes. */
  const operations: [name: string, items: number, run: Operation][] = [
    ["creating an account", 4, (within, slug) => createAccount(within, slug, account())],
    ["creating a schedule", 4, (within, slug) => createSchedule(within, slug, schedule())],
    ["creating an organisation", 3, (within, slug) => createOrganisation(within, { slug: `${slug}-new`, name: "abc" })],
    ["creating an environment", 4, (within, slug) => createEnvironment(within, slug, { name: "new", type: "other" })],
    ["removing an environment", 4, (within, slug) => removeEnvironment(within, slug, "old")],
    ["creating a member", 5, (within, slug) => setMember(within, slug, { email: "new@b", role: "viewer" })],
    ["changing a member", 3, (within, slug) => setMember(within, slug, { email: "old@b", role: "admin" })],
    ["creating a token", 2, (within) => createToken(within, { user: within.ids.identity(), name: "new" })],
    ["revoking a token", 1, (within, _, token) => revokeToken(within, token)],
  ];

  const inOrder = (_: string, value: unknown) =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(compareNames))
      : value;

  async function snapshot({ table }: World): Promise<Map<string, string>> {
    const items = new Map<string, string>();
    for await (const item of table.scan()) items.set(`${item.pk} ${item.sk}`, JSON.stringify(item, inOrder));
    return items;
  }

  /** Runs an operation while one of its calls fails, then once more, and counts the items that the first run changed. */
  async function attempt(within: World, run: Operation, fault: Fault, at: number) {
    const slug = await organisation(within.services);
    await createEnvironment(within.services, slug, { name: "old", type: "other" });
    const { user } = await setMember(within.services, slug, { email: "old@b", role: "viewer" });
    const { token } = await createToken(within.services, { user, name: "old" });
    const before = await snapshot(within);
    let calls = 0;
    within.wire.fault = () => (calls++ === at ? fault : undefined);
    const end = await outcome(run(within.services, slug, token));
    within.wire.fault = () => undefined;
    const after = await snapshot(within);
    const changed = [...new Set([...before.keys(), ...after.keys()])].filter(
      (key) => before.get(key) !== after.get(key),
    );
    const again = await outcome(run(within.services, slug, token));
    await expectInvariants(within.services, slug);
    return { end, again, changed: changed.length, reached: calls > at };
  }

  test.each(operations)(
    "%s with a failing database call is done completely or not at all, and can be repeated",
    async (_, items, run) => {
      const fragile = await makeWorld({ maxAttempts: 1 });
      for (const fault of ["before", "after", "throttle"] as const) {
        const seen = new Set<number>();
        for (let at = 0; ; at++) {
          const { end, again, changed, reached } = await attempt(fragile, run, fault, at);
          if (!reached || (fault === "throttle" && at > 0)) break;
          expect(end, `${fault} call ${at}`).toBe("unavailable table.unavailable");
          expect([0, items]).toContain(changed);
          expect(changed === 0 ? ["ok"] : ["ok", "conflict", "notFound"]).toContain(again.split(" ")[0]);
          seen.add(changed);
        }
        expect(seen).toContain(fault === "after" ? items : 0);
      }
    },
  );

  test.each(operations)(
    "%s is done once when the client repeats a database call, whether or not the first call arrived",
    async (_, items, run) => {
      const robust = await makeWorld();
      for (const fault of ["before", "after"] as const) {
        for (let at = 0; ; at++) {
          const { end, changed, reached } = await attempt(robust, run, fault, at);
          expect({ at, fault, end, changed }).toEqual({ at, fault, end: "ok", changed: items });
          if (!reached) break;
        }
      }
    },
  );
});
