/** Existing resources while requests are sent: an organisation with its people, and the last created clusters. */

import { createSchedule } from "#core/admin/maintenance-schedules.ts";
import {
  cloudProfiles,
  clusterVersions,
  profileByIdentity,
  providerBySlug,
  regionOf,
  updateChannels,
} from "#core/catalogue/index.ts";
import { finishDeletion } from "#test/support/deletion.ts";
import type { Json, Tenant, World } from "#test/support/world.ts";
import type { Real } from "./arbitrary.ts";
import { createFixturesIn } from "./bring-up.ts";

/** Returns a slug of a response: an object in the documented dialect, a text in that of the published clients. */
const slugIn = (slug: Json): string => slug.slugValue ?? slug;

/** Node pool as paths name it. */
interface KnownPool {
  id: string;
  tag: string;
}

/** Cluster as paths name it. */
interface KnownCluster {
  environment: string;
  slug: string;
  identity: string;
  tag: string;
  pools: KnownPool[];
}

/** Deleted cluster. */
interface GoneCluster {
  environment: string;
  slug: string;
  identity: string;
}

/** Callers: people of several roles, a member of another organisation, and an anonymous one. */
export const CALLERS = ["admin", "developer", "viewer", "billing-admin", "stranger", "nobody"] as const;
export type Caller = (typeof CALLERS)[number];

/** Resources that requests are sent to. */
export interface Scene {
  tokens: Readonly<Record<Caller, string | undefined>>;
  /**
   * Returns an existing resource of a name, such as `region`. All resources of one target belong together: a cluster, its
   * environment, its pools and its tag.
   *
   * @throws Error for a name without resources
   */
  real({ name, pick }: Real, target: number): unknown;
  /** Records a success, so that later requests use created resources, and not deleted ones. */
  addKnownSecrets(
    operationId: string,
    target: number,
    sent: { isDryRun: boolean },
    headers: Headers,
    body: Json,
  ): Promise<void>;
}

/** Number of remembered clusters; older ones appear only in lists. */
const KNOWN = 12;
const ENVIRONMENTS = ["production", "staging", "test"];
const POD_SUBNETS = ["10.0.0.0/12", "10.244.0.0/16", "172.16.0.0/16", "192.168.0.0/24"];
const SERVICE_SUBNETS = ["10.96.0.0/12", "100.64.0.0/16", "192.168.128.0/20"];
const RANGES = ["0.0.0.0/0", "192.0.2.0/24", "10.1.2.3/32", "2001:db8::/32", "::/0"];
const PAGEABLES = [
  { page: 0, size: 20 },
  { pageNumber: 1, pageSize: 1_000, sort: ["name,desc"] },
  { sortDirection: "DESC" },
  {},
];

/** Names of path segments, properties and parameters that `Scene.real` supports. */
export const REAL_NAMES: ReadonlySet<string> = new Set([
  "alertManagerConfig",
  "availabilityZone",
  "cloudAccountIdentity",
  "cloudCredentials",
  "cloudCredentialsIdentity",
  "cloudProfile",
  "cloudProvider",
  "cloudProviderSlug",
  "cloudType",
  "clusterIdentity",
  "clusterPodSubnet",
  "clusterSlug",
  "credentials",
  "currentEnvironment",
  "deletedEnvironment",
  "deletedSlug",
  "endsAt",
  "environmentSlug",
  "identity",
  "If-Match",
  "If-None-Match",
  "ipRange",
  "ipWhiteList",
  "maintenanceSchedule",
  "maintenanceScheduleIdentity",
  "maxSize",
  "memberIdentity",
  "minSize",
  "newEnvironment",
  "nodePoolId",
  "nodeSize",
  "observabilityTenantSlug",
  "organisationSlug",
  "pageable",
  "pool",
  "primaryCloudCredentials",
  "region",
  "regionSlug",
  "scheduledUpgradeIdentity",
  "serviceSubnet",
  "silenceId",
  "spareEnvironment",
  "spareTenant",
  "startsAt",
  "spareMember",
  "expiresAt",
  "tokenIdentity",
  "email",
  "spareAccount",
  "spareCredentials",
  "spareSchedule",
  "updateChannel",
  "version",
]);

const at = <T>(list: readonly T[], position: number): T | undefined => list[position % list.length];

/** Creates an organisation for requests, and another one whose members are strangers here. */
export async function makeScene(world: World): Promise<Scene> {
  const tenant = await world.tenant(ENVIRONMENTS);
  const { admin: stranger } = await world.tenant(ENVIRONMENTS);
  const windows = [{ day: "MONDAY", startTime: "1:00", duration: 60 }];
  const nightly = await createSchedule(world.services, tenant.slug, { name: "nightly", windows });
  const roles = ["developer", "viewer", "billing-admin"] as const;
  const [developer, viewer, billing] = await Promise.all(roles.map((role) => tenant.person(role)));
  const known: KnownCluster[] = [];
  const gone: GoneCluster[] = [];
  /** Environments without clusters, which can be deleted. */
  const spare: string[] = [];
  /** Members and tokens that a request created, which can be removed. */
  const spareMembers: string[] = [];
  const spareTokens: string[] = [];
  /** Members with other roles in an environment. */
  const overridden: { member: string; environment: string }[] = [];
  /** Identities of cloud accounts, credentials and schedules that no cluster uses, which can be deleted. */
  const spares = {
    CloudAccount: [] as string[],
    CloudCredentials: [] as string[],
    MaintenanceSchedule: [] as string[],
  };
  /** Identities of scheduled upgrades. */
  const upgrades: string[] = [];
  /** Observability tenants that can be deleted. One other keeps the silences. */
  const spareTenants: string[] = [];
  const silences: string[] = [];
  const monitoring = `/api/v1/orgs/${tenant.slug}/monitoring`;
  await world.send("POST", monitoring, { token: tenant.admin, body: { name: "web" } });
  const tokens = {
    admin: tenant.admin,
    developer: developer?.token,
    viewer: viewer?.token,
    "billing-admin": billing?.token,
    stranger,
    nobody: undefined,
  };
  const bringUp = createFixturesIn(world);
  let made = 0;
  const inCatalogue = catalogueOf(tenant);
  const schedules = [tenant.schedule.identity, nightly.identity];

  function real({ name, pick }: Real, target: number): unknown {
    const cluster = at(known, target);
    const deleted = at(gone, target);
    const pool = cluster === undefined ? undefined : at(cluster.pools, target >> 4);
    const tags = [pool?.tag ?? cluster?.tag, cluster?.tag, "*", '"1"', '"2", "3"', 'W/"1.1"', '"nobody\'s"'];
    const elsewhere = ENVIRONMENTS.filter((each) => each !== cluster?.environment);
    const of: Record<string, readonly unknown[]> = {
      ...inCatalogue,
      alertManagerConfig: ["", "route: {}\n"],
      cloudAccountIdentity: [tenant.account.identity],
      cloudCredentials: tenant.account.credentials.map(({ identity }) => identity),
      cloudProfile: cloudProfiles.map(({ identity }) => identity),
      cloudType: ["aws"],
      credentials: [{ accessKeyId: "id of the fuzz run", accessKeySecret: "secret of the fuzz run" }],
      primaryCloudCredentials: ["", tenant.account.identity],
      cloudCredentialsIdentity: tenant.account.credentials.map(({ identity }) => identity),
      clusterIdentity: [cluster?.identity ?? tenant.identity],
      clusterPodSubnet: POD_SUBNETS.map((ipRange) => ({ ipRange })),
      clusterSlug: [cluster?.slug ?? "none"],
      currentEnvironment: [cluster?.environment],
      deletedEnvironment: [deleted?.environment ?? at(ENVIRONMENTS, pick)],
      deletedSlug: [deleted?.slug ?? "none"],
      endsAt: ["2098-01-01T00:00:00Z", "2099-01-01T00:00:00.5+01:00"],
      environmentSlug: [cluster?.environment ?? at(ENVIRONMENTS, pick)],
      identity: [deleted?.identity ?? tenant.identity],
      "If-Match": tags,
      "If-None-Match": tags,
      ipRange: RANGES,
      ipWhiteList: ["", "192.0.2.0/24, 2001:db8::/32"],
      maintenanceSchedule: schedules,
      maintenanceScheduleIdentity: schedules,
      maxSize: [3, 5, 10, 1_000],
      minSize: [0, 1, 2, 3],
      newEnvironment: elsewhere,
      nodePoolId: [pool?.id ?? "1"],
      observabilityTenantSlug: ["web"],
      organisationSlug: [tenant.slug],
      pageable: PAGEABLES.map((each) => JSON.stringify(each)),
      pool: [pool?.id ?? "1"],
      silenceId: [at(silences, target) ?? tenant.identity],
      spareTenant: [at(spareTenants, target) ?? "none"],
      startsAt: ["0001-01-01T00:00:00Z", "2097-12-31T23:59:59Z"],
      memberIdentity: [at(spareMembers, target) ?? tenant.identity],
      overriddenEnvironment: [at(overridden, target)?.environment ?? at(ENVIRONMENTS, pick)],
      overriddenMember: [at(overridden, target)?.member ?? tenant.identity],
      spareMember: [at(spareMembers, target) ?? tenant.identity],
      tokenIdentity: [at(spareTokens, target) ?? tenant.identity],
      email: [`user-${pick}@example.com`, `user-${target}-${pick}@example.com`],
      expiresAt: [new Date(Date.now() + 86_400_000).toISOString(), "2030-01-01T00:00:00+01:00"],
      spareAccount: [at(spares.CloudAccount, target) ?? "none"],
      spareCredentials: [at(spares.CloudCredentials, target) ?? "none"],
      spareSchedule: [at(spares.MaintenanceSchedule, target) ?? "none"],
      spareEnvironment: [at(spare, target) ?? "none"],
      scheduledUpgradeIdentity: [at(upgrades, target) ?? tenant.identity],
      serviceSubnet: SERVICE_SUBNETS.map((ipRange) => ({ ipRange })),
    };
    const found = of[name];
    if (found === undefined) throw new Error(`no existing resource of the name ${name}`);
    return at(found, pick) ?? "";
  }

  async function bury(cluster: KnownCluster, identity: string): Promise<void> {
    await finishDeletion(world.services, tenant.slug, cluster.environment, cluster.slug);
    gone.push({ environment: cluster.environment, slug: cluster.slug, identity });
    if (gone.length > KNOWN) gone.shift();
  }

  function noteCluster(headers: Headers, body: Json): void {
    const slug: string = slugIn(body.slug);
    const environment: string = slugIn(body.environmentSlug);
    const isGone = body.status === "deleting";
    const present = known.findIndex((each) => each.slug === slug && each.environment === environment);
    const tag = headers.get("etag") ?? "";
    if (present !== -1 && isGone) known.splice(present, 1);
    else if (present !== -1) Object.assign(known[present] ?? {}, { tag });
    else if (!isGone) known.push({ environment, slug, identity: body.identity, tag, pools: [] });
    if (known.length > KNOWN) known.shift();
  }

  function noteOverride({ memberIdentity: member, environments }: Json): void {
    for (const [environment, { identity }] of Object.entries(tenant.environments)) {
      if (environments.some((each: Json) => each.identity === identity)) overridden.push({ member, environment });
    }
  }

  function notePools(cluster: KnownCluster, pools: readonly Json[], tag: string): void {
    for (const { id } of pools) {
      const present = cluster.pools.find((each) => each.id === `${id}`);
      if (present === undefined) cluster.pools.push({ id: `${id}`, tag });
      else if (tag !== "") present.tag = tag;
    }
  }

  /** Few random requests list the pools of a cluster, so its own requests would name pools that do not exist. */
  async function notePoolsOf(cluster: KnownCluster | undefined): Promise<void> {
    if (cluster === undefined) return;
    const path = `${tenant.path(cluster.environment, cluster.slug)}/pools`;
    const { body } = await world.send("GET", path, { token: tenant.admin });
    notePools(cluster, body, "");
  }

  return {
    tokens,
    real,
    async addKnownSecrets(operationId, target, { isDryRun }, headers, body) {
      if (isDryRun || (body === undefined && !operationId.startsWith("delete"))) return;
      if (operationId === "createEnvironment") spare.push(slugIn(body.slug));
      if (operationId === "createMember") spareMembers.push(body.memberIdentity);
      if (operationId === "deleteMember") spareMembers.splice(target % spareMembers.length, 1);
      if (operationId === "setEnvironmentMember") noteOverride(body);
      if (operationId === "deleteEnvironmentMember") overridden.splice(target % overridden.length, 1);
      if (operationId === "createToken") spareTokens.push(body.identity);
      if (operationId === "deleteToken") spareTokens.splice(target % spareTokens.length, 1);
      if (operationId === "deleteEnvironment") spare.splice(target % spare.length, 1);
      if (operationId === "createObservabilityTenant") spareTenants.push(body.slug);
      if (operationId === "deleteObservabilityTenant") spareTenants.splice(target % spareTenants.length, 1);
      if (operationId === "createSilence") silences.push(body.id);
      for (const [kind, identities] of Object.entries(spares)) {
        if (operationId === `create${kind}`) identities.push(body.identity);
        if (operationId === `delete${kind}`) identities.splice(target % identities.length, 1);
      }
      const cluster = at(known, target);
      if (operationId === "requestScheduledClusterUpgrade") {
        upgrades.push(body.identity);
        if (upgrades.length > KNOWN) upgrades.shift();
      }
      if (operationId === "createCluster") {
        noteCluster(headers, body);
        await notePoolsOf(known.at(-1));
        // Some remain as created, because other operations can do more with them.
        if (made++ % 3 !== 0) await bringUp(body.identity);
      }
      if (operationId === "undeleteCluster") {
        const back = gone.findIndex(({ identity }) => identity === body.identity);
        if (back !== -1) gone.splice(back, 1);
        noteCluster(headers, body);
      }
      if (cluster === undefined) return;
      if (operationId === "moveCluster" || operationId === "updateCluster") {
        known.splice(known.indexOf(cluster), 1);
        noteCluster(headers, body);
        const moved = known.at(-1);
        if (moved?.slug === cluster.slug) moved.pools = cluster.pools;
        // Every second one remains in deletion.
        if (body.status === "deleting" && target % 2 === 0) await bury(cluster, body.identity);
      }
      if (operationId === "listNodePools") {
        cluster.pools = [];
        notePools(
          cluster,
          body.filter((pool: Json) => pool.provisionStatus !== "DELETING"),
          "",
        );
      }
      if (operationId === "createNodePool" || operationId === "updateNodePool" || operationId === "getNodePool") {
        notePools(cluster, [body], headers.get("etag") ?? "");
      }
      if (operationId === "deleteNodePool") cluster.pools.splice((target >> 4) % cluster.pools.length, 1);
    },
  };
}

/** Values that every caller can choose, of the provider of the organisation's account. */
function catalogueOf({ account }: Tenant): Record<string, readonly unknown[]> {
  const provider = providerBySlug(profileByIdentity(account.cloudProfile)?.cloudProvider ?? "");
  const region = provider === undefined ? undefined : regionOf(provider, "eu-west-1");
  if (provider === undefined || region === undefined) throw new Error("the account's provider has no eu-west-1");
  return {
    availabilityZone: region.availabilityZones.map(({ slug }) => slug),
    cloudProvider: [provider.slug],
    cloudProviderSlug: [provider.slug, provider.slug, "byon"],
    nodeSize: provider.nodeTypes.map(({ type }) => type),
    region: [region.slug],
    regionSlug: [region.slug],
    updateChannel: updateChannels.filter(({ available }) => available).map(({ name }) => name),
    version: clusterVersions.filter(({ available }) => available).map(({ version }) => version),
  };
}
