/** Kubernetes objects as JSON, and references to them. */

/** Metadata of an object: the fields that this service reads. */
export interface ObjectMeta {
  name: string;
  namespace?: string;
  uid?: string;
  resourceVersion?: string;
  generation?: number;
  /** RFC 3339. */
  creationTimestamp?: string;
  /** RFC 3339. Set once the deletion was requested; the object exists until its finalizers are removed. */
  deletionTimestamp?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  finalizers?: string[];
  ownerReferences?: { apiVersion: string; kind: string; name: string; uid: string; controller?: boolean }[];
  managedFields?: { manager?: string; operation?: string; subresource?: string }[];
}

/** Object as the API server returns it. */
export interface KubernetesObject {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
  [field: string]: unknown;
}

/** API version, such as `cluster.x-k8s.io/v1beta2` or `v1`, and kind. */
export interface ObjectKind {
  apiVersion: string;
  kind: string;
}

/** Reference to one object. */
export interface ObjectRef extends ObjectKind {
  name: string;
  /** Absent for cluster-scoped kinds. */
  namespace?: string;
}

/** Object to apply or to create. */
export interface ObjectToWrite extends ObjectKind {
  metadata: {
    name: string;
    namespace?: string;
    /** Precondition of an apply: the object exists with this uid. Without it, an apply recreates a deleted object. */
    uid?: string;
    /** Precondition of an apply: an existing object has this version. */
    resourceVersion?: string;
  };
}

/** Returns the reference to an object. */
export const refOf = ({ apiVersion, kind, metadata: { name, namespace } }: ObjectToWrite): ObjectRef => ({
  apiVersion,
  kind,
  name,
  ...(namespace === undefined ? {} : { namespace }),
});
