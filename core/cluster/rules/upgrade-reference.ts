/** References of clusters to their scheduled upgrades. Pure functions, which need no shapes of upgrades. */

import { createHash } from "node:crypto";
import { DAY_MS, ttlAfter } from "../../shared/time.ts";
import type { Cluster } from "../entity.ts";

/** Retention of finished upgrades, in days; the same as that of events. */
export const UPGRADE_DAYS = 90;

/** Returns the expiry of an upgrade that is finished now. */
export const finishedTtl = (now: Date): number => ttlAfter(now, UPGRADE_DAYS * DAY_MS);

/**
 * Returns the identity of an upgrade. It is a hash, so that a cluster refers to its upgrades by one number.
 *
 * @param number position among the cluster's upgrades, from 1
 * @returns UUID of version 8
 */
export function upgradeIdentity(clusterIdentity: string, number: number): string {
  const bytes = createHash("sha256").update(`scheduled-upgrade ${clusterIdentity} ${number}`).digest().subarray(0, 16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x80, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** Cluster with its reference to an upgrade. */
export type Referring = Pick<Cluster, "organisation" | "identity" | "scheduledUpgrade">;

/** Returns the identity of a cluster's newest upgrade; undefined if there never was one. */
export const newestUpgradeIdentity = ({ identity, scheduledUpgrade }: Referring): string | undefined =>
  scheduledUpgrade && upgradeIdentity(identity, scheduledUpgrade.number);

/** Returns whether a cluster has an upgrade that is not finished. */
export const hasLiveUpgrade = ({ scheduledUpgrade }: Pick<Cluster, "scheduledUpgrade">): boolean =>
  scheduledUpgrade !== undefined && scheduledUpgrade.state !== "finished";
