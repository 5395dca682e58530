/** Deletions of clusters whose provider the operator removed from the profile file or the catalogue. */

import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { shippedCatalogue, useCatalogue } from "#core/catalogue/index.ts";
import { resourceOf } from "#core/kubernetes/resources.ts";
import { CLUSTER, KAMAJI_CONTROL_PLANE } from "#core/provisioning/cluster-api/kinds.ts";
import { ACCOUNT_ID, CLUSTER_ID } from "#core/provisioning/cluster-api/labels.ts";
import { listIn, objectsIn } from "#test/support/cluster-api/fake-world.ts";
import { type ManagedWorld, makeManagedWorld, PLACES } from "#test/support/cluster-api/managed-world.ts";
import { catalogueWithImages } from "#test/support/limited-provisioner.ts";

/** Namespace of controllers after the operator moved them. */
const MOVED = "controllers-moved";

let managed: ManagedWorld;
let providers: ManagedWorld["profiles"]["providers"];

beforeAll(async () => {
  managed = await makeManagedWorld();
  providers = managed.profiles.providers;
  const namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name: MOVED } };
  managed.world.server.store.create(resourceOf(namespace), namespace, "operator");
});
afterEach(() => {
  managed.profiles.providers = providers;
  managed.world.server.forbids = () => false;
  useCatalogue(catalogueWithImages(""));
});
afterAll(async () => {
  await managed.world.stop();
  useCatalogue(shippedCatalogue);
});

type Provider = "aws" | "azure" | "vsphere" | "byon" | "hetzner";

interface Created {
  path: string;
  identity: string;
  account: string;
}

async function createStarted(type: Provider, name: string): Promise<Created> {
  const { region, nodeSize } = PLACES[type];
  const account = await managed.account(type);
  const { identity } = await managed.create({
    name,
    cloudAccountIdentity: account,
    region,
    version: "v1.33.4-u-ame.2",
    nodePools: [{ name: "web", nodeSize, minSize: 1 }],
  });
  await managed.world.settle(20 * 60_000);
  return { path: managed.tenant.path("production", name), identity, account };
}

/** Secrets of a cloud account, in any namespace. */
const secretsOf = ({ account }: Created): string[] =>
  listIn(managed.world, "v1", "Secret")
    .filter(({ metadata }) => metadata.labels?.[ACCOUNT_ID] === account)
    .map(({ metadata }) => metadata.namespace);

function removeFromProfile(type: Provider): void {
  const { [type]: _, ...others } = providers;
  managed.profiles.providers = others;
}

/** Moves the controllers of a provider to another namespace. */
function moveControllers(type: "aws" | "vsphere"): void {
  const former = providers[type];
  const settings = { ...former?.settings, controllerNamespace: MOVED } as NonNullable<typeof former>["settings"];
  managed.profiles.providers = { ...providers, [type]: { regions: {}, ...(settings && { settings }) } };
}

function removeFromCatalogue(type: Provider): void {
  const catalogue = catalogueWithImages("");
  useCatalogue({ ...catalogue, providers: catalogue.providers.filter(({ slug }) => slug !== type) });
}

/** Lets the user of the kubeconfig list Secrets in no namespace but that of an organisation. */
function limitSecrets(): void {
  managed.world.server.forbids = ({ method, path }) => method === "GET" && path === "/api/v1/secrets";
}

/** Deletes a cluster, and expects that nothing of it and of its account is left. */
async function expectDeletion(created: Created): Promise<void> {
  const { send, world } = managed;
  const response = await send("PATCH", created.path, { status: "deleting" });
  expect(response.status, response.text).toBe(200);
  await world.settle(10 * 60_000);
  const gone = await send("GET", created.path);
  expect(gone.status, gone.text).toBe(404);
  expect(secretsOf(created)).toEqual([]);
  expect(objectsIn(world)).toEqual([]);
}

test.each<["aws" | "vsphere", boolean]>([
  ["aws", false],
  ["aws", true],
  ["vsphere", false],
  ["vsphere", true],
])(
  "a cluster on %s is deleted with all Secrets of its account after the provider was removed from the profile file, with limited access: %s",
  async (type, isLimited) => {
    const created = await createStarted(type, `unprofiled-${type}-${isLimited}`);
    expect(secretsOf(created)).toHaveLength(1);
    removeFromProfile(type);
    if (isLimited) limitSecrets();
    await expectDeletion(created);
  },
);

test("a cluster is deleted with the Secrets in both namespaces after the controllers moved and it was applied again", async () => {
  const created = await createStarted("aws", "moved");
  moveControllers("aws");
  managed.world.advanceClock(61 * 60_000);
  await managed.world.settle(60_000);
  expect(secretsOf(created).sort()).toEqual(["capa-system", MOVED]);
  await expectDeletion(created);
});

test("a failed deletion of the Secret is repeated, with the namespace of the identity", async () => {
  const created = await createStarted("aws", "repeated");
  removeFromProfile("aws");
  let failures = 0;
  managed.world.server.forbids = ({ method, path }) => {
    if (method === "GET" && path === "/api/v1/secrets") return true;
    return method === "DELETE" && path.includes("/capa-system/secrets/") && failures++ < 2;
  };
  await expectDeletion(created);
  expect(failures).toBe(3);
});

test.each<Provider>(["aws", "azure", "vsphere", "hetzner", "byon"])(
  "a cluster on %s is deleted after the provider was removed from the catalogue",
  async (type) => {
    const created = await createStarted(type, `unlisted-${type}`);
    removeFromCatalogue(type);
    await expectDeletion(created);
  },
);

test("a cluster without a Cluster is deleted after its provider was removed, also without access to kinds of other providers", async () => {
  const created = await createStarted("vsphere", "unlisted-gone");
  const { server } = managed.world;
  const [found] = listIn(managed.world, CLUSTER.apiVersion, CLUSTER.kind).filter(
    ({ metadata }) => metadata.labels[CLUSTER_ID] === created.identity,
  );
  server.store.delete(resourceOf(CLUSTER), { namespace: found.metadata.namespace, name: found.metadata.name });
  server.controllers.settle();
  removeFromCatalogue("vsphere");
  server.forbids = ({ path }) => /\/(aws|azure|kamaji)/.test(path);
  server.missing.add(`KamajiControlPlane/${resourceOf(KAMAJI_CONTROL_PLANE).version}`);
  await expectDeletion(created);
  server.missing.clear();
});

test("a cluster on byon is deleted after Kamaji's kinds were removed from the management cluster", async () => {
  const created = await createStarted("byon", "without-kamaji");
  const { server } = managed.world;
  const { group, plural } = resourceOf(KAMAJI_CONTROL_PLANE);
  for (const { object } of server.store.list({ group, plural })) object.metadata.finalizers = [];
  server.missing.add(`KamajiControlPlane/${resourceOf(KAMAJI_CONTROL_PLANE).version}`);
  const { send, world } = managed;
  expect((await send("PATCH", created.path, { status: "deleting" })).status).toBe(200);
  await world.settle(10 * 60_000);
  server.missing.clear();
  expect((await send("GET", created.path)).status).toBe(404);
});

test("a cluster is deleted with its account by a user who may not read identities", async () => {
  const created = await createStarted("aws", "without-get");
  managed.world.server.forbids = ({ method, path }) =>
    method === "GET" && path.includes("/awsclusterstaticidentities/");
  await expectDeletion(created);
});

test("a Secret that the user of the kubeconfig may not delete is not left behind", async () => {
  const created = await createStarted("hetzner", "kept-secret");
  removeFromCatalogue("hetzner");
  managed.world.server.forbids = ({ method, path }) => method === "DELETE" && path.includes("/secrets");
  expect((await managed.send("PATCH", created.path, { status: "deleting" })).status).toBe(200);
  await managed.world.settle(5 * 60_000);
  expect((await managed.send("GET", created.path)).body.status).toMatch(/deleting|unknown/);
  expect(objectsIn(managed.world)).toContainEqual(expect.stringMatching(/^Secret .*-hetzner$/));
  managed.world.server.forbids = () => false;
  await managed.world.settle(10 * 60_000);
  expect((await managed.send("GET", created.path)).status).toBe(404);
  expect(objectsIn(managed.world)).toEqual([]);
});
