/** Defaults and refusals, as the API server and the webhooks of Cluster API and of the providers have them. */

import type { KubernetesObject } from "#core/kubernetes/objects.ts";
import type { Resource } from "#core/kubernetes/resources.ts";
import { at, isMap, isSame, numberAt, set } from "./json.ts";
import { isCustom, isImmutable } from "./kinds.ts";
import { invalid, StatusError } from "./status.ts";

const MIN_SIZE = "cluster.x-k8s.io/cluster-api-autoscaler-node-group-min-size";
const MAX_SIZE = "cluster.x-k8s.io/cluster-api-autoscaler-node-group-max-size";

/** Fills in defaults. @param old undefined for a new object */
export function addDefaults({ kind }: Resource, object: KubernetesObject, old: KubernetesObject | undefined): void {
  if (kind === "Secret") object.type ??= "Opaque";
  if (kind === "MachineDeployment") set(object, replicasOf(object, old), "spec", "replicas");
  if (kind === "KubeadmControlPlane") set(object, at(object, "spec", "replicas") ?? 1, "spec", "replicas");
  if (kind === "Namespace") {
    object.spec ??= { finalizers: ["kubernetes"] };
    object.status ??= { phase: "Active" };
    object.metadata.labels = { ...object.metadata.labels, "kubernetes.io/metadata.name": object.metadata.name };
  }
}

/** Returns the replicas of a pool: without a number, the autoscaler's range applies, and without a range 1. */
function replicasOf(object: KubernetesObject, old: KubernetesObject | undefined): number {
  const given = at(object, "spec", "replicas");
  if (typeof given === "number") return given;
  const { [MIN_SIZE]: min, [MAX_SIZE]: max } = object.metadata.annotations ?? {};
  if (min === undefined || max === undefined) return 1;
  const before = at(old, "spec", "replicas");
  return typeof before === "number" ? Math.min(Number(max), Math.max(Number(min), before)) : Number(min);
}

/**
 * Refuses what the server or a webhook refuses.
 *
 * @param old undefined for a new object
 * @throws StatusError
 */
export function requireAllowed(resource: Resource, object: KubernetesObject, old: KubernetesObject | undefined): void {
  const { name } = object.metadata;
  if (!/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(name) || name.length > 253) {
    const rule = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.'";
    throw invalid(resource, name, `metadata.name: Invalid value: "${name}": ${rule}`);
  }
  for (const [key, value] of Object.entries(object.metadata.labels ?? {})) {
    if (!/^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/.test(value)) {
      throw invalid(
        resource,
        name,
        `metadata.labels: Invalid value: "${value}": the value of ${key} is not a label value`,
      );
    }
  }
  if (resource.kind === "Secret") requireSecret(resource, object, old);
  if (isCustom(resource)) requireCustom(resource, object, old);
}

function requireSecret(resource: Resource, object: KubernetesObject, old: KubernetesObject | undefined): void {
  for (const value of Object.values(isMap(object.data) ? object.data : {})) {
    if (Buffer.from(String(value), "base64").toString("base64") === value) continue;
    const { name, namespace } = object.metadata;
    const problem = "error decoding from json: illegal base64 data at input byte 0";
    throw new StatusError(
      500,
      undefined,
      `failed to convert new object (${namespace}/${name}; /v1, Kind=Secret) to proper version: unable to convert unstructured object to /v1, Kind=Secret: ${problem}`,
    );
  }
  if (old !== undefined && old.type !== object.type) {
    throw invalid(resource, object.metadata.name, `type: Invalid value: "${object.type}": field is immutable`);
  }
}

function requireCustom(resource: Resource, object: KubernetesObject, old: KubernetesObject | undefined): void {
  const denied = (problem: string) => {
    const { message, details } = invalid(resource, object.metadata.name, problem);
    const webhook = `validation.${resource.kind.toLowerCase()}.${resource.group}`;
    return new StatusError(422, "Invalid", `admission webhook "${webhook}" denied the request: ${message}`, details);
  };
  if (isMap(object.spec) && Object.keys(object.spec).length === 0) {
    throw invalid(
      resource,
      object.metadata.name,
      "spec: Invalid value: 0: spec in body should have at least 1 properties",
    );
  }
  if (old !== undefined && isImmutable(resource) && !isSame(old.spec, object.spec)) {
    throw denied(`spec.template.spec: Invalid value: ${resource.kind} spec.template.spec field is immutable`);
  }
  if (resource.kind === "KubeadmControlPlane" && numberAt(object, "spec", "replicas") % 2 === 0) {
    throw denied(
      `spec.replicas: Forbidden: cannot be 0 or an even number, got ${numberAt(object, "spec", "replicas")}`,
    );
  }
  if (
    resource.kind === "MachineDeployment" &&
    old !== undefined &&
    !isSame(at(old, "spec", "selector"), at(object, "spec", "selector"))
  ) {
    throw denied("spec.selector: Forbidden: field is immutable");
  }
}
