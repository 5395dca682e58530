/** What an operator sees of the reconciler's work and does about it. Called by the operator's command alone, for any tenant. */

import {
  type Change,
  type Cluster,
  type ClusterEvent,
  eventEntity,
  type Pointer,
  pointerEntity,
} from "../cluster/entity.ts";
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
import { readChunkOf } from "../listing/page-index.ts";
import type { NodePool } from "../node-pool/entity.ts";
import { completeDeletion } from "../provisioning/cleanup.ts";
import { findDue } from "../provisioning/work-queue.ts";
import { readSecrets } from "../secrets/vault.ts";
import { conflict } from "../shared/errors.ts";
import { parseJson } from "../shared/json.ts";
import { deadlineIn } from "../shared/retry.ts";
import { EVENT_PREFIX, keyText, pointerKey, secretKey } from "../table/keys.ts";
import { commit, Transaction, writeTimedOut } from "../table/transaction.ts";
import { listAccounts } from "./cloud-accounts.ts";
import { type ClusterRecord, type ClusterRef, findCluster } from "./find-cluster.ts";

/** How many events are shown of a cluster. */
const SHOWN_EVENTS = 20;

const IDENTITY = ["identity", "organisation", "environment", "slug", "status"] as const;
const STATE = ["name", "desiredStatus", "provisionStatus", "version", "revision", "generation", "conditions"] as const;
const PLACE = ["cloudProvider", "region"] as const;
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
const NOTED = ["path", "dueAt", "wakes", "attempts", "lastError", "observation"] as const;

type Named<T, Names extends readonly (keyof T)[]> = Pick<T, Names[number]>;

function pick<T extends object, const Names extends readonly (keyof T)[]>(of: T, names: Names): Named<T, Names> {
  return Object.fromEntries(names.map((name) => [name, of[name]])) as Named<T, Names>;
}

/** Who has a cluster to itself. */
export interface LeaseReport {
  /** RFC 3339; undefined while nobody works on it. */
  until: string | undefined;
  isHeld: boolean;
  fence: number;
}

/** A cluster with work pending. */
export interface DueCluster extends Pick<Pointer, "identity" | "organisation" | "path" | "attempts" | "lastError"> {
  /** RFC 3339. */
  dueAt: string;
  /** For how many seconds it has been due; 0 for what is due later. */
  lateSeconds: number;
  lease: LeaseReport;
}

type EventReport = Omit<ClusterEvent, "clusterIdentity" | "changes" | "ttl"> & { changes: Change[] };

/** A cluster as an operator sees it. */
export interface ClusterReport extends Named<Cluster, typeof IDENTITY>, Named<Cluster, typeof STATE> {
  /** Since when it is deleted and until when it can be brought back, RFC 3339; undefined while it is there. */
  deleted: { at: string; keptUntil: string | undefined } | undefined;
  nodePools: Named<NodePool, typeof POOL>[];
  pointer: Named<Pointer, typeof NOTED> & { lease: LeaseReport };
  /** Newest first, 20 at most. */
  events: EventReport[];
}

/** What may still be running of a cluster whose record is taken away. */
export interface OrphanedResources extends Named<Cluster, typeof IDENTITY>, Named<Cluster, typeof PLACE> {
  /** Without a name where the account is gone. */
  cloudAccount: { identity: string; displayName: string | undefined };
  controlPlane: Named<Cluster, typeof CONTROL_PLANE>;
  /** What the provisioner last told; undefined where it was never asked. */
  observation: Pointer["observation"];
  /**
   * Its client with its OIDC issuer, and whether there may be more under that name that nobody recorded; undefined where none was
   * ever asked for.
   */
  oidcClient:
    | (Named<OidcClient, readonly ["issuer", "clientId", "former"]> & { name: string; isInDoubt: boolean })
    | undefined;
  /** Those that were being deleted too; each has from `minSize` to `maxSize` nodes. */
  nodePools: Named<NodePool, typeof POOL>[];
}

const leaseOf = ({ leaseUntil, fence }: Pointer, now: Date): LeaseReport => ({
  until: leaseUntil,
  isHeld: leaseUntil !== undefined && Date.parse(leaseUntil) > now.getTime(),
  fence,
});

/**
 * Lists clusters that are due, longest due first, by their pointers as they are now.
 *
 * @param withinMinutes looks so many minutes ahead
 * @returns at most `DUE_PER_SHARD` from each partition of the due index
 * @throws AppError unavailable where the database cannot be reached
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
      // The index lags: who was worked on since is not due any more.
      if (pointer === undefined || dueAt === undefined || Date.parse(dueAt) > until.getTime()) return [];
      const { organisation, path, attempts, lastError } = pointer;
      const lateSeconds = Math.max(0, Math.floor((now.getTime() - Date.parse(dueAt)) / 1_000));
      const error = lastError === undefined ? {} : { lastError };
      return [{ identity, organisation, path, dueAt, lateSeconds, attempts, ...error, lease: leaseOf(pointer, now) }];
    })
    .sort((one, other) => (one.dueAt < other.dueAt ? -1 : 1));
}

/**
 * Shows a cluster with its pools, what the reconciler noted and its newest events; a deleted one as it was last.
 *
 * @throws AppError as `findCluster`
 */
export async function showCluster(
  services: Pick<Services, "table" | "clock">,
  sought: ClusterRef,
): Promise<ClusterReport> {
  const { pointer, cluster, pools, deletedAt } = await findCluster(services, sought);
  const keptUntil = pointer.ttl === undefined ? undefined : new Date(pointer.ttl * 1_000).toISOString();
  return {
    deleted: deletedAt === undefined ? undefined : { at: deletedAt, keptUntil },
    ...pick(cluster, IDENTITY),
    ...pick(cluster, STATE),
    nodePools: pools.map((pool) => pick(pool, POOL)),
    pointer: { ...pick(pointer, NOTED), lease: leaseOf(pointer, services.clock()) },
    events: await newestEvents(services, cluster.identity),
  };
}

async function newestEvents({ table }: Pick<Services, "table">, identity: string): Promise<ClusterReport["events"]> {
  const { pk } = pointerKey(identity);
  const items = await table.query({ pk, prefix: EVENT_PREFIX, backward: true, limit: SHOWN_EVENTS });
  return items.map((item) => {
    const { clusterIdentity: _, ttl: _ttl, pk: _pk, sk: _sk, changes, ...event } = eventEntity.read(item);
    return { ...event, changes: parseJson<Change[]>(changes) };
  });
}

/**
 * Makes a cluster due now, as if nothing had gone wrong before. A worker that has its lease keeps it and takes one more step. Where
 * the outcome of the registration of its OIDC client is in doubt, this allows one more registration.
 *
 * @returns the identity, and when it is due
 * @throws AppError as `findCluster`; conflict where it is deleted; unavailable as `commit`
 */
export async function retryCluster(
  services: Services,
  sought: ClusterRef,
): Promise<{ identity: string; dueAt: string }> {
  const { identity } = (await findCluster(services, sought)).cluster;
  const deadline = deadlineIn(services.writeTimeoutMs);
  for (;;) {
    const dueAt = services.clock().toISOString();
    const failures = await commit(services.table, await retryTransaction(services, identity, dueAt), deadline);
    if (failures.length === 0) return { identity, dueAt };
    if (failures.some(({ label }) => label === "pointer")) throw deletedAlready(identity);
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

const deletedAlready = (identity: string) => conflict("cluster.deleted", `The cluster ${identity} is deleted already.`);

/**
 * Tells what may be left behind of a cluster that were forgotten now, and changes nothing.
 *
 * @throws AppError as `findCluster`; conflict where it is deleted
 */
export async function orphanedResources(services: Services, sought: ClusterRef): Promise<OrphanedResources> {
  return await toOrphanedResources(services, await findCluster(services, sought));
}

async function toOrphanedResources(
  services: Services,
  { cluster, pointer, pools, deletedAt }: ClusterRecord,
): Promise<OrphanedResources> {
  if (deletedAt !== undefined) throw deletedAlready(cluster.identity);
  const { cloudAccountIdentity: identity } = cluster;
  const [accounts, held] = await Promise.all([
    listAccounts(services, cluster.organisation),
    readSecrets(services.table, cluster.identity),
  ]);
  const account = accounts.find((each) => each.identity === identity);
  const client = held.get(OIDC_CLIENT);
  return {
    ...pick(cluster, IDENTITY),
    ...pick(cluster, PLACE),
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
 * Takes a cluster's record away without asking the provisioner, in whatever state it is: for one whose cloud account is gone
 * for good. A worker that has it loses its lease. Called again it only finishes what waited for the cluster to be gone.
 *
 * @returns what may be left behind
 * @throws AppError as `findCluster`; conflict where it is deleted; unavailable as `commit`, then calling again tells
 */
export async function forgetCluster(services: Services, sought: ClusterRef): Promise<OrphanedResources> {
  const deadline = deadlineIn(services.writeTimeoutMs);
  for (;;) {
    const found = await findCluster(services, sought);
    if (found.deletedAt !== undefined) await completeDeletion(services, found.cluster);
    const leftBehind = await toOrphanedResources(services, found);
    const failures = await commit(services.table, await forgetTransaction(services, found), deadline);
    if (failures.length === 0) {
      await completeDeletion(services, found.cluster);
      return leftBehind;
    }
    if (deadline.expired()) throw writeTimedOut();
  }
}

async function forgetTransaction(services: Services, { cluster, pools }: ClusterRecord): Promise<Transaction> {
  const { organisation, environment, slug } = cluster;
  const chunk = await readChunkOf(services.table, organisation, environment, slug);
  if (chunk === undefined) throw new Error(`${environment} has no page index`);
  const now = services.clock();
  const transaction = tombstoneTransaction(services, cluster, pools, chunk, now.toISOString(), "cluster.forgotten");
  retire(transaction, cluster, now);
  return transaction;
}
