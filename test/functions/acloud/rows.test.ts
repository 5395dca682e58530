import { afterAll, beforeAll, expect, test } from "vitest";
import { clusterKey } from "#core/table/keys.ts";
import { requestRows } from "#functions/api/acloud/requests.ts";
import { responseRows } from "#functions/api/acloud/responses.ts";
import { rowIds } from "#functions/api/acloud/row.ts";
import { rules } from "#functions/api/acloud/rules.ts";
import { type AcloudClient, acloudClient } from "#test/support/acloud.ts";
import { type ConfiguredWorld, makeConfiguredWorld } from "#test/support/issuer.ts";
import { overwrite } from "#test/support/overwrite.ts";
import type { Json, Tenant } from "#test/support/world.ts";

let world: ConfiguredWorld;
let tenant: Tenant;
let client: AcloudClient;

beforeAll(async () => {
  world = await makeConfiguredWorld();
  tenant = await world.tenant();
  client = acloudClient(world, tenant);
});
afterAll(() => world.stop());

let count = 0;

const IN = "/orgs/{org}/clusters/production";
const UNKNOWN = "00000000-0000-4000-8000-000000000000";

/** Creates a cluster and returns its body and its path. */
async function create(more: Record<string, unknown> = {}): Promise<{ cluster: Json; path: string }> {
  count += 1;
  const body = { ...tenant.creation({ name: `row-${count}` }), ...more };
  const cluster = await client.call("ClusterResponse", "POST", IN, body);
  return { cluster, path: `${IN}/${cluster.slug}` };
}

/** Creates a cluster with a pool, and returns the pool and its path. */
async function createPool(more: Record<string, unknown> = {}): Promise<{ pool: Json; path: string; cluster: string }> {
  const { path: cluster } = await create();
  const body = { name: "workers", nodeSize: "t3.small", minSize: 1, maxSize: 1, ...more };
  const pool = await client.call("ClusterNodePoolResponse", "POST", `${cluster}/pools`, body);
  return { pool, cluster, path: `${cluster}/pools/${pool.id}` };
}

/** Reads a cluster or a node pool in the documented dialect. */
const documented = async (path: string): Promise<Json> =>
  (await world.send("GET", `/api/v1${path.replace("{org}", tenant.slug)}`, { token: tenant.admin })).body;

const ownMembership = () => client.call("OrganisationMembershipResponse", "GET", "/organisations/{org}/me");

const get = (path: string) => client.call("ClusterResponse", "GET", path);
const patch = (path: string, body: unknown) => client.call("ClusterResponse", "PATCH", path, body);
const put = (path: string, body: unknown) => client.call("ClusterNodePoolResponse", "PUT", path, body);

/** Expects that a request is refused because of a property. */
async function expectRefused(method: string, path: string, body: unknown, message: string | RegExp): Promise<void> {
  const response = await client.send(method, path, body);
  expect([response.status, response.body.message]).toEqual([400, expect.stringMatching(message)]);
}

/** Expects that a request has no unknown properties. */
async function expectKnown(method: string, path: string, body: unknown): Promise<Json> {
  const response = await client.send(method, path, body);
  expect([response.status, response.headers.get("warning")]).toEqual([200, null]);
  return response.body;
}

/** Tests of every difference, by the id of its row. */
const tests: Record<string, () => Promise<void>> = {
  async "ClusterResponse.slug"() {
    const { cluster, path } = await create({ name: "My Cluster & Co" });
    expect(cluster.slug).toBe("my-cluster-co");
    expect((await documented(path)).slug).toEqual({ slugValue: "my-cluster-co" });
  },
  async "ClusterResponse.environmentSlug"() {
    const { cluster, path } = await create();
    expect([cluster.environmentSlug, (await get(path)).environmentSlug]).toEqual(["production", "production"]);
    expect((await documented(path)).environmentSlug).toEqual({ slugValue: "production" });
  },
  async "ClusterResponse.customerSlug"() {
    const { cluster, path } = await create();
    expect(cluster.customerSlug).toBe(tenant.slug);
    expect((await documented(path)).customerSlug).toEqual({ slugValue: tenant.slug });
  },
  async "ClusterResponse.cni"() {
    const { cluster, path } = await create();
    expect(cluster).not.toHaveProperty("cni");
    expect((await documented(path)).cni).toBe("cilium");
    const named = await create({ cni: "CILIUM" });
    expect([named.cluster.cni, (await get(named.path)).cni]).toEqual(["CILIUM", "CILIUM"]);
    expect((await documented(named.path)).cni).toBe("cilium");
    expect(await documented(named.path)).not.toHaveProperty("undocumented");
  },
  async "ClusterResponse.podSecurityStandardsProfile"() {
    const { cluster, path } = await create();
    expect(cluster.podSecurityStandardsProfile).toBe("PRIVILEGED");
    expect((await patch(path, { podSecurityStandardsProfile: "Restricted" })).podSecurityStandardsProfile).toBe(
      "Restricted",
    );
    expect((await documented(path)).podSecurityStandardsProfile).toBe("restricted");
    // Set through the documented dialect: no spelling is known any more. An equal value is no change.
    const own = `/api/v1${path.replace("{org}", tenant.slug)}`;
    for (const [podSecurityStandardsProfile, shown] of [
      ["restricted", "Restricted"],
      ["baseline", "BASELINE"],
    ]) {
      const sent = { token: tenant.admin, body: { podSecurityStandardsProfile } };
      expect((await world.send("PATCH", own, sent)).status).toBe(200);
      expect((await get(path)).podSecurityStandardsProfile).toBe(shown);
    }
  },
  async "ClusterResponse.cloudAccount"() {
    const { cluster, path } = await create();
    expect(cluster.cloudAccount).toMatchObject({ displayName: "AWS", identity: tenant.account.identity });
    await overwrite(
      world.table,
      clusterKey(tenant.slug, "production", cluster.slug),
      ["cloudAccountIdentity"],
      UNKNOWN,
    );
    expect((await get(path)).cloudAccount).toEqual({ displayName: "", identity: UNKNOWN });
    expect(await documented(path)).not.toHaveProperty("cloudAccount");
  },
  async "ClusterResponse.clusterAutoscalerSettings"() {
    const { cluster, path } = await create();
    expect(cluster).not.toHaveProperty("clusterAutoscalerSettings");
    const clusterAutoscalerSettings = { "scale-down-utilization-threshold": 0.65, "scale-down-unneeded-time": "10m" };
    expect(await patch(path, { clusterAutoscalerSettings })).toMatchObject({ clusterAutoscalerSettings });
    expect(await get(path)).toMatchObject({ clusterAutoscalerSettings });
    expect(await documented(path)).not.toHaveProperty("clusterAutoscalerSettings");
  },
  async "ClusterResponse.enablePodSecurityStandards"() {
    expect((await create()).cluster.enablePodSecurityStandards).toBe(false);
    const { cluster, path } = await create({ enablePodSecurityStandards: true });
    expect(cluster.enablePodSecurityStandards).toBe(true);
    expect(await documented(path)).not.toHaveProperty("enablePodSecurityStandards");
  },
  async "ClusterResponse.upstreamCluster"() {
    const upstream = (await create()).cluster;
    expect(upstream).not.toHaveProperty("upstreamCluster");
    const { cluster, path } = await create({ upstreamClusterIdentity: upstream.identity });
    const { identity, slug, environmentSlug, version } = upstream;
    expect(cluster.upstreamCluster).toEqual({ identity, slug, environmentSlug, version });
    expect((await get(path)).upstreamCluster).toEqual(cluster.upstreamCluster);
    expect(await documented(path)).not.toHaveProperty("upstreamCluster");
  },
  async "ClusterNodePoolResponse.clusterIdentity"() {
    const { pool, cluster, path } = await createPool();
    const { identity } = await get(cluster);
    const listed = await client.call("[]ClusterNodePoolResponse", "GET", `${cluster}/pools`);
    expect([pool.clusterIdentity, listed[0].clusterIdentity]).toEqual([identity, identity]);
    for (const key of ["clusterIdentity", "undocumented"]) expect(await documented(path)).not.toHaveProperty(key);
  },
  async "JoinConfigResponse.versions"() {
    const { path } = await createPool();
    await world.settle();
    const { versions } = await client.call("JoinConfigResponse", "POST", `${path}/join-config`);
    expect(versions).toMatchObject({ cloudInit: "", kubernetes: "1.34.4" });
    expect((await documented(`${path}/join-config`)).versions).not.toHaveProperty("cloudInit");
  },
  async "EnvironmentResponse.slug"() {
    const { elements } = await client.pages("EnvironmentResponse", "/orgs/{org}/environments?show-compute=true");
    expect(elements.map(({ slug }) => slug)).toEqual(["production", "staging"]);
  },
  async "EnvironmentResponse.organisationSlug"() {
    const path = "/orgs/{org}/environments/production?show-compute=true";
    expect((await client.call("EnvironmentResponse", "GET", path)).organisationSlug).toBe(tenant.slug);
  },
  async "OrganisationResponse.slug"() {
    const organisation = await client.call("OrganisationResponse", "GET", "/organisations/{org}");
    expect([organisation.slug, organisation.id]).toEqual([tenant.slug, tenant.identity]);
  },
  async "OrganisationMembershipResponse.slug"() {
    const { elements } = await client.pages("OrganisationMembershipResponse", "/memberships");
    expect(elements.map(({ slug }) => slug)).toEqual([tenant.slug]);
  },
  async "OrganisationMembershipResponse.email"() {
    const { elements } = await client.pages("OrganisationMembershipResponse", "/memberships");
    expect(elements[0]?.email).toMatch(/@example\.com$/);
  },
  async "OrganisationMembershipResponse.id"() {
    const { elements } = await client.pages("OrganisationMembershipResponse", "/memberships");
    expect(elements[0]?.id).toBe(tenant.identity);
  },
  async "MemberResponse.slug"() {
    expect((await ownMembership()).slug).toBe(tenant.slug);
  },
  async "MemberResponse.email"() {
    expect((await ownMembership()).email).toMatch(/@example\.com$/);
  },
  async "MemberResponse.id"() {
    expect((await ownMembership()).id).toBe(tenant.identity);
  },
  async "EnvironmentMemberResponse.email"() {
    const { body } = await client.send("GET", "/orgs/{org}/environments/production/members");
    expect(body.content[0].email).toMatch(/@example\.com$/);
  },
  async "Page.sort"() {
    await create();
    const sortOf = async (query: string) => (await client.call("Page", "GET", `${IN}${query}`)).sort;
    expect(await sortOf("?page=0")).toEqual({ empty: true, sorted: false, unsorted: true });
    expect(await sortOf("?page=0&sort=name")).toEqual({ empty: false, sorted: true, unsorted: false });
  },
  async "Page.pageable"() {
    const { pageable, sort } = await client.call("Page", "GET", `${IN}?sortDirection=DESC`);
    expect(pageable).toMatchObject({ pageNumber: 0, sort: { empty: false, sorted: true, unsorted: false } });
    expect(pageable.sort).toEqual(sort);
  },

  async "CreateCluster.environmentId"() {
    await expectKnown("POST", IN, { ...tenant.creation({ name: "with-environment-id" }), environmentId: "" });
  },
  async "CreateCluster.nodePools"() {
    for (const [name, nodePools] of [
      ["null-pools", null],
      ["no-pools", undefined],
    ]) {
      const { path } = await create({ name, nodePools });
      expect(await client.call("[]ClusterNodePoolResponse", "GET", `${path}/pools`)).toEqual([]);
    }
    await expectRefused("POST", IN, tenant.creation({ name: "wrong-pools", nodePools: "x" }), /^nodePools: "x"/);
  },
  async "CreateCluster.version"() {
    const { cluster } = await create({ version: undefined, updateChannel: "v1.34" });
    expect(cluster.version).toBe(cluster.updateChannel.kubernetesClusterVersion);
    const refusal = /^version: is required unless updateChannel is sent: one of v1\.33/;
    await expectRefused("POST", IN, tenant.creation({ name: "no-version", version: undefined }), refusal);
    // Never another version than the named one.
    await expectRefused("POST", IN, tenant.creation({ name: "short", version: "1.34" }), /^version: "1\.34" is not/);
  },
  async "CreateCluster.serviceSubnet"() {
    const { path } = await create({ serviceSubnet: "10.100.0.0/16" });
    expect((await documented(path)).serviceSubnet).toBe("10.100.0.0/16");
  },
  async "CreateCluster.clusterPodSubnet"() {
    const { path } = await create({ clusterPodSubnet: "10.200.0.0/16" });
    expect((await documented(path)).clusterPodSubnet).toBe("10.200.0.0/16");
  },
  async "CreateCluster.ipWhitelist"() {
    const ipWhitelist = [{ cidr: "192.0.2.0/24" }, { cidr: "198.51.100.0/24", description: "office" }];
    const { cluster } = await create({ ipWhitelist });
    expect(cluster.ipWhitelist).toEqual([{ ...ipWhitelist[0], description: "" }, ipWhitelist[1]]);
    await expectRefused("POST", IN, tenant.creation({ name: "x", ipWhitelist: ["a"] }), /^ipWhitelist\[0\]/);
  },
  async "CreateCluster.cni"() {
    for (const [sent, effective] of [
      ["Calico", "calico"],
      ["custom", "custom"],
      ["", "cilium"],
    ]) {
      const { cluster, path } = await create({ cni: sent });
      expect([cluster.cni ?? "", (await documented(path)).cni]).toEqual([sent, effective]);
    }
    await expectRefused("POST", IN, tenant.creation({ name: "x", cni: "FLANNEL" }), /^cni: "FLANNEL" is not allowed/);
  },
  async "CreateCluster.podSecurityStandardsProfile"() {
    const { cluster, path } = await create({ podSecurityStandardsProfile: "rEsTrIcTeD" });
    expect(cluster.podSecurityStandardsProfile).toBe("rEsTrIcTeD");
    expect((await documented(path)).podSecurityStandardsProfile).toBe("restricted");
    const wrong = tenant.creation({ name: "x", podSecurityStandardsProfile: "OPEN" });
    await expectRefused("POST", IN, wrong, /^podSecurityStandardsProfile: "OPEN" is not allowed/);
  },
  async "CreateCluster.clusterAutoscalerSettings"() {
    const clusterAutoscalerSettings = {
      "scale-down-gpu-utilization-threshold": 1,
      "scale-down-delay-after-add": "1h30m",
      "scale-down-unready-time": "1.5h",
      "max-node-provision-time": "15m",
      "unremovable-node-recheck-timeout": "0",
    };
    expect((await create({ clusterAutoscalerSettings })).cluster).toMatchObject({ clusterAutoscalerSettings });
    expect((await create({ clusterAutoscalerSettings: {} })).cluster).not.toHaveProperty("clusterAutoscalerSettings");
    const response = await client.send(
      "POST",
      IN,
      tenant.creation({
        name: "x",
        clusterAutoscalerSettings: {
          "scale-down-utilization-threshold": 1.01,
          "scale-down-gpu-utilization-threshold": -1,
          "scale-down-delay-after-add": "10",
          "max-node-provision-time": "-5m",
        },
      }),
    );
    expect(response.status).toBe(400);
    expect(response.body.details.map((each: string) => each.split(": ")[0]).toSorted()).toEqual([
      "clusterAutoscalerSettings.max-node-provision-time",
      "clusterAutoscalerSettings.scale-down-delay-after-add",
      "clusterAutoscalerSettings.scale-down-gpu-utilization-threshold",
      "clusterAutoscalerSettings.scale-down-utilization-threshold",
    ]);
  },
  async "CreateCluster.upstreamClusterIdentity"() {
    expect((await create({ upstreamClusterIdentity: "" })).cluster).not.toHaveProperty("upstreamCluster");
    const other = await world.tenant();
    const elsewhere = await acloudClient(world, other).call("ClusterResponse", "POST", IN, other.creation());
    const { token } = await tenant.person("developer", { staging: "none" });
    const staging = await client.call("ClusterResponse", "POST", "/orgs/{org}/clusters/staging", tenant.creation());
    for (const upstreamClusterIdentity of [UNKNOWN, elsewhere.identity, staging.identity]) {
      const body = tenant.creation({ name: "down", upstreamClusterIdentity });
      const refused = await acloudClient(world, tenant, token).send("POST", IN, body);
      expect([refused.status, refused.body.details]).toEqual([
        400,
        [
          `upstreamClusterIdentity: "${upstreamClusterIdentity}" is not allowed: must be a cluster of the organisation that you can access`,
        ],
      ]);
    }
    const { cluster } = await create({ upstreamClusterIdentity: staging.identity.toUpperCase() });
    expect(cluster.upstreamCluster).toMatchObject({ identity: staging.identity, environmentSlug: "staging" });
    // A deleted environment is hidden with its deleting clusters.
    const environment = { name: "Hidden", purpose: "", type: "demo", description: "" };
    await client.call("EnvironmentResponse", "POST", "/orgs/{org}/environments", environment);
    const hidden = await client.call("ClusterResponse", "POST", "/orgs/{org}/clusters/hidden", tenant.creation());
    await patch(`/orgs/{org}/clusters/hidden/${hidden.slug}`, { status: "deleting" });
    expect((await client.send("DELETE", "/orgs/{org}/environments/hidden")).status).toBe(204);
    const down = tenant.creation({ name: "down", upstreamClusterIdentity: hidden.identity });
    await expectRefused("POST", IN, down, /^upstreamClusterIdentity: /);
  },
  async "CreateCluster.upstreamCluster"() {
    const { identity } = (await create()).cluster;
    const body = { ...tenant.creation({ name: "downstream" }), upstreamCluster: { identity } };
    expect(await expectKnown("POST", IN, body)).toMatchObject({ upstreamCluster: { identity } });
    await expectRefused("POST", IN, { ...body, upstreamCluster: { identity: UNKNOWN } }, /^upstreamClusterIdentity: /);
  },
  async "CreateClusterNodePool.identity"() {
    const nodePools = [{ name: "a", identity: "", nodeSize: "t3.small", minSize: 0, maxSize: 0, upgradeStrategy: "" }];
    await expectKnown("POST", IN, tenant.creation({ name: "pool-identity", nodePools }));
  },
  async "CreateClusterNodePool.upgradeStrategy"() {
    const nodePools = [{ name: "a", nodeSize: "t3.small", minSize: 0, maxSize: 0, upgradeStrategy: "" }];
    const { path } = await create({ nodePools });
    const [pool] = await client.call("[]ClusterNodePoolResponse", "GET", `${path}/pools`);
    expect(pool).toMatchObject({ upgradeStrategy: "REPLACE", minSize: 0, maxSize: 0, securityUpdatesOnJoin: "OFF" });
  },
  async "UpdateCluster.ipWhitelist"() {
    const first = { cidr: "192.0.2.0/24", description: "office" };
    const { path } = await create({ ipWhitelist: [first] });
    const { ipWhitelist } = await patch(path, {
      ipWhitelist: [
        "192.0.2.0/24",
        "198.51.100.0/24",
        { cidr: "203.0.113.0/24" },
        { cidr: "2001:db8::/32", description: "v6" },
      ],
    });
    expect(ipWhitelist).toEqual([
      first,
      { cidr: "198.51.100.0/24", description: "" },
      { cidr: "203.0.113.0/24", description: "" },
      { cidr: "2001:db8::/32", description: "v6" },
    ]);
    expect((await patch(path, { ipWhitelist: [] })).ipWhitelist).toEqual([]);
    await expectRefused("PATCH", path, { ipWhitelist: ["nowhere"] }, /^ipWhitelist\[0\]: "nowhere" is not allowed/);
    await expectRefused("PATCH", path, { ipWhitelist: ["127.0.0.1/32"] }, /^ipWhitelist\[0\]: "127\.0\.0\.1\/32"/);
  },
  async "UpdateCluster.cni"() {
    const { path } = await create();
    expect((await patch(path, { cni: "CALICO" })).cni).toBe("CALICO");
    expect((await documented(path)).cni).toBe("calico");
    await expectRefused("PATCH", path, { cni: "FLANNEL" }, /^cni: "FLANNEL" is not allowed/);
  },
  async "UpdateCluster.podSecurityStandardsProfile"() {
    const { path } = await create({ podSecurityStandardsProfile: "PRIVILEGED" });
    const before = await get(path);
    // An equal value is no change.
    expect(await patch(path, { podSecurityStandardsProfile: "PRIVILEGED" })).toEqual({ ...before, cpu: undefined });
    expect((await patch(path, { podSecurityStandardsProfile: "privileged" })).podSecurityStandardsProfile).toBe(
      "privileged",
    );
    await client.call("ClusterResponse", "PATCH", path, { status: "deleting" });
    // Another spelling is no conflict, also while the cluster is being deleted; another value is one.
    expect((await patch(path, { podSecurityStandardsProfile: "Privileged" })).status).toBe("deleting");
    expect((await client.send("PATCH", path, { podSecurityStandardsProfile: "baseline" })).status).toBe(409);
  },
  async "UpdateCluster.maintenanceScheduleIdentity"() {
    const { identity } = tenant.schedule;
    const { cluster, path } = await create({ maintenanceScheduleIdentity: identity, updateChannel: "v1.34" });
    expect([cluster.maintenanceSchedule.identity, cluster.updateChannel.name]).toEqual([identity, "v1.34"]);
    const cleared = await patch(path, { maintenanceScheduleIdentity: "", updateChannel: "" });
    for (const name of ["maintenanceSchedule", "updateChannel"]) expect(cleared).not.toHaveProperty(name);
    expect((await patch(path, { maintenanceScheduleIdentity: "", updateChannel: "" })).generation).toBe(
      cleared.generation,
    );
  },
  async "UpdateCluster.clusterAutoscalerSettings"() {
    const { path } = await create({ clusterAutoscalerSettings: { "scale-down-unneeded-time": "5m" } });
    const replaced = { "max-node-provision-time": "20m", "scale-down-unready-time": "1h" };
    const changed = await patch(path, { clusterAutoscalerSettings: replaced });
    expect(changed.clusterAutoscalerSettings).toEqual(replaced);
    const reordered = Object.fromEntries(Object.entries(replaced).toReversed());
    expect((await patch(path, { clusterAutoscalerSettings: reordered })).generation).toBe(changed.generation);
    const wrong = { clusterAutoscalerSettings: { "scale-down-unneeded-time": "soon" } };
    await expectRefused("PATCH", path, wrong, /^clusterAutoscalerSettings\.scale-down-unneeded-time: "soon"/);
    expect(await patch(path, { clusterAutoscalerSettings: {} })).not.toHaveProperty("clusterAutoscalerSettings");
  },
  async "UpdateCluster.enablePodSecurityStandards"() {
    const { path } = await create();
    expect((await expectKnown("PATCH", path, { enablePodSecurityStandards: true })).enablePodSecurityStandards).toBe(
      true,
    );
    expect((await get(path)).enablePodSecurityStandards).toBe(true);
  },
  async "UpdateCluster.enableNetworkProxy"() {
    const { cluster, path } = await create();
    const changed = await expectKnown("PATCH", path, { enableNetworkProxy: true });
    expect(changed.generation).toBe(cluster.generation);
  },
  async "UpdateNodePool.name"() {
    const { path } = await createPool();
    expect((await put(path, { name: "", labels: { a: "b" } })).name).toBe("workers");
    const renamed = await client.send("PUT", path, { name: "others" });
    expect([renamed.status, renamed.body.message]).toEqual([
      409,
      'name: cannot change; the current value is "workers"',
    ]);
  },
  async "UpdateNodePool.autoScaling"() {
    const { pool, path } = await createPool({ autoScaling: true, minSize: 1, maxSize: 3 });
    const flags = { autoScaling: false, enableNodeAutoReplacement: false, enableNodeReboots: false };
    const unnamed = (more: object) => put(path, { name: "", ...flags, ...more });
    expect(await unnamed({ minSize: 1, maxSize: 3, labels: { a: "b" } })).toMatchObject({
      autoScaling: true,
      labels: { a: "b" },
    });
    expect(await unnamed({ minSize: 2, maxSize: 2 })).toMatchObject({ autoScaling: false, minSize: 2, maxSize: 2 });
    expect(await unnamed({ minSize: 2, maxSize: 4 })).toMatchObject({ autoScaling: true, minSize: 2, maxSize: 4 });
    // With a name, the request is taken literally.
    await expectRefused(
      "PUT",
      path,
      { ...flags, name: pool.name, minSize: 2, maxSize: 4 },
      /^maxSize: 4 is not allowed/,
    );
  },
  async "UpdateNodePool.enableNodeAutoReplacement"() {
    const { pool, path } = await createPool({ enableNodeAutoReplacement: true });
    expect((await put(path, { enableNodeAutoReplacement: false })).enableNodeAutoReplacement).toBe(true);
    const named = { name: pool.name, enableNodeAutoReplacement: false };
    expect((await put(path, named)).enableNodeAutoReplacement).toBe(false);
    expect((await put(path, { name: "", enableNodeAutoReplacement: true })).enableNodeAutoReplacement).toBe(true);
  },
  async "UpdateNodePool.enableNodeReboots"() {
    const { pool, path } = await createPool({ enableNodeReboots: true });
    expect((await put(path, { name: null, enableNodeReboots: false })).enableNodeReboots).toBe(true);
    expect((await put(path, { name: pool.name, enableNodeReboots: false })).enableNodeReboots).toBe(false);
  },

  async "CreateEnvironment.type"() {
    const body = { name: "No type", purpose: "", type: "", description: "" };
    const environment = await client.call("EnvironmentResponse", "POST", "/orgs/{org}/environments", body);
    expect(environment).toMatchObject({ slug: "no-type", type: "other", purpose: "", description: "" });
    await expectRefused("POST", "/orgs/{org}/environments", { ...body, name: "" }, /^name: "" is not allowed/);
  },
  async "UpdateEnvironment.name"() {
    const path = "/orgs/{org}/environments/staging";
    const before = await client.call("EnvironmentResponse", "GET", path);
    const after = await client.call("EnvironmentResponse", "PATCH", path, { name: "", type: "demo", purpose: "p" });
    expect(after).toMatchObject({ name: before.name, slug: "staging", type: "demo", purpose: "p" });
  },
  async "UpdateEnvironment.type"() {
    const path = "/orgs/{org}/environments/staging";
    const before = await client.call("EnvironmentResponse", "GET", path);
    const sent = { name: before.name, type: "", purpose: "", description: "d" };
    const after = await client.call("EnvironmentResponse", "PATCH", path, sent);
    expect(after).toMatchObject({ type: before.type, purpose: "", description: "d" });
  },
  async "UpdateMaintenanceSchedule.windows"() {
    const schedules = "/organisations/{org}/maintenance-schedule";
    const windows = [{ day: "SATURDAY", startTime: "02:00", duration: 120 }];
    const created = await client.call("MaintenanceScheduleResponse", "POST", schedules, { name: "weekend", windows });
    const path = `${schedules}/${created.identity}`;
    expect((await expectKnown("PATCH", path, { name: "other" })).windows).toEqual(windows);
    const own = `/api/v1${path.replace("{org}", tenant.slug)}`;
    const kept = await world.send("PATCH", own, { token: tenant.admin, body: { windows: null } });
    expect(kept.body.windows).toEqual(windows);
    expect((await expectKnown("PATCH", path, { name: "other", windows: null })).windows).toEqual([]);
  },

  async "page size"() {
    const page = await client.call("Page", "GET", "/orgs/{org}/environments?page=0");
    expect(page).toMatchObject({ size: 1_000, number: 0, pageable: { pageSize: 1_000 } });
    const sized = async (query: string) => (await client.call("Page", "GET", `/orgs/{org}/environments?${query}`)).size;
    expect(await Promise.all(["size=7", "pageSize=8", 'pageable={"pageSize":9}', "pageable={}"].map(sized))).toEqual([
      ...[7, 8, 9, 1_000],
    ]);
    expect((await documented("/orgs/{org}/environments")).size).toBe(50);
    await expectRefused("GET", "/orgs/{org}/environments?size=1001", undefined, /^size: "1001" is not allowed/);
  },
  async "error messages"() {
    const nodePools = [{ name: "A" }, { name: "B" }, { name: "C" }];
    const wrong = tenant.creation({ name: "*", region: "nowhere", nodePools, version: "1" });
    const { body } = await client.send("POST", IN, wrong);
    expect(body.details).toHaveLength(9);
    expect(body.message).toBe(`${body.details.slice(0, 5).join("; ")} (and 4 more)`);
    const two = (await client.send("POST", IN, tenant.creation({ name: "*", version: "1" }))).body;
    expect(two.message).toBe(two.details.join("; "));
    const one = (await client.send("GET", `${IN}/nothing`)).body;
    expect(one).toEqual({
      message: 'There is no cluster "nothing" in environment "production".',
      details: [one.message],
    });
    const plain = await world.send("POST", tenant.path("production"), { token: tenant.admin, body: wrong });
    expect(plain.body.message).toMatch(/\(and 8 more\)$/);
  },
  async "empty segments"() {
    for (const path of [
      "/orgs/{org}/environments/",
      "/orgs/{org}/clusters//",
      "/orgs/{org}/clusters/production/",
      "//memberships",
    ]) {
      const response = await client.send("GET", `${path}?page=0`);
      expect([path, response.status]).toEqual([path, 404]);
      expect(response.body.message).toMatch(/^Unknown path/);
    }
    expect((await client.send("GET", "/orgs/{org}/environments/?show-compute=true")).status).toBe(404);
  },
  async "join configuration of a node pool"() {
    const { pool, path, cluster } = await createPool();
    await world.settle();
    for (const id of [pool.id, pool.identity]) {
      const joined = await client.call("JoinConfigResponse", "POST", `${cluster}/pools/${id}/join-config`);
      expect(joined.joinCommand).toMatch(/^kubeadm join /);
    }
    await client.call("JoinConfigResponse", "GET", `${path}/join-config`);
  },
  async "identifiers of a node pool"() {
    const { pool, cluster } = await createPool();
    for (const [index, id] of [pool.id, pool.identity].entries()) {
      expect((await put(`${cluster}/pools/${id}`, { labels: { index: `${index}` } })).labels).toEqual({
        index: `${index}`,
      });
    }
    expect((await client.send("DELETE", `${cluster}/pools/${pool.id}`)).status).toBe(204);
    expect((await client.send("DELETE", `${cluster}/pools/${pool.identity}`)).status).toBe(204);
  },
  async "token scheme"() {
    for (const scheme of ["Token", "Bearer"]) {
      const headers = { authorization: `${scheme} ${tenant.admin}` };
      expect((await world.send("GET", "/acloud/api/v1/memberships", { headers })).status).toBe(200);
    }
    expect((await world.send("GET", "/acloud/api/v1/memberships")).status).toBe(401);
  },
};

const ids = [...rowIds(responseRows), ...rowIds(requestRows), ...Object.keys(rules)];

test("every difference of the dialect has a test that names it, and no test names another", () => {
  // A name in both tables would have one test for two rows.
  expect(new Set(ids).size).toBe(ids.length);
  expect(Object.keys(tests).toSorted()).toEqual(ids.toSorted());
});

test.each(Object.entries(tests))("the dialect differs as its row says: %s", async (_, run) => {
  await run();
});
