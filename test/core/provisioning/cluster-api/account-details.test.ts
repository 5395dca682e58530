import { afterAll, beforeAll, expect, test } from "vitest";
import { createAccount } from "#core/admin/cloud-accounts.ts";
import { shippedCatalogue, useCatalogue } from "#core/catalogue/index.ts";
import { reconcileAll } from "#core/provisioning/work-queue.ts";
import { type FakeWorld, listIn, makeFakeWorld } from "#test/support/cluster-api/fake-world.ts";
import { catalogueWithImages, generousProfiles } from "#test/support/limited-provisioner.ts";
import type { Json, Tenant } from "#test/support/world.ts";

const INFRASTRUCTURE = "infrastructure.cluster.x-k8s.io/v1beta1";

let world: FakeWorld;
let tenant: Tenant;

beforeAll(async () => {
  useCatalogue(catalogueWithImages());
  world = await makeFakeWorld(generousProfiles("bbbbbbbb-0000-4000-8000-000000000001"));
  tenant = await world.tenant();
});
afterAll(async () => {
  // The catalogue belongs to the process, which the test files of a worker share.
  useCatalogue(shippedCatalogue);
  await world.stop();
});

async function send(method: string, path: string, body: unknown): Promise<Json> {
  const response = await world.send(method, path, { token: tenant.admin, body });
  expect(response.status, response.text).toBe(200);
  return response.body;
}

/** Returns what the management cluster has of the credentials. */
function credentialsIn() {
  const [identity] = listIn(world, INFRASTRUCTURE, "AzureClusterIdentity");
  const { name, namespace } = identity.spec.clientSecret;
  const secret = listIn(world, "v1", "Secret").find(
    ({ metadata }) => metadata.name === name && metadata.namespace === namespace,
  );
  const [cluster] = listIn(world, INFRASTRUCTURE, "AzureCluster");
  return {
    subscriptionId: cluster.spec.subscriptionID,
    tenantId: identity.spec.tenantID,
    clientId: identity.spec.clientID,
    clientSecret: Buffer.from(secret.data.clientSecret, "base64").toString(),
  };
}

test("objects on azure contain the subscription of the account, and a rotation of the credentials replaces no machine", async () => {
  const account = await createAccount(world.services, tenant.slug, { displayName: "azure", cloudProfile: "azure" });
  const path = `/api/v1/orgs/${tenant.slug}/cloud-accounts/${account.identity}/credentials`;
  const credentials = { subscriptionId: "subscription", tenantId: "tenant", clientId: "one", clientSecret: "secret 1" };
  const { identity } = await send("POST", `${path}/azure`, { displayName: "main", credentials });
  const cluster = await send(
    "POST",
    tenant.path("production"),
    tenant.creation({
      cloudAccountIdentity: account.identity,
      region: "westeurope",
      version: "v1.33.4-u-ame.2",
      nodePools: [{ name: "web", nodeSize: "Standard_D2s_v5" }],
    }),
  );
  await reconcileAll(world.reconciler, [cluster.identity], 1);
  expect(credentialsIn()).toEqual(credentials);
  const templates = () => listIn(world, INFRASTRUCTURE, "AzureMachineTemplate").map(({ metadata }) => metadata.name);
  const before = templates();
  expect(before).toHaveLength(2);

  const rotated = { ...credentials, clientId: "two", clientSecret: "secret 2" };
  await send("PUT", `${path}/${identity}`, { credentials: rotated });
  world.advanceClock(61 * 60_000);
  await reconcileAll(world.reconciler, [cluster.identity], 1);
  expect(credentialsIn()).toEqual(rotated);
  expect(templates()).toEqual(before);
});
