/** Objects of one API server: versions, deletion with finalizers, namespaces and garbage collection. */

import { randomUUID } from "node:crypto";
import type { KubernetesObject } from "#core/kubernetes/objects.ts";
import type { Resource } from "#core/kubernetes/resources.ts";
import { addDefaults, requireAllowed } from "./admission.ts";
import { applied, type Owned, type Owner, renderOwners, updated } from "./apply.ts";
import { FOREGROUND, findGarbage, isEnded } from "./garbage.ts";
import { isSame, type Json } from "./json.ts";
import { hasStatus, isCustom, servedResources } from "./kinds.ts";
import { type Deletion, requireApplicable, requireDeletable } from "./preconditions.ts";
import { type Schema, schemaOf, structureProblem } from "./schema.ts";
import { alreadyExists, forbidden, notFound, qualified, StatusError } from "./status.ts";

/** Stored object. */
export interface Stored extends Owned {
  resource: Resource;
}

/** Name of an object. */
export interface Name {
  namespace: string | undefined;
  name: string;
}

/** Settings of a store. */
export interface StoreOptions {
  clock: () => Date;
  /** Schemas by kind; kinds without one accept every spec. */
  schemas?: ReadonlyMap<string, Schema>;
  /** Additional refusals, such as those of a provider's webhook. */
  admit?: (object: KubernetesObject, old: KubernetesObject | undefined) => void;
}

const NAMESPACE = servedResources.find(({ kind }) => kind === "Namespace") as Resource;

/** Objects of one API server. */
export class Store {
  readonly #objects = new Map<string, Stored>();
  readonly #options: StoreOptions;
  #version = 100;

  constructor(options: StoreOptions) {
    this.#options = options;
  }

  /** Version of the latest change. */
  get version(): string {
    return String(this.#version);
  }

  /** RFC 3339 with whole seconds. */
  get now(): string {
    return this.#options
      .clock()
      .toISOString()
      .replace(/\.\d+Z$/, "Z");
  }

  schema({ kind }: Resource): Schema {
    return schemaOf(kind, this.#options.schemas?.get(kind));
  }

  find(resource: Resource, { namespace, name }: Name): Stored | undefined {
    return this.#objects.get(keyOf(resource, namespace, name));
  }

  /** Lists objects in the order of their namespaces and names. */
  list(resource: Pick<Resource, "group" | "plural">, namespace?: string): Stored[] {
    const prefix = `${qualified({ ...resource, kind: "" })}/${namespace === undefined ? "" : `${namespace}/`}`;
    return [...this.#objects.keys()]
      .filter((key) => key.startsWith(prefix))
      .sort()
      .map((key) => this.#objects.get(key) as Stored);
  }

  /** Lists every object. */
  all(): Stored[] {
    return [...this.#objects.values()];
  }

  /** Renders an object as it is answered. */
  render({ object, owners }: Owned, apiVersion: string): KubernetesObject {
    const { managedFields: _, ...metadata } = structuredClone(object.metadata);
    const rendered = renderOwners(owners, apiVersion);
    return {
      ...structuredClone(object),
      apiVersion,
      metadata: {
        ...metadata,
        ...(rendered.length === 0 ? {} : { managedFields: rendered }),
      } as KubernetesObject["metadata"],
    };
  }

  create(resource: Resource, object: KubernetesObject, manager: string, dryRun = false): Owned {
    const { namespace, name } = object.metadata;
    if (this.find(resource, { namespace, name }) !== undefined) throw alreadyExists(resource, name);
    if (object.metadata.resourceVersion !== undefined) {
      throw new StatusError(500, undefined, "resourceVersion should not be set on objects to be created");
    }
    const { status: _, ...rest } = structuredClone(object) as KubernetesObject & { status?: unknown };
    const empty: Owned = { object: { apiVersion: "", kind: "", metadata: { name } }, owners: [] };
    const next = updated(empty, rest, {
      manager,
      subresource: undefined,
      time: this.now,
      schema: this.schema(resource),
    });
    return this.#insert(resource, next, dryRun);
  }

  apply(
    resource: Resource,
    { namespace, name }: Name,
    config: KubernetesObject,
    { manager, force, dryRun }: { manager: string; force: boolean; dryRun: boolean },
  ): { result: Owned; isNew: boolean } {
    const schema = this.schema(resource);
    const { group, version, kind } = resource;
    const problem = structureProblem(config, schema);
    if (problem !== undefined) {
      const place = `${namespace === undefined ? "" : namespace}/${name}; ${group}/${version}, Kind=${kind}`;
      throw new StatusError(500, undefined, `failed to create typed patch object (${place}): ${problem}`);
    }
    const current = this.find(resource, { namespace, name });
    requireApplicable(resource, config, current?.object);
    const { uid: _, resourceVersion: __, ...metadata } = config.metadata;
    const { status: ___, ...rest } = { ...config, metadata } as KubernetesObject & { status?: unknown };
    const own = hasStatus(resource) ? rest : { ...config, metadata };
    const object = { ...own, metadata: { ...metadata, ...(namespace === undefined ? {} : { namespace }) } };
    const next = applied(current, object, { manager, force, time: this.now, schema });
    if (current === undefined) return { result: this.#insert(resource, next, dryRun), isNew: true };
    return { result: this.#replace(current, next, dryRun), isNew: false };
  }

  /**
   * Changes an object, as another client does that reads it and writes it back.
   *
   * @param change changes the copy that it gets
   * @throws StatusError 404
   */
  update(
    resource: Resource,
    { namespace, name }: Name,
    change: (object: KubernetesObject) => void,
    { manager, subresource, dryRun = false }: { manager: string; subresource?: "status" | undefined; dryRun?: boolean },
  ): Owned {
    const current = this.find(resource, { namespace, name });
    if (current === undefined) throw notFound(resource, name);
    const copy = structuredClone(current.object);
    change(copy);
    if (isSame(copy, current.object)) return current;
    const isStatus = subresource === "status";
    // Each of the two resources of an object ignores what belongs to the other.
    const object = !hasStatus(resource)
      ? copy
      : isStatus
        ? { ...current.object, status: copy.status }
        : { ...copy, status: current.object.status };
    if (object.status === undefined) delete (object as Json).status;
    const settings = { manager, subresource, time: this.now, schema: this.schema(resource) };
    return this.#replace(current, updated(current, object, settings), dryRun);
  }

  /** Requests the deletion of an object. @returns the object if it still exists afterwards */
  delete(resource: Resource, { namespace, name }: Name, options: Deletion = {}, dryRun = false): Stored | undefined {
    const current = this.find(resource, { namespace, name });
    if (current === undefined) throw notFound(resource, name);
    requireDeletable(resource, current.object, options);
    if (dryRun) return current;
    const object = structuredClone(current.object);
    const added = options.propagationPolicy === "Foreground" ? [FOREGROUND] : [];
    if (options.propagationPolicy === "Orphan") this.#orphan(object);
    const finalizers = [...new Set([...(object.metadata.finalizers ?? []), ...added])];
    if (finalizers.length > 0) object.metadata.finalizers = finalizers;
    if (object.metadata.deletionTimestamp === undefined) {
      object.metadata.deletionTimestamp = this.now;
      Object.assign(object.metadata, { deletionGracePeriodSeconds: 0 });
      if (object.metadata.generation !== undefined) object.metadata.generation += 1;
      if (resource.kind === "Namespace") object.status = { phase: "Terminating" };
    }
    this.#replace(current, { object, owners: current.owners }, false);
    return this.find(resource, { namespace, name });
  }

  #orphan({ metadata: { uid } }: KubernetesObject): void {
    for (const { object } of this.all()) {
      const { ownerReferences } = object.metadata;
      if (ownerReferences !== undefined)
        object.metadata.ownerReferences = ownerReferences.filter((owner) => owner.uid !== uid);
    }
  }

  #insert(resource: Resource, { object, owners }: Owned, dryRun: boolean): Owned {
    const { namespace, name } = object.metadata;
    if (namespace !== undefined) this.#requireNamespace(resource, namespace, name);
    addDefaults(resource, object, undefined);
    requireAllowed(resource, object, undefined);
    this.#options.admit?.(object, undefined);
    const { resourceVersion: _, uid: __, ...given } = object.metadata;
    const generation = isCustom(resource) ? { generation: 1 } : {};
    const metadata = { ...given, uid: randomUUID(), creationTimestamp: this.now, ...generation };
    const stored = { resource, object: { ...object, metadata }, owners };
    if (dryRun) return stored;
    return this.#write(stored);
  }

  #requireNamespace(resource: Resource, namespace: string, name: string): void {
    const found = this.find(NAMESPACE, { namespace: undefined, name: namespace });
    if (found === undefined) throw notFound(NAMESPACE, namespace);
    if (found.object.metadata.deletionTimestamp !== undefined) {
      const text = `unable to create new content in namespace ${namespace} because it is being terminated`;
      const causes = [
        {
          reason: "NamespaceTerminating",
          message: `namespace ${namespace} is being terminated`,
          field: "metadata.namespace",
        },
      ];
      throw forbidden(resource, name, text, { causes });
    }
  }

  #replace(current: Stored, { object, owners }: Owned, dryRun: boolean): Owned {
    const { resource } = current;
    const before = current.object.metadata;
    addDefaults(resource, object, current.object);
    requireAllowed(resource, object, current.object);
    this.#options.admit?.(object, current.object);
    const { uid, resourceVersion, creationTimestamp } = before;
    object.metadata = { ...object.metadata, uid, resourceVersion, creationTimestamp } as KubernetesObject["metadata"];
    if (
      isCustom(resource) &&
      object.metadata.generation === before.generation &&
      specChanged(resource, current.object, object)
    ) {
      object.metadata.generation = (before.generation ?? 0) + 1;
    }
    if (isSame(object, current.object) && sameOwners(owners, current.owners)) return current;
    const next = { resource, object, owners };
    return dryRun ? next : this.#write(next);
  }

  #write(stored: Stored): Stored {
    const { resource, object } = stored;
    this.#version += 1;
    const key = keyOf(resource, object.metadata.namespace, object.metadata.name);
    if (isEnded(stored, this.all())) {
      this.#objects.delete(key);
    } else {
      object.metadata.resourceVersion = this.version;
      this.#objects.set(key, stored);
    }
    this.#collectGarbage();
    return stored;
  }

  /** Deletes what belongs to deleted owners and namespaces, one object at a time, until nothing is left to delete. */
  #collectGarbage(): void {
    const { garbage, released } = findGarbage(this.all());
    if (garbage !== undefined) {
      this.delete(garbage.resource, nameOf(garbage));
    } else if (released !== undefined) {
      const object = structuredClone(released.object);
      object.metadata.finalizers = (object.metadata.finalizers ?? []).filter((each) => each !== FOREGROUND);
      this.#write({ ...released, object });
    }
  }
}

const keyOf = (resource: Pick<Resource, "group" | "plural">, namespace: string | undefined, name: string): string =>
  `${qualified({ ...resource, kind: "" })}/${namespace ?? ""}/${name}`;

/** Returns the name of a stored object. */
export const nameOf = ({ object: { metadata } }: Stored): Name => ({
  namespace: metadata.namespace,
  name: metadata.name,
});

function specChanged(resource: Resource, before: KubernetesObject, after: KubernetesObject): boolean {
  const relevant = ({ metadata: _, status, ...rest }: KubernetesObject & { status?: unknown }) =>
    hasStatus(resource) ? rest : { ...rest, status };
  return !isSame(relevant(before), relevant(after));
}

const sameOwners = (one: readonly Owner[], other: readonly Owner[]): boolean =>
  isSame(one.map(comparable).sort(), other.map(comparable).sort());

const comparable = ({ manager, operation, subresource, fields }: Owner): string =>
  JSON.stringify([manager, operation, subresource, [...fields.keys()].sort()]);
