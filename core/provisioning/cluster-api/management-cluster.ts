/**
 * Record of the management cluster with which a table is used. In another management cluster no cluster would be found: all would be
 * built a second time, and deletions would end while machines run.
 */

import * as v from "valibot";
import type { Table } from "../../table/client.ts";
import { defineEntity } from "../../table/entity.ts";
import { keyText, managementClusterKey } from "../../table/keys.ts";
import { type Call, getObject, readIfAllowed } from "./calls.ts";
import { NAMESPACE } from "./kinds.ts";

const StoredManagementCluster = v.object({
  /** Uid of its namespace kube-system, which every cluster has and keeps. */
  uid: v.string(),
  /** Time of the first use or of the acceptance, RFC 3339. */
  recordedAt: v.string(),
});

/** Entity of the record. */
export const managementClusterEntity = defineEntity("management-cluster", 1, StoredManagementCluster);

/** Management cluster of a kubeconfig, and the one with which the table is used. */
export interface ManagementClusters {
  present: string;
  /** Undefined before the first use. */
  recorded: string | undefined;
}

/** Reads the uid of the present management cluster and the recorded one. @throws KubernetesError; AppError unavailable */
export async function readManagementClusters({ table }: { table: Table }, call: Call): Promise<ManagementClusters> {
  const [found, items] = await Promise.all([
    getObject(call, { ...NAMESPACE, name: "kube-system" }),
    table.get([managementClusterKey]),
  ]);
  const present = found?.metadata.uid;
  if (present === undefined) throw new Error("the management cluster has no namespace kube-system");
  const item = items.get(keyText(managementClusterKey));
  return { present, recorded: item && managementClusterEntity.read(item).uid };
}

/** Returns what is wrong if the management cluster is not the recorded one, with the action that solves it. */
export function managementClusterProblem({ present, recorded }: ManagementClusters): string | undefined {
  if (recorded === undefined || recorded === present) return undefined;
  const text = `the kubeconfig is of another management cluster: its namespace kube-system has the uid ${present}, and the clusters of this table are in the one with ${recorded}`;
  return `${text}; set the former kubeconfig, or, to build all clusters in the new one, run: npm run admin -- provisioner accept`;
}

/**
 * Requires that a management cluster is the recorded one. The first use records it.
 *
 * @param services `recordManagementCluster` records it, as the function of this name in management-cluster-record.ts
 * @throws Error if it is another one; KubernetesError; AppError unavailable
 */
export async function requireManagementCluster(
  services: { table: Table; recordManagementCluster(clusters: ManagementClusters): Promise<boolean> },
  call: Call,
): Promise<void> {
  const first = await readIfAllowed(readManagementClusters(services, call));
  if (first === "forbidden") {
    const text =
      "the user of the kubeconfig may not get namespaces, so this service cannot tell which management cluster it is";
    throw new Error(`${text}; apply docs/examples/cluster-api-access.yaml of this release`);
  }
  let clusters = first;
  if (clusters.recorded === undefined && !(await services.recordManagementCluster(clusters))) {
    clusters = await readManagementClusters(services, call);
  }
  const problem = managementClusterProblem(clusters);
  if (problem !== undefined) throw new Error(problem);
}
