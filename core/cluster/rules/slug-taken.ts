/** Message of the conflict between two clusters over a slug. */

import type { Cluster } from "../entity.ts";

/** Builds the message for a taken slug. @param path path of the property with the slug */
export const slugTakenMessage = ({ name, environment, slug }: Cluster, path: string): string =>
  `${path}: the slug "${slug}" is already used by the cluster "${name}" in environment "${environment}"`;
