/** Gets a cluster. */

import { authorize } from "../../access/authorize.ts";
import type { Context } from "../../context.ts";
import { parseQuery } from "../../listing/in-memory-page.ts";
import type { Representation } from "../../request/idempotency.ts";
import { flag, type RawQuery } from "../../request/query.ts";
import { type AppError, notFound } from "../../shared/errors.ts";
import type { Table } from "../../table/client.ts";
import { clusterKey, keyText, memberKey, pointerKey, tokenKey } from "../../table/keys.ts";
import type { RequiredRole } from "../../tenancy/role.ts";
import { clusterEntity, type Pointer, pointerEntity } from "../entity.ts";
import type { ClusterResponse } from "../schema.ts";
import { clusterEtag, toClusterResponse } from "../store/items.ts";
import { awaitedStatus, untilStatus } from "./wait.ts";

/** Request for a cluster. */
export interface GetInput {
  organisation: string;
  environment: string;
  cluster: string;
  query: RawQuery;
}

/** Builds the error for a path whose cluster does not exist. */
export const clusterNotFound = (cluster: string, environment: string): AppError =>
  notFound("cluster.missing", `There is no cluster "${cluster}" in environment "${environment}".`);

/** Path of a cluster. */
export type ClusterPath = Pick<GetInput, "organisation" | "environment" | "cluster">;

/**
 * Authorizes a caller and reads the cluster that owns a slug. One database round trip.
 *
 * @param role role that the caller needs
 * @throws AppError as `authorize`; not found
 */
export async function authorizeCluster(
  context: Context,
  { organisation, environment, cluster: slug }: ClusterPath,
  role: RequiredRole = "viewer",
) {
  const key = () => clusterKey(organisation, environment, slug);
  const authorized = await authorize(context, {
    path: { organisation, environment, cluster: slug },
    role,
    keys: () => [key()],
  });
  const item = authorized.prefetched(key());
  if (item === undefined) throw clusterNotFound(slug, environment);
  return { authorized, cluster: clusterEntity.read(item) };
}

const PARAMETERS = { "show-compute": flag, includeDetails: flag, waitFor: awaitedStatus };

/**
 * Gets the cluster that owns a slug. One database round trip, two with `includeDetails`. With `waitFor`, one more at the end of
 * the wait, in addition to the reads that all waiting requests share.
 *
 * @returns the cluster, its entity tag, and whether it includes details, which change without the tag
 * @throws AppError as `authorize`, also if the caller loses access during the wait; not found, also if the cluster is removed during
 *   the wait; invalid for the query
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
  const { tokenId, user } = first.authorized.actor;
  const { authorized, cluster } = await untilStatus(context, tokenId, first, {
    status: waitFor,
    cluster: clusterKey(slug, environment, clusterSlug),
    authorizedBy: [tokenKey(tokenId), memberKey(slug, user)],
    startedAt,
    signal,
    read,
  });
  const { organisation, references } = authorized;
  const observed = includeDetails ? await observations({ table }, [cluster.identity]) : undefined;
  return {
    kind: "representation",
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
 * Reads the last observations of clusters by the provisioner, in one round trip.
 *
 * @param identities identities of clusters whose tenant was checked
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
