import { afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { simulatedTraits } from "#core/provisioning/simulated/traits.ts";
import { referencesKey } from "#core/table/keys.ts";
import { referencesEntity } from "#core/tenancy/references-entity.ts";
import { finishDeletion } from "#test/support/deletion.ts";
import { expectError } from "#test/support/errors.ts";
import { interrupt } from "#test/support/faults.ts";
import { expectInvariants } from "#test/support/invariants.ts";
import { type Json, makeWorld, type Tenant, type World } from "#test/support/world.ts";

const [FIRST, SECOND] = ["aaaaaaaa-1111-4000-8000-000000000001", "bbbbbbbb-2222-4000-8000-000000000002"];

let world: World;
let azure: string;
let tenant: Tenant;
/** Path of the account. */
let account: string;
/** Path of its primary credentials. */
let main: string;

const send = (method: string, path: string, body?: unknown, by = world) =>
  by.send(method, path, { token: tenant.admin, body });

async function ok(method: string, path: string, body?: unknown): Promise<Json> {
  const response = await send(method, path, body);
  expect(response.status, response.text).toBeLessThan(205);
  return response.body;
}

const secretsIn = (subscriptionId: string) => ({
  credentials: { subscriptionId, tenantId: "tenant", clientId: "client", clientSecret: "client secret" },
});

/** Creates credentials of the account. @returns identity */
const createCredentials = async (subscriptionId: string): Promise<string> =>
  (await ok("POST", `${account}/credentials/azure`, { displayName: "New", ...secretsIn(subscriptionId) })).identity;

const createCluster = (by = world) =>
  send(
    "POST",
    tenant.path("production"),
    tenant.creation({
      cloudAccountIdentity: account.split("/").at(-1),
      region: "westeurope",
      nodePools: [{ name: "web", nodeSize: "Standard_D2s_v5" }],
    }),
    by,
  );

beforeAll(async () => {
  // Deleting clusters need credentials only with such a provisioner.
  world = await makeWorld({ provisioner: { ...simulatedTraits, needsCredentials: (type) => type === "azure" } });
  const { admin, slug } = await world.tenant();
  const list = await world.send("GET", `/api/v1/orgs/${slug}/cloud-profiles`, { token: admin });
  azure = list.body.content.find(({ cloudProvider }: Json) => cloudProvider === "azure").identity;
});

beforeEach(async () => {
  tenant = await world.tenant();
  const accounts = `/api/v1/orgs/${tenant.slug}/cloud-accounts`;
  account = `${accounts}/${(await ok("POST", accounts, { displayName: "Azure", cloudProfile: azure })).identity}`;
  main = `${account}/credentials/${await createCredentials(FIRST)}`;
});

afterEach(() => expectInvariants(world.services, tenant.slug));

const CONFLICT = new RegExp(
  `^The cloud account "Azure" is used by 1 cluster in the Azure subscription "${FIRST}", which cannot move to "${SECOND}"; keep primary credentials`,
);

test("while clusters use an account, its primary credentials keep their Azure subscription", async () => {
  expect((await createCluster()).status).toBe(200);
  const before = await ok("GET", main);
  expectError(await send("PUT", `${main}?dryRun=true`, secretsIn(SECOND)), 409, CONFLICT);
  expectError(await send("PUT", main, { displayName: "Other", ...secretsIn(SECOND) }), 409, CONFLICT);
  expectError(await send("PUT", main, secretsIn(FIRST.toUpperCase())), 409, /written exactly so/);
  expect(await ok("GET", main)).toEqual(before);
  // A rotation in the same subscription.
  await ok("PUT", main, secretsIn(FIRST));

  // Deleting clusters need the subscription too.
  await ok("PATCH", tenant.path("production", "one"), { status: "deleting" });
  expectError(await send("PUT", main, secretsIn(SECOND)), 409, /which is still being deleted in the Azure/);
  await finishDeletion(world.services, tenant.slug, "production", "one");
  await ok("PUT", main, secretsIn(SECOND));
});

test("while clusters use an account, credentials of another Azure subscription do not become its primary ones", async () => {
  const other = await createCredentials(SECOND);
  const same = await createCredentials(FIRST);
  expect((await createCluster()).status).toBe(200);
  expectError(await send("PATCH", account, { primaryCloudCredentials: other }), 409, CONFLICT);
  // The deletion of the primary credentials makes the oldest remaining ones primary.
  expectError(await send("DELETE", main), 409, CONFLICT);
  expectError(await send("DELETE", `${main}?dryRun=true`), 409, CONFLICT);
  await ok("PUT", `${account}/credentials/${other}`, secretsIn(SECOND));

  await ok("PATCH", account, { primaryCloudCredentials: same });
  expect((await send("DELETE", main)).status).toBe(204);
});

test("without clusters the Azure subscription of an account can change", async () => {
  const other = await createCredentials(SECOND);
  await ok("PATCH", account, { primaryCloudCredentials: other });
  await ok("PUT", `${account}/credentials/${other}`, secretsIn(FIRST));
  await ok("PUT", main, secretsIn(SECOND));
  expect((await send("DELETE", `${account}/credentials/${other}`)).status).toBe(204);
});

test("a change of the Azure subscription that was decided before a cluster was created is refused", async () => {
  const other = await createCredentials(SECOND);
  const writes: [method: string, path: string, body?: unknown][] = [
    ["PUT", main, secretsIn(SECOND)],
    ["PATCH", account, { primaryCloudCredentials: other }],
    ["DELETE", main],
  ];
  for (const [method, path, body] of writes) {
    const slow = world.sibling();
    interrupt(slow.table, async () => {
      expect((await createCluster()).status).toBe(200);
    });
    expectError(await send(method, path, body, slow), 409, CONFLICT);
    await ok("PATCH", tenant.path("production", "one"), { status: "deleting" });
    await finishDeletion(world.services, tenant.slug, "production", "one");
  }
});

test("a subscriptionId that is no UUID is stored only encrypted, and not compared", async () => {
  const stored = async () => {
    const key = referencesKey(tenant.slug);
    const [item] = (await world.table.get([key])).values();
    return JSON.stringify(item && referencesEntity.read(item));
  };
  expect(await stored()).toContain(FIRST);
  await ok("PUT", main, secretsIn("a secret in the wrong property"));
  expect(await stored()).not.toMatch(/subscriptionId|wrong property/);
  expect((await createCluster()).status).toBe(200);
  await ok("PUT", main, secretsIn(SECOND));
  // From now on it is known.
  expectError(await send("PUT", main, secretsIn(FIRST)), 409, /cannot move/);
});
