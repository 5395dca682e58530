/** Fake controllers of Cluster API and of the providers: deterministic, one step at a time. */

import type { KubernetesObject } from "#core/kubernetes/objects.ts";
import type { Store } from "../store.ts";
import { Access } from "./access.ts";
import { tickHealthChecks, tickResourceSets } from "./addons.ts";
import { tickClusters, tickInfrastructure } from "./cluster.ts";
import { type ClusterAccess, tickKamajiControlPlanes, tickKubeadmControlPlanes } from "./control-plane.ts";
import { tickMachines } from "./machine.ts";
import { tickMachineDeployments, tickMachineSets } from "./machine-deployment.ts";

/** Maximum number of ticks until the controllers have no more work. */
const MAX_TICKS = 1_000;

/** Controllers. They act only when a test lets them. */
export interface Controllers {
  /** Returns whether an object makes no progress; by default every object makes some. */
  isFrozen: (object: KubernetesObject) => boolean;
  /** Lets every controller make a number of steps. @param times default 1. @returns the number of changes */
  tick(times?: number): number;
  /** Lets the controllers act until they have nothing left to do. @returns the number of ticks */
  settle(): number;
}

/** Creates the controllers of a management cluster. @param workload objects of a workload cluster */
export function createControllers(
  store: Store,
  given: () => ClusterAccess,
  workload: (namespace: string, cluster: string) => Store,
): Controllers {
  const access = new Access(store, (object) => controllers.isFrozen(object));
  const controllers: Controllers = {
    isFrozen: () => false,
    tick(times = 1) {
      const before = access.changes;
      for (let count = 0; count < times; count += 1) {
        tickInfrastructure(access, given().endpoint);
        tickKamajiControlPlanes(access, given());
        tickMachines(access, workload);
        tickKubeadmControlPlanes(access, given());
        tickMachineSets(access);
        tickMachineDeployments(access);
        tickHealthChecks(access);
        tickResourceSets(access);
        tickClusters(access);
      }
      return access.changes - before;
    },
    settle() {
      for (let count = 0; count < MAX_TICKS; count += 1) if (controllers.tick() === 0) return count;
      throw new Error(`the controllers still have work after ${MAX_TICKS} ticks`);
    },
  };
  return controllers;
}
