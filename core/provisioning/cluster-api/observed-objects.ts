/** Objects as read from the management cluster: the fields that this service uses. */

/** Condition of an object. */
export interface ObjectCondition {
  type: string;
  status: "True" | "False" | "Unknown";
  reason?: string;
  message?: string;
  /** RFC 3339. */
  lastTransitionTime?: string;
  observedGeneration?: number;
}

/** Object as read. */
export interface ObservedObject {
  apiVersion?: string;
  kind?: string;
  metadata: {
    name: string;
    namespace?: string;
    uid?: string;
    resourceVersion?: string;
    generation?: number;
    deletionTimestamp?: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
  };
  data?: Record<string, string>;
}

/** Cluster of Cluster API. */
export interface ObservedCluster extends ObservedObject {
  spec?: {
    controlPlaneEndpoint?: { host?: string; port?: number };
    paused?: boolean;
    controlPlaneRef?: { kind?: string };
    infrastructureRef?: { kind?: string };
  };
  status?: {
    initialization?: { infrastructureProvisioned?: boolean; controlPlaneInitialized?: boolean };
    conditions?: ObjectCondition[];
    observedGeneration?: number;
  };
}

/** KubeadmControlPlane or KamajiControlPlane. */
export interface ObservedControlPlane extends ObservedObject {
  spec?: { replicas?: number; version?: string };
  status?: {
    observedGeneration?: number;
    replicas?: number;
    readyReplicas?: number;
    upToDateReplicas?: number;
    version?: string;
    conditions?: ObjectCondition[];
  };
}

/** MachineDeployment. */
export interface ObservedDeployment extends ObservedObject {
  spec?: { replicas?: number; template?: MachineTemplate };
  status?: {
    observedGeneration?: number;
    replicas?: number;
    availableReplicas?: number;
    upToDateReplicas?: number;
    phase?: string;
    conditions?: ObjectCondition[];
  };
}

/** Template of the machines of a MachineDeployment or a MachineSet. */
interface MachineTemplate {
  spec?: {
    version?: string;
    infrastructureRef?: { name?: string };
    bootstrap?: { configRef?: { name?: string } };
  };
}

/** MachineSet: the machines of a MachineDeployment that have the same template. */
export interface ObservedMachineSet extends ObservedObject {
  spec?: { replicas?: number; template?: MachineTemplate };
  status?: { replicas?: number };
}

/** All objects of a cluster that are read. */
export interface ObservedObjects {
  cluster: ObservedCluster;
  /** Undefined if it does not exist. */
  controlPlane: ObservedControlPlane | undefined;
  deployments: readonly ObservedDeployment[];
  /** Of all MachineDeployments; undefined if they were not read. */
  machineSets: readonly ObservedMachineSet[] | undefined;
  /** PEM; undefined until it is known. */
  certificateAuthority: string | undefined;
}

/**
 * Returns the metadata of an apply that changes an object as read. The uid is a precondition: an apply without it would create an object
 * again that another client deleted.
 */
export const existing = ({ metadata: { name, namespace, uid } }: ObservedObject) => ({
  name,
  ...(namespace === undefined ? {} : { namespace }),
  ...(uid === undefined ? {} : { uid }),
});

/** Returns a condition, unless it describes an earlier generation of the object. */
export function conditionOf(
  { metadata, status }: ObservedObject & { status?: { conditions?: ObjectCondition[] } },
  type: string,
): ObjectCondition | undefined {
  const condition = status?.conditions?.find((each) => each.type === type);
  const isStale = (condition?.observedGeneration ?? Number.POSITIVE_INFINITY) < (metadata.generation ?? 0);
  return isStale ? undefined : condition;
}

/** Object whose controller reports the generation of the spec that it has reconciled. */
interface ReconciledObject extends ObservedObject {
  spec?: { replicas?: number; version?: string };
  status?: { observedGeneration?: number; version?: string };
}

/**
 * Returns whether the status of an object describes its current spec. The status of a KamajiControlPlane has no generation, so its version
 * counts.
 */
export function isStatusCurrent({ metadata, spec, status }: ReconciledObject): boolean {
  const { observedGeneration, version } = status ?? {};
  if (observedGeneration === undefined && version !== undefined) return version === spec?.version;
  return (observedGeneration ?? 0) >= (metadata.generation ?? 0);
}
