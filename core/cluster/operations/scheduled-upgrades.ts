/** Reads and cancels scheduled upgrades of clusters. */

import * as v from "valibot";
import { authorize, roleInsufficient } from "../../access/authorize.ts";
import { type Context, type NoOptions, requireValid, type WriteOptions } from "../../context.ts";
import { requesterOf } from "../../events/event-log.ts";
import { type Page, type PageOptions, paginate } from "../../listing/page.ts";
import type { Representation } from "../../request/idempotency.ts";
import { type Precondition, revisionMismatch } from "../../request/preconditions.ts";
import { readWriteOptions, runWrite, type WriteResult } from "../../request/write.ts";
import { type AppError, forbidden, invalid, notFound } from "../../shared/errors.ts";
import type { Deadline } from "../../shared/retry.ts";
import { uuid } from "../../shared/schemas.ts";
import { hasTtlExpired } from "../../shared/time.ts";
import { formatValue, type Parsed } from "../../shared/validation.ts";
import { organisationKey, SCHEDULED_UPGRADE_PREFIX, scheduledUpgradeKey } from "../../table/keys.ts";
import { commit, Transaction } from "../../table/transaction.ts";
import { canList, roleIn, satisfies } from "../../tenancy/role.ts";
import { CANCELLED, cancelConflict } from "../rules/request-upgrade.ts";
import { finishUpgrade } from "../rules/scheduled-upgrade.ts";
import { appendEvent } from "../store/event-log.ts";
import { markDue } from "../store/pointer.ts";
import { clusterKeyOf, diffUpgrades, putUpgrade, referenceTo, toUpgradeResponse } from "../store/scheduled-upgrades.ts";
import { updateReference } from "../store/upgrade-reference.ts";
import { type ScheduledUpgrade, scheduledUpgradeEntity } from "../upgrade-entity.ts";
import type { ScheduledClusterUpgradeResponse, UpgradeStatus } from "../upgrade-schema.ts";
import { representUpgrade } from "./request-upgrade.ts";
import { isVisibleIn } from "./visible-cluster.ts";

/** Options of a list of scheduled upgrades. */
interface ListUpgradesOptions extends PageOptions {
  /** Identities of clusters, lower case; undefined for all. */
  clusterIdentities: readonly string[] | undefined;
  /** Undefined for all. */
  statuses: readonly UpgradeStatus[] | undefined;
}

/** Path of a scheduled upgrade; `upgrade` is its identity, in any case. */
interface UpgradePath {
  organisation: string;
  upgrade: string;
}

/** Request to cancel an upgrade. */
interface CancelUpgradeInput extends UpgradePath {
  options: Parsed<WriteOptions>;
  precondition?: Precondition;
}

/**
 * Lists the scheduled upgrades of an organisation that the caller can see, oldest first. One database round trip, which reads all
 * upgrades of the organisation: `KEPT_UPGRADES` of each cluster at most.
 *
 * @throws AppError as `authorize`; forbidden for a billing-admin; invalid with every problem of the options
 */
export async function listScheduledUpgrades(
  context: Context,
  input: { organisation: string; options: Parsed<ListUpgradesOptions> },
): Promise<Page<ScheduledClusterUpgradeResponse>> {
  const { organisation } = input;
  const authorized = await authorize(context, {
    path: { organisation },
    alongside: () => context.table.query({ pk: organisationKey(organisation).pk, prefix: SCHEDULED_UPGRADE_PREFIX }),
  });
  if (!canList(authorized.member)) {
    throw forbidden(
      "organisation.no_upgrades",
      `Your role in organisation "${organisation}" does not allow reading scheduled upgrades.`,
    );
  }
  const { page, clusterIdentities, statuses } = requireValid(context, input.options);
  const now = context.clock();
  const upgrades = (authorized.alongside ?? [])
    .map((item) => scheduledUpgradeEntity.read(item))
    .filter((upgrade) => isKept(upgrade, now) && isVisibleIn(authorized, upgrade.environmentIdentity))
    .filter(({ clusterIdentity }) => clusterIdentities === undefined || clusterIdentities.includes(clusterIdentity))
    .filter(({ status }) => statuses === undefined || statuses.includes(status))
    .sort(byAge);
  const { content, ...rest } = paginate(upgrades, page, "createdAt");
  return { ...rest, content: content.map(toUpgradeResponse) };
}

/** Compares upgrades by age; those of one cluster that are equally old by their number. */
function byAge(one: ScheduledUpgrade, other: ScheduledUpgrade): number {
  const [left, right] = [one, other].map(({ createdAt, clusterIdentity }) => `${createdAt} ${clusterIdentity}`);
  return left === right ? one.number - other.number : (left ?? "") < (right ?? "") ? -1 : 1;
}

/** Returns whether an upgrade has not expired: DynamoDB removes expired items late. */
const isKept = ({ ttl }: ScheduledUpgrade, now: Date): boolean => ttl === undefined || !hasTtlExpired({ ttl }, now);

/** Authorizes a caller and reads an upgrade. @throws AppError as `authorize`; not found, also if the caller cannot see it */
async function authorizeUpgrade<Body>(context: Context, { organisation, upgrade }: UpgradePath) {
  const identity = upgrade.toLowerCase();
  const keys = v.is(uuid, identity) ? () => [scheduledUpgradeKey(organisation, identity)] : () => [];
  const authorized = await authorize<undefined, Body>(context, { path: { organisation }, keys });
  const [key] = keys();
  const item = key && authorized.prefetched(key);
  const found = item && scheduledUpgradeEntity.read(item);
  if (found === undefined || !isKept(found, context.clock()) || !isVisibleIn(authorized, found.environmentIdentity)) {
    throw upgradeNotFound(organisation, upgrade);
  }
  context.responseMetadata.cluster = found.clusterIdentity;
  return { authorized, upgrade: found };
}

const upgradeNotFound = (organisation: string, upgrade: string): AppError =>
  notFound(
    "upgrade.missing",
    `There is no scheduled upgrade ${formatValue(upgrade)} in organisation "${organisation}".`,
  );

/**
 * Gets a scheduled upgrade. One database round trip.
 *
 * @throws AppError as `authorize`; not found; invalid for the options
 */
export async function getScheduledUpgrade(
  context: Context,
  input: UpgradePath & { options: Parsed<NoOptions> },
): Promise<Representation<ScheduledClusterUpgradeResponse>> {
  const { upgrade } = await authorizeUpgrade(context, input);
  requireValid(context, input.options);
  return representUpgrade(upgrade);
}

/**
 * Cancels a scheduled upgrade that has not started: it becomes SUPERSEDED. A repeated call changes nothing. Two database round trips.
 *
 * @throws AppError as `authorize`; not found; forbidden for a role below developer in the cluster's environment; invalid;
 *   preconditionFailed; conflict for an upgrade that is in progress, finished or automatic
 */
export async function cancelScheduledUpgrade(
  context: Context,
  input: CancelUpgradeInput,
): Promise<WriteResult<ScheduledClusterUpgradeResponse>> {
  const mutationId = context.ids.identity();
  return await runWrite(context, (deadline) => attemptCancel(context, input, mutationId, deadline));
}

/** Makes one attempt. @returns undefined after a concurrent change */
async function attemptCancel(
  context: Context,
  input: CancelUpgradeInput,
  mutationId: string,
  deadline: Deadline,
): Promise<WriteResult<ScheduledClusterUpgradeResponse> | undefined> {
  const { authorized, upgrade: before } = await authorizeUpgrade<ScheduledClusterUpgradeResponse>(context, input);
  if (!satisfies(roleIn(authorized.member, before.environmentIdentity), "developer")) {
    throw roleInsufficient("developer", before.environment);
  }
  const { dryRun, problems } = readWriteOptions(context, input.options, []);
  if (problems.length > 0) throw invalid(problems);
  const present = representUpgrade(before);
  // An earlier attempt succeeded, and its response was lost.
  if (before.writtenBy === mutationId) return present;
  const error = revisionMismatch(input.precondition, present.etag) ?? cancelConflict(before);
  if (error !== undefined) throw error;
  if (before.status === "SUPERSEDED")
    return dryRun ? { kind: "dryRun", body: present.body, consequences: [] } : present;
  const now = context.clock();
  const after = { ...finishUpgrade(before, "SUPERSEDED", CANCELLED, now), writtenBy: mutationId };
  if (dryRun) return { kind: "dryRun", body: toUpgradeResponse(after), consequences: [] };
  const transaction = putUpgrade(new Transaction(), after);
  const { clusterIdentity, number, organisation, environment, clusterSlug: slug } = after;
  updateReference(transaction, clusterKeyOf(after), clusterIdentity, referenceTo(after), {
    condition: "#scheduledUpgrade.#number = :number",
    values: { ":number": number },
  });
  // An automatic upgrade may take its place.
  markDue(transaction, { identity: clusterIdentity, organisation, environment, slug }, now.toISOString());
  const event = { type: "scheduled-upgrade.cancelled", changes: diffUpgrades(before, after) } as const;
  const source = {
    clusterIdentity,
    at: now.toISOString(),
    requester: requesterOf(context, authorized.actor),
  };
  appendEvent(context, transaction, event, source);
  const failures = await commit(context.table, transaction, deadline);
  return failures.length === 0 ? representUpgrade(after) : undefined;
}
