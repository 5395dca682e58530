/** Stored shape of scheduled upgrades. */

import * as v from "valibot";
import { defineEntity } from "../table/entity.ts";
import { upgradeStatuses } from "./upgrade-schema.ts";

/** Number of upgrades that are kept for a cluster, with the live one. The next one replaces the oldest. */
export const KEPT_UPGRADES = 5;

const StoredScheduledUpgrade = v.object({
  identity: v.string(),
  organisation: v.string(),
  clusterIdentity: v.string(),
  clusterSlug: v.string(),
  /** Environment of the cluster; of a finished upgrade the one in which it finished. */
  environment: v.string(),
  environmentIdentity: v.string(),
  /** Position among the cluster's upgrades, from 1. The identity follows from it. */
  number: v.number(),
  /** True if the cluster's `autoUpgrade` created it, false for a user's request. */
  automatic: v.boolean(),
  /** Requested version of the cluster when the upgrade was scheduled. Another version supersedes the upgrade. */
  fromVersion: v.string(),
  toVersion: v.string(),
  status: v.picklist(upgradeStatuses),
  /** Why it waits inside of its window, or how it ended; absent if there is nothing to explain. */
  reason: v.optional(v.string()),
  /** Earliest start that the user requested, RFC 3339. */
  scheduleRequestDate: v.optional(v.string()),
  ignoreMaintenanceSchedule: v.boolean(),
  /** Time of the last request by a user, or of the creation of an automatic upgrade, RFC 3339. */
  requestedAt: v.string(),
  /** Period in which it may start, RFC 3339; absent while it has no place. */
  windowStart: v.optional(v.string()),
  windowEnd: v.optional(v.string()),
  /** Schedule to which the period belongs; absent for a period that does not depend on a schedule. */
  maintenanceScheduleIdentity: v.optional(v.string()),
  /** Time at which the cluster got the version, RFC 3339. */
  startedAt: v.optional(v.string()),
  createdAt: v.string(),
  modifiedAt: v.string(),
  revision: v.number(),
  /** Id of its cancellation: a cancellation whose response was lost recognises its own write by it. */
  writtenBy: v.optional(v.string()),
  /** Present once it is finished. */
  ttl: v.optional(v.number()),
});

/** Upgrade of a cluster at a later time. A cluster has at most one that is not finished. */
export type ScheduledUpgrade = v.InferOutput<typeof StoredScheduledUpgrade>;

/** Entity of a scheduled upgrade. Each property is an attribute, because writes of a cluster update some of them unread. */
export const scheduledUpgradeEntity = defineEntity("scheduled-upgrade", 1, StoredScheduledUpgrade);
