/** Validates Kubernetes objects against the schemas of their kinds, with unknown fields refused. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv, type ValidateFunction } from "ajv";
import addFormats from "ajv-formats";
import { parse } from "yaml";
import type { Manifest } from "#core/provisioning/cluster-api/manifest.ts";
import { metadataProblems, textProblems } from "./metadata-rules.ts";
import { type StructuralSchema, toJsonSchema, UNIQUE_KEYS } from "./structural-schema.ts";
import { brokenRules, compileRules, type RuleTree } from "./validation-rules.ts";

const FOLDER = join(import.meta.dirname, "../../cluster-api/crds");

interface Definition {
  spec: {
    scope: "Namespaced" | "Cluster";
    versions: { name: string; schema: { openAPIV3Schema: StructuralSchema } }[];
  };
}

/** Kind that the validator knows. */
export interface Kind {
  isNamespaced: boolean;
  schema: StructuralSchema;
}

interface CompiledKind extends Kind {
  validate: ValidateFunction;
  rules: RuleTree | undefined;
}

const object = (properties: Record<string, StructuralSchema>): StructuralSchema => ({
  type: "object",
  required: ["metadata"],
  properties: { apiVersion: { type: "string" }, kind: { type: "string" }, metadata: { type: "object" }, ...properties },
});
const texts = (format: object): StructuralSchema => ({
  type: "object",
  additionalProperties: { type: "string", ...format },
});

/** Kinds of Kubernetes itself that the translator writes. */
const kubernetesKinds: Record<string, Kind> = {
  "v1 Namespace": { isNamespaced: false, schema: object({}) },
  "v1 Secret": { isNamespaced: true, schema: object({ type: { type: "string" }, data: texts({ format: "byte" }) }) },
  "v1 ConfigMap": { isNamespaced: true, schema: object({ data: texts({}) }) },
};

const MAX_DATA_BYTES = 1024 * 1024;

// The optimisation of the generated code takes half of the time of the compilation.
const ajv = new Ajv({ allErrors: true, strict: false, useDefaults: true, code: { optimize: false } });
addFormats.default(ajv);
ajv.addKeyword({
  keyword: UNIQUE_KEYS,
  type: "array",
  schemaType: "array",
  validate: (keys: string[], list: Record<string, unknown>[]) => {
    const seen = list.map((item) => JSON.stringify(keys.map((key) => item?.[key])));
    return new Set(seen).size === seen.length;
  },
});

function compile({ isNamespaced, schema }: Kind): CompiledKind {
  const { properties, ...rest } = toJsonSchema(schema);
  const validate = ajv.compile({ ...rest, properties: { ...properties, metadata: { type: "object" } } });
  return { isNamespaced, schema, validate, rules: compileRules(schema) };
}

/** Files of definitions by version and kind. */
const files = new Map(
  readdirSync(FOLDER, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap(({ name: folder }) => readdirSync(join(FOLDER, folder)).map((file) => join(FOLDER, folder, file)))
    .map((path): [string, string] => {
      const text = readFileSync(path, "utf8");
      // Each definition has one version.
      const [group, version, kind] = [
        /^ {2}group: (\S+)$/m,
        /^ {2}(?:- | {2})name: (v\S+)$/m,
        /^ {4}kind: (\S+)$/m,
      ].map((pattern) => pattern.exec(text)?.[1]);
      if ((group && version && kind) === undefined) throw new Error(`${path} is not a definition`);
      return [`${group}/${version} ${kind}`, path];
    }),
);

/** Versions and kinds of all definitions, such as `cluster.x-k8s.io/v1beta2 Cluster`. */
export const definedKinds: readonly string[] = [...files.keys()];

const compiled = new Map<string, CompiledKind | undefined>();

function read(name: string): Kind | undefined {
  const path = files.get(name);
  if (path === undefined) return undefined;
  const { spec }: Definition = parse(readFileSync(path, "utf8"));
  const schema = spec.versions[0]?.schema.openAPIV3Schema;
  return schema && { isNamespaced: spec.scope === "Namespaced", schema };
}

function compiledKind({ apiVersion, kind }: Pick<Manifest, "apiVersion" | "kind">): CompiledKind | undefined {
  const name = `${apiVersion} ${kind}`;
  if (!compiled.has(name)) {
    const found = kubernetesKinds[name] ?? read(name);
    compiled.set(name, found && compile(found));
  }
  return compiled.get(name);
}

/** Returns the kind of an object; undefined if no schema of it is known in its version. */
export const kindOf = (manifest: Pick<Manifest, "apiVersion" | "kind">): Kind | undefined => compiledKind(manifest);

/** Metadata of templates inside of objects, to which the rules of metadata apply. */
function templateProblems(value: unknown, path: string): string[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, each]) => [
    ...(name === "metadata" && typeof each === "object" ? textProblems(each ?? {}, `${path}/metadata`) : []),
    ...templateProblems(each, `${path}/${name}`),
  ]);
}

/**
 * Validates an object as an API server with `fieldValidation=Strict` does before it calls webhooks: schema of the kind with its defaults,
 * unknown fields, keys of lists, rules, names, labels and annotations.
 *
 * @param old object before an update, for the rules that compare with it; undefined for a new object
 * @returns problems, each with its path; empty if the object is valid
 */
export function problemsOf(manifest: Manifest, old?: Manifest): string[] {
  const kind = compiledKind(manifest);
  if (kind === undefined) return [`no schema of ${manifest.apiVersion} ${manifest.kind}`];
  const copy = structuredClone(manifest);
  const { validate } = kind;
  if (!validate(copy)) {
    return (validate.errors ?? []).map(({ instancePath, message = "", params }) =>
      [instancePath, message, JSON.stringify(params)].join(" "),
    );
  }
  const bytes = Object.values(manifest.data ?? {}).reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  return [
    ...metadataProblems(manifest, kind.isNamespaced),
    ...(bytes > MAX_DATA_BYTES ? [`/data: ${bytes} bytes`] : []),
    ...templateProblems(manifest.spec, "/spec"),
    ...brokenRules(kind.rules, copy, old, ""),
  ];
}
