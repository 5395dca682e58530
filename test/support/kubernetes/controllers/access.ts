/** Access of the controllers to the objects of the management cluster. */

import type { KubernetesObject } from "#core/kubernetes/objects.ts";
import { knownResources, type Resource } from "#core/kubernetes/resources.ts";
import type { Json } from "../json.ts";
import { hasStatus, servedResources } from "../kinds.ts";
import type { Store } from "../store.ts";

const MANAGER = "manager";

const resources = new Map(servedResources.toReversed().map((resource) => [resource.kind, resource]));

/** Returns the preferred version of a kind. */
function resourceOfKind(kind: string): Resource {
  const resource = resources.get(kind);
  if (resource === undefined) throw new Error(`the test server has no kind ${kind}`);
  return resource;
}

/** Kinds of the clusters of providers. */
export const infrastructureClusterKinds: readonly string[] = knownResources()
  .map(({ kind }) => kind)
  .filter((kind) => /^(AWS|Azure|Dev|DO|Hetzner|OpenStack|VSphere)Cluster$/.test(kind));

/** Returns the API version and the kind of a kind. */
export function typeOf(kind: string): { apiVersion: string; kind: string } {
  const { group, version } = resourceOfKind(kind);
  return { apiVersion: group === "" ? version : `${group}/${version}`, kind };
}

/** Owner of an object. */
export const ownerOf = ({ kind, metadata: { name, uid = "" } }: KubernetesObject, controller = false) => ({
  ...typeOf(kind),
  name,
  uid,
  ...(controller ? { controller: true, blockOwnerDeletion: true } : {}),
});

/** Objects as the controllers see and change them. What is read is shared with the store: only `change` and `report` change it. */
export class Access {
  readonly store: Store;
  readonly #isFrozen: (object: KubernetesObject) => boolean;
  #names = 0;
  /** Number of changes so far. */
  changes = 0;

  constructor(store: Store, isFrozen: (object: KubernetesObject) => boolean) {
    this.store = store;
    this.#isFrozen = isFrozen;
  }

  /** Returns a suffix of a name, another one each time. */
  suffix(): string {
    this.#names += 1;
    return this.#names.toString(36).padStart(5, "0");
  }

  get(kind: string, namespace: string | undefined, name: string): KubernetesObject | undefined {
    const resource = resourceOfKind(kind);
    const found = this.store.find(resource, { namespace: resource.isNamespaced ? namespace : undefined, name });
    return found === undefined ? undefined : { ...found.object, kind };
  }

  /** Lists objects of a kind, without those that a test has frozen. */
  list(kind: string, namespace?: string): KubernetesObject[] {
    return this.store
      .list(resourceOfKind(kind), namespace)
      .map(({ object }) => ({ ...object, kind }))
      .filter((object) => !this.#isFrozen(object));
  }

  /** Lists objects that an object owns, frozen ones included. */
  owned(kind: string, owner: KubernetesObject): KubernetesObject[] {
    return this.store
      .list(resourceOfKind(kind), owner.metadata.namespace)
      .filter(({ object }) => object.metadata.ownerReferences?.some(({ uid }) => uid === owner.metadata.uid))
      .map(({ object }) => ({ ...object, kind }));
  }

  create(object: KubernetesObject): void {
    this.store.create(resourceOfKind(object.kind), { ...object, ...typeOf(object.kind) }, MANAGER);
    this.changes += 1;
  }

  /** Changes an object, without its status. @returns the object afterwards; undefined if it is gone */
  change(
    { kind, metadata }: KubernetesObject,
    change: (object: KubernetesObject) => void,
  ): KubernetesObject | undefined {
    return this.#update(kind, metadata, change, undefined);
  }

  /** Sets the status of an object, keeping the properties that are not given. */
  report({ kind, metadata }: KubernetesObject, status: Json): void {
    const subresource = hasStatus({ kind }) ? ("status" as const) : undefined;
    this.#update(
      kind,
      metadata,
      (object) => {
        object.status = { ...(object.status as Json), ...status };
      },
      subresource,
    );
  }

  delete({ kind, metadata: { namespace, name } }: KubernetesObject): void {
    if (this.get(kind, namespace, name)?.metadata.deletionTimestamp !== undefined) return;
    this.store.delete(resourceOfKind(kind), { namespace, name });
    this.changes += 1;
  }

  #update(
    kind: string,
    { namespace, name }: { namespace?: string | undefined; name: string },
    change: (object: KubernetesObject) => void,
    subresource: "status" | undefined,
  ): KubernetesObject | undefined {
    const before = this.get(kind, namespace, name);
    if (before === undefined) return undefined;
    this.store.update(resourceOfKind(kind), { namespace, name }, change, { manager: MANAGER, subresource });
    const after = this.get(kind, namespace, name);
    if (before.metadata.resourceVersion !== after?.metadata.resourceVersion) this.changes += 1;
    return after;
  }
}

/** Adds a finalizer, an owner and the label of the cluster to an object. */
export function adopt(
  access: Access,
  object: KubernetesObject,
  { finalizer, owner, cluster }: { finalizer?: string; owner?: KubernetesObject; cluster?: string },
): KubernetesObject | undefined {
  return access.change(object, ({ metadata }) => {
    if (finalizer !== undefined && metadata.deletionTimestamp === undefined) {
      metadata.finalizers = [...new Set([...(metadata.finalizers ?? []), finalizer])];
    }
    if (owner !== undefined && !metadata.ownerReferences?.some(({ uid }) => uid === owner.metadata.uid)) {
      metadata.ownerReferences = [...(metadata.ownerReferences ?? []), ownerOf(owner)];
    }
    if (cluster !== undefined) metadata.labels = { ...metadata.labels, "cluster.x-k8s.io/cluster-name": cluster };
  });
}

/** Removes the finalizers of controllers from an object. Its deletion ends unless another client added a finalizer. */
export function release(access: Access, object: KubernetesObject): void {
  access.change(object, ({ metadata }) => {
    metadata.finalizers = (metadata.finalizers ?? []).filter((each) => !/x-k8s\.io|^foregroundDeletion$/.test(each));
  });
}
