import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type AcloudClient, acloudClient } from "#test/support/acloud.ts";
import { expectInvariants } from "#test/support/invariants.ts";
import { type ConfiguredWorld, makeConfiguredWorld } from "#test/support/issuer.ts";
import { addKnownSecrets } from "#test/support/secrets.ts";
import {
  type CloudAccountConfig,
  type ClusterConfig,
  cloudAccountResource,
  clusterResource,
  type EnvironmentConfig,
  environmentResource,
  type MaintenanceScheduleConfig,
  maintenanceScheduleResource,
  plan,
} from "#test/support/terraform.ts";
import type { Json, Tenant } from "#test/support/world.ts";

/** Number of resources that Terraform works on at the same time. */
const AT_ONCE = 10;

const SECRETS = { accessKeyId: "id beside terraform", accessKeySecret: "secret beside terraform" };
addKnownSecrets(...Object.values(SECRETS));

let world: ConfiguredWorld;
let tenant: Tenant;
let client: AcloudClient;

beforeAll(async () => {
  world = await makeConfiguredWorld();
});
beforeEach(async () => {
  tenant = await world.tenant();
  client = acloudClient(world, tenant);
});
afterAll(() => world.stop());

describe("acloud_cloud_account", () => {
  const planOf = (config: CloudAccountConfig, state: Json) => plan(cloudAccountResource, client, config, state);

  test("the plan is empty after the creation and each change of an account, which is enabled without being asked", async () => {
    let config: CloudAccountConfig = {
      display_name: "TF account",
      cloud_profile_identity: tenant.account.cloudProfile,
      vsphere_parent_folder: "/dc/vm/folder",
    };
    const state = await cloudAccountResource.create(client, config);
    expect(state.enabled).toBe(true);
    expect(await planOf(config, state)).toEqual([]);
    const identity = state.identity;
    const path = `/orgs/{org}/cloud-accounts/${identity}`;
    const credentials = await client.call("CloudCredentialsResponse", "POST", `${path}/credentials/aws`, {
      displayName: "made elsewhere",
      credentials: SECRETS,
    });
    for (const change of [{ display_name: "TF account 2" }, { enabled: false }, { enabled: true }]) {
      config = { ...config, ...change };
      await cloudAccountResource.update(client, config, state);
      expect([change, await planOf(config, state)]).toEqual([change, []]);
    }
    const read = await client.call("CloudAccountResponse", "GET", path);
    expect(read).toMatchObject({
      metadata: { parentFolder: "/dc/vm/folder" },
      primaryCloudCredentialsIdentity: credentials.identity,
    });
    await cloudAccountResource.remove(client, config, state);
    await expect(planOf(config, state)).rejects.toThrow("was not found");
    // A replacement has the same name.
    const other = { ...config, vsphere_parent_folder: "/dc/vm/other" };
    expect(await planOf(other, await cloudAccountResource.create(client, other))).toEqual([]);
  });
});

describe("acloud_maintenance_schedule", () => {
  const planOf = (config: MaintenanceScheduleConfig, state: Json) =>
    plan(maintenanceScheduleResource, client, config, state);

  test("the plan is empty after the creation and each change of a schedule", async () => {
    let config: MaintenanceScheduleConfig = {
      name: "weekend",
      windows: [{ day: "SATURDAY", start_time: "02:00", duration: 120 }],
    };
    const state = await maintenanceScheduleResource.create(client, config);
    expect(await planOf(config, state)).toEqual([]);
    for (const change of [
      { name: "other" },
      { windows: [...config.windows, { day: "sun", start_time: "2:00", duration: 1_440 }] },
    ]) {
      config = { ...config, ...change };
      await maintenanceScheduleResource.update(client, config, state);
      expect([change, await planOf(config, state)]).toEqual([change, []]);
    }
    await maintenanceScheduleResource.remove(client, config, state);
    const path = `/organisations/{org}/maintenance-schedule/${state.identity}`;
    expect((await client.send("GET", path)).status).toBe(404);
  });
});

/** Resources of one configuration: a cluster, and what it depends on. */
interface Stack {
  environment: EnvironmentConfig;
  account: CloudAccountConfig;
  schedule: MaintenanceScheduleConfig;
}

/** States of the resources of a stack. `config`: configuration of the cluster, which contains attributes of the others. */
type States = Record<"environment" | "account" | "schedule" | "cluster", Json> & { config: ClusterConfig };

/** Creates resources in the order of their dependencies. */
async function create({ environment, account, schedule }: Stack): Promise<States> {
  const states = {
    environment: await environmentResource.create(client, environment),
    account: await cloudAccountResource.create(client, account),
    schedule: await maintenanceScheduleResource.create(client, schedule),
  };
  const config: ClusterConfig = {
    environment: states.environment.slug,
    name: "min",
    region: "eu-west-1",
    cloud_account_identity: states.account.identity,
    version: "v1.34.4-u-ame.2",
    maintenance_schedule_id: states.schedule.identity,
  };
  return { ...states, config, cluster: await clusterResource.create(client, config) };
}

const planStack = async (stack: Stack, states: States): Promise<string[]> => [
  ...(await plan(environmentResource, client, stack.environment, states.environment)),
  ...(await plan(cloudAccountResource, client, stack.account, states.account)),
  ...(await plan(maintenanceScheduleResource, client, stack.schedule, states.schedule)),
  ...(await plan(clusterResource, client, states.config, states.cluster)),
];

/** Destroys in the reverse order: each resource right after the request to delete the cluster that depends on it. */
async function destroy(stack: Stack, states: States): Promise<void> {
  await clusterResource.remove(client, states.config, states.cluster);
  await Promise.all([
    environmentResource.remove(client, stack.environment, states.environment),
    cloudAccountResource.remove(client, stack.account, states.account),
    maintenanceScheduleResource.remove(client, stack.schedule, states.schedule),
  ]);
}

test("ten clusters with environments, accounts and schedules are created, refreshed, changed, replaced and destroyed in order", async () => {
  const stacks = Array.from(
    { length: AT_ONCE },
    (_, number): Stack => ({
      environment: { name: `E ${number}`, type: "demo" },
      account: { display_name: `A ${number}`, cloud_profile_identity: tenant.account.cloudProfile },
      schedule: { name: `S ${number}`, windows: [{ day: "SATURDAY", start_time: "02:00", duration: 120 }] },
    }),
  );
  const accounts = async () =>
    (await client.pages("CloudAccountResponse", "/orgs/{org}/cloud-accounts")).elements.map(({ identity }) => identity);
  const others = await accounts();
  let states = await Promise.all(stacks.map(create));
  const stateOf = (at: number) => states[at] as States;
  const plans = async () => (await Promise.all(stacks.map((stack, at) => planStack(stack, stateOf(at))))).flat();
  expect(await plans()).toEqual([]);
  await world.settle();
  expect(await plans()).toEqual([]);
  await Promise.all(
    stacks.map(async (stack, at) => {
      stack.account = { ...stack.account, display_name: `Account ${at}` };
      stack.schedule = { ...stack.schedule, name: `Schedule ${at}` };
      await cloudAccountResource.update(client, stack.account, stateOf(at).account);
      await maintenanceScheduleResource.update(client, stack.schedule, stateOf(at).schedule);
    }),
  );
  expect(await plans()).toEqual([]);
  // A live cluster uses all three.
  const [{ environment, account, schedule } = {} as Stack] = stacks;
  const used = stateOf(0);
  await expect(environmentResource.remove(client, environment, used.environment)).rejects.toThrow("returned 409");
  await expect(cloudAccountResource.remove(client, account, used.account)).rejects.toThrow("returned 409");
  await expect(maintenanceScheduleResource.remove(client, schedule, used.schedule)).rejects.toThrow("returned 409");
  await Promise.all(stacks.map((stack, at) => destroy(stack, stateOf(at))));
  await expectInvariants(world.services, tenant.slug);
  // The slugs of the environments are free when their clusters are gone.
  await world.settle();
  states = await Promise.all(stacks.map(create));
  expect(await plans()).toEqual([]);
  await Promise.all(stacks.map((stack, at) => destroy(stack, stateOf(at))));
  await world.settle();
  expect(await accounts()).toEqual(others);
  await expectInvariants(world.services, tenant.slug);
});
