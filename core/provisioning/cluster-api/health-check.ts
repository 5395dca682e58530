/** Health checks, with which Cluster API replaces machines whose nodes are not ready. */

import { controlPlaneName } from "./control-plane.ts";
import type { TranslationInput } from "./input.ts";
import { clusterLabels } from "./labels.ts";
import { type Manifest, namespaceOf } from "./manifest.ts";
import { CLUSTER_API_VERSION } from "./versions.ts";

/** Time for which a node may be unready, and time within which a machine must become a node, in seconds. */
const UNREADY_SECONDS = 300;
const STARTUP_SECONDS = 1200;

/** Properties of a health check. */
export interface HealthCheck {
  name: string;
  /** Selector of machines of the cluster. Selectors of two health checks must not select the same machine. */
  selector: object;
  /** Maximum number of unhealthy machines, or their percentage, up to which they are replaced. */
  unhealthyLimit: string | number;
  /** Template with which machines are repaired before they are replaced. */
  remediation?: Manifest | undefined;
}

/** Returns a health check of machines of a cluster. */
export function healthCheck(
  input: TranslationInput,
  { name, selector, unhealthyLimit, remediation }: HealthCheck,
): Manifest {
  const unready = ["False", "Unknown"].map((status) => ({ type: "Ready", status, timeoutSeconds: UNREADY_SECONDS }));
  return {
    apiVersion: CLUSTER_API_VERSION.core,
    kind: "MachineHealthCheck",
    metadata: { name, namespace: namespaceOf(input.organisationIdentity), labels: clusterLabels(input) },
    spec: {
      clusterName: input.objectName,
      selector,
      checks: { nodeStartupTimeoutSeconds: STARTUP_SECONDS, unhealthyNodeConditions: unready },
      remediation: {
        triggerIf: { unhealthyLessThanOrEqualTo: unhealthyLimit },
        ...(remediation === undefined
          ? {}
          : {
              templateRef: {
                apiVersion: remediation.apiVersion,
                kind: remediation.kind,
                name: remediation.metadata.name,
              },
            }),
      },
    },
  };
}

/**
 * Returns the health check of a control plane on machines; undefined if it has one machine, which Cluster API does not replace, and until
 * the cluster has been available.
 */
export function controlPlaneHealthCheck(input: TranslationInput): Manifest | undefined {
  const { cluster, objectName, rollout } = input;
  if (!cluster.highlyAvailable || !rollout.wasAvailable) return undefined;
  return healthCheck(input, {
    name: controlPlaneName(objectName),
    selector: {
      matchLabels: { "cluster.x-k8s.io/cluster-name": objectName },
      matchExpressions: [{ key: "cluster.x-k8s.io/control-plane", operator: "Exists" }],
    },
    // Two of three members of etcd are a quorum.
    unhealthyLimit: 1,
  });
}
