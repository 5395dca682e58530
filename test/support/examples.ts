/** Captures the examples of the OpenAPI document from responses of the served app. */

import { randomUUID } from "node:crypto";
import { UpdateCommand } from "@aws-sdk/lib-dynamodb";
import { createAccount } from "#core/admin/cloud-accounts.ts";
import { createEnvironment } from "#core/admin/environments.ts";
import { createSchedule } from "#core/admin/maintenance-schedules.ts";
import { setMember } from "#core/admin/members.ts";
import { createOrganisation } from "#core/admin/organisations.ts";
import { createToken } from "#core/admin/personal-tokens.ts";
import { profileByIdentity } from "#core/catalogue/index.ts";
import { clusterEntity } from "#core/cluster/entity.ts";
import { randomIds } from "#core/context.ts";
import { MAX_SILENCES } from "#core/observability/silence-rules.ts";
import { simulatedTraits } from "#core/provisioning/simulated/traits.ts";
import { MAX_CREDENTIALS } from "#core/references/cloud-credentials/rules.ts";
import { DAY_MS } from "#core/shared/time.ts";
import { clusterKey } from "#core/table/keys.ts";
import { readReferences } from "#core/tenancy/references.ts";
import { routeRows } from "#functions/api/routes.ts";
import { IDENTITIES, NODE_POOL_ID, type ResponseExamples, requests } from "#functions/openapi/examples.ts";
import { descriptions } from "#functions/openapi/operations.ts";
import { describeParameters, documentedPath } from "#functions/openapi/parameters.ts";
import { type ConfiguredWorld, makeConfiguredWorld } from "./issuer.ts";
import { fillOverrides } from "./members.ts";
import { changeReferences } from "./references.ts";
import type { Json, RequestOptions, TestResponse } from "./world.ts";

const MOMENT = "2026-11-24T00:10:45.660Z";
const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;
const CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB…\n-----END CERTIFICATE-----\n";

const base64 = (text: string) => Buffer.from(text).toString("base64");

/** Replaces secrets of a response, and documents that are too long for an example. */
function shortened(name: string, value: string): string {
  if (name === "caCertificate") return CERTIFICATE;
  if (name === "certificate-authority-data") return base64(CERTIFICATE);
  if (name === "clientSecret" || name === "token") return "…";
  if (name === "clientId") return "example-client";
  if (name.endsWith("Base64")) return base64(`${Buffer.from(value, "base64").toString().split("\n")[0]}\n`);
  return value
    .replace(/^(--oidc-client-secret=).*/, "$1…")
    .replace(/^(--oidc-client-id=).*/, "$1example-client")
    .replace(/--token \S+/, "--token abcdef.0123456789abcdef")
    .replace(/sha256:[0-9a-f]{64}/, `sha256:${"0123456789abcdef".repeat(4)}`)
    .replace(/http:\/\/127\.0\.0\.1:\d+/, "https://login.example.com");
}

/** Organisation of the examples, with the data that further requests need. */
interface Scene {
  world: ConfiguredWorld;
  tokens: Record<"admin" | "viewer" | "stranger" | "elsewhere", string>;
  /** Identities of the examples, by the real ones. */
  shown: Map<string, string>;
  examples: ResponseExamples;
}

/** Times that a request of an example names. */
const NAMED = /^20(30|99)-/;

/** Returns the time from a creation to an expiry, in days. */
const lifetimeOf = ({ createdAt, expiresAt }: Json): number =>
  Math.round((Date.parse(expiresAt) - Date.parse(createdAt)) / DAY_MS);

/** Replaces values that differ from run to run: identities, times, secrets. */
function canonical(shown: Map<string, string>, body: Json): Json {
  const text = JSON.stringify(body, function (this: Json, name: string, value: unknown) {
    if (name === "expiresAt" && "createdAt" in this && !NAMED.test(this.expiresAt)) return `${lifetimeOf(this)} days`;
    return typeof value === "string" ? shortened(name, value) : value;
  });
  const identityOf = (real: string) => {
    const known = shown.get(real) ?? `00000000-0000-4000-8000-${String(shown.size).padStart(12, "0")}`;
    shown.set(real, known);
    return known;
  };
  const replaced = text
    .replaceAll(UUID, (real) => (profileByIdentity(real) === undefined ? identityOf(real) : real))
    .replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g, (time) => (NAMED.test(time) ? time : MOMENT))
    .replaceAll(/"(\d+) days"/g, (_, days) => JSON.stringify(new Date(Date.parse(MOMENT) + days * DAY_MS)));
  // Entity tags contain the start of an identity.
  const withTags = [...shown].reduce(
    (all, [real, known]) =>
      [".", "\\"].reduce(
        (text, end) => text.replaceAll(`-${real.slice(0, 8)}${end}`, `-${known.slice(0, 8)}${end}`),
        all,
      ),
    replaced,
  );
  return JSON.parse(withTags);
}

const inPath = {
  organisationSlug: "acme",
  environmentSlug: "production",
  clusterSlug: "my-first-cluster",
  nodePoolId: `${NODE_POOL_ID}`,
  cloudProviderSlug: "aws",
  regionSlug: "eu-west-1",
  cloudAccountIdentity: IDENTITIES.account,
  cloudCredentials: IDENTITIES.credentials,
  maintenanceScheduleIdentity: IDENTITIES.schedule,
  scheduledUpgradeIdentity: IDENTITIES.upgrade,
  observabilityTenantSlug: "web-shop",
  silenceId: IDENTITIES.silence,
  memberIdentity: IDENTITIES.user,
  tokenIdentity: IDENTITIES.token,
};
type PathValues = Partial<typeof inPath>;

async function makeScene(): Promise<Scene> {
  let numbers = NODE_POOL_ID;
  const ids = { ...randomIds(), number: () => numbers++ };
  // Clusters need credentials, so the last credentials of an account in use cannot be deleted.
  const provisioner = { ...simulatedTraits, needsCredentials: () => true };
  const world = await makeConfiguredWorld({ ids, provisioner });
  const { services } = world;
  const { identity: organisation } = await createOrganisation(services, { slug: "acme", name: "Acme" });
  const production = await createEnvironment(services, "acme", { name: "production", type: "production" });
  await createEnvironment(services, "acme", { name: "staging", type: "staging" });
  const given = { displayName: "Our AWS", cloudProfile: "aws", credentials: "Main" };
  const account = await createAccount(services, "acme", given);
  const windows = [{ day: "SATURDAY", duration: 120, startTime: "02:00" }];
  const schedule = await createSchedule(services, "acme", { name: "weekend", windows });
  const { user } = await setMember(services, "acme", { email: "ann@example.com", role: "admin" });
  const viewer = await setMember(services, "acme", { email: "bob@example.com", role: "viewer" });
  const tokenOf = async (of: string, more = {}) =>
    (await createToken(services, { user: of, name: "test", ...more })).token;
  const { record } = await createToken({ ...services, clock: () => new Date(0) }, { user, name: "Terraform" });
  numbers = NODE_POOL_ID;
  return {
    world,
    tokens: {
      admin: await tokenOf(user),
      viewer: await tokenOf(viewer.user),
      stranger: await tokenOf(randomUUID()),
      elsewhere: await tokenOf(user, { sources: ["198.51.100.0/24"] }),
    },
    shown: new Map([
      [organisation, IDENTITIES.organisation],
      [production.identity, IDENTITIES.environment],
      [account.identity, IDENTITIES.account],
      [account.primaryCloudCredentialsIdentity ?? "", IDENTITIES.credentials],
      [schedule.identity, IDENTITIES.schedule],
      [user, IDENTITIES.user],
      [record.tokenId, IDENTITIES.token],
    ]),
    examples: {},
  };
}

/** Every operation with its description. */
const operations = routeRows.map(({ id, path, parameters, ...row }) => ({
  ...row,
  ...descriptions[id],
  operationId: id as string,
  path: documentedPath(path),
  parameters: describeParameters(parameters, 50),
}));
type Operation = (typeof operations)[number];

const operationOf = (operationId: string): Operation => {
  const found = operations.find((each) => each.operationId === operationId);
  if (found === undefined) throw new Error(`operation ${operationId} not found`);
  return found;
};

interface Asking extends RequestOptions {
  at?: PathValues;
  query?: string;
  as?: keyof Scene["tokens"] | "nobody";
}

/** Sends an operation's example request, or another one. Replaces identities of the examples by the real ones. */
function ask({ world, tokens, shown }: Scene, operationId: string, asking: Asking = {}): Promise<TestResponse> {
  const { at = {}, query = "", as = "admin", ...sending } = asking;
  const { method, path } = operationOf(operationId);
  const ofOperation = operationId === "createCloudCredentials" ? { cloudCredentials: "aws" } : {};
  const real = new Map([...shown].map(([key, value]) => [value, key]));
  const realIn = (text: string) => text.replaceAll(UUID, (each) => real.get(each) ?? each);
  const values: Record<string, string> = { ...inPath, ...ofOperation, ...at };
  const address = realIn(path.replaceAll(/\{(\w+)\}/g, (_, name: string) => values[name] ?? ""));
  const body = sending.body ?? requests[operationId];
  return world.send(method, `${address}${query}`, {
    peer: "192.0.2.7",
    ...(as === "nobody" ? {} : { token: tokens[as] }),
    ...sending,
    headers: { "x-request-id": IDENTITIES.cluster, ...sending.headers },
    ...(body === undefined || sending.raw !== undefined ? {} : { body: JSON.parse(realIn(JSON.stringify(body))) }),
  });
}

/** Sends a request and stores its response as the example of its operation and status. */
async function capture(scene: Scene, operationId: string, status: number, asking: Asking = {}, of = operationId) {
  const response = await ask(scene, operationId, asking);
  if (response.status !== status)
    throw new Error(`${operationId}: ${response.status} instead of ${status}: ${response.text}`);
  scene.examples[of] = { ...scene.examples[of], [status]: canonical(scene.shown, response.body) };
  return response;
}

/** Records the real identity for an identity of the examples. */
const recordIdentity = ({ shown }: Scene, real: string, of: keyof typeof IDENTITIES) => shown.set(real, IDENTITIES[of]);

/** Queries that keep the examples of long lists short. */
const SHORT: Record<string, string> = {
  listClusterEvents: "?size=2",
  listCloudProfiles: "?pageSize=1",
  listNodeTypes: "?pageSize=5",
  listOrganisationEvents: "?size=2",
  listRegions: "?pageSize=5",
  listTokens: "?pageSize=1",
};

/** Requests with errors in the operation's own input, for operations whose query is not the best example. */
const INVALID: Record<string, unknown> = {
  createCloudAccount: { cloudProfile: "aws", displayName: "Our_AWS" },
  createCloudCredentials: { credentials: { accessKeyId: "AKIAIOSFODNN7EXAMPLE" }, displayName: "Second" },
  createCluster: { ...(requests.createCluster as object), version: "1.34", region: "mars" },
  createEnvironment: { name: "Test_Demo", type: "acceptance" },
  createMember: { email: "eve", role: "owner" },
  createMaintenanceSchedule: { name: "nightly", windows: [{ day: "Caturday", duration: 0, startTime: "1:30" }] },
  createNodePool: { name: "batch", nodeSize: "huge" },
  createObservabilityTenant: { ipWhiteList: "192.0.2.1/24", name: "Web_shop" },
  createSilence: {
    comment: " ",
    endsAt: "0001-01-01T00:00:00Z",
    matchers: [{ isRegex: true, name: "alertname", value: "(?!Database).*" }],
  },
  createToken: { name: "", sources: ["192.0.2.7/24"] },
  moveCluster: { currentEnvironment: "production", newEnvironment: "mars" },
  requestScheduledClusterUpgrade: { clusterIdentity: IDENTITIES.cluster, version: "1.35" },
  setEnvironmentMember: { role: "owner" },
  updateCloudAccount: { primaryCloudCredentials: IDENTITIES.account },
  updateCloudCredentials: { credentials: { accessKeyId: "" } },
  updateCluster: { version: "v1.33.0" },
  updateAlertmanagerConfiguration: { alertManagerConfig: "route: {", ruleFiles: { "../shop.yaml": "" } },
  updateEnvironment: { type: "acceptance" },
  updateObservabilityTenant: { name: "Web_shop" },
  updateMember: { kubernetesRole: "root", role: "owner" },
  updateMaintenanceSchedule: { windows: [{ day: "SATURDAY", duration: 1_441, startTime: "02:00" }] },
  updateNodePool: { autoScaling: false, maxSize: 3, minSize: 2 },
  updatePrometheusRulesInheritance: { environmentPrometheusRules: "yes" },
};

function invalidRequest({ operationId, parameters }: Operation): Asking {
  if (INVALID[operationId] !== undefined) return { body: INVALID[operationId] };
  const names = new Set(parameters.filter((each) => each.in === "query").map(({ name }) => name));
  if (names.has("pageSize")) return { query: "?pageSize=0" };
  if (names.has("size")) return { query: "?size=1000" };
  for (const flag of ["show-compute", "dryRun"]) if (names.has(flag)) return { query: `?${flag}=maybe` };
  return { query: `?x=${"y".repeat(4_096)}` };
}

function missingIn({ path, operationId }: Operation): PathValues {
  if (operationId === "moveCluster" || path.includes("{clusterSlug}")) {
    return path.includes("{nodePoolId}") ? { nodePoolId: "1" } : { clusterSlug: "another" };
  }
  for (const [name, value] of [
    ["memberIdentity", "ffffffff-ffff-4fff-8fff-ffffffffffff"],
    ["tokenIdentity", "ffffffff-ffff-4fff-8fff-ffffffffffff"],
    ["environmentSlug", "nowhere"],
    ["regionSlug", "nowhere"],
    ["cloudProviderSlug", "nowhere"],
    ["cloudCredentials", "ffffffff-ffff-4fff-8fff-ffffffffffff"],
    ["cloudAccountIdentity", "ffffffff-ffff-4fff-8fff-ffffffffffff"],
    ["scheduledUpgradeIdentity", "ffffffff-ffff-4fff-8fff-ffffffffffff"],
    ["maintenanceScheduleIdentity", "ffffffff-ffff-4fff-8fff-ffffffffffff"],
    ["silenceId", "ffffffff-ffff-4fff-8fff-ffffffffffff"],
    ["observabilityTenantSlug", "nowhere"],
  ] as const) {
    if (path.includes(`{${name}}`) && !(name === "cloudCredentials" && operationId === "createCloudCredentials")) {
      return { [name]: value };
    }
  }
  return { organisationSlug: "Acme" };
}

/** Captures the errors of each operation that need no special state. */
async function captureErrors(scene: Scene): Promise<void> {
  for (const operation of operations) {
    const { operationId, errors, method, path } = operation;
    // Before the first deletion, nothing can be undeleted.
    if (errors.includes(400) && operationId !== "undeleteCluster")
      await capture(scene, operationId, 400, invalidRequest(operation));
    if (errors.includes(403)) {
      const as = !path.includes("{organisationSlug}") ? "elsewhere" : method === "GET" ? "stranger" : "viewer";
      await capture(scene, operationId, 403, { as });
    }
    if (errors.includes(404)) {
      const body = operationId === "moveCluster" ? { body: INVALID.moveCluster } : {};
      await capture(scene, operationId, 404, { at: missingIn(operation), ...body });
    }
    if (errors.includes(412)) {
      const body =
        operationId === "moveCluster" ? { currentEnvironment: "production", newEnvironment: "staging" } : undefined;
      await capture(scene, operationId, 412, { headers: { "if-match": '"0"' }, body });
    }
  }
}

/** Captures the errors whose body is the same for every operation. */
async function captureSharedErrors(scene: Scene): Promise<void> {
  const { world } = scene;
  const any = (operationId: string, status: number, asking?: Asking) =>
    capture(scene, operationId, status, asking, "any");
  await any("getCluster", 401, { as: "nobody" });
  await any("updateCluster", 413, { raw: "{}".padEnd(256 * 1_024 + 1) });
  await any("updateCluster", 415, { raw: "{}", headers: { "content-type": "text/plain" } });
  const headers = { "idempotency-key": "1" };
  await ask(scene, "updatePrometheusRulesInheritance", { headers });
  await any("updatePrometheusRulesInheritance", 422, { headers, body: false });
  world.wire.fault = () => "before";
  await any("getCluster", 503);
  await capture(scene, "getReadiness", 503);
  world.wire.fault = () => undefined;
  // An item of a version that no release writes.
  const stamp = (version: number) =>
    world.table.client.send(
      new UpdateCommand({
        TableName: world.table.name,
        Key: clusterKey("acme", "production", "my-first-cluster"),
        UpdateExpression: "SET entityVersion = :version",
        ExpressionAttributeValues: { ":version": version },
      }),
    );
  await stamp(99);
  await any("getCluster", 500);
  await stamp(clusterEntity.version);
}

/** Captures the responses about an environment from its creation to its deletion. */
async function captureEnvironment(scene: Scene): Promise<void> {
  const at = { environmentSlug: "test-demo" };
  await capture(scene, "createEnvironment", 200);
  await capture(scene, "createEnvironment", 409);
  await capture(scene, "updateEnvironment", 200, { at });
  await capture(scene, "deleteEnvironment", 409);
  await capture(scene, "deleteEnvironment", 200, { at, query: "?dryRun=true" });
  await capture(scene, "listOrganisationEvents", 200, { query: "?size=2" });
}

/** Captures the responses about the creation of an observability tenant and of what it has. */
async function captureObservability(scene: Scene): Promise<void> {
  await capture(scene, "createObservabilityTenant", 200);
  await capture(scene, "createObservabilityTenant", 409);
  await capture(scene, "updateObservabilityTenant", 200);
  await capture(scene, "updateAlertmanagerConfiguration", 200);
  const silence = await ask(scene, "createSilence");
  recordIdentity(scene, silence.body.id, "silence");
  scene.examples.createSilence = { 200: canonical(scene.shown, silence.body) };
}

/** Captures the responses about the end of an observability tenant. */
async function captureObservabilityEnd(scene: Scene): Promise<void> {
  await capture(scene, "expireSilence", 200, { query: "?dryRun=true" });
  await capture(scene, "deleteObservabilityTenant", 200, { query: "?dryRun=true" });
  for (let number = 1; number < MAX_SILENCES; number++) await ask(scene, "createSilence");
  await capture(scene, "createSilence", 409);
}

/** Captures the responses about members and tokens. */
async function captureMembers(scene: Scene): Promise<void> {
  const at = { memberIdentity: IDENTITIES.member };
  const added = await capture(scene, "createMember", 200);
  recordIdentity(scene, added.body.memberIdentity, "member");
  scene.examples.createMember = { ...scene.examples.createMember, 200: canonical(scene.shown, added.body) };
  await capture(scene, "createMember", 409);
  await capture(scene, "updateMember", 200, { at });
  await capture(scene, "updateMember", 409);
  await capture(scene, "setEnvironmentMember", 200, { at });
  await capture(scene, "deleteEnvironmentMember", 200, { at, query: "?dryRun=true" });
  await fillOverrides(scene.world.services, "acme", added.body.memberIdentity);
  await capture(scene, "setEnvironmentMember", 409, { at: { ...at, environmentSlug: "staging" } });
  await capture(scene, "deleteMember", 200, { at, query: "?dryRun=true" });
  await capture(scene, "deleteMember", 409);
  const headers = { "idempotency-key": "terraform" };
  await capture(scene, "createToken", 200, { headers });
  await capture(scene, "createToken", 409, { headers });
  await capture(scene, "deleteToken", 200, { query: "?dryRun=true" });
}

/** Captures the responses about maintenance schedules, cloud accounts and credentials. A cluster uses those of the examples. */
async function captureReferences(scene: Scene): Promise<void> {
  for (const deletion of ["deleteMaintenanceSchedule", "deleteCloudAccount", "deleteCloudCredentials"]) {
    await capture(scene, deletion, 409);
  }
  const schedule = await capture(scene, "createMaintenanceSchedule", 200);
  await capture(scene, "updateMaintenanceSchedule", 200);
  const other = await capture(scene, "createCloudAccount", 200);
  await capture(scene, "createCloudAccount", 409);
  await capture(scene, "updateCloudAccount", 409, { body: { displayName: other.body.displayName } });
  await capture(scene, "updateCloudAccount", 200);
  const query = "?dryRun=true";
  const spare = await capture(scene, "createCloudCredentials", 200);
  await capture(scene, "updateCloudCredentials", 200);
  const known = (real: string) => scene.shown.get(real) ?? real;
  await capture(scene, "deleteMaintenanceSchedule", 200, {
    at: { maintenanceScheduleIdentity: known(schedule.body.identity) },
    query,
  });
  await capture(scene, "deleteCloudAccount", 200, { at: { cloudAccountIdentity: known(other.body.identity) }, query });
  await capture(scene, "deleteCloudCredentials", 200, { at: { cloudCredentials: known(spare.body.identity) }, query });
  for (let count = 2; count < MAX_CREDENTIALS; count++) await ask(scene, "createCloudCredentials");
  await capture(scene, "createCloudCredentials", 409);

  // Nearly as much as the references of an organisation can have.
  const { table } = scene.world;
  const windows = ["schedules", schedule.body.identity, "windows"];
  const { recentWrites: _, ...rest } = await readReferences(scene.world.services, "acme");
  const free = 404_500 - Buffer.byteLength(JSON.stringify(rest));
  const window = "SATURDAY 02:00 120,";
  await changeReferences(table, "acme", windows, window.repeat(free / window.length));
  const long = { name: "weekend", windows: Array(20).fill({ day: "WEDNESDAY", duration: 1_440, startTime: "02:00" }) };
  await capture(scene, "createMaintenanceSchedule", 409, { body: long });
  await capture(scene, "updateMaintenanceSchedule", 409, { body: long });
  const metadata = Object.fromEntries([..."abcdefgh"].map((name) => [name, "x".repeat(160)]));
  await capture(scene, "updateCloudCredentials", 409, { body: { metadata } });
  await changeReferences(table, "acme", windows, "");
}

/** Captures the responses about a cluster from its creation to its undelete. */
async function captureLife(scene: Scene): Promise<void> {
  const { world } = scene;
  const staging = { environmentSlug: "staging" };
  const change = (body: object, at: PathValues = {}) => ask(scene, "updateCluster", { body, at });
  const deletion = { deleteProtection: false, status: "deleting" };

  const created = await ask(scene, "createCluster");
  recordIdentity(scene, created.body.identity, "cluster");
  const [pool] = (await ask(scene, "listNodePools")).body;
  recordIdentity(scene, pool.identity, "pool");
  scene.examples.createCluster = { 200: canonical(scene.shown, created.body) };
  for (const early of ["getClusterJoinConfig", "getClusterOidcConfig", "getClusterKubeconfig"]) {
    await capture(scene, early, 409);
  }
  for (const method of ["getNodePoolJoinConfig", "createNodePoolJoinConfig"]) await capture(scene, method, 409);
  const { body: upgrade } = await capture(scene, "requestScheduledClusterUpgrade", 200);
  recordIdentity(scene, upgrade.identity, "upgrade");
  await captureObservability(scene);
  for (const read of operations.filter(({ method }) => method === "GET")) {
    if (read.tag === "Configurations" || read.operationId === "getOpenApi") continue;
    await capture(scene, read.operationId, 200, { query: SHORT[read.operationId] ?? "" });
  }
  await capture(scene, "createCluster", 409);
  await capture(scene, "createNodePool", 409, {
    body: { name: "workers", availabilityZone: "eu-west-1a", nodeSize: "t3.medium" },
  });
  await capture(scene, "updateNodePool", 409, { body: { name: "other" } });
  await capture(scene, "deleteNodePool", 200, { query: "?dryRun=true" });

  await world.settle();
  await capture(scene, "updateCluster", 200);
  await capture(scene, "listClusterEvents", 200, { query: "?size=2" });
  for (const { operationId } of operations.filter(({ tag }) => tag === "Configurations")) {
    await capture(scene, operationId, 200);
  }
  await captureErrors(scene);
  await capture(scene, "updateCluster", 409, { body: { status: "deleting" } });
  await capture(scene, "updatePrometheusRulesInheritance", 200);
  await capture(scene, "createNodePool", 200);
  await capture(scene, "updateNodePool", 200);
  await captureSharedErrors(scene);
  await captureEnvironment(scene);
  await captureObservabilityEnd(scene);
  await captureMembers(scene);
  await captureReferences(scene);

  await capture(scene, "cancelScheduledClusterUpgrade", 200);
  const now = { ignoreMaintenanceSchedule: true, scheduleRequestDate: undefined, version: "v1.35.0-u-ame.1" };
  const immediate = await ask(scene, "requestScheduledClusterUpgrade", {
    body: { ...(requests.requestScheduledClusterUpgrade as object), ...now },
  });
  await world.settle(60_000);
  scene.shown.delete(upgrade.identity);
  recordIdentity(scene, immediate.body.identity, "upgrade");
  await capture(scene, "cancelScheduledClusterUpgrade", 409);

  await ask(scene, "createCluster", { at: staging });
  await capture(scene, "moveCluster", 409);
  await change(deletion, staging);
  await change({ environmentSlug: "staging" });
  await capture(scene, "moveCluster", 200);
  await change(deletion);
  await capture(scene, "updatePrometheusRulesInheritance", 409, { body: { environmentPrometheusRules: false } });
  await capture(scene, "requestScheduledClusterUpgrade", 409);
  await capture(scene, "undeleteCluster", 409);
  await world.settle();
  await capture(scene, "undeleteCluster", 400, { body: { identity: "my-first-cluster" } });
  await capture(scene, "undeleteCluster", 200);
}

/**
 * Captures an example of every response with a body that the document describes.
 *
 * @throws Error for a response that the app does not return
 */
export async function captureExamples(): Promise<ResponseExamples> {
  const scene = await makeScene();
  try {
    await captureLife(scene);
  } finally {
    await scene.world.stop();
  }
  scene.examples.getOpenApi = { 200: { openapi: "3.1.0" } };
  return scene.examples;
}
