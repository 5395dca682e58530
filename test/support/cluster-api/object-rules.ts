/** Rules of the objects of one cluster that no schema contains. */

import type { TranslationInput } from "#core/provisioning/cluster-api/input.ts";
import { CLUSTER_ID, MANAGED_BY } from "#core/provisioning/cluster-api/labels.ts";
import { type Manifest, namespaceOf } from "#core/provisioning/cluster-api/manifest.ts";
import { isDnsLabel } from "./metadata-rules.ts";

/** Longest name of an object from which names of machines derive: a MachineSet adds 6 characters, and a Machine 6 more. */
const MAX_OWNER_NAME = 63 - 12;

/** Names of clusters become parts of names of Services and cloud resources. */
const MAX_CLUSTER_NAME = 23;

/** Longest name of a template. */
const MAX_TEMPLATE_NAME = 63;

const AUTOSCALER = "cluster.x-k8s.io/cluster-api-autoscaler-node-group";

interface Labelled {
  labels?: Record<string, string>;
}

interface ControlPlaneSpec {
  replicas: number;
  machineTemplate: { metadata: Labelled };
}

interface DeploymentSpec {
  replicas?: number;
  selector: { matchLabels: Record<string, string> };
  template: { metadata: Labelled; spec: { failureDomain?: string } };
}

type Deployment = Manifest & { spec: DeploymentSpec };

interface HealthCheckSpec {
  selector: { matchLabels: Record<string, string>; matchExpressions?: { key: string; operator: string }[] };
  remediation: { triggerIf: { unhealthyLessThanOrEqualTo: string | number } };
}

/** Machines of a deployment or of the control plane, with the labels that Cluster API gives them. */
interface Machines extends Labelled {
  owner: string;
  /** Smallest number of machines. */
  size: number;
}

/** Returns the objects of a kind with the given type of spec. */
export const ofKind = <Spec>(manifests: readonly Manifest[], kind: string) =>
  manifests.filter((each) => each.kind === kind) as (Manifest & { spec: Spec })[];

const matches = (selector: Record<string, string>, { labels = {} }: Labelled): boolean =>
  Object.entries(selector).every(([key, value]) => labels[key] === value);

/** Returns the smallest or the largest number of machines of a deployment. */
const sizeOf = ({ metadata, spec }: Deployment, end: "min" | "max"): number =>
  Number(metadata.annotations?.[`${AUTOSCALER}-${end}-size`] ?? spec.replicas);

function nameProblems({ kind, metadata: { name } }: Manifest): string[] {
  const limits: Record<string, number> = { Cluster: MAX_CLUSTER_NAME, MachineDeployment: MAX_OWNER_NAME };
  const limit = limits[kind] ?? (kind.endsWith("ControlPlane") ? MAX_OWNER_NAME : MAX_TEMPLATE_NAME);
  if (name.length > limit) return [`${kind} ${name}: longer than ${limit}`];
  if (!isDnsLabel(name)) return [`${kind} ${name}: not a DNS label`];
  return kind === "Cluster" && !/^[a-z]/.test(name) ? [`${kind} ${name}: does not begin with a letter`] : [];
}

/** Machines of a deployment must match its selector, and no other selector of the cluster. */
function selectorProblems(deployments: readonly Deployment[]): string[] {
  return deployments.flatMap(({ metadata, spec: { selector } }) => {
    const selected = deployments.filter(({ spec }) => matches(selector.matchLabels, spec.template.metadata));
    const names = selected.map((each) => each.metadata.name);
    return names.join() === metadata.name ? [] : [`MachineDeployment ${metadata.name}: selects ${names.join(", ")}`];
  });
}

/** Lists the groups of machines of a cluster. */
function machinesOf(
  objectName: string,
  manifests: readonly Manifest[],
  deployments: readonly Deployment[],
): Machines[] {
  const common = { "cluster.x-k8s.io/cluster-name": objectName };
  const pools = deployments.map((each) => ({
    owner: each.metadata.name,
    size: Math.max(1, sizeOf(each, "min")),
    labels: {
      ...each.spec.template.metadata.labels,
      ...common,
      "cluster.x-k8s.io/deployment-name": each.metadata.name,
    },
  }));
  const controlPlanes = ofKind<ControlPlaneSpec>(manifests, "KubeadmControlPlane").map(({ metadata, spec }) => ({
    owner: metadata.name,
    size: spec.replicas,
    labels: { ...spec.machineTemplate.metadata.labels, ...common, "cluster.x-k8s.io/control-plane": "" },
  }));
  return [...pools, ...controlPlanes];
}

function isSelected({ selector }: HealthCheckSpec, machines: Machines): boolean {
  const { matchLabels, matchExpressions = [] } = selector;
  return matches(matchLabels, machines) && matchExpressions.every(({ key }) => key in (machines.labels ?? {}));
}

/** Share of the machines of the smallest pool that health checks replace at the same time. One machine is always allowed. */
const MAX_UNHEALTHY = 0.4;

/**
 * A health check must select the machines of its owner only, must repair the only unhealthy machine of the smallest size, and must stop
 * when a larger part of it is unhealthy.
 */
function healthCheckProblems(
  { isRunning, objectName }: TranslationInput,
  manifests: readonly Manifest[],
  deployments: readonly Deployment[],
): string[] {
  const groups = machinesOf(objectName, manifests, deployments);
  return ofKind<HealthCheckSpec>(manifests, "MachineHealthCheck").flatMap(({ metadata: { name }, spec }) => {
    const [machines, ...others] = groups.filter((each) => isSelected(spec, each));
    if (machines === undefined || others.length > 0 || machines.owner !== name)
      return [`MachineHealthCheck ${name}: does not select the machines of ${name} only`];
    const { size } = machines;
    const limit = spec.remediation.triggerIf.unhealthyLessThanOrEqualTo;
    // Cluster API rounds percentages down.
    const count = typeof limit === "number" ? limit : Math.floor((Number.parseInt(limit, 10) * size) / 100);
    if (!isRunning) return [];
    if (count < 1) return [`MachineHealthCheck ${name}: never repairs a machine`];
    const isTooHigh = count > Math.max(1, Math.floor(MAX_UNHEALTHY * size));
    return isTooHigh ? [`MachineHealthCheck ${name}: replaces ${count} of ${size} machines at once`] : [];
  });
}

function replicaProblems({ isRunning }: TranslationInput, { metadata, spec }: Deployment): string[] {
  const { annotations = {}, name } = metadata;
  const [min, max] = ["min", "max"].map((end) => annotations[`${AUTOSCALER}-${end}-size`]);
  const isAutoscaled = min !== undefined || max !== undefined;
  if (isAutoscaled !== (spec.replicas === undefined))
    return [`${name}: replicas ${spec.replicas} beside ${min} to ${max}`];
  if (isAutoscaled && !(Number(min) <= Number(max))) return [`${name}: range ${min} to ${max}`];
  if (!isRunning && (isAutoscaled || spec.replicas !== 0))
    return [`${name}: has machines although the cluster is stopped`];
  return [];
}

/** Parts of a pool in several zones must have the size of the pool together. */
function sizeProblems({ nodePools, isRunning }: TranslationInput, deployments: readonly Deployment[]) {
  if (!isRunning || deployments.length === 0) return [];
  const total = (end: "min" | "max") => deployments.reduce((sum, each) => sum + sizeOf(each, end), 0);
  const [least, most] = nodePools.reduce(
    ([one, other], { pool }) => [one + pool.minSize, other + pool.maxSize],
    [0, 0],
  );
  return total("min") === least && total("max") === most ? [] : ["sizes of pools and of their parts differ"];
}

/** Finds broken rules of the objects of one cluster. @param manifests in the order in which they are applied, with Secrets */
export function ruleProblems(input: TranslationInput, manifests: readonly Manifest[]): string[] {
  const deployments = ofKind<DeploymentSpec>(manifests, "MachineDeployment");
  const keys = manifests.map(({ kind, metadata }) => `${kind} ${metadata.namespace} ${metadata.name}`);
  const problems = keys.filter((each, index) => keys.indexOf(each) !== index).map((each) => `${each} occurs twice`);
  for (const manifest of manifests) {
    const { kind, metadata } = manifest;
    problems.push(...nameProblems(manifest));
    if (metadata.labels?.[MANAGED_BY] === undefined) problems.push(`${kind} ${metadata.name}: no label ${MANAGED_BY}`);
    const isShared = metadata.labels?.[CLUSTER_ID] === undefined;
    if (isShared && !/^Namespace$|^Secret$|Identity$/.test(kind))
      problems.push(`${kind} ${metadata.name}: no label ${CLUSTER_ID}`);
    const isForeign =
      metadata.namespace !== undefined && metadata.namespace !== namespaceOf(input.organisationIdentity);
    if (isForeign && kind !== "Secret") problems.push(`${kind} ${metadata.name}: in ${metadata.namespace}`);
  }
  for (const { kind, spec } of manifests) {
    const replicas = (spec as { replicas?: number } | undefined)?.replicas ?? 1;
    if (kind === "KubeadmControlPlane" && replicas % 2 !== 1) problems.push(`${kind}: ${replicas} replicas`);
  }
  return [
    ...problems,
    ...selectorProblems(deployments),
    ...healthCheckProblems(input, manifests, deployments),
    ...deployments.flatMap((each) => replicaProblems(input, each)),
    ...sizeProblems(input, deployments),
  ];
}
