import { beforeAll, expect, test } from "vitest";
import { cloudProfiles } from "#core/catalogue/index.ts";
import type { Cluster } from "#core/cluster/entity.ts";
import { SourceReader } from "#core/provisioning/cluster-api/sources.ts";
import { clustersOf } from "#test/support/invariants.ts";
import { type Json, makeWorld, type Tenant, type World } from "#test/support/world.ts";

let world: World;
let tenant: Tenant;

beforeAll(async () => {
  world = await makeWorld();
  tenant = await world.tenant();
});

async function ok(method: string, path: string, body?: unknown): Promise<Json> {
  const response = await world.send(method, path, { token: tenant.admin, body });
  expect(response.status, response.text).toBeLessThan(205);
  return response.body;
}

test("a cluster uses the credentials that it names, and the primary ones after their deletion, also while the account is disabled", async () => {
  const cloudProfile = cloudProfiles.find(({ cloudProvider }) => cloudProvider === "hetzner")?.identity;
  const accounts = `/api/v1/orgs/${tenant.slug}/cloud-accounts`;
  const account = await ok("POST", accounts, { displayName: "Ours", cloudProfile });
  const own = `${accounts}/${account.identity}`;
  const add = (token: string) =>
    ok("POST", `${own}/credentials/hetzner`, { displayName: token, credentials: { apiKey: token } });
  const [primary, named] = [await add("primary"), await add("named")];
  const body = {
    cloudAccountIdentity: account.identity,
    cloudCredentialsIdentity: named.identity,
    region: "fsn1",
    nodePools: [],
  };
  await ok("POST", tenant.path("production"), tenant.creation(body));
  await ok("PATCH", tenant.path("production", "one"), { cloudCredentialsIdentity: named.identity });

  const { table, referencesCache } = world.services;
  const read = async () => {
    const [cluster] = await clustersOf(world.services, tenant.slug);
    const reader = new SourceReader({ table, referencesCache, keyring: world.keyring });
    const sources = await reader.read(cluster as Cluster);
    return [sources.credentialsIdentity, await reader.credentialsOf(cluster as Cluster, sources)];
  };
  expect(await read()).toEqual([named.identity, { apiKey: "named" }]);
  await ok("PATCH", own, { enabled: false });
  await ok("DELETE", `${own}/credentials/${named.identity}`);
  expect(await read()).toEqual([primary.identity, { apiKey: "primary" }]);
});
