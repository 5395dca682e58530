/** ClusterResourceSets and MachineHealthChecks. */

import type { KubernetesObject } from "#core/kubernetes/objects.ts";
import { at, type Json, textAt } from "../json.ts";
import { type Access, adopt, release } from "./access.ts";
import { conditionsFor, isReady } from "./conditions.ts";

/** Advances every ClusterResourceSet: its resources are applied once the clusters that it selects are initialized. */
export function tickResourceSets(access: Access): void {
  for (const each of access.list("ClusterResourceSet")) {
    const { namespace, deletionTimestamp } = each.metadata;
    if (deletionTimestamp !== undefined) {
      release(access, each);
      continue;
    }
    adopt(access, each, { finalizer: "addons.cluster.x-k8s.io" });
    for (const { kind, name } of (at(each, "spec", "resources") ?? []) as { kind: string; name: string }[]) {
      const resource = access.get(kind, namespace, name);
      if (resource !== undefined) adopt(access, resource, { owner: each });
    }
    const selector = (at(each, "spec", "clusterSelector", "matchLabels") ?? {}) as Record<string, string>;
    const clusters = access
      .list("Cluster", namespace)
      .filter(({ metadata }) => Object.entries(selector).every(([key, value]) => metadata.labels?.[key] === value));
    const isApplied = clusters.every(
      (cluster) => at(cluster, "status", "initialization", "controlPlaneInitialized") === true,
    );
    access.report(each, {
      observedGeneration: each.metadata.generation,
      conditions: conditionsFor(access, each, {
        ResourcesApplied:
          isApplied && clusters.length > 0
            ? [true, "Applied"]
            : [false, "InternalError", "Please check controller logs for errors"],
        Paused: [false, "NotPaused"],
      }),
    });
  }
}

/** Advances every MachineHealthCheck: it counts the machines that its selector selects. */
export function tickHealthChecks(access: Access): void {
  for (const check of access.list("MachineHealthCheck")) {
    const labels = (at(check, "spec", "selector", "matchLabels") ?? {}) as Record<string, string>;
    const isTarget = (machine: KubernetesObject) =>
      textAt(machine, "spec", "clusterName") === textAt(check, "spec", "clusterName") &&
      Object.entries(labels).every(([key, value]) => machine.metadata.labels?.[key] === value);
    const machines = access.list("Machine", check.metadata.namespace).filter(isTarget);
    const status: Json = {
      expectedMachines: machines.length,
      currentHealthy: machines.filter(isReady).length,
      observedGeneration: check.metadata.generation,
      conditions: conditionsFor(access, check, {
        RemediationAllowed: [true, "RemediationAllowed"],
        Paused: [false, "NotPaused"],
      }),
    };
    access.report(check, status);
  }
}
