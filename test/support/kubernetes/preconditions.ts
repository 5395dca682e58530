/** Preconditions of deletions and applies. */

import type { KubernetesObject } from "#core/kubernetes/objects.ts";
import type { Resource } from "#core/kubernetes/resources.ts";
import { conflict, invalid } from "./status.ts";

/** Options of a deletion. */
export interface Deletion {
  uid?: string;
  resourceVersion?: string;
  propagationPolicy?: string;
}

/** Refuses a deletion of another object or version. @throws StatusError 409 */
export function requireDeletable(resource: Resource, { metadata }: KubernetesObject, options: Deletion): void {
  const { uid, resourceVersion, name } = metadata;
  const kind = { ...resource, plural: resource.kind };
  if (options.uid !== undefined && options.uid !== uid) {
    const text = `the UID in the precondition (${options.uid}) does not match the UID in record (${uid}). The object might have been deleted and then recreated`;
    throw conflict(kind, name, text);
  }
  if (options.resourceVersion !== undefined && options.resourceVersion !== resourceVersion) {
    const text = `the ResourceVersion in the precondition (${options.resourceVersion}) does not match the ResourceVersion in record (${resourceVersion}). The object might have been modified`;
    throw conflict(kind, name, text);
  }
}

/** Refuses an apply to another object or version. @throws StatusError 409, or 422 for another uid */
export function requireApplicable(
  resource: Resource,
  config: KubernetesObject,
  current: KubernetesObject | undefined,
): void {
  const { name, uid, resourceVersion } = config.metadata;
  if (current === undefined && uid !== undefined) {
    const text = `uid mismatch: the provided object specified uid ${uid}, and no existing object was found`;
    throw conflict(resource, name, text);
  }
  if (current === undefined) return;
  if (uid !== undefined && uid !== current.metadata.uid) {
    throw invalid(resource, name, `metadata.uid: Invalid value: "${uid}": field is immutable`);
  }
  if (resourceVersion !== undefined && resourceVersion !== current.metadata.resourceVersion) {
    throw conflict(
      resource,
      name,
      "the object has been modified; please apply your changes to the latest version and try again",
    );
  }
}
