/** Structure of kinds, as far as server-side apply depends on it: unknown fields, and which lists merge by key. */

import { isMap, type Json } from "./json.ts";

/** OpenAPI schema of a CustomResourceDefinition. */
export interface Schema {
  type?: string;
  properties?: Readonly<Record<string, Schema>>;
  additionalProperties?: Schema | boolean;
  items?: Schema;
  "x-kubernetes-preserve-unknown-fields"?: boolean;
  "x-kubernetes-int-or-string"?: boolean;
  "x-kubernetes-list-type"?: string;
  "x-kubernetes-list-map-keys"?: readonly string[];
  "x-kubernetes-map-type"?: string;
}

const anything: Schema = { "x-kubernetes-preserve-unknown-fields": true };
const text: Schema = { type: "string" };
const texts: Schema = { type: "object", additionalProperties: text };

/** Metadata of every kind. */
const metadata: Schema = {
  type: "object",
  properties: {
    name: text,
    namespace: text,
    uid: text,
    resourceVersion: text,
    generateName: text,
    generation: { type: "integer" },
    creationTimestamp: text,
    deletionTimestamp: text,
    deletionGracePeriodSeconds: { type: "integer" },
    labels: texts,
    annotations: texts,
    finalizers: { type: "array", items: text, "x-kubernetes-list-type": "set" },
    ownerReferences: {
      type: "array",
      items: { ...anything, "x-kubernetes-map-type": "atomic" },
      "x-kubernetes-list-type": "map",
      "x-kubernetes-list-map-keys": ["uid"],
    },
    managedFields: { type: "array", items: anything },
  },
};

const BUILT_IN: Readonly<Record<string, Readonly<Record<string, Schema>>>> = {
  Secret: { data: texts, stringData: texts, type: text, immutable: { type: "boolean" } },
  ConfigMap: { data: texts, binaryData: texts, immutable: { type: "boolean" } },
};

/** Lists that merge by key in every kind without a schema of its own. */
const KEYED: Readonly<Record<string, readonly string[]>> = { conditions: ["type"], extraArgs: ["name", "value"] };

/**
 * Completes the schema of a kind with what all kinds have.
 *
 * @param schema schema of its CustomResourceDefinition; undefined to accept every spec
 */
export function schemaOf(kind: string, schema?: Schema): Schema {
  const own = schema?.properties ?? BUILT_IN[kind] ?? { spec: anything, status: anything };
  return { type: "object", properties: { ...own, apiVersion: text, kind: text, metadata } };
}

/** Returns the schema of a property of a map. */
export const childSchema = (schema: Schema | undefined, name: string): Schema | undefined =>
  schema?.properties?.[name] ??
  (typeof schema?.additionalProperties === "object" ? schema.additionalProperties : undefined);

/** Returns whether a map is owned as a whole. */
export const isAtomicMap = (schema: Schema | undefined): boolean => schema?.["x-kubernetes-map-type"] === "atomic";

/** Identification of the items of a list: by keys, by their value, or none. */
export type ListType = { type: "map"; keys: readonly string[] } | { type: "set" } | { type: "atomic" };

/** Returns the type of a list. @param name property that contains it */
export function listTypeOf(schema: Schema | undefined, name: string): ListType {
  const type = schema?.["x-kubernetes-list-type"];
  const keys = schema?.["x-kubernetes-list-map-keys"] ?? (schema?.items === undefined ? KEYED[name] : undefined);
  if (type === "set") return { type: "set" };
  return keys !== undefined && type !== "atomic" ? { type: "map", keys } : { type: "atomic" };
}

/**
 * Returns the first problem of a value, as server-side apply reports it.
 *
 * @param path such as `.spec`
 */
export function structureProblem(value: unknown, schema: Schema | undefined, path = ""): string | undefined {
  if (schema === undefined || value === null || value === undefined) return undefined;
  if (schema.type === "string" && schema["x-kubernetes-int-or-string"] !== true && typeof value !== "string") {
    return `${path}: expected string, got &value.valueUnstructured{Value:${JSON.stringify(value)}}`;
  }
  if (schema.type === "object" && !isMap(value)) return `${path}: expected map, got &{${String(value)}}`;
  if (schema.type === "array" && !Array.isArray(value)) return `${path}: expected list, got &{${String(value)}}`;
  if (Array.isArray(value)) {
    const problems = value.map((item, index) => structureProblem(item, schema.items, `${path}[${index}]`));
    return problems.find((problem) => problem !== undefined);
  }
  return isMap(value) ? mapProblem(value, schema, path) : undefined;
}

function mapProblem(value: Json, schema: Schema, path: string): string | undefined {
  const isOpen =
    schema["x-kubernetes-preserve-unknown-fields"] === true ||
    (schema.properties === undefined && schema.additionalProperties === undefined) ||
    schema.additionalProperties === true;
  for (const [name, child] of Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))) {
    const known = childSchema(schema, name);
    if (known === undefined && !isOpen) return `${path}.${name}: field not declared in schema`;
    const problem = structureProblem(child, known, `${path}.${name}`);
    if (problem !== undefined) return problem;
  }
  return undefined;
}
