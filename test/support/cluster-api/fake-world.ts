/** World whose clusters are built in a fake management cluster, with a clock that is advanced explicitly. */

import { expect } from "vitest";
import { createAccount } from "#core/admin/cloud-accounts.ts";
import { createClusterAccess } from "#core/cluster-access/prerequisites.ts";
import { resourceOf } from "#core/kubernetes/resources.ts";
import { recordManagementCluster } from "#core/provisioning/cluster-api/management-cluster-record.ts";
import type { Profiles } from "#core/provisioning/cluster-api/profiles.ts";
import { createClusterApiProvisioner } from "#core/provisioning/cluster-api/provisioner.ts";
import { clusterApiTraits } from "#core/provisioning/cluster-api/traits.ts";
import { type KubernetesServer, startKubernetesServer } from "../kubernetes-server.ts";
import { permitted } from "../permissions.ts";
import { makeReconciledWorld, type ReconciledWorld } from "../reconciling.ts";
import type { Json, Tenant, TestResponse } from "../world.ts";

/** World with a fake management cluster. */
export interface FakeWorld extends ReconciledWorld {
  /** Management cluster. A test may replace it, as an operator replaces the kubeconfig. */
  server: KubernetesServer;
  stop(): Promise<void>;
}

/** Profiles of clusters on the in-memory provider, with one network. */
export const IN_MEMORY_PROFILES: Profiles = {
  installsAddons: false,
  networkInterfaces: { cilium: { manifests: "{podSubnet: '{{podSubnet}}'}" } },
  providers: { none: { settings: { egress: [] }, regions: {} } },
};

/** Creates a world. @param callMs time limit of a call to the provisioner, in milliseconds */
export async function makeFakeWorld(profiles: Profiles, callMs = 5_000): Promise<FakeWorld> {
  const first = await startKubernetesServer();
  const served = { server: first };
  const world = await makeReconciledWorld({
    callMs,
    provisioner: clusterApiTraits(profiles),
    extend: (_, { services: { table, clock, referencesCache }, keyring }) =>
      createClusterApiProvisioner({
        recordManagementCluster: (clusters) => recordManagementCluster({ table, clock }, clusters),
        table,
        clock,
        referencesCache,
        profiles,
        keyring: permitted(keyring, table.name),
        readKubeconfig: async () => served.server.kubeconfig(),
      }),
    access: ({ services: { table, clock, provisioner }, keyring, log }) =>
      createClusterAccess({
        table,
        clock,
        provisioner,
        keyring: permitted(keyring, table.name),
        identityProvider: {
          issuer: "https://issuer.example.com",
          register: async (name) => ({ clientId: `client of ${name}`, clientSecret: "secret-of-the-client" }),
          remove: async () => true,
        },
        warn: log.warn,
      }),
    afterWait: () => served.server.controllers.tick(2),
  });
  return Object.assign(served, world, { stop: () => first.stop() });
}

/** Cluster on the in-memory provider in a fake world. */
export interface InMemoryCluster {
  identity: string;
  send(method: string, rest?: string, body?: unknown): Promise<TestResponse>;
  get(): Promise<Json>;
  /** Sends a change that must succeed. */
  patch(body: unknown): Promise<void>;
}

/** Number of accounts so far, for their names. */
let accounts = 0;

/** Creates a cluster on the in-memory provider. @param more properties of its creation */
export async function createInMemoryCluster(
  world: FakeWorld,
  tenant: Tenant,
  more: Record<string, unknown> = {},
): Promise<InMemoryCluster> {
  const displayName = `none ${++accounts}`;
  const account = await createAccount(world.services, tenant.slug, { displayName, cloudProfile: "none" });
  const body = tenant.creation({
    cloudAccountIdentity: account.identity,
    region: "region-1",
    version: "v1.33.4-u-ame.2",
    nodePools: [
      { name: "web", nodeSize: "small", minSize: 2 },
      { name: "jobs", nodeSize: "small", autoScaling: true, minSize: 1, maxSize: 3 },
    ],
    ...more,
  });
  const created = await world.send("POST", tenant.path("production"), { token: tenant.admin, body });
  expect(created.status, created.text).toBe(200);
  const path = tenant.path("production", created.body.slug.slugValue);
  const send: InMemoryCluster["send"] = (method, rest = "", sent) =>
    world.send(method, `${path}${rest}`, { token: tenant.admin, body: sent });
  return {
    identity: created.body.identity,
    send,
    get: async () => (await send("GET")).body,
    async patch(change) {
      const response = await send("PATCH", "", change);
      expect(response.status, response.text).toBe(200);
    },
  };
}

/** Names of everything in the management cluster, except namespaces, after its controllers have finished. */
export function objectsIn({ server }: FakeWorld): string[] {
  server.controllers.settle();
  return server.store
    .all()
    .map(({ object: { kind, metadata } }) => `${kind} ${metadata.name}`)
    .filter((name) => !name.startsWith("Namespace "));
}

/** Lists objects of a kind in the management cluster. */
export const listIn = ({ server }: FakeWorld, apiVersion: string, kind: string): Json[] =>
  server.store.list(resourceOf({ apiVersion, kind })).map(({ object }) => object);
