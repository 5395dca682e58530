/** Server-side apply and updates: the next object and the owners of its fields. Pure functions. */

import type { KubernetesObject } from "#core/kubernetes/objects.ts";
import {
  changedFields,
  covers,
  type FieldSet,
  fieldsOf,
  merge,
  type Path,
  renderFields,
  renderPath,
  valueAt,
  withoutField,
} from "./fields.ts";
import { isSame, type Json } from "./json.ts";
import type { Schema } from "./schema.ts";
import { StatusError } from "./status.ts";

/** Fields of one manager. */
export interface Owner {
  manager: string;
  operation: "Apply" | "Update";
  /** Undefined for the object itself. */
  subresource: "status" | undefined;
  time: string;
  fields: FieldSet;
}

/** Object with the owners of its fields. `managedFields` is rendered from them. */
export interface Owned {
  object: KubernetesObject;
  owners: readonly Owner[];
}

/** Fields that have no owner. */
const UNOWNED =
  /^\["f:(apiVersion|kind)"|^\["f:metadata","f:(name|namespace|uid|resourceVersion|generation|creationTimestamp|deletionTimestamp|deletionGracePeriodSeconds|managedFields|generateName)"/;

function ownable(value: unknown, schema: Schema): FieldSet {
  return new Map([...fieldsOf(value, schema)].filter(([key]) => !UNOWNED.test(key)));
}

/**
 * Applies a configuration.
 *
 * @param current undefined for a new object
 * @param config without status and managedFields
 * @throws StatusError 409 if other managers own changed fields and `force` is false
 */
export function applied(
  current: Owned | undefined,
  config: KubernetesObject,
  { manager, force, time, schema }: { manager: string; force: boolean; time: string; schema: Schema },
): Owned {
  const fields = ownable(config, schema);
  const isOwn = (owner: Owner) =>
    owner.manager === manager && owner.operation === "Apply" && owner.subresource === undefined;
  const others = (current?.owners ?? []).filter((owner) => !isOwn(owner));
  const previous = current?.owners.find(isOwn)?.fields ?? new Map<string, Path>();
  const changed = [...fields].filter(
    ([, path]) => !isSame(valueAt(current?.object, path, schema), valueAt(config, path, schema)),
  );
  const conflicts = others.flatMap(({ manager: other, operation, fields: owned }) =>
    changed
      .filter(([key]) => owned.has(key))
      .map(([key, path]) => ({
        name: `"${other}"${operation === "Update" ? ` using ${config.apiVersion}` : ""}`,
        key,
        path,
      })),
  );
  if (conflicts.length > 0 && !force) throw conflictError(conflicts);

  let object = (
    current === undefined ? structuredClone(config) : merge(current.object, config, schema)
  ) as KubernetesObject;
  for (const [key, path] of previous) {
    const isKept = covers(fields, path) || others.some((owner) => covers(owner.fields, path));
    if (!fields.has(key) && !isKept) object = withoutField(object, path, schema) as KubernetesObject;
  }
  const lost = new Set(conflicts.map(({ key }) => key));
  const remaining = others.map((owner) => withoutKeys(owner, lost));
  const own: Owner = { manager, operation: "Apply", subresource: undefined, time, fields };
  return { object, owners: [...remaining, own].filter((owner) => owner.fields.size > 0) };
}

function conflictError(conflicts: readonly { name: string; path: Path }[]): StatusError {
  const causes = conflicts.map(({ name, path }) => ({
    reason: "FieldManagerConflict",
    message: `conflict with ${name}`,
    field: renderPath(path),
  }));
  const [first] = causes;
  const text =
    causes.length === 1
      ? `1 conflict: ${first?.message}: ${first?.field}`
      : `${causes.length} conflicts: ${causes.map(({ message, field }) => `${message}: ${field}`).join("; ")}`;
  return new StatusError(409, "Conflict", `Apply failed with ${text}`, { causes });
}

function withoutKeys(owner: Owner, keys: ReadonlySet<string>): Owner {
  return { ...owner, fields: new Map([...owner.fields].filter(([key]) => !keys.has(key))) };
}

/** Takes over the fields that an update changed. */
export function updated(
  current: Owned,
  object: KubernetesObject,
  {
    manager,
    subresource,
    time,
    schema,
  }: { manager: string; subresource: "status" | undefined; time: string; schema: Schema },
): Owned {
  const changed = new Map([...changedFields(current.object, object, schema)].filter(([key]) => !UNOWNED.test(key)));
  if (changed.size === 0) return { object, owners: current.owners };
  const keys = new Set(changed.keys());
  const isOwn = (owner: Owner) =>
    owner.manager === manager && owner.operation === "Update" && owner.subresource === subresource;
  const existing = current.owners.find(isOwn)?.fields ?? new Map<string, Path>();
  const kept = [...existing, ...changed].filter(([, path]) => valueAt(object, path, schema) !== undefined);
  const own: Owner = { manager, operation: "Update", subresource, time, fields: new Map(kept) };
  const others = current.owners.filter((owner) => !isOwn(owner)).map((owner) => withoutKeys(owner, keys));
  return { object, owners: [...others, own].filter((owner) => owner.fields.size > 0) };
}

/** Renders `managedFields`. */
export const renderOwners = (owners: readonly Owner[], apiVersion: string): Json[] =>
  owners.map(({ manager, operation, subresource, time, fields }) => ({
    manager,
    operation,
    apiVersion,
    time,
    fieldsType: "FieldsV1",
    fieldsV1: renderFields(fields),
    ...(subresource === undefined ? {} : { subresource }),
  }));
