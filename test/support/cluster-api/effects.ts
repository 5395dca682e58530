/** Effects of a change of a configuration on the objects of a cluster. */

import { controlPlaneName } from "#core/provisioning/cluster-api/control-plane.ts";
import type { TranslationInput } from "#core/provisioning/cluster-api/input.ts";
import { canonicalJson, type Manifest } from "#core/provisioning/cluster-api/manifest.ts";
import { deploymentName } from "#core/provisioning/cluster-api/node-pool.ts";
import { translateAll } from "./translating.ts";

/** Objects that a change touches, and machines that it replaces, by what they are for. */
export interface Effect {
  /** Objects that are new, changed or no longer there, such as `pool web`. */
  changes: string[];
  /** Objects whose machines Cluster API replaces, or whose pods are started again. */
  rollouts: string[];
}

const KINDS: Record<string, string> = {
  Cluster: "cluster",
  ClusterResourceSet: "network",
  ConfigMap: "control plane configuration",
  KamajiControlPlane: "control plane",
  KubeadmConfigTemplate: "bootstrap",
  KubeadmControlPlane: "control plane",
  MachineDeployment: "pool",
  MachineHealthCheck: "health check",
  Namespace: "namespace",
};

/** Returns what an object is for, with the name of its pool. */
function purposeOf({ kind, metadata: { name } }: Manifest, { objectName, nodePools }: TranslationInput): string {
  const owned = nodePools.find(({ pool }) => name.startsWith(deploymentName(objectName, pool.identity)));
  const owner = owned?.pool.name ?? (name.startsWith(controlPlaneName(objectName)) ? "control plane" : "");
  if (kind === "Secret") return name.startsWith(`${objectName}-cni`) ? "network" : "credentials";
  if (kind.endsWith("Identity")) return "credentials";
  if (kind.endsWith("RemediationTemplate")) return "repair";
  if (kind.endsWith("MachineTemplate")) return `machines ${owner}`;
  const purpose = KINDS[kind] ?? "infrastructure";
  return ["pool", "bootstrap", "health check"].includes(purpose) ? `${purpose} ${owner}` : purpose;
}

interface Spec {
  version?: string;
  kubeadmConfigSpec?: object;
  apiServer?: object;
  machineTemplate?: { spec: { infrastructureRef: object } };
  deployment?: object;
  template?: { spec: { version: string; bootstrap: object; infrastructureRef: object; failureDomain?: string } };
}

/** Returns the part of an object of which a change replaces machines or starts pods again; undefined for others. */
function rolledPart({ kind, spec = {} }: Manifest): unknown {
  const { version, kubeadmConfigSpec, apiServer, machineTemplate, deployment, template } = spec as Spec;
  if (kind === "KubeadmControlPlane")
    return { version, kubeadmConfigSpec, machines: machineTemplate?.spec.infrastructureRef };
  if (kind === "KamajiControlPlane") return { version, apiServer, deployment };
  if (kind !== "MachineDeployment" || template === undefined) return undefined;
  const { bootstrap, infrastructureRef, failureDomain } = template.spec;
  return { version: template.spec.version, bootstrap, infrastructureRef, failureDomain };
}

/** Returns the effect of a change. @param salt part of the credentials after the change */
export function effectOf(before: TranslationInput, after: TranslationInput, salt = "example"): Effect {
  const keyed = (input: TranslationInput, value: string) =>
    new Map(
      translateAll(input, value).map((each) => [`${each.kind} ${each.metadata.namespace} ${each.metadata.name}`, each]),
    );
  const [old, present] = [keyed(before, "example"), keyed(after, salt)];
  const changes = new Set<string>();
  const rollouts = new Set<string>();
  for (const key of new Set([...old.keys(), ...present.keys()])) {
    const [one, other] = [old.get(key), present.get(key)];
    if (canonicalJson(one) === canonicalJson(other)) continue;
    const purpose = one === undefined ? purposeOf(other as Manifest, after) : purposeOf(one, before);
    changes.add(purpose);
    if (one === undefined || other === undefined) continue;
    if (canonicalJson(rolledPart(one)) !== canonicalJson(rolledPart(other))) rollouts.add(purpose);
  }
  return { changes: [...changes].sort(), rollouts: [...rollouts].sort() };
}
