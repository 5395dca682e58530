/** Authorizes access to a cluster's configuration and reads the stored data that it is built from. */

import { type Cluster, pointerEntity } from "../cluster/entity.ts";
import { authorizeCluster, type ClusterPath } from "../cluster/operations/get.ts";
import { isDeleting } from "../cluster/rules/transitions.ts";
import type { provisionStatuses } from "../cluster/schema.ts";
import { hasReached } from "../cluster/store/items.ts";
import { type Actor, type Context, type NoOptions, requireValid } from "../context.ts";
import type { NodePool } from "../node-pool/entity.ts";
import { nodePoolsOf } from "../node-pool/items.ts";
import { readSecrets, type StoredSecrets } from "../secrets/vault.ts";
import { type AppError, conflict } from "../shared/errors.ts";
import type { Parsed } from "../shared/validation.ts";
import { keyText, pointerKey } from "../table/keys.ts";
import type { RequiredRole } from "../tenancy/role.ts";
import { CERTIFICATE_AUTHORITY, certificateAuthorityEntity } from "./entity.ts";

/** Path of a cluster and the query of the request for its configuration. */
export interface ConfigurationInput extends ClusterPath {
  options: Parsed<NoOptions>;
}

/** Data that a configuration is built from. */
export interface AuthorizedConfiguration {
  actor: Actor;
  cluster: Cluster;
  secrets: StoredSecrets;
  /** Certificate of the cluster's certificate authority, PEM. */
  certificate: string;
  /** URL of the API server, `https://host:port`; undefined while it is unknown. */
  endpoint: string | undefined;
  /** Last observed version of the control plane. */
  observedVersion: string | undefined;
  /** All node pools of the cluster; empty unless `withPools` is set. */
  pools: readonly NodePool[];
}

/** Delay before a client retries while a phase is not reached, in seconds. */
const PHASE_SECONDS = 5;

/** Builds the error for a configuration that does not exist yet. */
export const notReadyError = (what: string, { slug, provisionStatus }: Cluster): AppError =>
  conflict(
    "configuration.not_ready",
    `The cluster "${slug}" has no ${what} yet: its provisionStatus is ${provisionStatus}. Try again later.`,
    PHASE_SECONDS,
  );

/** Builds the error for a client secret that expired and that the reconciler has not replaced yet. @param expiresAt RFC 3339 */
export const secretExpiredError = (what: string, { slug }: Cluster, expiresAt: string): AppError =>
  conflict(
    "configuration.expired",
    `The cluster "${slug}" has no valid ${what}: its OIDC client secret expired at ${expiresAt} and is not renewed yet. Try again later; the cluster's condition Reconciled shows the reason.`,
    PHASE_SECONDS,
  );

/** Builds the error for a cluster that is being deleted. */
export const deletingError = (what: string, { slug }: Cluster): AppError =>
  conflict(
    "configuration.deleting",
    `The cluster "${slug}" is being deleted: its ${what} is no longer available.`,
    PHASE_SECONDS,
  );

/**
 * Authorizes a caller and reads the data that a configuration is built from. Two round trips.
 *
 * @param role role that the caller needs
 * @param what name of the configuration, for error messages
 * @param phase earliest provision status at which the configuration exists
 * @param withPools reads the node pools too
 * @throws AppError as `authorize`; not found; invalid for the query; conflict before the phase and while the cluster is being deleted
 */
export async function authorizeConfiguration(
  context: Context,
  input: ConfigurationInput,
  {
    role,
    what,
    phase,
    withPools = false,
  }: {
    role: RequiredRole;
    what: string;
    phase: (typeof provisionStatuses)[number];
    withPools?: boolean;
  },
): Promise<AuthorizedConfiguration> {
  const { authorized, cluster } = await authorizeCluster(context, input, role);
  const { identity } = cluster;
  const [secrets, pointers, pools] = await Promise.all([
    readSecrets(context.table, identity),
    context.table.get([pointerKey(identity)]),
    withPools ? nodePoolsOf(context.table, identity) : [],
  ]);
  requireValid(context, input.options);
  if (isDeleting(cluster)) {
    throw deletingError(what, cluster);
  }
  const authority = secrets.get(CERTIFICATE_AUTHORITY);
  if (!hasReached(cluster, phase) || authority === undefined) throw notReadyError(what, cluster);
  const pointer = pointers.get(keyText(pointerKey(identity)));
  const observation = pointer && pointerEntity.read(pointer).observation;
  return {
    actor: authorized.actor,
    cluster,
    secrets,
    certificate: certificateAuthorityEntity.read(authority).certificate,
    endpoint: observation?.endpoint,
    observedVersion: observation?.version,
    pools,
  };
}
