/** Getting at a cluster's configuration: who may, whether it is there yet, and what is stored of it. */

import { type Cluster, pointerEntity } from "../cluster/entity.ts";
import { authorizeCluster, type ClusterPath } from "../cluster/operations/get.ts";
import { isDeleting } from "../cluster/rules/transitions.ts";
import type { provisionStatuses } from "../cluster/schema.ts";
import { hasReached } from "../cluster/store/items.ts";
import type { Actor, Context } from "../context.ts";
import { parseQuery } from "../listing/in-memory-page.ts";
import type { NodePool } from "../node-pool/entity.ts";
import { nodePoolsOf } from "../node-pool/items.ts";
import type { RawQuery } from "../request/query.ts";
import { readSecrets, type StoredSecrets } from "../secrets/vault.ts";
import { type AppError, conflict } from "../shared/errors.ts";
import { keyText, pointerKey } from "../table/keys.ts";
import type { RequiredRole } from "../tenancy/role.ts";
import { CERTIFICATE_AUTHORITY, certificateAuthorityEntity } from "./entity.ts";

/** Which cluster's configuration. */
export interface ConfigurationInput extends ClusterPath {
  query: RawQuery;
}

/** What a configuration is made of. */
export interface AuthorizedConfiguration {
  actor: Actor;
  cluster: Cluster;
  held: StoredSecrets;
  /** The certificate of the cluster's authority, PEM. */
  certificate: string;
  /** Where the API server is, `https://host:port`; undefined while that is not known. */
  endpoint: string | undefined;
  /** The version that the control plane was last seen to run. */
  observedVersion: string | undefined;
  /** All of the cluster's pools, where they were asked for. */
  pools: readonly NodePool[];
}

/** How long a phase may take that is waited for, in seconds. */
const PHASE_SECONDS = 5;

/** What is answered while a configuration is not there yet. */
export const notReady = (what: string, { slug, provisionStatus }: Cluster): AppError =>
  conflict(
    "configuration.not_yet",
    `The cluster "${slug}" has no ${what} yet: its provisionStatus is ${provisionStatus}.`,
    PHASE_SECONDS,
  );

/** Makes the answer while a client secret has expired and the reconciler has not replaced it yet. @param expiresAt RFC 3339 */
export const expired = (what: string, { slug }: Cluster, expiresAt: string): AppError =>
  conflict(
    "configuration.expired",
    `The cluster "${slug}" has no valid ${what}: its OIDC client secret expired at ${expiresAt} and is not renewed yet. Try again later; the cluster's condition Reconciled says what prevents it.`,
    PHASE_SECONDS,
  );

/** What is answered once there is no configuration any more. */
export const deleting = (what: string, { slug }: Cluster): AppError =>
  conflict(
    "configuration.deleting",
    `The cluster "${slug}" is being deleted: there is no ${what} of it any more.`,
    PHASE_SECONDS,
  );

/**
 * Lets a caller in and reads what a configuration is made of. Two waits on the database.
 *
 * @param right what the caller needs to be allowed
 * @param what the configuration is, for whom it is refused
 * @param phase from which on there is one
 * @param withPools whether pools are read too
 * @throws AppError as `authorize`; missing; invalid for the query; conflict before the phase and while the cluster is being deleted
 */
export async function authorizeConfiguration(
  context: Context,
  input: ConfigurationInput,
  {
    right,
    what,
    phase,
    withPools = false,
  }: {
    right: RequiredRole;
    what: string;
    phase: (typeof provisionStatuses)[number];
    withPools?: boolean;
  },
): Promise<AuthorizedConfiguration> {
  const { authorized, cluster } = await authorizeCluster(context, input, right);
  const { identity } = cluster;
  const [held, pointers, pools] = await Promise.all([
    readSecrets(context.table, identity),
    context.table.get([pointerKey(identity)]),
    withPools ? nodePoolsOf(context.table, identity) : [],
  ]);
  parseQuery(context, input.query, {});
  if (isDeleting(cluster)) {
    throw deleting(what, cluster);
  }
  const authority = held.get(CERTIFICATE_AUTHORITY);
  if (!hasReached(cluster, phase) || authority === undefined) throw notReady(what, cluster);
  const pointer = pointers.get(keyText(pointerKey(identity)));
  const observation = pointer && pointerEntity.read(pointer).observation;
  return {
    actor: authorized.actor,
    cluster,
    held,
    certificate: certificateAuthorityEntity.read(authority).certificate,
    endpoint: observation?.endpoint,
    observedVersion: observation?.version,
    pools,
  };
}
