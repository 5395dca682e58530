/** Lifecycles of clusters on all seven providers, in a real management cluster with stand-ins for the providers' controllers. */

import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { shippedCatalogue, useCatalogue } from "#core/catalogue/index.ts";
import { namespaceOf, objectNameOf } from "#core/provisioning/cluster-api/manifest.ts";
import type { Profiles } from "#core/provisioning/cluster-api/profiles.ts";
import {
  type ClusterApiWorld,
  createTestCluster,
  hasSettled,
  makeClusterApiWorld,
} from "#test/support/cluster-api/world.ts";
import { catalogueWithImages, generousProfiles } from "#test/support/limited-provisioner.ts";
import type { Json, Tenant } from "#test/support/world.ts";
import { kubeconfigPath, managementCluster, remainingObjects } from "./lab.ts";

const CREDENTIALS: Record<string, Record<string, string>> = {
  aws: { accessKeyId: "AKIAEXAMPLE", accessKeySecret: "secret-of-aws" },
  azure: {
    clientId: randomUUID(),
    clientSecret: "secret-of-azure",
    subscriptionId: randomUUID(),
    tenantId: randomUUID(),
  },
  openstack: { credentialId: "id-of-openstack", credential: "secret-of-openstack" },
  hetzner: { apiKey: "secret-of-hetzner" },
  vsphere: { username: "user@vsphere.local", password: "secret-of-vsphere" },
};

const PLACES: Record<string, { region: string; nodeSize: string }> = {
  aws: { region: "eu-west-1", nodeSize: "t3.medium" },
  azure: { region: "westeurope", nodeSize: "Standard_D2s_v5" },
  openstack: { region: "regionone", nodeSize: "m1.medium" },
  digitalocean: { region: "fra1", nodeSize: "s-2vcpu-4gb" },
  hetzner: { region: "fsn1", nodeSize: "cx33" },
  vsphere: { region: "datacenter-1", nodeSize: "medium" },
  byon: { region: "europe", nodeSize: "byon" },
};

let world: ClusterApiWorld;
let tenant: Tenant;
let profiles: Profiles;
let azure: NodeJS.Timeout;
let stopWorker: () => Promise<void>;

/** The controller for DigitalOcean has the token of one account. */
function useAccount(account: string): void {
  Object.assign(profiles.providers.digitalocean?.settings ?? {}, { account });
}

/** Makes the Secrets that the controller for Azure makes for each template, and without which machines get no bootstrap data. */
async function makeCloudConfigurations(): Promise<void> {
  const namespace = namespaceOf(tenant.identity);
  const templates = await managementCluster().list(
    "infrastructure.cluster.x-k8s.io/v1beta1",
    "AzureMachineTemplate",
    namespace,
  );
  const stringData = { "control-plane-azure.json": "{}", "worker-node-azure.json": "{}" };
  await managementCluster().applyAll(
    templates.map(({ metadata }) => ({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: `${metadata.name}-azure-json`, namespace, ownerReferences: [ownerOf(metadata)] },
      stringData,
    })),
  );
}

const ownerOf = ({ name, uid }: Json) => ({
  apiVersion: "infrastructure.cluster.x-k8s.io/v1beta1",
  kind: "AzureMachineTemplate",
  name,
  uid,
});

/** The stand-in for vSphere serves API servers on loopback only. */
function loopbackAddresses(profiles: Profiles): Profiles {
  const { vsphere } = profiles.providers;
  const settings = { ...vsphere?.settings, apiAddresses: "127.9.0.0/26" } as Json;
  return { ...profiles, providers: { ...profiles.providers, vsphere: { settings, regions: {} } } };
}

beforeAll(async () => {
  useCatalogue(catalogueWithImages(""));
  profiles = loopbackAddresses(generousProfiles(randomUUID()));
  world = await makeClusterApiWorld(readFileSync(kubeconfigPath(), "utf8"), profiles);
  tenant = await world.tenant();
  stopWorker = world.startWorker();
  azure = setInterval(() => void makeCloudConfigurations().catch(() => {}), 2_000);
  // The controllers of these providers read credentials in their own namespaces.
  for (const name of ["capa-system", "capv-system"]) {
    await managementCluster().applyAll([{ apiVersion: "v1", kind: "Namespace", metadata: { name } }]);
  }
});

afterAll(async () => {
  clearInterval(azure);
  await stopWorker?.();
  useCatalogue(shippedCatalogue);
});

describe.concurrent("a cluster", () => {
  test.for(Object.keys(PLACES))(
    "a cluster on %s is created, scaled, upgraded and deleted",
    async (provider, { expect }) => {
      const { region = "", nodeSize = "" } = PLACES[provider] ?? {};
      const secrets = CREDENTIALS[provider];
      const isOwn = provider === "byon";
      const cluster = await createTestCluster(
        world,
        provider,
        {
          name: `on ${provider}`,
          region,
          version: "v1.33.4-u-ame.2",
          nodePools: [{ name: "web", nodeSize, minSize: 1 }],
        },
        {
          tenant,
          // The tests run concurrently, so only this one may change the account of DigitalOcean.
          ...(provider === "digitalocean" ? { onAccount: useAccount } : {}),
          ...(secrets === undefined ? {} : { secrets }),
        },
      );
      const name = objectNameOf(cluster.created.slug.slugValue, cluster.created.identity);
      const namespace = namespaceOf(tenant.identity);
      await cluster.until(`${provider} started`, ({ status }) => status === "started", 500_000);
      const machines = async (): Promise<Json[]> =>
        (await managementCluster().list("cluster.x-k8s.io/v1beta2", "Machine", namespace)).filter(
          ({ spec }) => spec.clusterName === name,
        );
      expect(await machines()).toHaveLength(isOwn ? 0 : 2);

      const [pool] = await cluster.pools();
      const path = `${tenant.path("production", cluster.created.slug.slugValue)}/pools/${pool.id}`;
      const scaled = await world.send("PUT", path, { token: tenant.admin, body: { minSize: 2, maxSize: 2 } });
      expect(scaled.status, scaled.text).toBe(200);
      await cluster.until(`${provider} scaled`, hasSettled, 300_000);
      expect(await machines()).toHaveLength(isOwn ? 0 : 3);

      await cluster.patch({ version: "v1.34.4-u-ame.2" });
      await cluster.until(`${provider} upgraded`, hasSettled, 500_000);
      expect(new Set((await machines()).map(({ spec }) => spec.version))).toEqual(new Set(isOwn ? [] : ["v1.34.4"]));

      await cluster.remove();
      await cluster.untilDeleted(300_000);
      const left = (await remainingObjects(namespace)).filter((each) => each.includes(name));
      // A resource set has a finalizer of its controller.
      expect(left.filter((each) => !each.startsWith("ClusterResourceSet"))).toEqual([]);
    },
  );
});

test("nothing of the accounts is left after the last cluster", async () => {
  const left = await remainingObjects(namespaceOf(tenant.identity));
  expect(left.filter((each) => each.includes("ame-acct"))).toEqual([]);
});
