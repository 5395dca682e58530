/** Clients for the Kubernetes test server. */

import { type ClientOptions, createKubernetesClient } from "#core/kubernetes/client.ts";
import type { KubernetesError } from "#core/kubernetes/errors.ts";
import type { KubernetesClient } from "#core/kubernetes/interface.ts";
import type { KubeconfigUser, KubernetesServer } from "./kubernetes-server.ts";

/** Kinds that tests use. */
export const kinds = {
  namespace: { apiVersion: "v1", kind: "Namespace" },
  secret: { apiVersion: "v1", kind: "Secret" },
  configMap: { apiVersion: "v1", kind: "ConfigMap" },
  node: { apiVersion: "v1", kind: "Node" },
  cluster: { apiVersion: "cluster.x-k8s.io/v1beta2", kind: "Cluster" },
  pool: { apiVersion: "cluster.x-k8s.io/v1beta2", kind: "MachineDeployment" },
  set: { apiVersion: "cluster.x-k8s.io/v1beta2", kind: "MachineSet" },
  machine: { apiVersion: "cluster.x-k8s.io/v1beta2", kind: "Machine" },
  controlPlane: { apiVersion: "controlplane.cluster.x-k8s.io/v1beta2", kind: "KubeadmControlPlane" },
  infrastructure: { apiVersion: "infrastructure.cluster.x-k8s.io/v1beta2", kind: "DevCluster" },
  template: { apiVersion: "infrastructure.cluster.x-k8s.io/v1beta2", kind: "DevMachineTemplate" },
  bootstrap: { apiVersion: "bootstrap.cluster.x-k8s.io/v1beta2", kind: "KubeadmConfigTemplate" },
  zone: { apiVersion: "infrastructure.cluster.x-k8s.io/v1beta2", kind: "VSphereDeploymentZone" },
} as const;

/** Creates a client, by default with the server's token. */
export function clientOf(
  server: KubernetesServer,
  options: Partial<ClientOptions> & { user?: KubeconfigUser; cluster?: Record<string, unknown> } = {},
): KubernetesClient {
  const { user, cluster, ...settings } = options;
  return createKubernetesClient(server.kubeconfig(user, cluster), { clock: () => new Date(), ...settings });
}

/** Options of a call that nothing aborts. */
export const unaborted = () => ({ signal: new AbortController().signal });

/** Returns the error of a call that must fail. */
export async function errorOf(call: Promise<unknown>): Promise<KubernetesError> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof Error)) throw new Error("the call did not fail");
  return error as KubernetesError;
}

/** Builds a Secret in a namespace. */
export const secret = (name: string, namespace: string, rest: object = {}, metadata: object = {}) => ({
  ...kinds.secret,
  metadata: { name, namespace, ...metadata },
  ...rest,
});

/** Encodes a text as a value of a Secret. */
export const base64 = (text: string): string => Buffer.from(text).toString("base64");
