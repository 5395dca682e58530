import { beforeAll, describe, expect, test } from "vitest";
import { expectError } from "#test/support/errors.ts";
import { makeWorld, type RequestOptions, type Tenant, type TestResponse, type World } from "#test/support/world.ts";

const MAX_BODY = 256 * 1024;

let world: World;
let tenant: Tenant;
const tokens = { viewer: "", "billing-admin": "" };
/** Returns the cluster's only node pool. */
let pool: string;
/** Identity of the cluster in production, and of its scheduled upgrade. */
let cluster: string;
let upgrade: string;
/** Id of the only silence. */
let silence: string;
const SILENCE = { comment: "c", endsAt: "2099-01-01T00:00:00Z", matchers: [{ name: "a", value: "b" }] };
/** The only admin, and a member with its e-mail address. */
let admin: string;
let person: string;
let email: string;
/** Identity of a schedule that no cluster uses. */
let spareSchedule: string;
/** Idempotency key of a request that differs from all requests below. */
const KEY = { "idempotency-key": "first" };

beforeAll(async () => {
  world = await makeWorld();
  tenant = await world.tenant();
  tokens.viewer = (await tenant.person("viewer")).token;
  tokens["billing-admin"] = (await tenant.person("billing-admin")).token;
  const nodePools = [{ name: "p", nodeSize: "t3.medium" }];
  const maintenanceScheduleIdentity = tenant.schedule.identity;
  const body = tenant.creation({ name: "Held", nodePools, maintenanceScheduleIdentity });
  for (const environment of ["production", "staging"]) {
    const headers = environment === "production" ? KEY : {};
    const response = await world.send("POST", tenant.path(environment), { token: tenant.admin, body, headers });
    expect(response.status, response.text).toBe(200);
    if (environment === "production") cluster = response.body.identity;
  }
  const made = await world.send("POST", `/api/v1/orgs/${tenant.slug}/environments`, {
    token: tenant.admin,
    body: { name: "spare" },
  });
  expect(made.status, made.text).toBe(200);
  const schedule = await world.send("POST", `/api/v1/organisations/${tenant.slug}/maintenance-schedule`, {
    token: tenant.admin,
    body: { name: "spare" },
  });
  spareSchedule = schedule.body.identity;
  const request = { clusterIdentity: cluster, version: "v1.35.0-u-ame.1" };
  const path = `/api/v1/orgs/${tenant.slug}/scheduled-cluster-upgrades`;
  upgrade = (await world.send("POST", path, { token: tenant.admin, body: request })).body.identity;
  for (const name of ["spare", "held"]) {
    const response = await world.send("POST", `/api/v1/orgs/${tenant.slug}/monitoring`, {
      token: tenant.admin,
      body: { name },
    });
    expect(response.status, response.text).toBe(200);
  }
  const silenced = await world.send("POST", `/api/v1/orgs/${tenant.slug}/observability/spare/silences`, {
    token: tenant.admin,
    body: SILENCE,
  });
  silence = silenced.body.id;
  const members = `/api/v1/organisations/${tenant.slug}/members`;
  person = (await tenant.person("developer")).user;
  email = (await get(`${members}/${person}`)).body.email.email;
  admin = (await get(`/api/v1/organisations/${tenant.slug}/me`)).body.memberIdentity;
  pool = `${(await get(`${tenant.path("production", "held")}/pools`)).body[0].id}`;
});

const get = (path: string, sending: RequestOptions = {}) =>
  world.send("GET", path, { token: tenant.admin, ...sending });

const longQuery = `?x=${"y".repeat(4096)}`;

/** All possible errors of a request, in the order in which they are returned. */
const ORDER = {
  "unknown route": [404, /Unknown path/],
  "wrong method": [405, /not allowed here/],
  "bad token": [401, /token/],
  "other content type": [415, /content type/],
  "too large": [413, /larger than/],
  "not JSON": [400, /not JSON/],
  "malformed path": [404, /slug in the path/],
  "no role": [403, /not a member/],
  "missing environment": [404, /no environment/],
  "no right": [403, /requires the role|does not allow reading clusters/],
  "key of another request": [422, /used for another request/],
  "missing cluster": [404, /no cluster/],
  "missing pool": [404, /no node pool/],
  "missing reference": [404, /no (cloud account|maintenance schedule) "/],
  "missing credentials": [404, /no cloud credentials/],
  "missing upgrade": [404, /no scheduled upgrade/],
  "missing tenant": [404, /no observability tenant/],
  "missing silence": [404, /no silence/],
  "missing member": [404, /no member/],
  "long query": [400, /query/],
  "invalid flag": [400, /show-compute|includeDetails/],
  "invalid body": [
    400,
    /(region|cni|newEnvironment|nodeSize|type|version|role|ipWhiteList|ruleFiles|matchers|day|cloudProfile|primaryCloudCredentials): "mars"|accessKeyId: is/,
  ],
  "other tag": [412, /If-Match/],
  "held slug": [409, /is already (used|the address)/],
  "held name": [409, /already has a node pool "p"/],
  "another name": [409, /name: cannot change/],
  "too many pools": [409, /at most 50/],
  "last admin": [409, /is the last admin/],
  "not empty": [409, /still contains clusters/],
  "held account name": [409, /already has a cloud account "Own"/],
  "in use": [409, /is used by 2 clusters/],
  "out of reach": [400, /reachable now: /],
} as const;
type Wrong = keyof typeof ORDER;

type Build = (wrong: ReadonlySet<Wrong>) => Promise<TestResponse>;

const organisationOf = (wrong: ReadonlySet<Wrong>) => (wrong.has("no role") ? "nowhere" : tenant.slug);
const environmentOf = (wrong: ReadonlySet<Wrong>) => (wrong.has("missing environment") ? "mars" : "production");

const create: Build = (wrong) => {
  const environment = wrong.has("malformed path") ? "Not_A_Slug" : environmentOf(wrong);
  const pools = wrong.has("too many pools") ? 51 : 1;
  const body = tenant.creation({
    name: wrong.has("held slug") ? "held" : "free",
    ...(wrong.has("invalid body") ? { region: "mars" } : {}),
    nodePools: Array.from({ length: pools }, (_, at) => ({ name: `p${at}`, nodeSize: "t3.medium" })),
  });
  const text = wrong.has("not JSON") ? "{]" : JSON.stringify(body);
  return world.send(
    wrong.has("wrong method") ? "DELETE" : "POST",
    `/api/v1/orgs/${organisationOf(wrong)}/clusters/${environment}${wrong.has("unknown route") ? "/x/y/z" : ""}${wrong.has("long query") ? longQuery : ""}`,
    {
      token: wrong.has("bad token") ? "ame_x" : wrong.has("no right") ? tokens.viewer : tenant.admin,
      raw: wrong.has("too large") ? text.padEnd(MAX_BODY + 1) : text,
      headers: wrong.has("other content type") ? { "content-type": "text/plain" } : {},
    },
  );
};

/** Reads from a path whose parts are valid or invalid. */
const read =
  (pathOf: (wrong: ReadonlySet<Wrong>) => string, flag: string): Build =>
  (wrong) => {
    const query = [wrong.has("long query") && longQuery.slice(1), wrong.has("invalid flag") && `${flag}=maybe`];
    return world.send(
      wrong.has("wrong method") ? "PATCH" : "GET",
      `/api/v1/orgs/${organisationOf(wrong)}/clusters${pathOf(wrong)}?${query.filter(Boolean).join("&")}`,
      { token: wrong.has("bad token") ? "ame_x" : wrong.has("no right") ? tokens["billing-admin"] : tenant.admin },
    );
  };

const clusterOf = (wrong: ReadonlySet<Wrong>) =>
  `/${environmentOf(wrong)}/${wrong.has("malformed path") ? "Held" : wrong.has("missing cluster") ? "free" : "held"}`;

/** Writes to a path whose parts are valid or invalid. */
const write =
  (
    method: string,
    pathOf: (wrong: ReadonlySet<Wrong>) => string,
    bodyOf?: (wrong: ReadonlySet<Wrong>) => object,
    collection: string | ((wrong: ReadonlySet<Wrong>) => string) = "clusters",
  ): Build =>
  (wrong) => {
    const text = wrong.has("not JSON") ? "{]" : JSON.stringify(bodyOf?.(wrong));
    const base =
      typeof collection === "string" ? `/api/v1/orgs/${organisationOf(wrong)}/${collection}` : collection(wrong);
    const path = `${base}${pathOf(wrong)}${wrong.has("long query") ? longQuery : ""}`;
    return world.send(wrong.has("wrong method") ? "OPTIONS" : method, path, {
      token: wrong.has("bad token") ? "ame_x" : wrong.has("no right") ? tokens.viewer : tenant.admin,
      ...(bodyOf && { raw: wrong.has("too large") ? text.padEnd(MAX_BODY + 1) : text }),
      headers: {
        ...(wrong.has("other content type") ? { "content-type": "text/plain" } : {}),
        ...(wrong.has("other tag") ? { "if-match": '"99"' } : {}),
        ...(wrong.has("key of another request") ? KEY : {}),
      },
    });
  };

/** Writes to a path of environments whose parts are valid or invalid. */
const writeEnvironment = (method: string, isNamed: boolean, bodyOf?: (wrong: ReadonlySet<Wrong>) => object): Build =>
  write(
    method,
    (wrong) => {
      const slug = wrong.has("missing environment") ? "mars" : wrong.has("not empty") ? "production" : "spare";
      return isNamed ? `/${wrong.has("malformed path") ? "Held" : slug}` : "";
    },
    bodyOf,
    "environments",
  );

/** Writes to a path of an observability tenant whose parts are valid or invalid. */
const writeOfTenant = (
  method: string,
  collection: string,
  restOf: (wrong: ReadonlySet<Wrong>) => string,
  bodyOf?: (wrong: ReadonlySet<Wrong>) => object,
): Build =>
  write(
    method,
    (wrong) =>
      `/${wrong.has("malformed path") ? "Held" : wrong.has("missing tenant") ? "free" : "spare"}${restOf(wrong)}`,
    bodyOf,
    collection,
  );

const memberOf = (wrong: ReadonlySet<Wrong>) =>
  wrong.has("missing member") ? tenant.identity : wrong.has("last admin") ? admin : person;

/** Writes to a path of members whose parts are valid or invalid. */
const writeMember = (method: string, isNamed: boolean, bodyOf?: (wrong: ReadonlySet<Wrong>) => object): Build =>
  write(
    method,
    (wrong) => (isNamed ? `/${memberOf(wrong)}` : ""),
    bodyOf,
    (wrong) => `/api/v1/organisations/${wrong.has("malformed path") ? "Not-A-Slug" : organisationOf(wrong)}/members`,
  );

const NOTHING = "00000000-0000-4000-8000-000000000000";

/** Writes to a schedule whose path is valid or names a missing one. The clusters use the schedule of the organisation. */
const writeSchedule = (method: string, isNamed: boolean, bodyOf?: (wrong: ReadonlySet<Wrong>) => object): Build =>
  write(
    method,
    (wrong) => {
      const identity = wrong.has("in use") ? tenant.schedule.identity : spareSchedule;
      return isNamed ? `/${wrong.has("missing reference") ? NOTHING : identity}` : "";
    },
    bodyOf,
    (wrong) => `/api/v1/organisations/${organisationOf(wrong)}/maintenance-schedule`,
  );

/** Writes to an account, or to what it has. The clusters use the first account of the organisation. */
const writeAccount = (
  method: string,
  rest: (wrong: ReadonlySet<Wrong>) => string,
  bodyOf?: (wrong: ReadonlySet<Wrong>) => object,
): Build =>
  write(
    method,
    (wrong) => `/${wrong.has("missing reference") ? NOTHING : tenant.account.identity}${rest(wrong)}`,
    bodyOf,
    "cloud-accounts",
  );

/** Path of the first credentials of the account, or of missing ones. */
const credentialsOf = (wrong: ReadonlySet<Wrong>) =>
  `/credentials/${wrong.has("missing credentials") ? NOTHING : tenant.account.primaryCloudCredentialsIdentity}`;

const ARRIVAL: Wrong[] = ["wrong method", "bad token", "other content type", "too large", "not JSON"];
const ENTRY: Wrong[] = ["malformed path", "no role", "missing environment", "no right", "key of another request"];

const TENANT_ENTRY: Wrong[] = ["malformed path", "no role", "no right", "key of another request", "missing tenant"];

const REQUESTS: [what: string, build: Build, wrongs: Wrong[]][] = [
  [
    "creating a cluster",
    create,
    [
      ...(["unknown route", "wrong method", "bad token", "other content type", "too large", "not JSON"] as const),
      ...(["malformed path", "no role", "missing environment", "no right", "long query"] as const),
      ...(["invalid body", "held slug", "too many pools"] as const),
    ],
  ],
  [
    "listing an organisation's clusters",
    read(() => "", "includeDetails"),
    ["wrong method", "bad token", "no role", "no right", "long query", "invalid flag"],
  ],
  [
    "listing an environment's clusters",
    read((wrong) => (wrong.has("malformed path") ? "/a%2Fb" : `/${environmentOf(wrong)}`), "show-compute"),
    ["bad token", "malformed path", "no role", "missing environment", "no right", "long query", "invalid flag"],
  ],
  [
    "getting a cluster",
    read(clusterOf, "show-compute"),
    [
      ...(["bad token", "malformed path", "no role", "missing environment", "no right", "missing cluster"] as const),
      ...(["long query", "invalid flag"] as const),
    ],
  ],
  [
    "listing node pools",
    read((wrong) => `${clusterOf(wrong)}/pools`, "none"),
    ["bad token", "malformed path", "no role", "missing environment", "no right", "missing cluster", "long query"],
  ],
  [
    "getting a node pool",
    read((wrong) => `${clusterOf(wrong)}/pools/7`, "none"),
    ["bad token", "malformed path", "no role", "missing environment", "no right", "missing cluster", "missing pool"],
  ],
  [
    "changing and moving a cluster",
    write("PATCH", clusterOf, (wrong) => ({
      enableAutoUpgrade: true,
      ...(wrong.has("invalid body") ? { cni: "mars" } : {}),
      ...(wrong.has("held slug") ? { environmentSlug: "staging" } : {}),
      ...(wrong.has("out of reach") ? { version: "v1.33.4-u-ame.2" } : {}),
    })),
    [
      ...[...ARRIVAL, ...ENTRY],
      ...(["missing cluster", "long query", "invalid body", "other tag", "held slug", "out of reach"] as const),
    ],
  ],
  [
    "moving a cluster",
    write(
      "POST",
      (wrong) => `/${wrong.has("malformed path") ? "Held" : wrong.has("missing cluster") ? "free" : "held"}/move`,
      (wrong) => ({
        currentEnvironment: environmentOf(wrong),
        newEnvironment: wrong.has("invalid body") ? "mars" : "staging",
      }),
    ),
    [...ARRIVAL, ...ENTRY, "missing cluster", "long query", "invalid body", "other tag", "held slug"],
  ],
  [
    "creating a node pool",
    write(
      "POST",
      (wrong) => `${clusterOf(wrong)}/pools`,
      (wrong) => ({
        name: wrong.has("held name") ? "p" : "free",
        nodeSize: wrong.has("invalid body") ? "mars" : "t3.medium",
      }),
    ),
    [...ARRIVAL, ...ENTRY, "missing cluster", "long query", "invalid body", "held name"],
  ],
  [
    "changing a node pool",
    write(
      "PUT",
      (wrong) => `${clusterOf(wrong)}/pools/${wrong.has("missing pool") ? 7 : pool}`,
      (wrong) => ({
        minSize: 7,
        ...(wrong.has("another name") ? { name: "free" } : {}),
        ...(wrong.has("invalid body") ? { nodeSize: "mars" } : {}),
      }),
    ),
    [
      ...[...ARRIVAL, ...ENTRY],
      ...(["missing cluster", "missing pool", "long query", "invalid body", "other tag", "another name"] as const),
    ],
  ],
  [
    "requesting an upgrade",
    write(
      "POST",
      () => "",
      (wrong) => ({ clusterIdentity: cluster, version: wrong.has("invalid body") ? "mars" : "v1.35.0-u-ame.1" }),
      "scheduled-cluster-upgrades",
    ),
    [...ARRIVAL, "no role", "no right", "key of another request", "long query", "invalid body"],
  ],
  [
    "cancelling an upgrade",
    write("DELETE", () => `/${upgrade}`, undefined, "scheduled-cluster-upgrades"),
    ["bad token", "no role", "no right", "long query", "other tag"],
  ],
  [
    "cancelling a missing upgrade",
    write(
      "DELETE",
      (wrong) => `/${wrong.has("missing upgrade") ? cluster : upgrade}`,
      undefined,
      "scheduled-cluster-upgrades",
    ),
    ["bad token", "no role", "key of another request", "missing upgrade", "long query", "other tag"],
  ],
  [
    "removing a node pool",
    write("DELETE", (wrong) => `${clusterOf(wrong)}/pools/${wrong.has("missing pool") ? 7 : pool}`),
    ["bad token", ...ENTRY, "missing cluster", "missing pool", "long query", "other tag"],
  ],
  [
    "creating an environment",
    writeEnvironment("POST", false, (wrong) => ({
      name: wrong.has("held slug") ? "Staging" : "free",
      ...(wrong.has("invalid body") ? { type: "mars" } : {}),
    })),
    [...ARRIVAL, "no role", "no right", "key of another request", "long query", "invalid body", "held slug"],
  ],
  [
    "changing an environment",
    writeEnvironment("PATCH", true, (wrong) => ({
      purpose: "x",
      ...(wrong.has("invalid body") ? { type: "mars" } : {}),
    })),
    [...ARRIVAL, ...ENTRY, "long query", "invalid body", "other tag"],
  ],
  [
    "deleting an environment",
    writeEnvironment("DELETE", true),
    ["bad token", ...ENTRY, "long query", "other tag", "not empty"],
  ],
  [
    "creating an observability tenant",
    write(
      "POST",
      () => "",
      (wrong) => ({
        name: wrong.has("held slug") ? "Held" : "free",
        ...(wrong.has("invalid body") ? { ipWhiteList: "mars" } : {}),
      }),
      "monitoring",
    ),
    [...ARRIVAL, "no role", "no right", "key of another request", "long query", "invalid body", "held slug"],
  ],
  [
    "changing an observability tenant",
    writeOfTenant(
      "PATCH",
      "monitoring",
      () => "",
      (wrong) => (wrong.has("invalid body") ? { ipWhiteList: "mars" } : { name: "Spare" }),
    ),
    [...ARRIVAL, ...TENANT_ENTRY, "long query", "invalid body", "other tag"],
  ],
  [
    "deleting an observability tenant",
    writeOfTenant("DELETE", "monitoring", () => ""),
    ["bad token", ...TENANT_ENTRY, "long query", "other tag"],
  ],
  [
    "replacing an Alertmanager configuration",
    writeOfTenant(
      "POST",
      "monitoring",
      () => "/alertmanager",
      (wrong) => (wrong.has("invalid body") ? { ruleFiles: "mars" } : { ruleFiles: { a: "" } }),
    ),
    [...ARRIVAL, ...TENANT_ENTRY, "long query", "invalid body", "other tag"],
  ],
  [
    "creating a silence",
    writeOfTenant(
      "POST",
      "observability",
      () => "/silences",
      (wrong) => ({ ...SILENCE, ...(wrong.has("invalid body") ? { matchers: "mars" } : {}) }),
    ),
    [...ARRIVAL, ...TENANT_ENTRY, "long query", "invalid body"],
  ],
  [
    "expiring a silence",
    writeOfTenant(
      "DELETE",
      "observability",
      (wrong) => `/silences/${wrong.has("missing silence") ? tenant.identity : silence}`,
    ),
    ["bad token", ...TENANT_ENTRY, "missing silence", "long query", "other tag"],
  ],
  [
    "adding a member",
    writeMember("POST", false, (wrong) => ({
      email: wrong.has("held slug") ? email : "free@example.com",
      role: wrong.has("invalid body") ? "mars" : "viewer",
    })),
    [
      ...ARRIVAL,
      ...(["malformed path", "no role", "no right", "key of another request", "long query"] as const),
      ...(["invalid body", "held slug"] as const),
    ],
  ],
  [
    "changing a member",
    writeMember("PATCH", true, (wrong) => ({ role: wrong.has("invalid body") ? "mars" : "viewer" })),
    [
      ...ARRIVAL,
      ...(["malformed path", "no role", "no right", "key of another request", "missing member"] as const),
      ...(["long query", "invalid body", "other tag", "last admin"] as const),
    ],
  ],
  [
    "removing a member",
    writeMember("DELETE", true),
    [
      ...(["bad token", "malformed path", "no role", "no right", "key of another request"] as const),
      ...(["missing member", "long query", "other tag", "last admin"] as const),
    ],
  ],
  [
    "setting roles in an environment",
    write(
      "POST",
      (wrong) => `/${wrong.has("malformed path") ? "Held" : environmentOf(wrong)}/members/${memberOf(wrong)}`,
      (wrong) => ({ role: wrong.has("invalid body") ? "mars" : "viewer" }),
      "environments",
    ),
    [...ARRIVAL, ...ENTRY, "missing member", "long query", "invalid body", "other tag"],
  ],
];

/** Errors of every write by an admin of the organisation, before the resource is looked for. */
const ADMINS: Wrong[] = ["no role", "no right", "key of another request"];

REQUESTS.push(
  [
    "creating a maintenance schedule",
    writeSchedule("POST", false, (wrong) => ({
      name: "new",
      ...(wrong.has("invalid body") && { windows: [{ day: "mars", startTime: "1:00", duration: 1 }] }),
    })),
    [...ARRIVAL, ...ADMINS, "long query", "invalid body"],
  ],
  [
    "changing a maintenance schedule",
    writeSchedule("PATCH", true, (wrong) => ({
      windows: wrong.has("invalid body") ? [{ day: "mars", startTime: "1:00", duration: 1 }] : [],
    })),
    [...ARRIVAL, ...ADMINS, "missing reference", "long query", "invalid body", "other tag"],
  ],
  [
    "deleting a maintenance schedule",
    writeSchedule("DELETE", true),
    ["bad token", ...ADMINS, "missing reference", "long query", "other tag", "in use"],
  ],
  [
    "creating a cloud account",
    write(
      "POST",
      () => "",
      (wrong) => ({
        displayName: wrong.has("held account name") ? "Own" : "free",
        cloudProfile: wrong.has("invalid body") ? "mars" : tenant.byonAccount.cloudProfile,
      }),
      "cloud-accounts",
    ),
    [...ARRIVAL, ...ADMINS, "long query", "invalid body", "held account name"],
  ],
  [
    "changing a cloud account",
    writeAccount(
      "PATCH",
      () => "",
      (wrong) => ({ enabled: true, ...(wrong.has("invalid body") && { primaryCloudCredentials: "mars" }) }),
    ),
    [...ARRIVAL, ...ADMINS, "missing reference", "long query", "invalid body", "other tag"],
  ],
  [
    "deleting a cloud account",
    writeAccount("DELETE", () => ""),
    ["bad token", ...ADMINS, "missing reference", "long query", "other tag", "in use"],
  ],
  [
    "creating credentials",
    writeAccount(
      "POST",
      () => "/credentials/aws",
      (wrong) => ({
        displayName: "new",
        credentials: {
          accessKeySecret: "secret of errors",
          ...(wrong.has("invalid body") ? {} : { accessKeyId: "id of errors" }),
        },
      }),
    ),
    [...ARRIVAL, ...ADMINS, "missing reference", "long query", "invalid body"],
  ],
  [
    "changing credentials",
    writeAccount("PUT", credentialsOf, (wrong) => ({
      credentials: {
        accessKeySecret: "secret of errors",
        ...(wrong.has("invalid body") ? {} : { accessKeyId: "id of errors" }),
      },
    })),
    [
      ...[...ARRIVAL, ...ADMINS],
      ...(["missing reference", "missing credentials", "long query", "invalid body", "other tag"] as const),
    ],
  ],
  [
    "deleting credentials",
    writeAccount("DELETE", credentialsOf),
    ["bad token", ...ADMINS, "missing reference", "missing credentials", "long query", "other tag"],
  ],
);

const RANK = Object.keys(ORDER) as Wrong[];

describe.each(REQUESTS)("the order of errors for %s", (_, build, wrongs) => {
  test.each(wrongs)("the error is returned if it is the only one: %s", async (wrong) => {
    const [status, says] = ORDER[wrong];
    expectError(await build(new Set([wrong])), status, says);
  });

  const pairs = wrongs.flatMap((first) => wrongs.map((second) => [first, second] as const));
  // Errors that are reported together, or of which one includes the other, have no order.
  const together = ["long query", "invalid flag", "invalid body"];
  const conflicts = ["held slug", "too many pools"];
  const ordered = pairs.filter(
    ([first, second]) =>
      RANK.indexOf(first) < RANK.indexOf(second) &&
      ![together, conflicts].some((group) => group.includes(first) && group.includes(second)),
  );

  test.each(ordered)("the error %s is returned before %s", async (first, second) => {
    const [status, says] = ORDER[first];
    expectError(await build(new Set([first, second])), status, says);
  });

  test("a request with all errors returns them in that order, one after the other", async () => {
    for (let at = 0; at < wrongs.length; at++) {
      const first = wrongs[at] ?? "unknown route";
      const [status, says] = ORDER[first];
      expectError(await build(new Set(wrongs.slice(at))), status, conflicts.includes(first) ? /./ : says);
    }
  });
});

test("a missing node pool is reported before errors of the query", async () => {
  expectError(await get(`${tenant.path("production", "held")}/pools/7${longQuery}`), 404, /no node pool/);
});

test("problems of query and body are reported together", async () => {
  const { status, body } = await create(new Set<Wrong>(["long query", "invalid body"]));
  expect(status).toBe(400);
  expect(body.details).toHaveLength(2);
  expect(body.message).toBe(`${body.details[0]} (and 1 more)`);
});
