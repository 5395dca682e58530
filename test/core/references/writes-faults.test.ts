import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { finishEnvironmentDeletion } from "#core/tenancy/environment-deletion.ts";
import { finishDeletion } from "#test/support/deletion.ts";
import { type Fault, faultsOf, regenerateClientTokens } from "#test/support/faults.ts";
import { expectInvariants, organisationEventsOf } from "#test/support/invariants.ts";
import { addKnownSecrets } from "#test/support/secrets.ts";
import { type Json, makeWorld, type Tenant, type TestResponse, type World } from "#test/support/world.ts";

let world: World;
/** World whose client sends every call once, so that the operation sees each failure. */
let once: World;
/** World whose engine executes a repeated transaction again. */
let forgetful: World;
let forgotten: { readonly attempts: number };
/** World whose writes end soon if they conflict. */
let hasty: World;

beforeAll(async () => {
  world = await makeWorld();
  once = await makeWorld({ maxAttempts: 1 });
  forgetful = await makeWorld();
  forgotten = regenerateClientTokens(forgetful.table);
  hasty = await makeWorld({ writeTimeoutMs: 50 });
});

afterEach(() => {
  hasty.busy.clear();
  for (const { wire } of [world, once, forgetful, hasty])
    Object.assign(wire, { fault: () => undefined, conflicts: false, latencyMs: 0 });
});

/** Organisation for one write. */
interface Stage {
  tenant: Tenant;
  /** Id of the silence of the observability tenant, if there is one. */
  silence?: string;
  send(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<TestResponse>;
}

type Headers = Record<string, string>;

/** Write of what an organisation has besides clusters. */
interface Write {
  name: string;
  /** Prepares the organisation. */
  prepare?: (stage: Stage) => Promise<unknown>;
  run: (stage: Stage, headers?: Headers) => Promise<TestResponse>;
  /** Path of the resource whose entity tag the write accepts as `If-Match`. */
  held?: (stage: Stage) => string;
  /** Partition and sort key of an item that the write changes. */
  item: (stage: Stage) => [pk: string, sk: string];
}

const environment = (stage: Stage, slug = "") =>
  `/api/v1/orgs/${stage.tenant.slug}/environments${slug === "" ? "" : `/${slug}`}`;
const environmentItem =
  (slug: string) =>
  ({ tenant }: Stage): [string, string] => [`ORG#${tenant.slug}`, `ENV#${slug}`];

const monitoring = (stage: Stage, rest = "") => `/api/v1/orgs/${stage.tenant.slug}/monitoring${rest}`;
const silences = (stage: Stage, rest = "") => `/api/v1/orgs/${stage.tenant.slug}/observability/web/silences${rest}`;
const observabilityItem =
  (sk: string) =>
  ({ tenant }: Stage): [string, string] =>
    sk === "" ? [`ORG#${tenant.slug}`, "OBSERVABILITY#web"] : [`OBSERVABILITY#${tenant.slug}#web`, sk];
const CONFIGURATION = { alertManagerConfig: "route: {}", ruleFiles: { "a.yaml": "a: b" } };
const SILENCE = { comment: "c", endsAt: "2099-01-01T00:00:00Z", matchers: [{ name: "a", value: "b" }] };

/** Creates an observability tenant with a configuration and a silence. */
async function makeObservability(stage: Stage): Promise<void> {
  const made = [
    await stage.send("POST", monitoring(stage), { name: "web" }),
    await stage.send("POST", monitoring(stage, "/web/alertmanager"), CONFIGURATION),
    await stage.send("POST", silences(stage), SILENCE),
  ];
  expect(made.map(({ status }) => status)).toEqual([200, 200, 200]);
  stage.silence = made.at(-1)?.body.id;
}

async function makeDeleting({ tenant, send }: Stage): Promise<void> {
  expect((await send("POST", tenant.path("staging"), tenant.creation())).status).toBe(200);
  expect((await send("PATCH", tenant.path("staging", "one"), { status: "deleting" })).status).toBe(200);
}

const EVE = "1b671a64-40d5-491e-99b0-da01ff1f3341";
const members = ({ tenant }: Stage, ...rest: string[]) =>
  [`/api/v1/organisations/${tenant.slug}/members`, ...rest].join("/");

async function addMember(stage: Stage): Promise<void> {
  const body = { email: "eve@example.com", memberIdentity: EVE, role: "viewer" };
  expect((await stage.send("POST", members(stage), body)).status).toBe(200);
}

/** All writes. A new write of an organisation gets a row here. */
const WRITES: Write[] = [
  {
    name: "the creation of an environment",
    run: (stage, headers) => stage.send("POST", environment(stage), { name: "New", purpose: "tests" }, headers),
    item: environmentItem("new"),
  },
  {
    name: "a change of an environment",
    run: (stage, headers) =>
      stage.send("PATCH", environment(stage, "staging"), { name: "Other", type: "demo" }, headers),
    held: (stage) => environment(stage, "staging"),
    item: environmentItem("staging"),
  },
  {
    name: "the deletion of an empty environment",
    run: (stage, headers) => stage.send("DELETE", environment(stage, "staging"), undefined, headers),
    held: (stage) => environment(stage, "staging"),
    item: environmentItem("staging"),
  },
  {
    name: "the creation of an observability tenant",
    run: (stage, headers) => stage.send("POST", monitoring(stage), { name: "web" }, headers),
    item: observabilityItem(""),
  },
  {
    name: "a change of an observability tenant",
    prepare: makeObservability,
    run: (stage, headers) => stage.send("PATCH", monitoring(stage, "/web"), { name: "Other" }, headers),
    held: (stage) => monitoring(stage, "/web"),
    item: observabilityItem(""),
  },
  {
    name: "the deletion of an observability tenant",
    prepare: makeObservability,
    run: (stage, headers) => stage.send("DELETE", monitoring(stage, "/web"), undefined, headers),
    held: (stage) => monitoring(stage, "/web"),
    item: observabilityItem("SILENCES"),
  },
  {
    name: "the first write of an Alertmanager configuration",
    prepare: async (stage) => {
      expect((await stage.send("POST", monitoring(stage), { name: "web" })).status).toBe(200);
    },
    run: (stage, headers) => stage.send("POST", monitoring(stage, "/web/alertmanager"), CONFIGURATION, headers),
    held: (stage) => monitoring(stage, "/web/alertmanager"),
    item: observabilityItem("ALERTMANAGER"),
  },
  {
    name: "a replacement of an Alertmanager configuration",
    prepare: makeObservability,
    run: (stage, headers) =>
      stage.send("POST", monitoring(stage, "/web/alertmanager"), { ruleFiles: { "a.yaml": "a: c" } }, headers),
    held: (stage) => monitoring(stage, "/web/alertmanager"),
    item: observabilityItem("ALERTMANAGER"),
  },
  {
    name: "the creation of a silence",
    prepare: makeObservability,
    run: (stage, headers) => stage.send("POST", silences(stage), SILENCE, headers),
    item: observabilityItem("SILENCES"),
  },
  {
    name: "the end of a silence",
    prepare: makeObservability,
    run: (stage, headers) => stage.send("DELETE", silences(stage, `/${stage.silence}`), undefined, headers),
    item: observabilityItem("SILENCES"),
  },
  {
    name: "the deletion of an environment with a deleting cluster",
    prepare: makeDeleting,
    run: (stage, headers) => stage.send("DELETE", environment(stage, "staging"), undefined, headers),
    held: (stage) => environment(stage, "staging"),
    item: environmentItem("staging"),
  },
  {
    name: "the addition of a member",
    run: (stage, headers) =>
      stage.send("POST", members(stage), { email: "eve@example.com", username: "Eve", role: "admin" }, headers),
    item: ({ tenant }) => [`ORG#${tenant.slug}`, "TOTAL"],
  },
  {
    name: "a change of a member",
    prepare: addMember,
    run: (stage, headers) => stage.send("PATCH", members(stage, EVE), { role: "admin" }, headers),
    held: (stage) => members(stage, EVE),
    item: ({ tenant }) => [`ORG#${tenant.slug}`, `MEMBER#${EVE}`],
  },
  {
    name: "the removal of an admin",
    prepare: async (stage) => {
      await addMember(stage);
      expect((await stage.send("PATCH", members(stage, EVE), { role: "admin" })).status).toBe(200);
    },
    run: (stage, headers) => stage.send("DELETE", members(stage, EVE), undefined, headers),
    held: (stage) => members(stage, EVE),
    item: ({ tenant }) => [`ORG#${tenant.slug}`, "TOTAL"],
  },
  {
    name: "the first role of a member in an environment",
    prepare: addMember,
    run: (stage, headers) =>
      stage.send("POST", environment(stage, `staging/members/${EVE}`), { role: "none" }, headers),
    held: (stage) => members(stage, EVE),
    item: ({ tenant }) => [`ORG#${tenant.slug}`, `MEMBER#${EVE}`],
  },
  {
    name: "the removal of a member's roles in an environment",
    prepare: async (stage) => {
      await addMember(stage);
      const path = environment(stage, `staging/members/${EVE}`);
      expect((await stage.send("POST", path, { kubernetesRole: "view" })).status).toBe(200);
    },
    run: (stage, headers) => stage.send("DELETE", environment(stage, `staging/members/${EVE}`), undefined, headers),
    held: (stage) => members(stage, EVE),
    item: ({ tenant }) => [`ORG#${tenant.slug}`, `MEMBER#${EVE}`],
  },
];

const account = ({ tenant }: Stage, ...rest: string[]) =>
  [`/api/v1/orgs/${tenant.slug}/cloud-accounts`, ...rest].join("/");
const credentialsOf = (stage: Stage, last = stage.tenant.account.primaryCloudCredentialsIdentity ?? "") =>
  account(stage, stage.tenant.account.identity, "credentials", last);
const schedule = ({ tenant }: Stage, ...rest: string[]) =>
  [`/api/v1/organisations/${tenant.slug}/maintenance-schedule`, ...rest].join("/");
const references = ({ tenant }: Stage): [string, string] => [`ORG#${tenant.slug}`, "REFERENCES"];
const SECRETS = { accessKeyId: "writes-faults-id", accessKeySecret: "writes-faults-secret" };
const WINDOWS = [{ day: "MONDAY", startTime: "1:00", duration: 30 }];
addKnownSecrets(...Object.values(SECRETS));

WRITES.push(
  {
    name: "the creation of a maintenance schedule",
    run: (stage, headers) => stage.send("POST", schedule(stage), { name: "nightly", windows: WINDOWS }, headers),
    item: references,
  },
  {
    name: "a change of a maintenance schedule",
    run: (stage, headers) =>
      stage.send("PATCH", schedule(stage, stage.tenant.schedule.identity), { windows: WINDOWS }, headers),
    held: (stage) => schedule(stage, stage.tenant.schedule.identity),
    item: references,
  },
  {
    name: "the deletion of a maintenance schedule",
    run: (stage, headers) => stage.send("DELETE", schedule(stage, stage.tenant.schedule.identity), undefined, headers),
    held: (stage) => schedule(stage, stage.tenant.schedule.identity),
    item: references,
  },
  {
    name: "the creation of a cloud account",
    run: (stage, headers) =>
      stage.send(
        "POST",
        account(stage),
        { displayName: "New", cloudProfile: stage.tenant.account.cloudProfile },
        headers,
      ),
    item: references,
  },
  {
    name: "a change of a cloud account",
    run: (stage, headers) =>
      stage.send("PATCH", account(stage, stage.tenant.account.identity), { enabled: false }, headers),
    held: (stage) => account(stage, stage.tenant.account.identity),
    item: references,
  },
  {
    name: "the deletion of a cloud account with secrets",
    prepare: (stage) => stage.send("PUT", credentialsOf(stage), { credentials: SECRETS }),
    run: (stage, headers) => stage.send("DELETE", account(stage, stage.tenant.account.identity), undefined, headers),
    held: (stage) => account(stage, stage.tenant.account.identity),
    item: references,
  },
  {
    name: "the creation of cloud credentials",
    run: (stage, headers) =>
      stage.send("POST", credentialsOf(stage, "aws"), { displayName: "New", credentials: SECRETS }, headers),
    item: references,
  },
  {
    name: "a change of the secrets of cloud credentials",
    run: (stage, headers) => stage.send("PUT", credentialsOf(stage), { credentials: SECRETS }, headers),
    held: (stage) => credentialsOf(stage),
    item: references,
  },
  {
    name: "the deletion of cloud credentials with secrets",
    prepare: (stage) => stage.send("PUT", credentialsOf(stage), { credentials: SECRETS }),
    run: (stage, headers) => stage.send("DELETE", credentialsOf(stage), undefined, headers),
    held: (stage) => credentialsOf(stage),
    item: references,
  },
);

async function stageOn(of: World, { prepare }: Write): Promise<Stage> {
  const tenant = await of.tenant();
  const stage: Stage = {
    tenant,
    send: (method, path, body, headers = {}) => of.send(method, path, { token: tenant.admin, body, headers }),
  };
  await prepare?.(stage);
  return stage;
}

const GENERATED =
  /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{64}|\b\d{9,}\b|\d{4}-\d\d-\d\dT[\d:.]+Z/g;

/** Formats a value without generated values and times. The order of names, which identities have in maps, does not matter. */
function textOf(value: unknown): string {
  if (value instanceof Set || Array.isArray(value)) return `[${[...value].map(textOf).join()}]`;
  if (typeof value !== "object" || value === null) return String(value).replaceAll(GENERATED, "…");
  const members = Object.entries(value).map(
    ([name, member]) => `${name.replaceAll(GENERATED, "…")}: ${textOf(member)}`,
  );
  return `{${members.sort().join()}}`;
}

/** Everything that the organisation has and its last event, without generated values and times. */
async function stateOf(of: World, { tenant: { slug } }: Stage): Promise<string[]> {
  const partitions = [`ORG#${slug}`, `OBSERVABILITY#${slug}#web`];
  const items: Json[] = (await Promise.all(partitions.map((pk) => of.table.query({ pk, from: "!", to: "~" })))).flat();
  const [event] = (await organisationEventsOf(of.services, slug)).slice(-1);
  const withoutIds = items.map((item) => {
    if (item.entity === "cluster") return { sk: item.sk, status: item.status, revision: item.revision };
    const { buckets: _, ttl: _ttl, document = "{}", ...rest } = item;
    const { id: _id, ...inDocument } = JSON.parse(document);
    // The encrypted text differs in every run.
    return { ...rest, document: inDocument, ...(rest.ciphertext && { ciphertext: "…", dataKey: "…", wrappedBy: "…" }) };
  });
  return [...withoutIds, { type: event?.type, changes: event?.changes }]
    .map((item) => textOf(item).replaceAll(slug, "org"))
    .sort();
}

const failing = (of: World, position: number, fault: Fault) => {
  let calls = 0;
  of.wire.fault = () => (calls++ === position ? fault : undefined);
};

const measured = new Map<World, Map<Write, ReturnType<typeof doUndisturbed>>>();

/** Runs a write that nothing blocks, once for each world. @returns its status, and the calls that it makes */
function measure(of: World, write: Write): ReturnType<typeof doUndisturbed> {
  const writes = measured.get(of) ?? new Map();
  measured.set(of, writes);
  const found = writes.get(write) ?? doUndisturbed(of, write);
  writes.set(write, found);
  return found;
}

async function doUndisturbed(of: World, write: Write): Promise<{ status: number; calls: string[] }> {
  const stage = await stageOn(of, write);
  const before = await stateOf(of, stage);
  const events = await organisationEventsOf(of.services, stage.tenant.slug);
  of.wire.spans.length = 0;
  const response = await write.run(stage);
  expect(response.status, response.text).toBeLessThan(205);
  const calls = of.wire.spans.map(({ operation }) => operation);
  expect(await stateOf(of, stage)).not.toEqual(before);
  expect(await organisationEventsOf(of.services, stage.tenant.slug)).toHaveLength(events.length + 1);
  return { status: response.status, calls };
}

describe.each(WRITES)("$name whose database calls fail", (write) => {
  const index = WRITES.indexOf(write);

  test.each<Fault>(faultsOf(index, ["before", "after"]))(
    "a write of which each call fails once (%s the call) succeeds and happens once",
    async (fault) => {
      const { status, calls } = await measure(world, write);
      expect(calls.length).toBeGreaterThanOrEqual(2);
      const states: string[][] = [];
      for (let position = 0; position < calls.length; position++) {
        const stage = await stageOn(world, write);
        const events = await organisationEventsOf(world.services, stage.tenant.slug);
        failing(world, position, fault);
        const response = await write.run(stage);
        world.wire.fault = () => undefined;
        expect([position, response.status], response.text).toEqual([position, status]);
        expect(await organisationEventsOf(world.services, stage.tenant.slug)).toHaveLength(events.length + 1);
        states.push(await stateOf(world, stage));
        expect(states.at(-1)).toEqual(states[0]);
        await expectInvariants(world.services, stage.tenant.slug);
      }
    },
  );

  test.each<Fault>(faultsOf(index, ["after", "before", "throttle"]))(
    "a write of which one call fails permanently (%s the call) changes everything or nothing",
    async (fault) => {
      const { calls } = await measure(once, write);
      const written = calls.lastIndexOf("TransactWriteItems");
      expect(written).toBe(calls.length - 1);
      for (let position = 0; position < calls.length; position++) {
        const stage = await stageOn(once, write);
        const before = await stateOf(once, stage);
        failing(once, position, fault);
        const response = await write.run(stage);
        once.wire.fault = () => undefined;
        expect([position, response.status]).toEqual([position, 503]);
        expect(response.headers.get("retry-after")).toBe("1");
        const isWritten = fault === "after" && position === written;
        if (isWritten) expect(await stateOf(once, stage)).not.toEqual(before);
        else expect(await stateOf(once, stage)).toEqual(before);
        await expectInvariants(once.services, stage.tenant.slug);
      }
    },
  );

  /** Runs the write while its response is lost and the engine forgets the transaction. */
  async function loseResponse(headers: (stage: Stage) => Promise<Headers>): Promise<void> {
    const stage = await stageOn(forgetful, write);
    const events = await organisationEventsOf(forgetful.services, stage.tenant.slug);
    const sent = await headers(stage);
    let lost = false;
    forgetful.wire.fault = ({ operation }) => {
      if (lost || operation !== "TransactWriteItems") return undefined;
      lost = true;
      return "after";
    };
    const { attempts } = forgotten;
    const response = await write.run(stage, sent);
    forgetful.wire.fault = () => undefined;
    expect([lost, forgotten.attempts - attempts >= 2]).toEqual([true, true]);
    expect(response.status, response.text).toBeLessThan(205);
    expect(await organisationEventsOf(forgetful.services, stage.tenant.slug)).toHaveLength(events.length + 1);
    await expectInvariants(forgetful.services, stage.tenant.slug);
  }

  test("a write whose response was lost is recognised when the database forgot the client token", async () => {
    await loseResponse(async () => ({}));
  });

  const { held } = write;
  test.runIf(held !== undefined)("a write with If-Match whose response was lost is recognised, too", async () => {
    await loseResponse(async (stage) => ({
      "if-match": (await stage.send("GET", held?.(stage) ?? "")).headers.get("etag") ?? "",
    }));
  });

  test("a write retries on conflicts, and returns an error with Retry-After when they never end", async () => {
    const stage = await stageOn(hasty, write);
    const before = await stateOf(hasty, stage);
    const [pk, sk] = write.item(stage);
    hasty.wire.conflicts = true;
    hasty.busy.add(JSON.stringify([{ S: pk }, { S: sk }]));
    const response = await write.run(stage);
    expect([response.status, response.headers.get("retry-after")], response.text).toEqual([503, "1"]);
    expect(await stateOf(hasty, stage)).toEqual(before);
    hasty.busy.clear();
    hasty.wire.conflicts = false;
    expect((await write.run(stage)).status).toBeLessThan(205);
    await expectInvariants(hasty.services, stage.tenant.slug);
  });
});

describe("a hidden environment", () => {
  test("the removal of its last cluster removes the environment once, although each call fails once", async () => {
    const hide = WRITES.find(({ name }) => name === "the deletion of an environment with a deleting cluster") as Write;
    for (const fault of ["before", "after"] as const) {
      for (let position = 0; position < 4; position++) {
        const stage = await stageOn(world, hide);
        expect((await hide.run(stage)).status).toBe(204);
        const { slug } = stage.tenant;
        await finishDeletion(world.services, slug, "staging", "one");
        failing(world, position, fault);
        expect(await finishEnvironmentDeletion(world.services, slug, "staging")).toBe(true);
        world.wire.fault = () => undefined;
        const types = (await organisationEventsOf(world.services, slug)).map(({ type }) => type).slice(-2);
        expect(types).toEqual(["environment.deletion-requested", "environment.deleted"]);
        await expectInvariants(world.services, slug);
      }
    }
  });
});
