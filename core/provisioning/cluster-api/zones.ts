/**
 * Zones of a cluster. It keeps those with which it started, in an annotation of its Cluster: a zone that the operator adds, removes or
 * reorders later would replace machines of existing clusters.
 */

import { MAX_ZONES, type TranslationInput } from "./input.ts";
import { ZONES } from "./labels.ts";
import type { ObservedCluster } from "./observed-objects.ts";

/** Returns the zones over which a new cluster is spread. */
const newZones = ({ cluster, zones }: Pick<TranslationInput, "cluster" | "zones">): readonly string[] =>
  cluster.enableMultiAvailabilityZones ? zones.slice(0, MAX_ZONES) : [];

/** Returns the zones with which a cluster started; empty if the provider chooses. @param ofNew returns those of a new cluster */
export const startedZones = <Input extends Pick<TranslationInput, "cluster" | "rollout" | "zones">>(
  input: Input,
  ofNew: (input: Input) => readonly string[] = newZones,
): readonly string[] => input.rollout.zones ?? ofNew(input);

/** Returns the annotation with the zones of a cluster; empty if the provider chooses. */
export const zonesAnnotation = (zones: readonly string[]): Record<string, string> =>
  zones.length === 0 ? {} : { [ZONES]: zones.join(",") };

/** Returns the zones with which an observed cluster started; undefined if they are not known. */
export function observedZones(cluster: ObservedCluster | undefined): readonly string[] | undefined {
  const text = cluster?.metadata.annotations?.[ZONES];
  return text === undefined || text === "" ? undefined : text.split(",");
}
