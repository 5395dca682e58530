/** Sets of fields that a manager owns, as in `managedFields`, and the merge of an applied configuration into an object. */

import { isMap, isSame, type Json } from "./json.ts";
import { childSchema, isAtomicMap, listTypeOf, type Schema } from "./schema.ts";

/** Path to a field: `f:name` of a map, `k:{…}` of a list with keys, `v:…` of a set. */
export type Path = readonly string[];

/** Fields by the JSON of their path. */
export type FieldSet = Map<string, Path>;

const last = (path: Path): string => path.findLast((part) => part.startsWith("f:"))?.slice(2) ?? "";

/** Returns the part of a path that identifies an item of a list. */
function itemPart(item: unknown, schema: Schema | undefined, name: string): string | undefined {
  const list = listTypeOf(schema, name);
  if (list.type === "set") return `v:${JSON.stringify(item)}`;
  if (list.type === "atomic" || !isMap(item)) return undefined;
  return `k:${JSON.stringify(Object.fromEntries(list.keys.map((key) => [key, item[key] ?? null])))}`;
}

/** Returns the fields of a value: its scalars, empty maps, lists that are owned as a whole, and items of other lists. */
export function fieldsOf(value: unknown, schema: Schema | undefined): FieldSet {
  const fields: FieldSet = new Map();
  const add = (path: Path) => void (path.length > 0 && fields.set(JSON.stringify(path), path));
  function visit(each: unknown, node: Schema | undefined, path: Path): void {
    if (each === undefined || each === null) return;
    if (Array.isArray(each) && listTypeOf(node, last(path)).type !== "atomic") {
      if (each.length === 0) add(path);
      for (const item of each) {
        const part = itemPart(item, node, last(path));
        if (part === undefined) continue;
        add([...path, part]);
        if (isMap(item) && !isAtomicMap(node?.items)) visit(item, node?.items, [...path, part]);
      }
    } else if (isMap(each) && !isAtomicMap(node) && Object.keys(each).length > 0) {
      for (const [name, child] of Object.entries(each)) visit(child, childSchema(node, name), [...path, `f:${name}`]);
    } else {
      add(path);
    }
  }
  visit(value, schema, []);
  return fields;
}

/** Returns the value of a field; undefined if it does not exist. */
export function valueAt(value: unknown, path: Path, schema: Schema | undefined): unknown {
  let [each, node] = [value, schema];
  for (const [index, part] of path.entries()) {
    if (part.startsWith("f:")) {
      const name = part.slice(2);
      [each, node] = [isMap(each) ? each[name] : undefined, childSchema(node, name)];
    } else {
      const name = last(path.slice(0, index));
      const list: unknown[] = Array.isArray(each) ? each : [];
      const schemaOfList = node;
      [each, node] = [list.find((item) => itemPart(item, schemaOfList, name) === part), node?.items];
    }
  }
  return each;
}

/** Merges an applied value into an existing one. The result shares nothing with either. */
export function merge(live: unknown, applied: unknown, schema: Schema | undefined, name = ""): unknown {
  if (isMap(live) && isMap(applied) && !isAtomicMap(schema)) {
    const result: Json = structuredClone(live);
    for (const [key, value] of Object.entries(applied)) {
      result[key] = merge(live[key], value, childSchema(schema, key), key);
    }
    return result;
  }
  if (Array.isArray(live) && Array.isArray(applied) && listTypeOf(schema, name).type !== "atomic") {
    const part = (item: unknown) => itemPart(item, schema, name);
    const isIn = (list: readonly unknown[], item: unknown) => list.some((each) => part(each) === part(item));
    const kept = live.map((item) => {
      const own: unknown = applied.find((each) => part(each) === part(item));
      return own === undefined ? structuredClone(item) : merge(item, own, schema?.items);
    });
    return [...kept, ...structuredClone(applied.filter((item) => !isIn(live, item)))];
  }
  return structuredClone(applied);
}

/** Removes a field, and maps and lists that it leaves empty. @returns the value without it; undefined if nothing is left */
export function withoutField(value: unknown, path: Path, schema: Schema | undefined, name = ""): unknown {
  const [part = "", ...rest] = path;
  if (part === "") return undefined;
  if (part.startsWith("f:")) {
    if (!isMap(value)) return value;
    const key = part.slice(2);
    const { [key]: child, ...others } = value;
    if (child === undefined) return value;
    const left = withoutField(child, rest, childSchema(schema, key), key);
    const result = left === undefined ? others : { ...value, [key]: left };
    return Object.keys(result).length === 0 ? undefined : result;
  }
  if (!Array.isArray(value)) return value;
  const items = value.flatMap((item: unknown) => {
    if (itemPart(item, schema, name) !== part) return [item];
    const left = withoutField(item, rest, schema?.items);
    return left === undefined ? [] : [left];
  });
  return items.length === 0 ? undefined : items;
}

/** Returns whether a set has a field or a part of it. */
export const covers = (fields: FieldSet, path: Path): boolean =>
  [...fields.values()].some((each) => path.every((part, index) => each[index] === part));

/** Returns the fields of which the values differ, including those that only one of the objects has. */
export function changedFields(before: unknown, after: unknown, schema: Schema | undefined): FieldSet {
  const all = new Map([...fieldsOf(before, schema), ...fieldsOf(after, schema)]);
  return new Map([...all].filter(([, path]) => !isSame(valueAt(before, path, schema), valueAt(after, path, schema))));
}

/** Renders a set as `fieldsV1`. */
export function renderFields(fields: FieldSet): Json {
  const root: Json = {};
  for (const path of fields.values()) {
    let node = root;
    for (const part of path) {
      node[part] ??= {};
      node = node[part] as Json;
    }
    if (path.at(-1)?.startsWith("k:") === true) node["."] = {};
  }
  return root;
}

/** Renders a path as in messages, such as `.metadata.labels.a`. */
export const renderPath = (path: Path): string =>
  path.map((part) => (part.startsWith("f:") ? `.${part.slice(2)}` : `[${part.slice(2)}]`)).join("");
