/** Deletions that Cluster API does not complete at once, in a fake management cluster. */

import { DeleteCommand } from "@aws-sdk/lib-dynamodb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { shippedCatalogue, useCatalogue } from "#core/catalogue/index.ts";
import type { KubernetesObject } from "#core/kubernetes/objects.ts";
import { resourceOf } from "#core/kubernetes/resources.ts";
import { CLUSTER } from "#core/provisioning/cluster-api/kinds.ts";
import { ACCOUNT_ID, CLUSTER_ID } from "#core/provisioning/cluster-api/labels.ts";
import { reconcile } from "#core/provisioning/reconcile.ts";
import { cloudSecretKey } from "#core/table/keys.ts";
import { listIn } from "#test/support/cluster-api/fake-world.ts";
import { type ManagedWorld, makeManagedWorld, PLACES } from "#test/support/cluster-api/managed-world.ts";
import type { Fault } from "#test/support/kubernetes-server.ts";
import { asTest } from "#test/support/permissions.ts";
import { addKnownSecrets } from "#test/support/secrets.ts";
import type { Json } from "#test/support/world.ts";

/** Finalizer that keeps a Cluster, as a provider's controller does whose credentials are refused. */
const KEPT = "test.example.com/kept";

let managed: ManagedWorld;

beforeAll(async () => {
  managed = await makeManagedWorld();
});
afterAll(async () => {
  await managed.world.stop();
  useCatalogue(shippedCatalogue);
});

/** Finds the Cluster of a cluster. */
const clusterObject = (identity: string): Json =>
  listIn(managed.world, CLUSTER.apiVersion, CLUSTER.kind).find(
    ({ metadata }) => metadata.labels[CLUSTER_ID] === identity,
  );

/** Lists the Secrets of a cluster and of its cloud account that contain a text. */
const secretsWith = (text: string, cluster: { identity: string; account: string }): string[] =>
  listIn(managed.world, "v1", "Secret")
    .filter(({ metadata: { labels = {} } }) =>
      [labels[CLUSTER_ID] === cluster.identity, labels[ACCOUNT_ID] === cluster.account].includes(true),
    )
    .filter(({ data }) =>
      Object.values<string>(data).some((each) => Buffer.from(each, "base64").toString().includes(text)),
    )
    .map(({ metadata }) => metadata.name);

/** Changes the finalizers of a Cluster, as another controller does. */
function changeFinalizers(identity: string, change: (finalizers: readonly string[]) => string[]): void {
  const { namespace, name } = clusterObject(identity).metadata;
  const edit = ({ metadata }: KubernetesObject) => {
    metadata.finalizers = change(metadata.finalizers ?? []);
  };
  managed.world.server.store.update(resourceOf(CLUSTER), { namespace, name }, edit, { manager: "another" });
}

/** Creates a started cluster. */
async function createStarted(type: keyof typeof PLACES, name: string): Promise<{ identity: string; account: string }> {
  const { region, nodeSize } = PLACES[type];
  const account = await managed.account(type);
  const created = await managed.create({
    name,
    cloudAccountIdentity: account,
    region,
    version: "v1.33.4-u-ame.2",
    nodePools: [{ name: "web", nodeSize, minSize: 1 }],
  });
  await managed.world.settle(20 * 60_000);
  return { identity: created.identity, account };
}

/** Creates a started cluster whose deletion does not finish. */
async function createKept(type: keyof typeof PLACES, name: string): Promise<{ identity: string; account: string }> {
  const created = await createStarted(type, name);
  changeFinalizers(created.identity, (finalizers) => [...finalizers, KEPT]);
  return created;
}

const NEW_CREDENTIALS = {
  aws: { accessKeyId: "other-key-id-of-aws", accessKeySecret: "other-secret-key-of-aws" },
  azure: { ...PLACES.azure.credentials, clientSecret: "other-secret-of-azure" },
  openstack: { credential: "other-secret-of-openstack", credentialId: "other-id-of-openstack" },
  hetzner: { apiKey: "other-key-of-hetzner" },
  vsphere: { username: "other-user-of-vsphere", password: "other-password-of-vsphere" },
} as const;

test.each(Object.keys(NEW_CREDENTIALS) as (keyof typeof NEW_CREDENTIALS)[])(
  "a cluster on %s that is being deleted gets new credentials of its account, and they are deleted with it",
  async (type) => {
    const { tenant, world, send } = managed;
    const name = `rotated-${type}`;
    const created = await createKept(type, name);
    const path = tenant.path("production", name);
    expect((await send("PATCH", path, { status: "deleting" })).status).toBe(200);
    await world.settle(60_000);
    expect((await send("GET", path)).body.status).toBe("deleting");

    const credentials = NEW_CREDENTIALS[type];
    const secret = Object.values(credentials).find((each) => each.startsWith("other-")) ?? "";
    addKnownSecrets(secret, Buffer.from(secret).toString("base64"));
    const account = `/api/v1/orgs/${tenant.slug}/cloud-accounts/${created.account}`;
    const added = await send("POST", `${account}/credentials/${type}`, { displayName: "other", credentials });
    expect(added.status, added.text).toBe(200);
    const changed = await send("PATCH", account, { primaryCloudCredentials: added.body.identity });
    expect(changed.status, changed.text).toBe(200);
    expect(secretsWith(secret, created)).toEqual([]);
    await world.settle(2 * 60_000);
    expect(secretsWith(secret, created)).toHaveLength(1);

    changeFinalizers(created.identity, (finalizers) => finalizers.filter((each) => each !== KEPT));
    await world.settle(2 * 60_000);
    expect((await send("GET", path)).status).toBe(404);
    expect(secretsWith("", created)).toEqual([]);
  },
);

describe("a cluster whose credentials cannot be applied", () => {
  /** Requests the deletion of a cluster and lets the reconciler make one step, whose Cluster stays. @returns the cluster */
  async function deleteOnce(name: string, identity: string): Promise<Json> {
    const { tenant, world, send } = managed;
    const path = tenant.path("production", name);
    expect((await send("PATCH", path, { status: "deleting" })).status).toBe(200);
    await reconcile(world.reconciler, identity, 1);
    return (await send("GET", path)).body;
  }

  /** Lets the deletion finish. */
  async function finish(name: string, identity: string): Promise<void> {
    const { tenant, world, send } = managed;
    world.server.fault = () => undefined;
    changeFinalizers(identity, (finalizers) => finalizers.filter((each) => each !== KEPT));
    await world.settle(20 * 60_000);
    expect((await send("GET", tenant.path("production", name))).status).toBe(404);
  }

  const isSecretPatch = ({ method, path }: { method: string; path: string }) =>
    method === "PATCH" && path.includes("/secrets/");

  test.each<[string, string, Fault]>([
    ["are refused with 403", "403", { type: "status", status: 403, reason: "Forbidden", message: "no secrets" }],
    ["wait for a webhook that does not answer", "no answer within 3 s", { type: "late", ms: 4_500 }],
  ])("is deleted in the first step if they %s, and Reconciled has the error", async (_, message, fault) => {
    const name = `refused-${message.slice(0, 2)}`;
    const { identity } = await createKept("hetzner", name);
    managed.world.server.fault = (call) => (isSecretPatch(call) ? fault : undefined);
    const cluster = await deleteOnce(name, identity);
    expect(clusterObject(identity).metadata.deletionTimestamp).toBeDefined();
    const reconciled = cluster.conditions.find((each: Json) => each.type === "Reconciled");
    expect(reconciled).toMatchObject({ status: "False" });
    expect(reconciled.message).toContain(message);
    await finish(name, identity);
  });

  test("is deleted in the first step without an error if the table has no secrets for them", async () => {
    const { tenant, world, send } = managed;
    const { identity, account } = await createKept("azure", "absent");
    const { body } = await send("GET", `/api/v1/orgs/${tenant.slug}/cloud-accounts/${account}`);
    const Key = cloudSecretKey(tenant.slug, body.primaryCloudCredentialsIdentity);
    const { Attributes } = await asTest(() =>
      world.table.client.send(new DeleteCommand({ TableName: world.table.name, Key, ReturnValues: "ALL_OLD" })),
    );
    expect(Attributes).toBeDefined();
    const cluster = await deleteOnce("absent", identity);
    expect(clusterObject(identity).metadata.deletionTimestamp).toBeDefined();
    expect(JSON.stringify(cluster.conditions)).not.toContain("credentials");
    await finish("absent", identity);
  });
});

test("a cluster whose creation is refused and that is deleted at once leaves no Secret that is applied later", async () => {
  const { tenant, world, send } = managed;
  const { region, nodeSize } = PLACES.hetzner;
  const account = await managed.account("hetzner");
  const { identity } = await managed.create({
    name: "refused-creation",
    cloudAccountIdentity: account,
    region,
    version: "v1.33.4-u-ame.2",
    nodePools: [{ name: "web", nodeSize, minSize: 1 }],
  });
  const faults: Fault[] = [];
  world.server.fault = ({ method, path }) => {
    if (method !== "PATCH" || !path.includes("/secrets/") || faults.length === 2) return undefined;
    // The client sends the throttled Secret again after a second, unless it is aborted.
    const fault: Fault = path.endsWith("-hetzner")
      ? { type: "throttle", seconds: 1 }
      : { type: "status", status: 403, reason: "Forbidden" };
    faults.push(fault);
    return fault;
  };
  await reconcile(world.reconciler, identity, 1);
  expect(faults).toHaveLength(2);
  const path = tenant.path("production", "refused-creation");
  expect((await send("PATCH", path, { status: "deleting" })).status).toBe(200);
  await world.settle(60_000);
  expect((await send("GET", path)).status).toBe(404);
  await new Promise((done) => setTimeout(done, 1_300));
  world.server.fault = () => undefined;
  expect(secretsWith("", { identity, account })).toEqual([]);
});
