/** Reads and writes parts of Kubernetes objects. */

import type { KubernetesObject } from "#core/kubernetes/objects.ts";

/** Part of an object. */
export type Json = Record<string, unknown>;

/** Returns whether a value is a JSON object. */
export const isMap = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Returns whether two values have the same JSON, independent of the order of properties. */
export function isSame(one: unknown, other: unknown): boolean {
  if (one === other) return true;
  if (Array.isArray(one) && Array.isArray(other)) {
    return one.length === other.length && one.every((item, index) => isSame(item, other[index]));
  }
  if (!isMap(one) || !isMap(other)) return false;
  const names = new Set([...Object.keys(one), ...Object.keys(other)]);
  return [...names].every((name) => isSame(one[name], other[name]));
}

/** Returns a property below an object; undefined if a part of the path is missing. */
export function at(object: unknown, ...path: string[]): unknown {
  let value = object;
  for (const name of path) value = isMap(value) ? value[name] : undefined;
  return value;
}

/** Returns a text below an object, or "". */
export const textAt = (object: unknown, ...path: string[]): string => {
  const value = at(object, ...path);
  return typeof value === "string" ? value : "";
};

/** Returns a number below an object, or 0. */
export const numberAt = (object: unknown, ...path: string[]): number => {
  const value = at(object, ...path);
  return typeof value === "number" ? value : 0;
};

/** Sets a property below an object; undefined removes it. Missing parts of the path are created. */
export function set(object: KubernetesObject | Json, value: unknown, ...path: string[]): void {
  let parent = object as Json;
  for (const name of path.slice(0, -1)) {
    if (!isMap(parent[name])) parent[name] = {};
    parent = parent[name] as Json;
  }
  const last = path.at(-1) ?? "";
  if (value === undefined) delete parent[last];
  else parent[last] = value;
}
