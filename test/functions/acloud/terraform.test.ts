import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type AcloudClient, acloudClient } from "#test/support/acloud.ts";
import { expectInvariants } from "#test/support/invariants.ts";
import { type ConfiguredWorld, makeConfiguredWorld } from "#test/support/issuer.ts";
import {
  type ClusterConfig,
  clusterCreation,
  clusterResource,
  type EnvironmentConfig,
  environmentResource,
  type NodePoolConfig,
  nodePoolResource,
  plan,
} from "#test/support/terraform.ts";
import type { Json, Tenant } from "#test/support/world.ts";

const VERSION = "v1.34.4-u-ame.2";
const NEWER = "v1.35.1-u-ame.1";
/** Number of resources that Terraform works on at the same time. */
const AT_ONCE = 10;

let world: ConfiguredWorld;
let tenant: Tenant;
let client: AcloudClient;

beforeAll(async () => {
  world = await makeConfiguredWorld();
});
beforeEach(async () => {
  tenant = await world.tenant(["second"]);
  client = acloudClient(world, tenant);
});
afterAll(() => world.stop());

const clusterConfig = (more: Partial<ClusterConfig> = {}): ClusterConfig => ({
  environment: "second",
  name: "min",
  region: "eu-west-1",
  cloud_account_identity: tenant.account.identity,
  version: VERSION,
  ...more,
});

const poolConfig = (more: Partial<NodePoolConfig> = {}): NodePoolConfig => ({
  environment: "second",
  cluster: "min",
  name: "workers",
  node_size: "t3.small",
  upgrade_strategy: "REPLACE",
  ...more,
});

/** Applies a configuration of a cluster, and lets it reach the wanted status as the provider waits for it. */
async function applyCluster(config: ClusterConfig, state?: Json): Promise<Json> {
  const after =
    state === undefined
      ? await clusterResource.create(client, config)
      : await clusterResource.update(client, config, state);
  if (!(await clusterResource.isThere(client, config, after))) await world.settle();
  expect(await clusterResource.isThere(client, config, after)).toBe(true);
  return after;
}

const planCluster = (config: ClusterConfig, state: Json) => plan(clusterResource, client, config, state);
const planPool = (config: NodePoolConfig, state: Json) => plan(nodePoolResource, client, config, state);

describe("acloud_cluster", () => {
  test("the plan is empty after the creation of a cluster with the fewest attributes", async () => {
    const config = clusterConfig();
    const state = await clusterResource.create(client, config);
    expect(state).toMatchObject({ slug: "min", cloudProvider: "aws" });
    // Before it is started, too.
    expect(await planCluster(config, state)).toEqual([]);
    await world.settle();
    expect(await clusterResource.isThere(client, config, state)).toBe(true);
    expect(await planCluster(config, state)).toEqual([]);
  });

  test("the plan is empty after the creation of a cluster with every attribute", async () => {
    const config = clusterConfig({
      name: "All & Everything",
      description: "a cluster",
      update_channel: "v1.34",
      cni: "CILIUM",
      pod_security_standards_profile: "RESTRICTED",
      enable_multi_availability_zones: false,
      enable_private_cluster: true,
      enable_network_encryption: false,
      enable_high_available_control_plane: true,
      enable_auto_upgrade: true,
      maintenance_schedule_id: tenant.schedule.identity,
      addons: {
        mine: { enabled: true, customValues: { key: "value", empty: "" } },
        kured: { enabled: false, customValues: { timeZone: "Europe/Amsterdam" } },
      },
    });
    const state = await applyCluster(config);
    expect(await planCluster(config, state)).toEqual([]);
  });

  const changes: [string, (before: ClusterConfig) => Partial<ClusterConfig>][] = [
    ["update channel", () => ({ update_channel: "v1.34" })],
    ["no update channel", () => ({ update_channel: undefined })],
    ["schedule", () => ({ maintenance_schedule_id: tenant.schedule.identity })],
    ["no schedule", () => ({ maintenance_schedule_id: undefined })],
    ["profile", () => ({ pod_security_standards_profile: "restricted" })],
    ["spelling of the profile", () => ({ pod_security_standards_profile: "RESTRICTED" })],
    ["flags", () => ({ enable_network_encryption: false, enable_high_available_control_plane: true })],
    ["automatic upgrades", () => ({ enable_auto_upgrade: true })],
    ["add-ons", () => ({ addons: { mine: { enabled: true, customValues: { a: "b" } }, gpu: { enabled: true } } })],
    ["fewer add-ons", () => ({ addons: { gpu: { enabled: true } } })],
    ["version", () => ({ version: NEWER })],
  ];

  test("the plan is empty after each change of a running cluster", async () => {
    let config = clusterConfig();
    let state = await applyCluster(config);
    for (const [what, change] of changes) {
      config = { ...config, ...change(config) };
      expect([what, (await planCluster(config, state)).length > 0 || /^no update/.test(what)]).toEqual([what, true]);
      state = await clusterResource.update(client, config, state);
      // A change without a transition is answered as running: otherwise the provider waits.
      expect([what, state.status]).toEqual([what, "running"]);
      expect([what, await planCluster(config, state)]).toEqual([what, []]);
      await world.settle();
      expect([what, await planCluster(config, state)]).toEqual([what, []]);
    }
  });

  test("an update of a cluster that does not run carries a transition, and ends in an empty plan", async () => {
    const config = clusterConfig();
    let state = await applyCluster(config);
    const path = "/orgs/{org}/clusters/second/min";
    await client.call("ClusterResponse", "PATCH", path, { status: "stopping" });
    await world.settle();
    expect((await client.call("ClusterResponse", "GET", path)).status).toBe("stopped");
    const changed = { ...config, enable_auto_upgrade: true, pod_security_standards_profile: "restricted" };
    state = await applyCluster(changed, state);
    expect(await planCluster(changed, state)).toEqual([]);
    const stopped = { ...changed, stopped: true };
    state = await applyCluster(stopped, state);
    expect(await planCluster(stopped, state)).toEqual([]);
    // A new cluster is not running yet either: starting is under way already.
    const fresh = clusterConfig({ name: "fresh" });
    const created = await clusterResource.create(client, fresh);
    await clusterResource.update(client, { ...fresh, enable_auto_upgrade: true }, created);
    await world.settle();
    expect(await planCluster({ ...fresh, enable_auto_upgrade: true }, created)).toEqual([]);
  });

  test("a cluster is replaced by another of the same name at once, while the first one is being deleted", async () => {
    const config = clusterConfig({ enable_private_cluster: false });
    const before = await applyCluster(config);
    await clusterResource.remove(client, config, before);
    const other = { ...config, enable_private_cluster: true };
    const after = await clusterResource.create(client, other);
    expect(after.slug).toBe(before.slug);
    expect(after.identity).not.toBe(before.identity);
    await world.settle();
    expect(await planCluster(other, after)).toEqual([]);
    const { elements } = await client.pages("ClusterResponse", "/orgs/{org}/clusters/second?show-compute=true");
    expect(elements.map(({ identity }) => identity)).toEqual([after.identity]);
    await clusterResource.remove(client, other, after);
    await world.settle();
    expect((await client.send("GET", "/orgs/{org}/clusters/second/min")).status).toBe(404);
  });
});

describe("acloud_nodepool", () => {
  beforeEach(async () => {
    await applyCluster(clusterConfig());
  });

  const TAINT = { key: "dedicated", value: "system", effect: "NoSchedule" };
  const changes: [string, Partial<NodePoolConfig>][] = [
    ["a label", { labels: { role: "worker2" } }],
    ["annotations", { annotations: {} }],
    ["taints", { taints: [TAINT, { ...TAINT, effect: "NoExecute" }] }],
    ["no taints", { taints: [] }],
    ["node size", { node_size: "t3.large" }],
    ["equal sizes", { node_count: 3, min_size: 3, max_size: 3 }],
    ["auto-scaling", { auto_scaling: true, min_size: 1, max_size: 4 }],
    ["a label of a pool with auto-scaling", { labels: { role: "worker3" } }],
    ["no auto-scaling", { auto_scaling: false, node_count: 2, min_size: 2, max_size: 2 }],
  ];

  test("the plan is empty after the creation of a node pool, and after each change", async () => {
    let config = poolConfig({ labels: { role: "worker" }, annotations: { a: "b" }, taints: [TAINT] });
    let state = await nodePoolResource.create(client, config);
    expect(Number(state.id)).toBeGreaterThan(0);
    expect(await planPool(config, state)).toEqual([]);
    for (const [what, change] of changes) {
      await world.settle();
      config = { ...config, ...change };
      state = await nodePoolResource.update(client, config, state);
      expect([what, await planPool(config, state)]).toEqual([what, []]);
      expect([what, await planPool(config, state)]).toEqual([what, []]);
    }
    // The configuration of a join uses the numeric id.
    await client.call("JoinConfigResponse", "POST", `/orgs/{org}/clusters/second/min/pools/${state.id}/join-config`);
    await nodePoolResource.remove(client, config, state);
    await world.settle();
    await expect(planPool(config, state)).rejects.toThrow("was not found");
  });

  test("node pools of one name, one for each zone, are created, changed and deleted at the same time", async () => {
    const zones = ["eu-west-1a", "eu-west-1b", "eu-west-1c"];
    const configs = zones.map((zone) => poolConfig({ availability_zone: zone }));
    const states = await Promise.all(configs.map((config) => nodePoolResource.create(client, config)));
    expect(new Set(states.map(({ id }) => id)).size).toBe(zones.length);
    const plans = () => Promise.all(configs.map((config, at) => planPool(config, states[at])));
    expect(await plans()).toEqual([[], [], []]);
    for (const config of configs) Object.assign(config, { labels: { zone: config.availability_zone } });
    await Promise.all(configs.map((config, at) => nodePoolResource.update(client, config, states[at])));
    expect(await plans()).toEqual([[], [], []]);
    await Promise.all(configs.map((config, at) => nodePoolResource.remove(client, config, states[at])));
    await world.settle();
    expect(await client.call("[]ClusterNodePoolResponse", "GET", "/orgs/{org}/clusters/second/min/pools")).toEqual([]);
  });
});

describe("acloud_environment", () => {
  const planOf = (config: EnvironmentConfig, state: Json) => plan(environmentResource, client, config, state);

  test("the plan is empty after the creation and each change of an environment, whose slug stays", async () => {
    let config: EnvironmentConfig = { name: "My Test", type: "demo" };
    let state = await environmentResource.create(client, config);
    expect(state.slug).toBe("my-test");
    expect(await planOf(config, state)).toEqual([]);
    for (const change of [
      { purpose: "tests", description: "of the provider" },
      { type: "production" },
      { name: "Another name" },
      { purpose: "", description: "" },
    ]) {
      config = { ...config, ...change };
      state = await environmentResource.update(client, config, state);
      expect([change, await planOf(config, state)]).toEqual([change, []]);
    }
    expect(state.slug).toBe("my-test");
  });

  test("an environment is deleted right after its clusters began to be deleted, and only then", async () => {
    const config: EnvironmentConfig = { name: "Short lived", type: "demo" };
    const state = await environmentResource.create(client, config);
    const cluster = clusterConfig({ environment: state.slug });
    const created = await applyCluster(cluster);
    await expect(environmentResource.remove(client, config, state)).rejects.toThrow("returned 409");
    await clusterResource.remove(client, cluster, created);
    await environmentResource.remove(client, config, state);
    expect((await client.send("GET", "/orgs/{org}/environments/short-lived?show-compute=true")).status).toBe(404);
    await world.settle();
    await expectInvariants(world.services, tenant.slug);
    const again = await environmentResource.create(client, config);
    expect(await planOf(config, again)).toEqual([]);
  });
});

describe("ten resources at a time", () => {
  test("ten environments are created, refreshed, changed and deleted with empty plans", async () => {
    const configs: EnvironmentConfig[] = Array.from({ length: AT_ONCE }, (_, at) => ({
      name: `E ${at}`,
      type: "demo",
    }));
    const states = await Promise.all(configs.map((config) => environmentResource.create(client, config)));
    expect(new Set(states.map(({ id }) => id)).size).toBe(AT_ONCE);
    const plans = () => Promise.all(configs.map((config, at) => plan(environmentResource, client, config, states[at])));
    expect((await plans()).flat()).toEqual([]);
    for (const config of configs) Object.assign(config, { purpose: "changed" });
    await Promise.all(configs.map((config, at) => environmentResource.update(client, config, states[at])));
    expect((await plans()).flat()).toEqual([]);
    await Promise.all(configs.map((config, at) => environmentResource.remove(client, config, states[at])));
    const { elements } = await client.pages("EnvironmentResponse", "/orgs/{org}/environments?show-compute=true");
    expect(elements.map(({ slug }) => slug)).toEqual(["second"]);
  });

  test("ten clusters with node pools are created, refreshed, changed, replaced and deleted with empty plans", async () => {
    const numbers = Array.from({ length: AT_ONCE }, (_, number) => number);
    const configs = numbers.map((number) => clusterConfig({ name: `c${number}` }));
    const pools = numbers.map((number) => poolConfig({ cluster: `c${number}` }));
    const create = () => Promise.all(configs.map((config) => clusterResource.create(client, config)));
    const createPools = () => Promise.all(pools.map((config) => nodePoolResource.create(client, config)));
    let states = await create();
    await world.settle();
    let poolStates = await createPools();
    const plans = async () => [
      ...(await Promise.all(configs.map((config, at) => planCluster(config, states[at])))),
      ...(await Promise.all(pools.map((config, at) => planPool(config, poolStates[at])))),
    ];
    const none = Array.from({ length: 2 * AT_ONCE }, () => []);
    expect(await plans()).toEqual(none);
    for (const config of configs) Object.assign(config, { enable_auto_upgrade: true });
    for (const config of pools) Object.assign(config, { labels: { changed: "yes" } });
    await Promise.all([
      ...configs.map((config, at) => clusterResource.update(client, config, states[at])),
      ...pools.map((config, at) => nodePoolResource.update(client, config, poolStates[at])),
    ]);
    expect(await plans()).toEqual(none);
    // A replacement destroys in the reverse order and creates again.
    const destroy = async () => {
      await Promise.all(pools.map((config, at) => nodePoolResource.remove(client, config, poolStates[at])));
      await Promise.all(configs.map((config, at) => clusterResource.remove(client, config, states[at])));
    };
    await destroy();
    states = await create();
    poolStates = await createPools();
    expect(await plans()).toEqual(none);
    await destroy();
    await world.settle();
    const { elements, last } = await client.pages("ClusterResponse", "/orgs/{org}/clusters?show-compute=true");
    expect([elements, last.totalElements]).toEqual([[], 0]);
    await expectInvariants(world.services, tenant.slug);
  });
});

/** A recorded request: method, path, body, and the expected members of the response. */
type Recorded = [method: string, path: string, body: unknown, expected?: object];

/**
 * Requests of the Terraform provider as recorded, in order. The version and the identities are those of this server, which
 * knows no version `1.34`.
 */
const recorded = (poolId: unknown, accountIdentity: unknown): Recorded[] => [
  [
    "POST",
    "/orgs/{org}/environments",
    { name: "My Test", purpose: "", type: "demo", description: "" },
    { name: "My Test", slug: "my-test", purpose: "", type: "demo", description: "" },
  ],
  [
    "POST",
    "/organisations/{org}/maintenance-schedule",
    { name: "weekend", windows: [{ day: "SATURDAY", startTime: "02:00", duration: 120 }] },
    { name: "weekend", windows: [{ day: "SATURDAY", startTime: "02:00", duration: 120 }] },
  ],
  [
    "POST",
    "/orgs/{org}/cloud-accounts",
    { displayName: "TF account", cloudProfile: tenant.account.cloudProfile, metadata: {} },
    { displayName: "TF account", enabled: true, metadata: {}, cloudProfile: { identity: tenant.account.cloudProfile } },
  ],
  [
    "PATCH",
    `/orgs/{org}/cloud-accounts/${accountIdentity}`,
    { displayName: "TF account 2", enabled: true, primaryCloudCredentials: "" },
    { identity: accountIdentity, displayName: "TF account 2", enabled: true, metadata: {} },
  ],
  ["POST", "/orgs/{org}/clusters/second", clusterCreation(clusterConfig()), { slug: "min", environmentSlug: "second" }],
  [
    "PATCH",
    "/orgs/{org}/clusters/second/min",
    {
      ...{ version: VERSION, updateChannel: "", enableNetworkEncryption: true, enableAutoUpgrade: false },
      ...{ enableHighAvailability: false, podSecurityStandardsProfile: "PRIVILEGED", maintenanceScheduleIdentity: "" },
    },
    { generation: 1, podSecurityStandardsProfile: "PRIVILEGED" },
  ],
  [
    "PATCH",
    "/orgs/{org}/clusters/second/min",
    {
      ...{ status: "starting", version: VERSION, updateChannel: "", enableNetworkEncryption: true },
      ...{ enableAutoUpgrade: true, enableHighAvailability: false, podSecurityStandardsProfile: "restricted" },
      maintenanceScheduleIdentity: "",
    },
    { autoUpgrade: true, podSecurityStandardsProfile: "restricted" },
  ],
  [
    "POST",
    "/orgs/{org}/clusters/second/min/pools",
    {
      ...{ name: "workers", nodeSize: "t3.small", minSize: 1, maxSize: 1, autoScaling: false },
      ...{ enableNodeAutoReplacement: true, enableNodeReboots: false, upgradeStrategy: "REPLACE" },
      ...{ annotations: { a: "b" }, labels: { role: "worker" } },
      taints: [{ key: "dedicated", value: "system", effect: "NoSchedule" }],
    },
    { name: "workers", enableNodeAutoReplacement: true, securityUpdatesOnJoin: "OFF" },
  ],
  [
    "PUT",
    `/orgs/{org}/clusters/second/min/pools/${poolId}`,
    {
      ...{ name: "", nodeSize: "t3.small", minSize: 1, maxSize: 1, autoScaling: false },
      ...{ enableNodeAutoReplacement: false, enableNodeReboots: false },
      ...{ annotations: { a: "b" }, labels: { role: "worker2" } },
      taints: [{ key: "dedicated", value: "system", effect: "NoSchedule" }],
    },
    { name: "workers", enableNodeAutoReplacement: true, labels: { role: "worker2" } },
  ],
  ["POST", `/orgs/{org}/clusters/second/min/pools/${poolId}/join-config`, undefined, { versions: { cloudInit: "" } }],
  ["PATCH", "/orgs/{org}/clusters/second/min", { status: "deleting" }, { status: "deleting" }],
];

test("the recorded requests of the provider succeed in their order, with the responses that it needs", async () => {
  let poolId: unknown = "{id}";
  let accountIdentity: unknown = "{identity}";
  for (let at = 0; at < recorded(poolId, accountIdentity).length; at++) {
    const [method, path, body, expected = {}] = recorded(poolId, accountIdentity)[at] as Recorded;
    if (path.endsWith("/join-config")) await world.settle();
    const response = await client.send(method, path, body);
    expect([method, path, response.status, response.body]).toEqual([method, path, 200, expect.objectContaining({})]);
    // Everything that the provider sends is known.
    expect([method, path, response.headers.get("warning")]).toEqual([method, path, null]);
    expect(response.body).toMatchObject(expected);
    if (path.endsWith("/pools")) poolId = response.body.id;
    if (path.endsWith("/cloud-accounts")) accountIdentity = response.body.identity;
  }
});

describe("data sources of the provider", () => {
  test("each data source finds what it looks for", async () => {
    const one = async (type: string, path: string) => {
      const { elements, last } = await client.pages(type, path);
      expect([path, elements.length, last.totalElements]).toEqual([path, 1, 1]);
      return elements[0];
    };
    const filter = "display-name=AWS&cloud-provider-slug=aws";
    const account = await one("CloudAccountResponse", `/orgs/{org}/cloud-accounts?${filter}`);
    expect(account).toMatchObject({ identity: tenant.account.identity, enabled: true, cloudProfile: { type: "aws" } });
    const channels = (await client.pages("UpdateChannelResponse", "/orgs/{org}/update-channels")).elements;
    expect(channels.filter(({ name }) => name === "v1.34")).toHaveLength(1);
    const profiles = (await client.pages("CloudProfile", "/orgs/{org}/cloud-profiles")).elements;
    expect(profiles.map(({ identity }) => identity)).toContain(account.cloudProfile.identity);
    const { slug } = (await client.pages("CloudProvider", "/orgs/{org}/cloud-providers")).elements.find(
      ({ slug }) => slug === "aws",
    );
    const regions = (await client.pages("Region", `/orgs/{org}/cloud-providers/${slug}/regions`)).elements;
    expect(regions.map((region) => region.slug)).toContain("eu-west-1");
    const zones = `/orgs/{org}/cloud-providers/${slug}/regions/eu-west-1/availability-zones`;
    expect((await client.pages("AvailabilityZone", zones)).elements.map((zone) => zone.slug)).toEqual(
      expect.arrayContaining(["eu-west-1a", "eu-west-1b"]),
    );
    const types = (await client.pages("NodeType", `/cloud-providers/${slug}/nodetypes`)).elements;
    expect(types.map(({ type }) => type)).toContain("t3.small");
    const schedules = "/organisations/{org}/maintenance-schedule";
    const [schedule] = await client.call("[]MaintenanceScheduleResponse", "GET", schedules);
    const read = await client.call("MaintenanceScheduleResponse", "GET", `${schedules}/${schedule.identity}`);
    expect(read.windows).toEqual([{ day: "SATURDAY", duration: 120, startTime: "2:00" }]);
    await applyCluster(clusterConfig());
    const cluster = await client.call("ClusterResponse", "GET", "/orgs/{org}/clusters/second/min?show-compute=true");
    expect(cluster).toMatchObject({ cloudAccount: { identity: tenant.account.identity }, cpu: 0, memory: 0 });
  });
});
