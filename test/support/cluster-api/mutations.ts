/** Invalid variants of objects, for tests of the validator. */

import type { Manifest } from "#core/provisioning/cluster-api/manifest.ts";
import { kindOf } from "./crd-validator.ts";
import { isOpen, type StructuralSchema } from "./structural-schema.ts";

/** Kinds of changes that make an object invalid. */
export const mutationKinds = ["unknown field", "renamed key", "missing field", "wrong type", "duplicate"] as const;
type MutationKind = (typeof mutationKinds)[number];

/** Invalid variant of an object. */
export interface Mutation {
  kind: MutationKind;
  path: string;
  manifest: Manifest;
}

type Change = [kind: MutationKind, path: string, apply: (root: Manifest) => void];

type Container = Record<string, unknown> | unknown[];

const at = (root: unknown, path: readonly (string | number)[]): Container =>
  path.reduce((value, step) => (value as Record<string | number, unknown>)[step], root) as Container;

/** Returns a value that no field of the type of the given one accepts. */
function otherType(value: unknown, schema: StructuralSchema | undefined): unknown {
  if (schema?.["x-kubernetes-int-or-string"] === true) return true;
  if (typeof value === "string") return 12_345;
  return typeof value === "object" ? "text" : "true";
}

function changesOf(value: unknown, schema: StructuralSchema | undefined, path: readonly (string | number)[]): Change[] {
  if (typeof value !== "object" || value === null || schema === undefined) return [];
  const where = path.join("/");
  if (Array.isArray(value)) {
    const listType = schema["x-kubernetes-list-type"];
    const isUnique = (listType === "set" || listType === "map") && value.length > 0;
    const duplicate: Change = [
      "duplicate",
      where,
      (root) => (at(root, path) as unknown[]).push(structuredClone(value[0])),
    ];
    return [
      ...(isUnique ? [duplicate] : []),
      ...value.flatMap((item, index) => [
        wrongType([...path, index], item, schema.items),
        ...changesOf(item, schema.items, [...path, index]),
      ]),
    ];
  }
  const object = value as Record<string, unknown>;
  const { properties = {}, required = [], additionalProperties } = schema;
  const ofKey = (key: string) =>
    properties[key] ?? (typeof additionalProperties === "object" ? additionalProperties : undefined);
  const set = (key: string, changed: unknown) => (root: Manifest) => {
    (at(root, path) as Record<string, unknown>)[key] = changed;
  };
  const remove = (key: string) => (root: Manifest) => {
    delete (at(root, path) as Record<string, unknown>)[key];
  };
  const closed: Change[] = isOpen(schema)
    ? []
    : [
        ["unknown field", where, set("unknownField", "x")],
        ...Object.keys(object).map((key): Change => {
          const rename = (root: Manifest) => {
            set(`${key}X`, object[key])(root);
            remove(key)(root);
          };
          return ["renamed key", [...path, key].join("/"), rename];
        }),
      ];
  const missing = required
    .filter((key) => key in object && properties[key]?.default === undefined)
    .map((key): Change => ["missing field", [...path, key].join("/"), remove(key)]);
  const nested = Object.entries(object).flatMap(([key, each]) => [
    wrongType([...path, key], each, ofKey(key)),
    ...changesOf(each, ofKey(key), [...path, key]),
  ]);
  return [...closed, ...missing, ...nested];
}

function wrongType(path: readonly (string | number)[], value: unknown, schema: StructuralSchema | undefined): Change {
  const set = (root: Manifest) => {
    const last = path.at(-1) as keyof Container;
    at(root, path.slice(0, -1))[last] = otherType(value, schema) as never;
  };
  return ["wrong type", path.join("/"), set];
}

/** Schema of the metadata that the translator may write: the schemas of kinds leave it to Kubernetes. */
const texts: StructuralSchema = { type: "object", additionalProperties: { type: "string" } };
const metadata: StructuralSchema = {
  type: "object",
  required: ["name"],
  properties: { name: { type: "string" }, namespace: { type: "string" }, labels: texts, annotations: texts },
};

/** Returns every variant of a valid object with one change that makes it invalid. */
export function mutationsOf(manifest: Manifest): Mutation[] {
  const schema = kindOf(manifest)?.schema;
  const whole = schema && { ...schema, properties: { ...schema.properties, metadata } };
  return changesOf(manifest, whole, []).map(([kind, path, apply]) => {
    const copy = structuredClone(manifest);
    apply(copy);
    return { kind, path, manifest: copy };
  });
}
