/** Operator's view of clusters and of the reconciler: list due ones, show, retry and forget. Only for the operator's command. */

import type { Condition } from "../cluster/condition.ts";
import { type Cluster, type Pointer, pointerEntity } from "../cluster/entity.ts";
import { describeConditions } from "../cluster/rules/condition-messages.ts";
import { markDueForRetry, retire } from "../cluster/store/pointer.ts";
import { tombstoneTransaction } from "../cluster/store/tombstone.ts";
import {
  clientNameOf,
  isUnconfirmed,
  OIDC_CLIENT,
  type OidcClient,
  oidcClientEntity,
} from "../cluster-access/entity.ts";
import type { Services } from "../context.ts";
import { eventEntity, type StoredEvent } from "../events/entity.ts";
import { readChunkOf, requireChunk } from "../listing/page-index.ts";
import type { NodePool } from "../node-pool/entity.ts";
import { completeDeletion } from "../provisioning/cleanup.ts";
import { findDue } from "../provisioning/work-queue.ts";
import { readSecrets } from "../secrets/vault.ts";
import { conflict } from "../shared/errors.ts";
import { deadlineIn } from "../shared/retry.ts";
import { EVENT_PREFIX, keyText, pointerKey, secretKey } from "../table/keys.ts";
import { commit, Transaction, writeTimedOut } from "../table/transaction.ts";
import { listAccounts } from "./cloud-accounts.ts";
import { type ClusterRecord, type ClusterRef, findCluster } from "./find-cluster.ts";

/** Number of events in a cluster's report. */
const SHOWN_EVENTS = 20;

const IDENTITY = ["identity", "organisation", "environment", "slug", "status"] as const;
const STATE = ["name", "desiredStatus", "provisionStatus", "version", "revision", "generation"] as const;
const LOCATION = ["cloudProvider", "region"] as const;
const CONTROL_PLANE = ["version", "highlyAvailable", "poolID", "poolName"] as const;
const POOL = [
  "id",
  "identity",
  "name",
  "availabilityZone",
  "nodeSize",
  "minSize",
  "maxSize",
  "provisionStatus",
] as const;
const POINTER = ["path", "dueAt", "wakes", "attempts", "lastError", "observation"] as const;

type Named<T, Names extends readonly (keyof T)[]> = Pick<T, Names[number]>;

function pick<T extends object, const Names extends readonly (keyof T)[]>(of: T, names: Names): Named<T, Names> {
  return Object.fromEntries(names.map((name) => [name, of[name]])) as Named<T, Names>;
}

/** Lease of a cluster. */
interface LeaseReport {
  /** RFC 3339; undefined if no worker has it. */
  until: string | undefined;
  isHeld: boolean;
  fence: number;
}

/** Cluster that is due. */
interface DueCluster extends Pick<Pointer, "identity" | "organisation" | "path" | "attempts" | "lastError"> {
  /** RFC 3339. */
  dueAt: string;
  /** Time since the due time, in seconds; 0 for a cluster that is due later. */
  lateSeconds: number;
  lease: LeaseReport;
}

type EventReport = Omit<StoredEvent, "clusterIdentity" | "ttl">;

/** Report on a cluster. */
interface ClusterReport extends Named<Cluster, typeof IDENTITY>, Named<Cluster, typeof STATE> {
  conditions: Condition[];
  /** Time of the deletion, and end of the retention, RFC 3339; undefined for a cluster that is not deleted. */
  deleted: { at: string; keptUntil: string | undefined } | undefined;
  nodePools: Named<NodePool, typeof POOL>[];
  pointer: Named<Pointer, typeof POINTER> & { lease: LeaseReport };
  /** Newest first, at most 20. */
  events: EventReport[];
}

/** Resources that may still exist after the record of a cluster is removed. */
interface OrphanedResources extends Named<Cluster, typeof IDENTITY>, Named<Cluster, typeof LOCATION> {
  /** Without a name if the account was removed. */
  cloudAccount: { identity: string; displayName: string | undefined };
  controlPlane: Named<Cluster, typeof CONTROL_PLANE>;
  /** Last observation by the provisioner; undefined before the first. */
  observation: Pointer["observation"];
  /**
   * Client at the OIDC issuer; undefined if no registration was started. `isInDoubt`: the issuer may have further clients with that
   * name, which are not recorded.
   */
  oidcClient:
    | (Named<OidcClient, readonly ["issuer", "clientId", "former"]> & { name: string; isInDoubt: boolean })
    | undefined;
  /** All pools, including deleting ones; each has from `minSize` to `maxSize` nodes. */
  nodePools: Named<NodePool, typeof POOL>[];
}

const leaseOf = ({ leaseUntil, fence }: Pointer, now: Date): LeaseReport => ({
  until: leaseUntil,
  isHeld: leaseUntil !== undefined && Date.parse(leaseUntil) > now.getTime(),
  fence,
});

/**
 * Lists clusters that are due, the longest overdue first.
 *
 * @param withinMinutes also lists clusters that become due within this time, in minutes
 * @returns at most `DUE_PER_SHARD` clusters from each partition of the due index
 * @throws AppError unavailable if the database cannot be reached
 */
export async function listDue(services: Pick<Services, "table" | "clock">, withinMinutes = 0): Promise<DueCluster[]> {
  const now = services.clock();
  const until = new Date(now.getTime() + withinMinutes * 60_000);
  const found = await findDue(services, until);
  const items = await services.table.get(found.map(({ identity }) => pointerKey(identity)));
  return found
    .flatMap(({ identity }): DueCluster[] => {
      const item = items.get(keyText(pointerKey(identity)));
      const pointer = item && pointerEntity.read(item);
      const { dueAt } = pointer ?? {};
      // The index lags: a cluster that was reconciled since may not be due any more.
      if (pointer === undefined || dueAt === undefined || Date.parse(dueAt) > until.getTime()) return [];
      const { organisation, path, attempts, lastError } = pointer;
      const lateSeconds = Math.max(0, Math.floor((now.getTime() - Date.parse(dueAt)) / 1_000));
      const error = lastError === undefined ? {} : { lastError };
      return [{ identity, organisation, path, dueAt, lateSeconds, attempts, ...error, lease: leaseOf(pointer, now) }];
    })
    .sort((one, other) => (one.dueAt < other.dueAt ? -1 : 1));
}

/**
 * Reports on a cluster, its pools, its pointer and its newest events. A deleted cluster is shown in its last state.
 *
 * @throws AppError as `findCluster`
 */
export async function showCluster(
  services: Pick<Services, "table" | "clock">,
  ref: ClusterRef,
): Promise<ClusterReport> {
  const { pointer, cluster, pools, deletedAt } = await findCluster(services, ref);
  const keptUntil = pointer.ttl === undefined ? undefined : new Date(pointer.ttl * 1_000).toISOString();
  return {
    deleted: deletedAt === undefined ? undefined : { at: deletedAt, keptUntil },
    ...pick(cluster, IDENTITY),
    ...pick(cluster, STATE),
    conditions: describeConditions(cluster),
    nodePools: pools.map((pool) => pick(pool, POOL)),
    pointer: { ...pick(pointer, POINTER), lease: leaseOf(pointer, services.clock()) },
    events: await newestEvents(services, cluster.identity),
  };
}

async function newestEvents({ table }: Pick<Services, "table">, identity: string): Promise<ClusterReport["events"]> {
  const { pk } = pointerKey(identity);
  const items = await table.query({ pk, prefix: EVENT_PREFIX, backward: true, limit: SHOWN_EVENTS });
  return items.map((item) => {
    const { clusterIdentity: _, ttl: _ttl, pk: _pk, sk: _sk, ...event } = eventEntity.read(item);
    return event;
  });
}

/**
 * Makes a cluster due now, and resets its backoff. A worker that has its lease keeps it and takes one more step. If the registration
 * of its OIDC client is unconfirmed, this allows one more registration.
 *
 * @returns the identity, and the due time
 * @throws AppError as `findCluster`; conflict if it is deleted; unavailable as `commit`
 */
export async function retryCluster(services: Services, ref: ClusterRef): Promise<{ identity: string; dueAt: string }> {
  const { identity } = (await findCluster(services, ref)).cluster;
  const deadline = deadlineIn(services.writeTimeoutMs);
  for (;;) {
    const dueAt = services.clock().toISOString();
    const failures = await commit(services.table, await retryTransaction(services, identity, dueAt), deadline);
    if (failures.length === 0) return { identity, dueAt };
    if (failures.some(({ label }) => label === "pointer")) throw alreadyDeleted(identity);
    if (deadline.expired()) throw writeTimedOut();
  }
}

async function retryTransaction({ table }: Services, identity: string, dueAt: string): Promise<Transaction> {
  const key = secretKey(identity, OIDC_CLIENT);
  const item = (await table.get([key])).get(keyText(key));
  const transaction = new Transaction();
  markDueForRetry(transaction, identity, dueAt);
  const client = item && oidcClientEntity.read(item);
  if (client === undefined || !isUnconfirmed(client)) return transaction;
  return transaction.update("oidc-client", key, "SET #retryAllowedFor = :intended", {
    condition: "#intendedAt = :intended",
    values: { ":intended": client.intendedAt },
  });
}

const alreadyDeleted = (identity: string) => conflict("cluster.deleted", `The cluster ${identity} is already deleted.`);

/**
 * Returns the resources that would remain if a cluster were forgotten now. Changes nothing.
 *
 * @throws AppError as `findCluster`; conflict if it is deleted
 */
export async function findOrphanedResources(services: Services, ref: ClusterRef): Promise<OrphanedResources> {
  return await toOrphanedResources(services, await findCluster(services, ref));
}

async function toOrphanedResources(
  services: Services,
  { cluster, pointer, pools, deletedAt }: ClusterRecord,
): Promise<OrphanedResources> {
  if (deletedAt !== undefined) throw alreadyDeleted(cluster.identity);
  const { cloudAccountIdentity: identity } = cluster;
  const [accounts, secrets] = await Promise.all([
    listAccounts(services, cluster.organisation),
    readSecrets(services.table, cluster.identity),
  ]);
  const account = accounts.find((each) => each.identity === identity);
  const client = secrets.get(OIDC_CLIENT);
  return {
    ...pick(cluster, IDENTITY),
    ...pick(cluster, LOCATION),
    cloudAccount: { identity, displayName: account?.displayName },
    controlPlane: pick(cluster, CONTROL_PLANE),
    observation: pointer.observation,
    oidcClient: client && orphanedClient(oidcClientEntity.read(client)),
    nodePools: pools.map((pool) => pick(pool, POOL)),
  };
}

const orphanedClient = (client: OidcClient): OrphanedResources["oidcClient"] => ({
  ...pick(client, ["issuer", "clientId", "former"]),
  name: clientNameOf(client.clusterIdentity),
  isInDoubt: isUnconfirmed(client),
});

/**
 * Removes the record of a cluster in any state without calling the provisioner, for a cluster whose cloud account no longer exists.
 * A worker that has the lease loses it. A repeated call only completes the deletion.
 *
 * @returns the resources that may still exist
 * @throws AppError as `findCluster`; conflict if it is deleted; unavailable as `commit`: then a repeated call shows the result
 */
export async function forgetCluster(services: Services, ref: ClusterRef): Promise<OrphanedResources> {
  const deadline = deadlineIn(services.writeTimeoutMs);
  for (;;) {
    const found = await findCluster(services, ref);
    if (found.deletedAt !== undefined) await completeDeletion(services, found.cluster);
    const orphaned = await toOrphanedResources(services, found);
    const failures = await commit(services.table, await forgetTransaction(services, found), deadline);
    if (failures.length === 0) {
      await completeDeletion(services, found.cluster);
      return orphaned;
    }
    if (deadline.expired()) throw writeTimedOut();
  }
}

async function forgetTransaction(services: Services, { cluster, pools }: ClusterRecord): Promise<Transaction> {
  const { organisation, environment, slug } = cluster;
  const chunk = requireChunk(await readChunkOf(services.table, organisation, environment, slug), environment);
  const now = services.clock();
  const transaction = tombstoneTransaction(services, cluster, pools, chunk, now.toISOString(), "cluster.forgotten");
  retire(transaction, cluster, now);
  return transaction;
}
