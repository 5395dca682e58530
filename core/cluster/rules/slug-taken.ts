/** Message of the conflict between two clusters over a slug. */

import type { Cluster } from "../entity.ts";

/** Returns the message for a slug that another cluster has. @param path of the property that names the slug */
export const slugTakenMessage = ({ name, environment, slug }: Cluster, path: string): string =>
  `${path}: the cluster "${name}" in environment "${environment}" has the slug "${slug}" already`;
