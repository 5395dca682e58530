/** The Cluster API provisioner with a fake management cluster: the lifecycle of a cluster, with failures at calls. */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { resourceOf } from "#core/kubernetes/resources.ts";
import { reconcileAll } from "#core/provisioning/work-queue.ts";
import {
  createInMemoryCluster,
  type FakeWorld,
  type InMemoryCluster,
  listIn,
  makeFakeWorld,
  objectsIn,
} from "#test/support/cluster-api/fake-world.ts";
import type { Fault } from "#test/support/kubernetes-server.ts";
import type { Json, Tenant } from "#test/support/world.ts";

const PROFILES = {
  installsAddons: false,
  networkInterfaces: { cilium: { manifests: "{podSubnet: '{{podSubnet}}', encryption: '{{encryption}}'}" } },
  providers: { none: { settings: { egress: [] }, regions: {} } },
};
const CORE = "cluster.x-k8s.io/v1beta2";

/** Number of lifecycles with one failing call, for each kind of fault. */
const FAULTS = Number(process.env.DRIVER_FAULTS ?? 1);

let world: FakeWorld;
let tenant: Tenant;

beforeAll(async () => {
  world = await makeFakeWorld(PROFILES);
  tenant = await world.tenant();
});
afterAll(() => world.stop());

const conditionOf = ({ conditions }: Json, type: string) => conditions.find((each: Json) => each.type === type);

/** Reconciles until nothing is due for an hour, and expects a status. */
async function settleAs(cluster: InMemoryCluster, status: string): Promise<Json> {
  await world.settle(20 * 60_000);
  const present = await cluster.get();
  expect(present.status, JSON.stringify(present.conditions)).toBe(status);
  return present;
}

const machines = () => listIn(world, CORE, "Machine");
const versions = () => [...new Set(machines().map(({ spec }) => spec.version))];

/** Takes a cluster through its lifecycle. Each step is retried after failures until it is reached. */
async function runLifecycle(name: string): Promise<void> {
  const cluster = await createInMemoryCluster(world, tenant, { name });
  await settleAs(cluster, "started");
  expect(versions()).toEqual(["v1.33.4"]);
  await cluster.patch({ version: "v1.34.4-u-ame.2" });
  const { body: pools } = await cluster.send("GET", "/pools");
  const web = pools.find((pool: Json) => pool.name === "web");
  const scaled = await cluster.send("PUT", `/pools/${web.id}`, {
    minSize: 3,
    maxSize: 3,
    taints: [{ key: "a", effect: "NoSchedule" }],
  });
  expect(scaled.status, scaled.text).toBe(200);
  const upgraded = await settleAs(cluster, "started");
  expect(conditionOf(upgraded, "UpToDate")).toMatchObject({ status: "True", observedGeneration: upgraded.generation });
  expect(versions()).toEqual(["v1.34.4"]);
  expect(machines()).toHaveLength(5);
  const join = await cluster.send("GET", "/join-config");
  expect(join.status, join.text).toBe(200);
  await cluster.patch({ status: "stopping" });
  await settleAs(cluster, "stopped");
  expect(machines()).toHaveLength(1);
  await cluster.patch({ status: "starting" });
  await settleAs(cluster, "started");
  expect(machines()).toHaveLength(5);
  await cluster.patch({ status: "deleting" });
  await world.settle(20 * 60_000);
  expect((await cluster.send("GET")).status).toBe(404);
  expect(objectsIn(world)).toEqual([]);
}

describe("the lifecycle of a cluster", () => {
  let calls = 0;

  /** Returns indexes of failing calls, spread over the lifecycle. @param salt number that selects other calls for each fault */
  const failingCalls = (salt: number): number[] =>
    Array.from({ length: FAULTS }, (_, count) => Math.floor(((count + (salt % 7) / 7) * calls) / FAULTS));

  test("a cluster is created, upgraded, scaled, stopped, started and deleted, and no object remains", async () => {
    world.server.reset();
    await runLifecycle("whole");
    calls = world.server.calls.length;
    expect(calls).toBeGreaterThan(100);
  });

  test.for<[string, Fault]>([
    ["fails before its effect", { type: "before" }],
    ["fails after its effect", { type: "after" }],
    ["has half a response", { type: "half" }],
    ["is answered with an internal error", { type: "status", status: 500, reason: "InternalError" }],
    ["is answered with too many requests", { type: "throttle" }],
  ])("a cluster completes its lifecycle if a call %s", { timeout: 600_000 }, async ([what, fault]) => {
    for (const index of failingCalls(what.length)) {
      world.server.reset();
      world.server.fault = (call) => (call.index === index ? fault : undefined);
      await runLifecycle(`f${index}`).catch((error: unknown) => {
        throw new Error(`call ${index}`, { cause: error });
      });
      world.server.fault = () => undefined;
    }
  });

  test("a cluster completes its lifecycle if its worker is killed at a call", { timeout: 600_000 }, async () => {
    for (const index of failingCalls(3)) {
      world.server.reset();
      let isDead = false;
      world.wire.fault = () => (isDead ? "before" : undefined);
      world.server.fault = (call) => {
        if (call.index === index) isDead = true;
        return isDead ? { type: "after" } : undefined;
      };
      const { settle } = world;
      world.settle = async (ms) => {
        await settle(ms).catch((error: unknown) => {
          if (!isDead) throw error;
        });
        if (!isDead) return;
        isDead = false;
        // The lease of the killed worker expires.
        world.advanceClock(60_000);
        await settle(ms);
      };
      await runLifecycle(`k${index}`).catch((error: unknown) => {
        throw new Error(`killed at call ${index}`, { cause: error });
      });
      Object.assign(world, { settle });
      world.wire.fault = () => undefined;
      world.server.fault = () => undefined;
    }
  });
});

describe("a deletion", () => {
  test("a deletion leaves no objects if the Cluster is gone before the next observation", async () => {
    const cluster = await createInMemoryCluster(world, tenant, { name: "ends" });
    await settleAs(cluster, "started");
    let isRequested = false;
    world.server.fault = ({ method, path }) => {
      if (!/\/clusters\/[^/]+$/.test(path)) return undefined;
      if (isRequested) world.server.controllers.settle();
      isRequested ||= method === "DELETE";
      return undefined;
    };
    await cluster.patch({ status: "deleting" });
    await world.settle(20 * 60_000);
    world.server.fault = () => undefined;
    expect(isRequested).toBe(true);
    expect((await cluster.send("GET")).status).toBe(404);
    expect(objectsIn(world)).toEqual([]);
  });
});

describe("a management cluster that does not answer", () => {
  test("a management cluster that does not answer makes its clusters unknown, and they recover when it answers", async () => {
    const cluster = await createInMemoryCluster(world, tenant, { name: "lost" });
    await settleAs(cluster, "started");
    const before = objectsIn(world);
    await world.server.refuse();
    world.advanceClock(61 * 60_000);
    await world.settle(10 * 60_000);
    const unknown = await cluster.get();
    expect(unknown.status).toBe("unknown");
    expect(conditionOf(unknown, "Reconciled").message).toContain("observing the cluster failed; it will be retried");
    await world.server.accept();
    world.advanceClock(10 * 60_000);
    await settleAs(cluster, "started");
    expect(objectsIn(world)).toEqual(before);
    await cluster.patch({ status: "deleting" });
    await world.settle(20 * 60_000);
    expect(objectsIn(world)).toEqual([]);
  });
});

/** Requests the deletion of a Cluster in the management cluster, as a user does with kubectl. */
function deleteByHand(name: string): void {
  const [found] = listIn(world, CORE, "Cluster").filter(({ metadata }) => metadata.name.startsWith(`${name}-`));
  const resource = resourceOf({ apiVersion: CORE, kind: "Cluster" });
  world.server.store.delete(resource, { namespace: found.metadata.namespace, name: found.metadata.name });
}

const ofCluster = (method: string) => (call: { method: string; path: string }) =>
  call.method === method && /\/clusters\/[^/]+$/.test(call.path);

describe("a Cluster that another client deletes", () => {
  test("a Cluster that another client deletes is created again, but only when its deletion is complete", async () => {
    const cluster = await createInMemoryCluster(world, tenant, { name: "hand" });
    await settleAs(cluster, "started");
    deleteByHand("hand");
    world.server.reset();
    await cluster.patch({ version: "v1.34.4-u-ame.2" });
    await reconcileAll(world.reconciler, [cluster.identity], 1);
    const { calls } = world.server;
    const gone = calls.findIndex((call) => ofCluster("GET")(call) && call.status === 404);
    const before = calls.slice(0, gone < 0 ? undefined : gone);
    expect(before.filter(({ method }) => method === "PATCH")).toEqual([]);
    const { body: deleting } = await cluster.send("GET", "?includeDetails=true");
    expect(deleting.actualState.status).toBe("deleting");
    await world.settle(60 * 60_000);
    expect((await cluster.get()).status).toBe("started");
    await cluster.patch({ status: "deleting" });
    await world.settle(20 * 60_000);
  });

  test("a Cluster that another client deletes during an apply is not created again by that apply", async () => {
    const cluster = await createInMemoryCluster(world, tenant, { name: "during" });
    await settleAs(cluster, "started");
    world.server.reset();
    let end = -1;
    world.server.fault = ({ index, method, path }) => {
      if (end < 0 && method === "PATCH" && path.includes("/machinedeployments/")) {
        end = index;
        deleteByHand("during");
        world.server.controllers.settle();
      }
      return undefined;
    };
    await cluster.patch({ version: "v1.34.4-u-ame.2" });
    await reconcileAll(world.reconciler, [cluster.identity], 1);
    world.server.fault = () => undefined;
    expect(end).toBeGreaterThan(0);
    const next = world.server.calls.find((call) => call.index > end && ofCluster("PATCH")(call));
    expect(next?.status).toBe(409);
    await world.settle(60 * 60_000);
    expect((await cluster.get()).status).toBe("started");
    await cluster.patch({ status: "deleting" });
    await world.settle(20 * 60_000);
    expect(objectsIn(world)).toEqual([]);
  });
});

describe("a control plane with several machines", () => {
  test("has a health check from its first availability on, which is deleted when it gets one machine", async () => {
    const cluster = await createInMemoryCluster(world, tenant, { name: "several", enableHighAvailability: true });
    const checks = () =>
      listIn(world, CORE, "MachineHealthCheck")
        .map(({ metadata }) => metadata.name)
        .filter((name) => name.endsWith("-cp"));
    await reconcileAll(world.reconciler, [cluster.identity], 1);
    expect(listIn(world, CORE, "Cluster")).toHaveLength(1);
    expect(checks()).toEqual([]);
    await settleAs(cluster, "started");
    expect(checks()).toHaveLength(1);
    await cluster.patch({ enableHighAvailability: false });
    await settleAs(cluster, "started");
    expect(checks()).toEqual([]);
    await cluster.patch({ status: "deleting" });
    await world.settle(20 * 60_000);
  });
});

describe("changes by others", () => {
  test("are corrected at the next check, which makes as many calls as there are objects and some more", async () => {
    const cluster = await createInMemoryCluster(world, tenant, { name: "drift" });
    await settleAs(cluster, "started");
    const [deployment] = listIn(world, CORE, "MachineDeployment").filter(({ spec }) => spec.replicas === 2);
    const wanted = JSON.stringify(deployment.spec);
    world.server.store.apply(
      {
        group: "cluster.x-k8s.io",
        version: "v1beta2",
        kind: "MachineDeployment",
        plural: "machinedeployments",
        isNamespaced: true,
      },
      { namespace: deployment.metadata.namespace, name: deployment.metadata.name },
      {
        ...deployment,
        metadata: { name: deployment.metadata.name, namespace: deployment.metadata.namespace },
        spec: { ...deployment.spec, replicas: 1 },
        status: undefined,
      },
      { manager: "other-client", force: true, dryRun: false },
    );
    world.server.controllers.settle();
    world.server.reset();
    world.advanceClock(61 * 60_000);
    await settleAs(cluster, "started");
    const found = listIn(world, CORE, "MachineDeployment").find(
      ({ metadata }) => metadata.name === deployment.metadata.name,
    );
    expect(JSON.stringify(found.spec)).toBe(wanted);
    expect(world.server.calls.length).toBeLessThan(80);
    await cluster.patch({ status: "deleting" });
    await world.settle(20 * 60_000);
  });

  test("a resync of a cluster at rest changes no object", async () => {
    const cluster = await createInMemoryCluster(world, tenant, { name: "rest" });
    await settleAs(cluster, "started");
    const before = world.server.store.all().map(({ object }) => `${object.metadata.uid} ${object.metadata.generation}`);
    world.advanceClock(61 * 60_000);
    await reconcileAll(world.reconciler, [cluster.identity], 1);
    const after = world.server.store.all().map(({ object }) => `${object.metadata.uid} ${object.metadata.generation}`);
    expect(after).toEqual(before);
    await cluster.patch({ status: "deleting" });
    await world.settle(20 * 60_000);
  });
});
