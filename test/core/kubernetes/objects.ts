/** Objects of a cluster with one pool. */

import type { KubernetesClient } from "#core/kubernetes/interface.ts";
import type { ObjectKind } from "#core/kubernetes/objects.ts";
import type { Json } from "#test/support/kubernetes/json.ts";
import { kinds, unaborted } from "#test/support/kubernetes-client.ts";

/** Namespace of the objects. */
export const namespace = "test";

/** Returns the metadata of an object. */
export const meta = (name: string, rest: object = {}) => ({ name, namespace, ...rest });
/** Returns a reference to an object. */
export const reference = ({ apiVersion, kind }: ObjectKind, name: string) => ({
  apiGroup: apiVersion.split("/")[0],
  kind,
  name,
});

/** Builds a template of machines. */
export const template = (name: string) => ({
  ...kinds.template,
  metadata: meta(name),
  spec: { template: { spec: { backend: {} } } },
});
/** Builds the control plane. */
export const controlPlane = (version: string, replicas = 1, machines = "c-cp-1") => ({
  ...kinds.controlPlane,
  metadata: meta("c-cp"),
  spec: { version, replicas, machineTemplate: { spec: { infrastructureRef: reference(kinds.template, machines) } } },
});
/** Builds the pool. @param rest properties of its spec */
export const pool = (version: string, rest: Json = { replicas: 2 }, metadata: object = {}, machines = "c-p-1") => ({
  ...kinds.pool,
  metadata: meta("c-p", metadata),
  spec: {
    clusterName: "c",
    selector: { matchLabels: { pool: "p" } },
    rollout: { strategy: { rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } } },
    template: {
      metadata: { labels: { pool: "p" } },
      spec: {
        clusterName: "c",
        version,
        infrastructureRef: reference(kinds.template, machines),
        bootstrap: { configRef: reference(kinds.bootstrap, "c-b-1") },
      },
    },
    ...rest,
  },
});

/** Applies a cluster with a pool of two nodes. @param replicas machines of its control plane */
export async function applyCluster(client: KubernetesClient, replicas = 1): Promise<void> {
  const infrastructure = { ...kinds.infrastructure, metadata: meta("c"), spec: { backend: { inMemory: {} } } };
  const bootstrap = {
    ...kinds.bootstrap,
    metadata: meta("c-b-1"),
    spec: { template: { spec: { format: "cloud-config" } } },
  };
  const cluster = {
    ...kinds.cluster,
    metadata: meta("c"),
    spec: {
      infrastructureRef: reference(kinds.infrastructure, "c"),
      controlPlaneRef: reference(kinds.controlPlane, "c-cp"),
    },
  };
  const objects = [
    template("c-cp-1"),
    template("c-p-1"),
    bootstrap,
    infrastructure,
    controlPlane("v1.33.4", replicas),
    cluster,
    pool("v1.33.4"),
  ];
  for (const object of objects) await client.apply(object, unaborted());
}
