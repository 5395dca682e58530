import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { acloudRows, type OperationId } from "#functions/api/routes.ts";
import { type AcloudClient, acloudClient, BASE, decodeErrors, isDecoded } from "#test/support/acloud.ts";
import { type ConfiguredWorld, makeConfiguredWorld } from "#test/support/issuer.ts";
import type { Json, Tenant } from "#test/support/world.ts";

let world: ConfiguredWorld;
let tenant: Tenant;
let client: AcloudClient;

/** Operations whose responses were checked. */
const visited = new Set<OperationId>();
/** Values of the variables in paths. */
const values: Record<string, string> = {};

beforeAll(async () => {
  world = await makeConfiguredWorld();
  tenant = await world.tenant();
  client = acloudClient(world, tenant);
  Object.assign(values, {
    ...{ organisation: tenant.slug, environment: "production", cluster: "one", provider: "aws", region: "eu-west-1" },
    ...{ account: tenant.account.identity, schedule: tenant.schedule.identity, cloudType: "aws" },
    credentials: tenant.account.primaryCloudCredentialsIdentity ?? "",
  });
});
afterAll(() => world.stop());

/** Thresholds of the autoscaler are the only numbers that may have a fraction. */
const FRACTION = /threshold$/;

/** Lists what a client cannot decode, whatever its type: found by the names of properties in the whole body. */
function problemsIn(value: unknown, path = "body", name = ""): string[] {
  if (value === null) return [`${path} is null`];
  if (typeof value === "number")
    return Number.isSafeInteger(value) || FRACTION.test(name) ? [] : [`${path} is ${value}`];
  const isSlug = /slug$/i.test(name);
  if (isSlug && typeof value !== "string") return [`${path} is no text`];
  if (name === "sort" && (typeof value !== "object" || Array.isArray(value))) return [`${path} is no object`];
  if (typeof value !== "object") return [];
  return Object.entries(value as Json).flatMap(([member, each]) =>
    problemsIn(each, `${path}.${member}`, Array.isArray(value) ? name : member),
  );
}

/** Type of a response for the client; undefined if the client does not read it. */
function typeOf(success: string | undefined): string | undefined {
  const name = success?.replace(/^Page(?!able)/, "").replace("[]", "") ?? "";
  if (!isDecoded(name)) return undefined;
  return success?.endsWith("[]") === true ? `[]${name}` : name;
}

/** Sends the request of an operation and checks its response. @param more values of variables, and the body */
async function visit(id: OperationId, body?: unknown, more: Record<string, string> = {}): Promise<Json> {
  const row = acloudRows.find((each) => each.id === id);
  if (row === undefined) throw new Error(`${id} is not served`);
  const path = row.path.replaceAll(/\{(\w+)\}/g, (_, variable: string) => more[variable] ?? values[variable] ?? "");
  const isList = row.success?.startsWith("Page") === true;
  const compute = row.parameters.includes("show-compute") ? "?show-compute=true&includeDetails=true" : "?x=";
  const query = row.method === "GET" ? `${compute}${isList ? "&page=0" : ""}` : "";
  const response = await client.send(row.method, `${path.slice(BASE.length)}${query}`, body);
  expect([id, response.status]).toEqual([id, row.success === undefined ? 204 : 200]);
  visited.add(id);
  if (response.body === undefined) return undefined;
  expect([id, problemsIn(response.body)]).toEqual([id, []]);
  const type = typeOf(row.success);
  if (type !== undefined) {
    if (isList) {
      expect(response.body.content.length).toBeGreaterThan(0);
      expect(decodeErrors("Page", response.body)).toEqual([]);
    }
    expect(isList ? decodeErrors(`[]${type}`, response.body.content) : decodeErrors(type, response.body)).toEqual([]);
  }
  return response.body;
}

describe("the types of every response of the dialect", () => {
  test("the client decodes every successful response", async () => {
    const upstream = await visit("createCluster", tenant.creation({ name: "upstream" }));
    const cluster = await visit("createCluster", {
      ...tenant.creation({
        ...{
          cni: "CILIUM",
          podSecurityStandardsProfile: "RESTRICTED",
          maintenanceScheduleIdentity: tenant.schedule.identity,
        },
        ...{ updateChannel: "v1.34", description: "a cluster", ipWhitelist: [{ cidr: "192.0.2.0/24" }] },
        addons: { kured: { enabled: true, customValues: { startTime: "0:00" } }, gpu: {} },
        clusterAutoscalerSettings: { "scale-down-utilization-threshold": 0.5 },
        upstreamCluster: { identity: upstream.identity },
      }),
    });
    const TAINT = { key: "a", value: "b", effect: "NoSchedule" };
    const pool = await visit("createNodePool", {
      ...{ name: "workers", nodeSize: "t3.small", minSize: 1, maxSize: 1, labels: { a: "b" }, taints: [TAINT] },
      ...{ annotations: { a: "b" }, availabilityZone: "eu-west-1a" },
    });
    values.nodePool = `${pool.id}`;
    await world.settle();
    const upgrade = await visit("requestScheduledClusterUpgrade", {
      ...{ clusterIdentity: cluster.identity, version: "v1.35.0-u-ame.1" },
      ...{ scheduleRequestDate: new Date(Date.now() + 86_400_000).toISOString(), ignoreMaintenanceSchedule: true },
    });
    values.upgrade = upgrade.identity;
    values.tenant = (await visit("createObservabilityTenant", { name: "Web shop" })).slug;
    const rules = { ruleFiles: { "a.yaml": "groups: []" }, templateFiles: null, alertManagerConfig: "" };
    await visit("updateAlertmanagerConfiguration", rules);
    const silence = await visit("createSilence", {
      ...{ comment: "c", startsAt: "0001-01-01T00:00:00Z", endsAt: "2099-01-01T00:00:00Z" },
      matchers: [{ name: "a", value: "b", isRegex: false, isEqual: true }],
    });
    values.silence = silence.id;
    const member = { email: "new@example.com", role: "viewer" };
    values.member = (await visit("createMember", member)).memberIdentity;
    const token = await visit("createToken", { name: "pipeline", sources: [] });
    for (const { id, method } of acloudRows) if (method === "GET") await visit(id);
    await visit("setEnvironmentMember", { role: "none" });
    await visit("deleteEnvironmentMember");
    await visit("updateMember", { role: "developer" });
    await visit("deleteMember");
    await visit("deleteToken", undefined, { token: token.identity });
    await visit("expireSilence");
    await visit("updateObservabilityTenant", { name: "Web" });
    await visit("deleteObservabilityTenant");
    await visit("cancelScheduledClusterUpgrade");
    await visit("createNodePoolJoinConfig");
    await visit("createEnvironment", { name: "My Test", purpose: "", type: "demo", description: "" });
    const own = { environment: "my-test" };
    await visit("updateEnvironment", { name: "Other", purpose: "", type: "demo", description: "" }, own);
    await visit("deleteEnvironment", undefined, own);
    const windows = [{ day: "SATURDAY", startTime: "02:00", duration: 120 }];
    const schedule = (await visit("createMaintenanceSchedule", { name: "nightly", windows })).identity;
    await visit("updateMaintenanceSchedule", { name: "other", windows }, { schedule });
    await visit("deleteMaintenanceSchedule", undefined, { schedule });
    const { cloudProfile } = tenant.account;
    const account = (await visit("createCloudAccount", { displayName: "New", cloudProfile, metadata: {} })).identity;
    const primary = { primaryCloudCredentials: "" };
    await visit("updateCloudAccount", { displayName: "Other", enabled: true, ...primary }, { account });
    const secrets = { credentials: { accessKeyId: "id of the dialect", accessKeySecret: "secret of the dialect" } };
    const made = await visit("createCloudCredentials", { displayName: "New", ...secrets }, { account });
    const mine = { account, credentials: made.identity };
    await visit("updateCloudCredentials", secrets, mine);
    await visit("deleteCloudCredentials", undefined, mine);
    await visit("deleteCloudAccount", undefined, { account });
    await visit("updateNodePool", { name: "", labels: { a: "c" } });
    await visit("deleteNodePool");
    await visit("updateCluster", { enableAutoUpgrade: true });
    await visit("updatePrometheusRulesInheritance", { environmentPrometheusRules: false });
    await visit("moveCluster", { currentEnvironment: "production", newEnvironment: "staging" });
    await visit("updateCluster", { status: "deleting" }, { environment: "staging" });
    await world.settle();
    await visit("undeleteCluster", undefined, { environment: "staging" });
    expect(acloudRows.map(({ id }) => id).filter((id) => !visited.has(id))).toEqual([]);
  });

  test("the check finds each type that the client cannot decode", () => {
    const page = { last: true, totalElements: 1, sort: { sorted: true, unsorted: false, empty: false } };
    expect(decodeErrors("Page", page)).toEqual([]);
    expect(decodeErrors("Page", { ...page, sort: [] })).toHaveLength(1);
    expect(decodeErrors("Page", { ...page, totalElements: 1.5 })).toHaveLength(1);
    expect(decodeErrors("Page", { last: true, sort: null })).toHaveLength(1);
    expect(decodeErrors("ClusterVersion", { version: { slugValue: "x" } })).toHaveLength(1);
    expect(decodeErrors("ClusterVersion", { version: "a", Version: "b" })).toHaveLength(1);
    expect(decodeErrors("AvailabilityZone", { createdAt: "2026-11-23T10:00:00+0000", id: "1" })).toHaveLength(2);
    expect(decodeErrors("APIAddon", { customValues: { a: true } })).toHaveLength(1);
    expect(decodeErrors("[]NodeType", { type: "a" })).toHaveLength(1);
    expect(problemsIn({ sort: [], a: [{ environmentSlug: {} }], b: null, c: 1.5, "x-threshold": 0.5 })).toHaveLength(4);
  });
});
