import { randomUUID } from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import { committed, type DocumentedOperation } from "#test/support/contract.ts";
import { type Json, makeWorld, type Tenant, type TestResponse, type World } from "#test/support/world.ts";

// Generated clients send every default that the document declares, in addition to the values of their caller.

let world: World;
let tenant: Tenant;
let inPath: Record<string, string>;
let upgradeRequest: unknown;
/** A value of each query parameter that is not its default. */
let explicit: Record<string, string>;

/** Cursor of a list of the organisation's events. */
let organisationCursor: string;

/** Returns the cursor in the link to the next page. */
const cursorIn = ({ headers }: TestResponse): string => /cursor=([\w%-]+)/.exec(headers.get("link") ?? "")?.[1] ?? "";

beforeAll(async () => {
  world = await makeWorld();
  tenant = await world.tenant();
  const nodePools = ["web", "jobs"].map((name) => ({ name, nodeSize: "t3.medium" }));
  for (const name of ["one", "two"]) {
    const body = tenant.creation({ name, nodePools, maintenanceScheduleIdentity: tenant.schedule.identity });
    const made = await world.send("POST", tenant.path("production"), { token: tenant.admin, body });
    expect(made.status, made.text).toBe(200);
  }
  const cluster = tenant.path("production", "one");
  await world.send("PATCH", cluster, { token: tenant.admin, body: { deleteProtection: true } });
  const [pool] = (await world.send("GET", `${cluster}/pools`, { token: tenant.admin })).body;
  const events = await world.send("GET", `${cluster}/events?size=1`, { token: tenant.admin });
  for (const purpose of ["a", "b"]) {
    const path = `/api/v1/orgs/${tenant.slug}/environments/staging`;
    await world.send("PATCH", path, { token: tenant.admin, body: { purpose } });
  }
  const ofOrganisation = `/api/v1/organisations/${tenant.slug}/events?size=1`;
  organisationCursor = cursorIn(await world.send("GET", ofOrganisation, { token: tenant.admin }));
  upgradeRequest = {
    clusterIdentity: (await world.send("GET", cluster, { token: tenant.admin })).body.identity,
    version: "v1.35.1-u-ame.1",
  };
  const upgrades = `/api/v1/orgs/${tenant.slug}/scheduled-cluster-upgrades`;
  const upgrade = await world.send("POST", upgrades, { token: tenant.admin, body: upgradeRequest });
  const monitoring = `/api/v1/orgs/${tenant.slug}/monitoring`;
  await world.send("POST", monitoring, { token: tenant.admin, body: { name: "web" } });
  inPath = {
    organisationSlug: tenant.slug,
    environmentSlug: "production",
    clusterSlug: "one",
    nodePoolId: `${pool.id}`,
    cloudProviderSlug: "aws",
    regionSlug: "eu-west-1",
    cloudAccountIdentity: tenant.account.identity,
    cloudCredentials: tenant.account.primaryCloudCredentialsIdentity ?? "",
    maintenanceScheduleIdentity: tenant.schedule.identity,
    scheduledUpgradeIdentity: upgrade.body.identity,
    observabilityTenantSlug: "web",
    silenceId: tenant.identity,
    memberIdentity: (await tenant.person("viewer")).user,
    tokenIdentity: randomUUID(),
  };
  explicit = {
    "cloud-provider-slug": "aws",
    "display-name": "AWS",
    "show-compute": "true",
    cloudProvider: "aws",
    cursor: cursorIn(events),
    clusterIdentities: randomUUID(),
    dryRun: "true",
    includeDetails: "true",
    maintenanceSchedule: tenant.schedule.identity,
    name: "o",
    page: "1",
    pageable: JSON.stringify({ pageNumber: 1, pageSize: 1, sortDirection: "DESC" }),
    pageNumber: "1",
    pageSize: "1",
    region: "eu-west-1",
    size: "1",
    sort: "name,desc",
    sortDirection: "DESC",
    status: "new",
    statuses: "REQUESTED",
    version: "v1.34.4-u-ame.2",
    waitFor: "status:new",
  };
});

type Documented = NonNullable<DocumentedOperation["parameters"]>;

const HEADERS: Record<string, () => string> = {
  "Idempotency-Key": randomUUID,
  "If-Match": () => "*",
  "If-None-Match": () => '"other"',
  Prefer: () => "handling=strict",
};

const every = Object.entries(committed.paths).flatMap(([path, operations]) =>
  Object.entries(operations).map(([method, operation]) => ({ path, method: method.toUpperCase(), ...operation })),
);
const named = (parameters: Documented, place: string) => parameters.filter((each) => each.in === place);
const value = (values: Record<string, string>, name: string): string => {
  const found = values[name];
  if (found === undefined || found === "") throw new Error(`give ${name} a value that is not its default`);
  return found;
};
const addressOf = (path: string, query: [string, string][]) => {
  const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => value(inPath, name));
  return query.length === 0 ? filled : `${filled}?${new URLSearchParams(query)}`;
};
const defaultsOf = (parameters: Documented, except?: string): [string, string][] =>
  named(parameters, "query")
    .filter(({ name, schema }) => schema.default !== undefined && name !== except)
    .map(({ name, schema }) => [name, `${schema.default}`]);

describe("declared defaults in addition to a non-default value of another parameter do not change a response", () => {
  test.each(every.filter(({ method }) => method === "GET"))(
    "$operationId returns the same with its declared defaults",
    async ({ operationId, path, parameters = [] }) => {
      for (const { name } of named(parameters, "query")) {
        const own = operationId === "listOrganisationEvents" ? { ...explicit, cursor: organisationCursor } : explicit;
        const asked: [string, string][] = [[name, value(own, name)]];
        const send = (query: [string, string][]) =>
          world.send("GET", addressOf(path, query), { token: tenant.admin, headers: { "x-request-id": "1" } });
        const [plain, filled] = [await send(asked), await send([...asked, ...defaultsOf(parameters, name)])];
        expect([200, 409], plain.text).toContain(plain.status);
        expect([name, filled.status, filled.body]).toEqual([name, plain.status, plain.body]);
      }
    },
  );
});

const SECRETS = { accessKeyId: "id of defaults", accessKeySecret: "secret of defaults" };

describe("declared defaults of a write are accepted with each of its headers", () => {
  const bodies: Record<string, () => unknown> = {
    createCluster: () => tenant.creation({ name: randomUUID() }),
    createCloudAccount: () => ({ cloudProfile: tenant.account.cloudProfile, displayName: randomUUID() }),
    createCloudCredentials: () => ({ credentials: SECRETS, displayName: randomUUID() }),
    createEnvironment: () => ({ name: randomUUID().slice(0, 8) }),
    createMember: () => ({ email: `${randomUUID()}@example.com`, role: "viewer" }),
    updateMember: () => ({ username: randomUUID() }),
    setEnvironmentMember: () => ({ role: "none" }),
    createToken: () => ({ name: randomUUID() }),
    updateEnvironment: () => ({ purpose: randomUUID() }),
    createObservabilityTenant: () => ({ name: randomUUID().slice(0, 8) }),
    createSilence: () => ({ comment: "c", endsAt: "2099-01-01T00:00:00Z", matchers: [{ name: "a", value: "b" }] }),
    updateAlertmanagerConfiguration: () => ({ ruleFiles: { a: randomUUID() } }),
    updateObservabilityTenant: () => ({ name: randomUUID() }),
    createMaintenanceSchedule: () => ({ name: randomUUID() }),
    createNodePool: () => ({ name: randomUUID().slice(0, 8), nodeSize: "t3.medium" }),
    moveCluster: () => ({ currentEnvironment: "production", newEnvironment: "production" }),
    requestScheduledClusterUpgrade: () => upgradeRequest,
    updateCloudAccount: () => ({ displayName: randomUUID() }),
    updateCloudCredentials: () => ({ credentials: SECRETS }),
    updateCluster: () => ({ deleteProtection: true }),
    updateMaintenanceSchedule: () => ({ name: randomUUID() }),
    updateNodePool: () => ({ minSize: 2 }),
    updatePrometheusRulesInheritance: () => true,
  };
  const writes = every.filter(({ method }) => method !== "GET");

  test.each(writes)(
    "$operationId accepts its declared defaults with each header",
    async ({ operationId, method, path, parameters = [] }) => {
      for (const { name } of named(parameters, "header")) {
        const headers = { [name]: HEADERS[name]?.() ?? "" };
        const body = bodies[operationId]?.();
        const ofType = operationId === "createCloudCredentials" ? path.replace("{cloudCredentials}", "aws") : path;
        const address = addressOf(ofType, defaultsOf(parameters));
        const response = await world.send(method, address, { token: tenant.admin, headers, body });
        // A cluster that was not deleted cannot be undeleted (404), and a cluster that is not built has no configuration (409).
        expect([200, 204, 404, 409], response.text).toContain(response.status);
      }
    },
  );
});

/** Lists the paths of declared defaults in a schema and in all schemas that it refers to. */
function defaultsIn(schema: Json, path: string, seen = new Set<string>()): string[] {
  if (typeof schema !== "object" || schema === null) return [];
  const own = schema.default === undefined ? [] : [path];
  const referred =
    String(schema.$ref ?? "")
      .split("/")
      .at(-1) ?? "";
  if (referred !== "" && !seen.has(referred)) {
    seen.add(referred);
    own.push(...defaultsIn(committed.components.schemas[referred], referred, seen));
  }
  return [...own, ...Object.entries(schema).flatMap(([name, part]) => defaultsIn(part, `${path}.${name}`, seen))];
}

describe("request bodies declare no default, because a PATCH would write it", () => {
  test.each(every.filter(({ requestBody }) => requestBody !== undefined))(
    "the request body of $operationId declares no default",
    ({ requestBody }) => {
      expect(defaultsIn(requestBody?.content["application/json"]?.schema, "body")).toEqual([]);
    },
  );

  test("a default in a referenced schema is found", () => {
    expect(defaultsIn({ properties: { a: { type: "boolean", default: false } } }, "body")).toEqual([
      "body.properties.a",
    ]);
  });
});

test("header parameters declare no default", () => {
  const declared = every.flatMap(({ operationId, parameters = [] }) =>
    named(parameters, "header")
      .filter(({ schema }) => schema.default !== undefined)
      .map(({ name }) => `${operationId} ${name}`),
  );
  expect(declared).toEqual([]);
});
