/** Checks of stopped clusters, against a fake management cluster. */

import { afterAll, beforeAll, expect, test } from "vitest";
import { shippedCatalogue, useCatalogue } from "#core/catalogue/index.ts";
import type { KubernetesObject } from "#core/kubernetes/objects.ts";
import { resourceOf } from "#core/kubernetes/resources.ts";
import { MACHINE_DEPLOYMENT } from "#core/provisioning/cluster-api/kinds.ts";
import { listIn } from "#test/support/cluster-api/fake-world.ts";
import { type ManagedWorld, makeManagedWorld, PLACES } from "#test/support/cluster-api/managed-world.ts";
import { makeReconciledWorld, scanDue } from "#test/support/reconciling.ts";
import { addKnownSecrets } from "#test/support/secrets.ts";

const CORE = MACHINE_DEPLOYMENT.apiVersion;
const HOUR = 60 * 60_000;

let managed: ManagedWorld;

beforeAll(async () => {
  managed = await makeManagedWorld();
});
afterAll(async () => {
  await managed.world.stop();
  useCatalogue(shippedCatalogue);
});

test("a stopped cluster gets new credentials and its settings within an hour, and no machine changes", async () => {
  const { world, tenant, send } = managed;
  const { region, nodeSize } = PLACES.hetzner;
  const account = await managed.account("hetzner");
  const nodePools = [{ name: "web", nodeSize, minSize: 2 }];
  await managed.create({ name: "one", cloudAccountIdentity: account, region, version: "v1.33.4-u-ame.2", nodePools });
  const path = tenant.path("production", "one");
  await world.settle(20 * 60_000);
  expect((await send("PATCH", path, { status: "stopping" })).status).toBe(200);
  await world.settle(20 * 60_000);
  expect((await send("GET", path)).body.status).toBe("stopped");
  const machines = () => listIn(world, CORE, "Machine").map(({ metadata }) => metadata.uid);
  const before = machines();
  expect(before).toHaveLength(1);

  const apiKey = "another-key-of-hetzner";
  addKnownSecrets(apiKey, Buffer.from(apiKey).toString("base64"));
  const credentials = `/api/v1/orgs/${tenant.slug}/cloud-accounts/${account}/credentials`;
  const [main] = (await send("GET", credentials)).body.content;
  const rotated = await send("PUT", `${credentials}/${main.identity}`, { credentials: { apiKey } });
  expect(rotated.status, rotated.text).toBe(200);
  const deployment = () => listIn(world, CORE, MACHINE_DEPLOYMENT.kind)[0];
  const annotate = ({ metadata }: KubernetesObject) => {
    metadata.annotations = { ...metadata.annotations, "ame-clusters/node-pool-name": "changed by hand" };
  };
  world.server.store.update(resourceOf(MACHINE_DEPLOYMENT), deployment().metadata, annotate, { manager: "another" });

  await world.settle(HOUR);
  const secrets = listIn(world, "v1", "Secret").flatMap(({ data = {} }) => Object.values<string>(data));
  expect(secrets).toContain(Buffer.from(apiKey).toString("base64"));
  expect(deployment().metadata.annotations["ame-clusters/node-pool-name"]).toBe("web");
  expect(machines()).toEqual(before);
  expect((await send("GET", path)).body.status).toBe("stopped");
});

test("a stopped cluster of a provisioner without API servers is not checked again", async () => {
  const world = await makeReconciledWorld();
  const tenant = await world.tenant();
  const send = (method: string, path: string, body: unknown) => world.send(method, path, { token: tenant.admin, body });
  expect((await send("POST", tenant.path("production"), tenant.creation())).status).toBe(200);
  await world.settle();
  const inAYear = new Date(world.services.clock().getTime() + 365 * 24 * HOUR);
  expect(await scanDue(world, inAYear)).toHaveLength(1);
  expect((await send("PATCH", tenant.path("production", "one"), { status: "stopping" })).status).toBe(200);
  await world.settle();
  expect(await scanDue(world, inAYear)).toEqual([]);
});
