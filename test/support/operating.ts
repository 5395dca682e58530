/** Shared parts of tests of the operator's commands: one tenant in a world with a reconciler, and a worker that is interrupted. */

import { expect } from "vitest";
import type { Pointer } from "#core/cluster/entity.ts";
import { readPointer } from "#core/cluster/store/pointer.ts";
import type { Provisioner } from "#core/provisioning/provisioner.ts";
import type { ReconcilerServices } from "#core/provisioning/services.ts";
import { makeReconciledWorld, type ReconciledWorld } from "./reconciling.ts";
import type { Json, Tenant, TestResponse } from "./world.ts";

/** Tenant whose clusters are in production, with the name one by default. */
export interface Scene {
  world: ReconciledWorld;
  tenant: Tenant;
  send(method: string, path: string, body?: unknown): Promise<TestResponse>;
  /** Creates a cluster with two pools. */
  create(more?: Record<string, unknown>): Promise<Json>;
  /** Requests a status of the cluster. */
  ask(status: string): Promise<TestResponse>;
  /** Returns the path of the cluster. */
  at: { organisation: string; environment: string; cluster: string };
  pointerOf(identity: string): Promise<Pointer>;
  /** Reconciler in whose step an action happens once. */
  interrupted(act: () => Promise<unknown>, during?: "observe" | "apply"): ReconcilerServices;
}

const POOLS = [
  { name: "web", nodeSize: "t3.medium", minSize: 3 },
  { name: "jobs", nodeSize: "m5.large", autoScaling: true, minSize: 1, maxSize: 9 },
];

/** Creates a world with one tenant. @param options of the world */
export async function makeScene(options: Parameters<typeof makeReconciledWorld>[0] = {}): Promise<Scene> {
  const world = await makeReconciledWorld(options);
  const tenant = await world.tenant();
  const send: Scene["send"] = (method, path, body) => world.send(method, path, { token: tenant.admin, body });
  return {
    world,
    tenant,
    send,
    async create(more = {}) {
      const response = await send("POST", tenant.path("production"), tenant.creation({ nodePools: POOLS, ...more }));
      expect(response.status, response.text).toBe(200);
      return response.body;
    },
    ask: (status) => send("PATCH", tenant.path("production", "one"), { status }),
    at: { organisation: tenant.slug, environment: "production", cluster: "one" },
    async pointerOf(identity) {
      const pointer = await readPointer(world.services, identity);
      if (pointer === undefined) throw new Error("pointer not found");
      return pointer;
    },
    interrupted: (act, during = "observe") => interrupted(world.reconciler, act, during),
  };
}

function interrupted(
  reconciler: ReconcilerServices,
  act: () => Promise<unknown>,
  during: "observe" | "apply",
): ReconcilerServices {
  const { provisioner } = reconciler;
  let isDone = false;
  const once = async () => {
    if (isDone) return;
    isDone = true;
    await act();
  };
  const between: Provisioner = {
    ...provisioner,
    async observe(target, signal) {
      if (during === "observe") await once();
      return await provisioner.observe(target, signal);
    },
    async apply(plan, signal) {
      if (during === "apply") await once();
      await provisioner.apply(plan, signal);
    },
  };
  // The action may take any time, and does not count as a call with a timeout.
  return { ...reconciler, callMs: 60_000, provisioner: between };
}
