/** Getting a cluster. */

import { enter } from "../access/enter.ts";
import { type Context, noteUnknown } from "../context.ts";
import { type AppError, invalid, missing } from "../errors.ts";
import { flag, type RawQuery, readQuery } from "../query.ts";
import { clusterKey, keyText, pointerKey } from "../table/keys.ts";
import type { Shown } from "./create.ts";
import { clusterTag, toClusterResponse } from "./repository.ts";
import type { ClusterResponse } from "./schema.ts";
import { clusterEntity, type Pointer, pointerEntity } from "./stored.ts";

/** Which cluster, and how much of it. */
export interface GetInput {
  organisation: string;
  environment: string;
  cluster: string;
  query: RawQuery;
}

/** What is answered where a path's cluster is not there. */
export const noSuchCluster = (cluster: string, environment: string): AppError =>
  missing("cluster.missing", `There is no cluster "${cluster}" in environment "${environment}".`);

/**
 * Gets the present holder of a slug. One wait on the database, two with `includeDetails`.
 *
 * @returns the cluster, its tag, and whether it shows details, which change without the tag
 * @throws AppError as `enter`; missing; invalid for the query
 */
export async function get(context: Context, input: GetInput): Promise<Shown<ClusterResponse> & { details: boolean }> {
  const { organisation, environment, cluster: slug } = input;
  const key = () => clusterKey(organisation, environment, slug);
  const entered = await enter(context, {
    path: { organisation, environment, cluster: slug },
    right: "viewer",
    keys: () => [key()],
  });
  const item = entered.item(key());
  if (item === undefined) throw noSuchCluster(slug, environment);
  const query = readQuery(input.query, { "show-compute": flag, includeDetails: flag });
  noteUnknown(context, query.unknown);
  if (query.problems.length > 0) throw invalid(query.problems);
  const cluster = clusterEntity.read(item);
  const { references } = entered;
  const observed = query.values.includeDetails ? await observations(context, [cluster.identity]) : undefined;
  return {
    body: toClusterResponse(cluster, {
      organisation: entered.organisation,
      references,
      showCompute: query.values["show-compute"],
      observation: observed?.get(cluster.identity),
    }),
    tag: clusterTag(cluster, references),
    details: query.values.includeDetails,
  };
}

/**
 * Reads what the provisioner last saw of clusters, in one wait.
 *
 * @param identities of clusters whose tenant was checked
 */
export async function observations(
  context: Context,
  identities: readonly string[],
): Promise<Map<string, Pointer["observation"]>> {
  const items = await context.table.get(identities.map(pointerKey));
  return new Map(
    identities.map((identity) => {
      const item = items.get(keyText(pointerKey(identity)));
      return [identity, item === undefined ? undefined : pointerEntity.read(item).observation];
    }),
  );
}
