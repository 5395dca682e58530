/** Getting a cluster. */

import { authorize } from "../../access/authorize.ts";
import type { Context } from "../../context.ts";
import { parseQuery } from "../../listing/in-memory-page.ts";
import { flag, type RawQuery } from "../../request/query.ts";
import { type AppError, notFound } from "../../shared/errors.ts";
import type { Table } from "../../table/client.ts";
import { clusterKey, keyText, memberKey, pointerKey, tokenKey } from "../../table/keys.ts";
import type { RequiredRole } from "../../tenancy/role.ts";
import { clusterEntity, type Pointer, pointerEntity } from "../entity.ts";
import type { ClusterResponse } from "../schema.ts";
import { clusterEtag, toClusterResponse } from "../store/items.ts";
import type { Representation } from "./create.ts";
import { awaitedStatus, untilStatus } from "./wait.ts";

/** Which cluster, and how much of it. */
export interface GetInput {
  organisation: string;
  environment: string;
  cluster: string;
  query: RawQuery;
}

/** What is answered where a path's cluster is not there. */
export const clusterNotFound = (cluster: string, environment: string): AppError =>
  notFound("cluster.missing", `There is no cluster "${cluster}" in environment "${environment}".`);

/** Where a cluster is. */
export type ClusterPath = Pick<GetInput, "organisation" | "environment" | "cluster">;

/**
 * Lets somebody in and reads the present holder of a slug. One wait on the database.
 *
 * @param role what the caller needs to be allowed
 * @throws AppError as `enter`; missing
 */
export async function authorizeCluster(
  context: Context,
  { organisation, environment, cluster: slug }: ClusterPath,
  role: RequiredRole = "viewer",
) {
  const key = () => clusterKey(organisation, environment, slug);
  const entered = await authorize(context, {
    path: { organisation, environment, cluster: slug },
    role,
    keys: () => [key()],
  });
  const item = entered.prefetched(key());
  if (item === undefined) throw clusterNotFound(slug, environment);
  return { entered, cluster: clusterEntity.read(item) };
}

const PARAMETERS = { "show-compute": flag, includeDetails: flag, waitFor: awaitedStatus };

/**
 * Gets the present holder of a slug. One wait on the database, two with `includeDetails`; with `waitFor`, where the caller
 * would wait, one more when the wait is over, beside reads that all who wait share.
 *
 * @returns the cluster, its tag, and whether it shows details, which change without the tag
 * @throws AppError as `enter`, also where the caller may no longer look; missing, also where the cluster goes away while it
 *   is waited for; invalid for the query
 */
export async function get(
  context: Context,
  input: GetInput & { signal?: AbortSignal | undefined },
): Promise<Representation<ClusterResponse> & { details: boolean }> {
  const startedAt = performance.now();
  const { organisation: slug, environment, cluster: clusterSlug, signal } = input;
  const read = (table: Table) => authorizeCluster({ ...context, table }, input);
  // Many clients may begin to wait at the same moment, for example when they reconnect: they share these reads, too.
  const table = context.waitSeconds > 0 ? context.statusWatcher.sharedTable(context.table) : context.table;
  const first = await read(table);
  const { "show-compute": showCompute, includeDetails, waitFor } = parseQuery(context, input.query, PARAMETERS);
  const { tokenId, user } = first.entered.actor;
  const { entered, cluster } = await untilStatus(context, tokenId, first, {
    status: waitFor,
    cluster: clusterKey(slug, environment, clusterSlug),
    authorizedBy: [tokenKey(tokenId), memberKey(slug, user)],
    startedAt,
    signal,
    read,
  });
  const { organisation, references } = entered;
  const observed = includeDetails ? await observations({ table }, [cluster.identity]) : undefined;
  return {
    body: toClusterResponse(cluster, {
      organisation,
      references,
      showCompute,
      observation: observed?.get(cluster.identity),
    }),
    etag: clusterEtag(cluster, references),
    details: includeDetails,
  };
}

/**
 * Reads what the provisioner last saw of clusters, in one wait.
 *
 * @param identities of clusters whose tenant was checked
 */
export async function observations(
  context: Pick<Context, "table">,
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
