/** Machines: each step of one is one tick. Running machines are nodes of their workload cluster. */

import type { KubernetesObject } from "#core/kubernetes/objects.ts";
import { textAt } from "../json.ts";
import type { Store } from "../store.ts";
import { type Access, ownerOf, release } from "./access.ts";
import { conditionsFor } from "./conditions.ts";

const NODE = { group: "", version: "v1", kind: "Node", plural: "nodes", isNamespaced: false };

/** Label of machines of a control plane. */
export const CONTROL_PLANE = "cluster.x-k8s.io/control-plane";

/** Annotation with the content of which a machine was made. */
const CONTENT = "test/content";

/** Returns whether a machine was made of a content. */
export const isMadeOf = ({ metadata }: KubernetesObject, content: string): boolean =>
  metadata.annotations?.[CONTENT] === content;

/** Creates a machine. @param spec its spec in the template of its owner */
export function createMachine(
  access: Access,
  owner: KubernetesObject,
  spec: object,
  { labels, content }: { labels: Record<string, string>; content: string },
): void {
  const name = `${owner.metadata.name}-${access.suffix()}`;
  access.create({
    apiVersion: "",
    kind: "Machine",
    metadata: {
      name,
      namespace: owner.metadata.namespace ?? "",
      labels,
      annotations: { [CONTENT]: content },
      finalizers: ["machine.cluster.x-k8s.io"],
      ownerReferences: [ownerOf(owner, true)],
    },
    spec,
  });
}

/** Advances every machine by one step. @param workload objects of a workload cluster */
export function tickMachines(access: Access, workload: (namespace: string, cluster: string) => Store): void {
  for (const machine of access.list("Machine")) {
    const { namespace = "", name, deletionTimestamp, labels = {} } = machine.metadata;
    const store = workload(namespace, textAt(machine, "spec", "clusterName"));
    const phase = textAt(machine, "status", "phase");
    if (deletionTimestamp !== undefined && phase === "Deleting") {
      if (store.find(NODE, { namespace: undefined, name }) !== undefined)
        store.delete(NODE, { namespace: undefined, name });
      release(access, machine);
    } else {
      const next = deletionTimestamp === undefined ? nextPhase(phase) : "Deleting";
      if (next === "Running") register(store, name, labels);
      reportMachine(access, machine, next);
    }
  }
}

function nextPhase(phase: string): string {
  if (phase === "") return "Pending";
  if (phase === "Pending") return "Provisioning";
  return "Running";
}

function register(store: Store, name: string, labels: Record<string, string>): void {
  if (store.find(NODE, { namespace: undefined, name }) !== undefined) return;
  const role = CONTROL_PLANE in labels ? { "node-role.kubernetes.io/control-plane": "" } : {};
  store.create(NODE, { apiVersion: "v1", kind: "Node", metadata: { name, labels: role } }, "kubelet");
}

function reportMachine(access: Access, machine: KubernetesObject, phase: string): void {
  const isRunning = phase === "Running";
  const wait = phase === "Deleting" ? "Deleting: Machine deletion in progress" : "InfrastructureReady: waiting";
  access.report(machine, {
    phase,
    observedGeneration: machine.metadata.generation,
    ...(isRunning ? { nodeRef: { name: machine.metadata.name } } : {}),
    conditions: conditionsFor(access, machine, {
      Available: isRunning ? [true, "Available"] : [false, "NotReady"],
      Ready: isRunning ? [true, "Ready"] : [false, "NotReady", `* ${wait}`],
      Deleting: phase === "Deleting" ? [true, "DeletionInProgress"] : [false, "NotDeleting"],
    }),
  });
}
