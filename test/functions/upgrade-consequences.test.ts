import { afterAll, beforeAll, expect, test } from "vitest";
import { createAccount } from "#core/admin/cloud-accounts.ts";
import { shippedCatalogue, useCatalogue } from "#core/catalogue/index.ts";
import { catalogueWithImages, generousProfiles, limitedProvisioner } from "#test/support/limited-provisioner.ts";
import { makeReconciledWorld, type ReconciledWorld } from "#test/support/reconciling.ts";
import type { Json, Tenant } from "#test/support/world.ts";

const STRATEGIES = ["REPLACE", "INPLACE", "INPLACE_WITHOUT_DRAIN", "REPLACE_MINOR_INPLACE_PATCH"];

let world: ReconciledWorld;
let tenant: Tenant;

beforeAll(async () => {
  useCatalogue(catalogueWithImages());
  const provisioner = limitedProvisioner();
  provisioner.use(generousProfiles("dddddddd-0000-4000-8000-000000000001"));
  world = await makeReconciledWorld({ provisioner });
  tenant = await world.tenant();
});
// The catalogue belongs to the process, which the test files of a worker share.
afterAll(() => useCatalogue(shippedCatalogue));

async function ok(method: string, path: string, body: unknown): Promise<Json> {
  const response = await world.send(method, path, { token: tenant.admin, body });
  expect(response.status, response.text).toBe(200);
  return response.body;
}

/** Creates a cluster with a pool of each strategy, and returns the effects of dry runs of an upgrade by the names of the pools. */
async function effectsOn(provider: string, place: Record<string, string>, strategies: readonly string[]) {
  const account = { displayName: provider, cloudProfile: provider };
  const needed = provider === "byon" ? account : { ...account, credentials: "main" };
  const { region, nodeSize } = place;
  const { identity } = await ok("POST", tenant.path("production"), {
    ...tenant.creation({ name: provider, version: "v1.34.3-u-ame.1", region }),
    cloudAccountIdentity: (await createAccount(world.services, tenant.slug, needed)).identity,
    nodePools: strategies.map((upgradeStrategy, index) => ({ name: `pool-${index}`, nodeSize, upgradeStrategy })),
  });
  await world.settle();
  const cluster = tenant.path("production", provider);
  const pools = (await world.send("GET", `${cluster}/pools`, { token: tenant.admin })).body;
  const version = "v1.34.4-u-ame.2";
  const upgrades = `/api/v1/orgs/${tenant.slug}/scheduled-cluster-upgrades?dryRun=true`;
  const answers = [
    await ok("PATCH", `${cluster}?dryRun=true`, { version }),
    await ok("POST", upgrades, { clusterIdentity: identity, version }),
  ];
  return answers.map(({ consequences }) =>
    consequences.map(({ property, effect, nodePools }: Json) => [
      property,
      effect,
      nodePools.map((each: Json) => pools.find((pool: Json) => pool.identity === each.identity).upgradeStrategy),
    ]),
  );
}

test("a dry run of an upgrade with Cluster API reports that all nodes are replaced, whatever the strategy of their pool is", async () => {
  const place = { region: "eu-west-1", nodeSize: "t3.medium" };
  const replaced = [["version", "rollsNodes", STRATEGIES]];
  expect(await effectsOn("aws", place, STRATEGIES)).toEqual([replaced, replaced]);
});

test("a dry run of an upgrade on byon reports that nodes are upgraded in place by the strategies in place", async () => {
  const strategies = STRATEGIES.slice(0, 3);
  const effects = [
    ["version", "rollsNodes", ["REPLACE"]],
    ["version", "inPlace", ["INPLACE", "INPLACE_WITHOUT_DRAIN"]],
  ];
  expect(await effectsOn("byon", { region: "europe", nodeSize: "byon" }, strategies)).toEqual([effects, effects]);
});
