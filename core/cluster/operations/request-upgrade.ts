/** Requests an upgrade of a cluster at a later time. */

import * as v from "valibot";
import { type Authorized, authorize, roleInsufficient } from "../../access/authorize.ts";
import type { Context, WriteOptions } from "../../context.ts";
import { requesterOf } from "../../events/event-log.ts";
import { nodePoolsOf } from "../../node-pool/items.ts";
import { isLive } from "../../node-pool/rules.ts";
import { type Representation, storeResponse } from "../../request/idempotency.ts";
import { readWriteOptions, runWrite, type WriteResult } from "../../request/write.ts";
import { invalid } from "../../shared/errors.ts";
import type { Deadline } from "../../shared/retry.ts";
import { uuid } from "../../shared/schemas.ts";
import { type Parsed, type Validated, validate } from "../../shared/validation.ts";
import { keyText, pointerKey } from "../../table/keys.ts";
import { commit, Transaction } from "../../table/transaction.ts";
import { roleIn, satisfies } from "../../tenancy/role.ts";
import type { Cluster } from "../entity.ts";
import type { UpgradeChange } from "../event-types.ts";
import { consequencesOf } from "../rules/consequences.ts";
import { requestConflict, requestedUpgrade, requestProblems, unknownCluster } from "../rules/request-upgrade.ts";
import { unsupportedVersion } from "../rules/unsupported.ts";
import { diffClusters } from "../rules/update.ts";
import { hasLiveUpgrade, newestUpgradeIdentity } from "../rules/upgrade-reference.ts";
import { appendEvent } from "../store/event-log.ts";
import { clusterItem } from "../store/items.ts";
import { unchangedSince } from "../store/mutation.ts";
import { markDue } from "../store/pointer.ts";
import { createUpgrade, diffUpgrades, referenceTo, toUpgradeResponse } from "../store/scheduled-upgrades.ts";
import { newestUpgradeKey, supersedeUpgrade } from "../store/upgrade-reference.ts";
import { type ScheduledUpgrade, scheduledUpgradeEntity } from "../upgrade-entity.ts";
import { RequestScheduledClusterUpgrade, type ScheduledClusterUpgradeResponse } from "../upgrade-schema.ts";
import { readVisibleCluster } from "./visible-cluster.ts";

/** Request for an upgrade. */
interface RequestUpgradeInput {
  organisation: string;
  options: Parsed<WriteOptions>;
  body: Validated<RequestScheduledClusterUpgrade>;
}

/** Parses the body of a request for an upgrade. @param body as sent */
export const parseRequestUpgrade = (body: unknown): Validated<RequestScheduledClusterUpgrade> =>
  validate(RequestScheduledClusterUpgrade, body);

/** Builds the representation of an upgrade. */
export const representUpgrade = (upgrade: ScheduledUpgrade): Representation<ScheduledClusterUpgradeResponse> => ({
  kind: "representation",
  body: toUpgradeResponse(upgrade),
  etag: `${upgrade.revision}`,
});

/**
 * Requests an upgrade of a cluster at a date or in its next maintenance window. It replaces an unfinished upgrade of the cluster, which
 * is then SUPERSEDED. Three database round trips, because the body names the cluster by its identity.
 *
 * @throws AppError as `authorize`; forbidden for a role below developer in the cluster's environment; invalid, also for a cluster that
 *   the caller cannot see; conflict for a cluster that is deleting or whose upgrade is in progress
 */
export async function requestUpgrade(
  context: Context,
  input: RequestUpgradeInput,
): Promise<WriteResult<ScheduledClusterUpgradeResponse>> {
  // One id for all attempts, so that an attempt recognises the write of an earlier one.
  const mutationId = context.ids.identity();
  return await runWrite(context, (deadline) => attempt(context, input, mutationId, deadline));
}

/** Makes one attempt. @returns undefined after a concurrent change */
async function attempt(
  context: Context,
  input: RequestUpgradeInput,
  mutationId: string,
  deadline: Deadline,
): Promise<WriteResult<ScheduledClusterUpgradeResponse> | undefined> {
  const { organisation, options, body } = input;
  const identity = body.value?.clusterIdentity;
  const pointerKeys = identity === undefined || !v.is(uuid, identity) ? [] : [pointerKey(identity)];
  const authorized = await authorize<undefined, ScheduledClusterUpgradeResponse>(context, {
    path: { organisation },
    keys: () => pointerKeys,
  });
  const [key] = pointerKeys;
  const cluster = key && (await readVisibleCluster(context, authorized, authorized.prefetched(key)));
  if (cluster !== undefined && !satisfies(roleIn(authorized.member, cluster.environmentIdentity), "developer")) {
    throw roleInsufficient("developer", cluster.environment);
  }
  if (authorized.replay !== undefined) return authorized.replay;
  // An earlier attempt succeeded, and its response was lost.
  if (cluster?.writtenBy === mutationId) return await representNewest(context, cluster);
  const now = context.clock();
  const { dryRun, problems: others } = readWriteOptions(context, options, body.unknown);
  const own =
    cluster === undefined
      ? pointerKeys.map(() => unknownCluster(String(identity)))
      : requestProblems(cluster, body.value ?? {}, now, (version) =>
          unsupportedVersion(cluster, version, context.provisioner),
        );
  const problems = [...others, ...body.problems, ...own];
  if (cluster === undefined || problems.length > 0) throw invalid(problems);
  context.responseMetadata.cluster = cluster.identity;
  const request = body.complete();
  const error = requestConflict(cluster, request.version);
  if (error !== undefined) throw error;
  const upgrade = requestedUpgrade(cluster, request, now.toISOString());
  if (dryRun) return await dryRunOf(context, cluster, upgrade);
  return await write(context, authorized, { cluster, upgrade, mutationId }, deadline);
}

async function representNewest(
  { table }: Pick<Context, "table">,
  cluster: Cluster,
): Promise<Representation<ScheduledClusterUpgradeResponse> | undefined> {
  const key = newestUpgradeKey(cluster);
  const item = key && (await table.get([key])).get(keyText(key));
  return item && representUpgrade(scheduledUpgradeEntity.read(item));
}

/** Builds the result of a dry run, with the effect of the upgrade on running nodes. */
async function dryRunOf(
  { table, provisioner }: Context,
  cluster: Cluster,
  upgrade: ScheduledUpgrade,
): Promise<WriteResult<ScheduledClusterUpgradeResponse>> {
  const { identity: _, createdAt: _created, modifiedAt: _modified, ...body } = toUpgradeResponse(upgrade);
  const after = { ...cluster, version: upgrade.toVersion };
  const pools = await nodePoolsOf(table, cluster.identity);
  const consequences = consequencesOf(cluster, after, diffClusters(cluster, after), pools.filter(isLive), provisioner);
  return { kind: "dryRun", body, consequences };
}

interface UpgradeWrite {
  cluster: Cluster;
  upgrade: ScheduledUpgrade;
  mutationId: string;
}

/** Writes the upgrade, the cluster's reference to it, and the end of the one that it replaces. */
async function write(
  context: Context,
  { actor }: Authorized,
  { cluster, upgrade, mutationId }: UpgradeWrite,
  deadline: Deadline,
): Promise<Representation<ScheduledClusterUpgradeResponse> | undefined> {
  const { createdAt: now } = upgrade;
  const after: Cluster = {
    ...cluster,
    scheduledUpgrade: referenceTo(upgrade),
    revision: cluster.revision + 1,
    writtenBy: mutationId,
  };
  const transaction = new Transaction().put("cluster", clusterItem(after), unchangedSince(cluster));
  const replaced = hasLiveUpgrade(cluster) ? newestUpgradeIdentity(cluster) : undefined;
  supersedeUpgrade(transaction, cluster, "Another upgrade was requested.", new Date(now));
  createUpgrade(transaction, upgrade);
  markDue(transaction, after, now);
  const changes: UpgradeChange[] = [
    ...diffUpgrades(undefined, upgrade),
    ...(replaced === undefined ? [] : [{ path: `scheduledUpgrades[${replaced}].status`, to: "SUPERSEDED" } as const]),
  ];
  const type = replaced === undefined ? "scheduled-upgrade.requested" : "scheduled-upgrade.rescheduled";
  const source = { clusterIdentity: cluster.identity, at: now, requester: requesterOf(context, actor) };
  appendEvent(context, transaction, { type, changes }, source);
  const response = representUpgrade(upgrade);
  storeResponse(context, transaction, actor, response);
  return (await commit(context.table, transaction, deadline)).length === 0 ? response : undefined;
}
