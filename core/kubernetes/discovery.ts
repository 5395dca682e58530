/** Finds out which versions of each kind an API server serves. */

import * as v from "valibot";
import { KubernetesError, unavailableError } from "./errors.ts";
import { groupPath } from "./resources.ts";

const Group = v.object({
  versions: v.array(v.object({ version: v.string() })),
  preferredVersion: v.optional(v.object({ version: v.string() })),
});

const Resources = v.object({ resources: v.array(v.object({ name: v.string(), kind: v.string() })) });

/**
 * Returns the served versions of each kind of a group, preferred version first.
 *
 * @param get reads the JSON of a path
 * @throws KubernetesError as `get`
 */
export async function discoverKinds(
  group: string,
  get: (path: string) => Promise<unknown>,
): Promise<Map<string, string[]>> {
  const kinds = new Map<string, string[]>();
  for (const version of await versionsOf(group, get)) {
    const path = groupPath(group, version);
    const { resources } = parse(Resources, path, await get(path));
    for (const { name, kind } of resources) {
      // Subresources, such as clusters/status, have the kind of their object.
      if (!name.includes("/")) kinds.set(kind, [...(kinds.get(kind) ?? []), version]);
    }
  }
  return kinds;
}

async function versionsOf(group: string, get: (path: string) => Promise<unknown>): Promise<string[]> {
  if (group === "") return ["v1"];
  const path = `/apis/${group}`;
  try {
    const { versions, preferredVersion } = parse(Group, path, await get(path));
    const names = versions.map(({ version }) => version);
    return [...new Set(preferredVersion === undefined ? names : [preferredVersion.version, ...names])];
  } catch (error) {
    if (error instanceof KubernetesError && error.status === 404) return [];
    throw error;
  }
}

function parse<const T extends v.GenericSchema>(schema: T, path: string, json: unknown): v.InferOutput<T> {
  const parsed = v.safeParse(schema, json);
  if (!parsed.success) throw unavailableError(`GET ${path}`, "the response is not a list of kinds");
  return parsed.output;
}
