/** Interface of the client for an API server. */

import type { ResourceAttributes } from "./access-review.ts";
import type { KubernetesObject, ObjectKind, ObjectRef, ObjectToWrite } from "./objects.ts";

/** Options of every call. The effect of an aborted call is unknown. */
export interface CallOptions {
  signal: AbortSignal;
}

/** Options of `apply`. */
export interface ApplyOptions extends CallOptions {
  /** True to validate the request without storing anything. */
  dryRun?: boolean;
  /** Default `ame-control-plane`. */
  fieldManager?: string;
  /** Default true: takes over fields of other managers. */
  force?: boolean;
}

/** Options of `list` and `deleteCollection`. */
export interface ListOptions extends CallOptions {
  /** Undefined for all namespaces, and for cluster-scoped kinds. */
  namespace?: string;
  /** Labels that an object must have. */
  labels?: Readonly<Record<string, string>>;
}

/** Options of `delete`. */
export interface DeleteOptions extends CallOptions {
  /** The object is deleted only if it still has these values; otherwise the call fails with `conflict`. */
  preconditions?: { uid?: string; resourceVersion?: string };
  /** `Foreground` keeps the object until everything that it owns is deleted. */
  propagationPolicy?: "Background" | "Foreground" | "Orphan";
}

/**
 * Client. Each call fails with a KubernetesError, or with the reason of its signal, and with a TypeError for a kind that is not in
 * `resources.ts`. A call that fails with `unavailable` or is aborted may have taken effect.
 */
export interface KubernetesClient {
  /** Reads an object. @returns undefined if it does not exist */
  get(ref: ObjectRef, options: CallOptions): Promise<KubernetesObject | undefined>;
  /** Lists objects, in the order of their names. */
  list(kind: ObjectKind, options: ListOptions): Promise<KubernetesObject[]>;
  /**
   * Applies an object with server-side apply. Fields that the manager applied before and that are absent now are removed. Fields of other
   * managers stay. Unknown fields are refused.
   *
   * @param manifest a `uid` or `resourceVersion` in it is a precondition: for another `resourceVersion` the call fails with `conflict`, for
   *   another `uid` with `refused`
   * @returns the object as it is stored, or with `dryRun` as it would be
   */
  apply(manifest: ObjectToWrite, options: ApplyOptions): Promise<KubernetesObject>;
  /** Creates an object. @throws KubernetesError `already-exists` */
  create(manifest: ObjectToWrite, options: CallOptions & { dryRun?: boolean }): Promise<KubernetesObject>;
  /** Requests the deletion of an object, which ends when its finalizers are removed. @throws KubernetesError `not-found`, `conflict` */
  delete(ref: ObjectRef, options: DeleteOptions): Promise<void>;
  /** Requests the deletion of all objects of a namespace with the given labels, of which there must be at least one. */
  deleteCollection(
    kind: ObjectKind,
    options: ListOptions & { namespace: string; labels: Readonly<Record<string, string>> },
  ): Promise<void>;
  /** Returns the version of the API server, such as `v1.34.4`. */
  version(options: CallOptions): Promise<string>;
  /** Returns the served versions of each kind of an API group, preferred version first; nothing if the group is not served. */
  discover(group: string, options: CallOptions): Promise<ReadonlyMap<string, readonly string[]>>;
  /** Returns whether the client's user has a permission. */
  isAllowed(attributes: ResourceAttributes, options: CallOptions): Promise<boolean>;
  /** Closes all connections. */
  close(): void;
}
