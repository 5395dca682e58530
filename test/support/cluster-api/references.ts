/** References between the objects of a cluster. */

import type { Manifest } from "#core/provisioning/cluster-api/manifest.ts";

/** Reference of an object to another one. */
interface Reference {
  path: string;
  /** Undefined if only the property's name says it. */
  kind: string | undefined;
  name: string;
}

/** Properties with the name of an object as text, by the kind of that object. */
const NAMES: Record<string, string> = { clusterName: "Cluster", secretRef: "Secret", secretName: "Secret" };

/** Properties with an object that has only the name of another one. */
const NAMED: Record<string, string> = {
  secret: "Secret",
  clientSecret: "Secret",
  hetznerSecretRef: "Secret",
  configMap: "ConfigMap",
};

/** Lists the references in an object, wherever they are. */
export function referencesOf(value: unknown, path = ""): Reference[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([property, each]): Reference[] => {
    const at = `${path}/${property}`;
    const nested = referencesOf(each, at);
    if (typeof each === "string") return property in NAMES ? [{ path: at, kind: NAMES[property], name: each }] : [];
    if (typeof each !== "object" || each === null || typeof each.name !== "string") return nested;
    if (property in NAMED) return [{ path: at, kind: NAMED[property], name: each.name }, ...nested];
    const isReference = typeof each.kind === "string" || property.endsWith("Ref");
    return isReference ? [{ path: at, kind: each.kind, name: each.name }, ...nested] : nested;
  });
}

/** Suffix of the Secrets that the controllers of azure make for each machine template. */
const MADE_BY_AZURE = "-azure-json";

/** Finds references to objects that do not precede the one that refers to them. @param manifests in the order in which they are applied */
export function referenceProblems(manifests: readonly Manifest[]): string[] {
  const seen = new Map<string, Set<string>>();
  return manifests.flatMap(({ kind, metadata, spec }) => {
    const problems = referencesOf(spec)
      .filter(({ kind: wanted, name }) => {
        const kinds = seen.get(name.endsWith(MADE_BY_AZURE) ? name.slice(0, -MADE_BY_AZURE.length) : name);
        if (name.endsWith(MADE_BY_AZURE)) return kinds?.has("AzureMachineTemplate") !== true;
        return wanted === undefined ? kinds === undefined : kinds?.has(wanted) !== true;
      })
      .map(
        ({ path, kind: wanted, name }) => `${kind} ${metadata.name}${path}: no ${wanted ?? "object"} ${name} precedes`,
      );
    seen.set(metadata.name, (seen.get(metadata.name) ?? new Set()).add(kind));
    return problems;
  });
}
