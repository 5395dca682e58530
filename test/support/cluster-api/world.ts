/** Test world whose clusters are built with Cluster API in a management cluster. */

import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { createAccount } from "#core/admin/cloud-accounts.ts";
import { createClusterAccess } from "#core/cluster-access/prerequisites.ts";
import { createKubernetesClient } from "#core/kubernetes/client.ts";
import type { KubernetesClient } from "#core/kubernetes/interface.ts";
import { recordManagementCluster } from "#core/provisioning/cluster-api/management-cluster-record.ts";
import type { Profiles } from "#core/provisioning/cluster-api/profiles.ts";
import { createClusterApiProvisioner } from "#core/provisioning/cluster-api/provisioner.ts";
import { clusterApiTraits } from "#core/provisioning/cluster-api/traits.ts";
import type { Provisioner } from "#core/provisioning/provisioner.ts";
import { createReconciler, type ReconcilerServices } from "#core/provisioning/services.ts";
import { runWorker } from "#functions/local/worker.ts";
import { permitted } from "../permissions.ts";
import { type Json, makeWorld, type Tenant, type World } from "../world.ts";

/** World with a reconciler for a management cluster. */
export interface ClusterApiWorld extends World {
  reconciler: ReconcilerServices;
  client: KubernetesClient;
  /** Replaces the provisioner's calls, for faults. */
  between: { wrap?: (provisioner: Provisioner) => Provisioner };
  /** Advances the clock, in milliseconds. */
  advanceClock(ms: number): void;
  /** Starts a worker. @returns stops it */
  startWorker(): () => Promise<void>;
}

/** Creates a world. @param kubeconfig of the management cluster, as text */
export async function makeClusterApiWorld(kubeconfig: string, profiles: Profiles): Promise<ClusterApiWorld> {
  let offsetMs = 0;
  const world = await makeWorld({
    provisioner: clusterApiTraits(profiles),
    clock: () => new Date(Date.now() + offsetMs),
  });
  const client = createKubernetesClient(kubeconfig, { clock: () => new Date() });
  const { table, clock, referencesCache } = world.services;
  const keyring = permitted(world.keyring, table.name);
  const provisioner = createClusterApiProvisioner({
    recordManagementCluster: (clusters) => recordManagementCluster({ table, clock }, clusters),
    readKubeconfig: async () => kubeconfig,
    profiles,
    table,
    clock,
    referencesCache,
    keyring,
  });
  const between: ClusterApiWorld["between"] = {};
  const current = () => between.wrap?.(provisioner) ?? provisioner;
  const wrapped: Provisioner = {
    ...provisioner,
    pollMs: 1_000,
    apply: (...given) => current().apply(...given),
    observe: (...given) => current().observe(...given),
    destroy: (...given) => current().destroy(...given),
  };
  const advanceClock = (ms: number) => {
    offsetMs += ms;
  };
  let registered = 0;
  const access = createClusterAccess({
    table,
    clock,
    provisioner: wrapped,
    keyring,
    identityProvider: {
      issuer: "https://issuer.example.com",
      register: async () => ({ clientId: `client-${++registered}`, clientSecret: "secret-of-the-client" }),
      remove: async () => true,
    },
    warn: (message, fields) => world.log.warn(message, fields),
  });
  const startWorker: ClusterApiWorld["startWorker"] = () => {
    const stopping = new AbortController();
    const services = createReconciler(world.services, wrapped, { ...access, stopping: stopping.signal });
    const running = runWorker(services, table.commits, stopping.signal, world.log, { sweepMs: 500, concurrency: 64 });
    return async () => {
      stopping.abort();
      await running;
    };
  };
  return {
    ...world,
    reconciler: createReconciler(world.services, wrapped, access),
    client,
    between,
    startWorker,
    advanceClock,
  };
}

/** Cluster of a test, with requests to it. */
export interface TestCluster {
  tenant: Tenant;
  created: Json;
  get(): Promise<Json>;
  patch(body: unknown): Promise<Json>;
  pools(): Promise<Json[]>;
  /** Names the environment of later requests. */
  moveTo(environment: string): void;
  remove(): Promise<void>;
  /** Waits until the deletion is complete. */
  untilDeleted(withinMs?: number): Promise<void>;
  /** Waits until the cluster satisfies a condition. @param what the condition in words, for the error */
  until(what: string, isDone: (cluster: Json) => boolean, withinMs?: number): Promise<Json>;
}

/**
 * Creates a cluster on a provider of the catalogue.
 *
 * @param cloudProfile slug of the provider
 * @param given `secrets` are the credentials of the account
 */
export async function createTestCluster(
  world: World,
  cloudProfile: string,
  more: Record<string, unknown> = {},
  given: { tenant?: Tenant; secrets?: Record<string, string>; onAccount?: (identity: string) => void } = {},
): Promise<TestCluster> {
  const tenant = given.tenant ?? (await world.tenant());
  const account = await createAccount(world.services, tenant.slug, { displayName: cloudProfile, cloudProfile });
  const body = tenant.creation({ cloudAccountIdentity: account.identity, ...more });
  const send = async (method: string, path: string, sent?: unknown) => {
    const response = await world.send(method, path, { token: tenant.admin, body: sent });
    expect(response.status, response.text).toBeLessThan(300);
    return response.body;
  };
  given.onAccount?.(account.identity);
  if (given.secrets !== undefined) {
    const path = `/api/v1/orgs/${tenant.slug}/cloud-accounts/${account.identity}/credentials/${cloudProfile}`;
    const { identity } = await send("POST", path, { displayName: "main", credentials: given.secrets });
    await send("PATCH", `/api/v1/orgs/${tenant.slug}/cloud-accounts/${account.identity}`, {
      primaryCloudCredentials: identity,
    });
  }
  const created = await send("POST", tenant.path("production"), body);
  let environment = "production";
  const path = () => tenant.path(environment, created.slug.slugValue);
  const get = () => send("GET", path());
  return {
    tenant,
    created,
    get,
    patch: (change) => send("PATCH", path(), change),
    pools: () => send("GET", `${path()}/pools`),
    remove: async () => void (await send("PATCH", path(), { status: "deleting" })),
    moveTo: (other) => {
      environment = other;
    },
    async untilDeleted(withinMs = 240_000) {
      const end = Date.now() + withinMs;
      for (;;) {
        const response = await world.send("GET", path(), { token: tenant.admin });
        if (response.status === 404) return;
        if (Date.now() > end) throw new Error(`deleted: not within ${withinMs / 1_000} s: ${response.text}`);
        await sleep(1_000);
      }
    },
    async until(what, isDone, withinMs = Number(process.env.LAB_WAIT ?? 240_000)) {
      const end = Date.now() + withinMs;
      for (;;) {
        const cluster = await get();
        if (isDone(cluster)) return cluster;
        if (Date.now() > end) {
          throw new Error(`${what}: not within ${withinMs / 1_000} s: ${JSON.stringify(cluster, null, 1)}`);
        }
        await sleep(1_000);
      }
    },
  };
}

/** Returns whether the last request for a cluster is complete. */
export const hasSettled = ({ conditions, generation }: Json): boolean =>
  conditions.every(({ status, observedGeneration }: Json) => status === "True" && observedGeneration === generation);
