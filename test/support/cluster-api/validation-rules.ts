/** Evaluates validation rules of custom resources, written in the Common Expression Language. */

import { Environment } from "@marcbachmann/cel-js";
import type { StructuralSchema } from "./structural-schema.ts";

type Rule = (self: unknown, oldSelf: unknown) => string | undefined;

/** Rules at one place of a schema and below; places without any are left out. */
export interface RuleTree {
  rules: readonly Rule[];
  properties: ReadonlyMap<string, RuleTree>;
  items: RuleTree | undefined;
  values: RuleTree | undefined;
}

const environment = new Environment({ unlistedVariablesAreDyn: true });

/** Converts whole numbers to integers of the expression language. The rules compare no fractions. */
function toCel(value: unknown): unknown {
  if (typeof value === "number" && Number.isInteger(value)) return BigInt(value);
  if (Array.isArray(value)) return value.map(toCel);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, toCel(each)]));
}

function compile({ rule, message }: { rule: string; message?: string }): Rule {
  const evaluate = environment.parse(rule);
  const isTransition = /\boldSelf\b/.test(rule);
  return (self, oldSelf) => {
    if (isTransition && oldSelf === undefined) return undefined;
    const isMet = evaluate({ self: toCel(self), ...(isTransition ? { oldSelf: toCel(oldSelf) } : {}) });
    return isMet === true ? undefined : (message ?? `must meet ${rule}`);
  };
}

/** Compiles the rules of a schema. @returns undefined if it has none @throws Error if a rule cannot be parsed */
export function compileRules(schema: StructuralSchema): RuleTree | undefined {
  const properties = new Map<string, RuleTree>();
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const tree = compileRules(property);
    if (tree !== undefined) properties.set(name, tree);
  }
  const { additionalProperties } = schema;
  const tree: RuleTree = {
    rules: (schema["x-kubernetes-validations"] ?? []).map(compile),
    properties,
    items: schema.items && compileRules(schema.items),
    values: typeof additionalProperties === "object" ? compileRules(additionalProperties) : undefined,
  };
  const isEmpty = tree.rules.length + properties.size === 0 && tree.items === undefined && tree.values === undefined;
  return isEmpty ? undefined : tree;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * Evaluates the rules on a value that matches the schema.
 *
 * @param old value before an update, for the rules that compare with it; undefined for a new object
 * @param path path of the value, for the texts of problems
 */
export function brokenRules(tree: RuleTree | undefined, value: unknown, old: unknown, path: string): string[] {
  if (tree === undefined || value === undefined || value === null) return [];
  const problems = tree.rules
    .map((rule) => rule(value, old))
    .filter((message) => message !== undefined)
    .map((message) => `${path}: ${message}`);
  if (Array.isArray(value)) {
    // Only items of a map can be compared with their former values, and no rule of an item does.
    return [
      ...problems,
      ...value.flatMap((item, index) => brokenRules(tree.items, item, undefined, `${path}/${index}`)),
    ];
  }
  if (!isRecord(value)) return problems;
  const before = isRecord(old) ? old : {};
  const nested = Object.entries(value).flatMap(([name, each]) =>
    brokenRules(tree.properties.get(name) ?? tree.values, each, before[name], `${path}/${name}`),
  );
  return [...problems, ...nested];
}
