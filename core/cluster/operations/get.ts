/** Gets a cluster. */

import { authorize } from "../../access/authorize.ts";
import { type Context, requireValid } from "../../context.ts";
import type { Representation } from "../../request/idempotency.ts";
import { type AppError, notFound } from "../../shared/errors.ts";
import type { Parsed } from "../../shared/validation.ts";
import type { Table } from "../../table/client.ts";
import { clusterKey, keyText, memberKey, pointerKey, tokenKey } from "../../table/keys.ts";
import type { RequiredRole } from "../../tenancy/role.ts";
import { type Cluster, clusterEntity, type Pointer, pointerEntity } from "../entity.ts";
import type { ClusterResponse } from "../schema.ts";
import { clusterEtag, toClusterResponse } from "../store/items.ts";
import { waitForStatus } from "./wait.ts";

/** Path of a cluster. */
export interface ClusterPath {
  organisation: string;
  environment: string;
  cluster: string;
}

/** Options of a read of a cluster. */
interface GetOptions {
  /** True to show CPU and memory. */
  showCompute: boolean;
  /** True to show what was last observed. */
  includeDetails: boolean;
  /** Status to wait for, if the caller allows a wait; undefined for none. */
  awaitedStatus: Cluster["status"] | undefined;
}

/** Request for a cluster. */
interface GetInput extends ClusterPath {
  options: Parsed<GetOptions>;
  /** Aborted when the client disconnects; undefined if the transport does not report it. */
  signal: AbortSignal | undefined;
}

/** Builds the error for a path whose cluster does not exist. */
export const clusterNotFound = (cluster: string, environment: string): AppError =>
  notFound("cluster.missing", `There is no cluster "${cluster}" in environment "${environment}".`);

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

/**
 * Gets the cluster that owns a slug. One database round trip, two with `includeDetails`. With a status to wait for, one more at the
 * end of the wait, in addition to the reads that all waiting requests share.
 *
 * @returns the cluster, its entity tag, and whether it includes details, which change without the tag
 * @throws AppError as `authorize`, also if the caller loses access during the wait; not found, also if the cluster is removed during
 *   the wait; invalid for the options
 */
export async function get(
  context: Context,
  input: GetInput,
): Promise<Representation<ClusterResponse> & { details: boolean }> {
  const startedAt = performance.now();
  const { organisation: slug, environment, cluster: clusterSlug, signal } = input;
  const read = (table: Table) => authorizeCluster({ ...context, table }, input);
  // Many clients may begin to wait at the same moment, for example when they reconnect: they share these reads, too.
  const table = context.waitSeconds > 0 ? context.statusWatcher.sharedTable(context.table) : context.table;
  const first = await read(table);
  const { showCompute, includeDetails, awaitedStatus } = requireValid(context, input.options);
  const { tokenId, user } = first.authorized.actor;
  const { authorized, cluster } = await waitForStatus(context, tokenId, first, {
    status: awaitedStatus,
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
