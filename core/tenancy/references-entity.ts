/** Stored shapes that clusters of an organisation refer to, all in one item, which one read returns. */

import * as v from "valibot";
import { cloudProviderTypes } from "../catalogue/index.ts";
import type { MaintenanceWindow } from "../shared/maintenance-windows.ts";
import { freeNames } from "../shared/schemas.ts";
import { defineEntity, type RawItem, sameProperties } from "../table/entity.ts";
import { referencesKey } from "../table/keys.ts";

const StoredCredentials = v.object({
  identity: v.string(),
  displayName: v.string(),
  cloudType: v.picklist(cloudProviderTypes),
  metadata: freeNames<string>(),
  /** Azure subscription; undefined for other providers, and if it is not known. */
  subscriptionId: v.optional(v.string()),
  createdAt: v.string(),
  revision: v.number(),
});

/** Public part of a cloud account's credentials, without secrets. */
export type CloudCredentials = v.InferOutput<typeof StoredCredentials>;

const StoredAccount = v.object({
  identity: v.string(),
  displayName: v.string(),
  enabled: v.boolean(),
  /** Identity of the cloud profile in the catalogue. */
  cloudProfile: v.string(),
  metadata: freeNames<string>(),
  primaryCloudCredentialsIdentity: v.optional(v.string()),
  credentials: v.array(StoredCredentials),
  createdAt: v.string(),
  revision: v.number(),
});

/** Account of an organisation with a cloud provider. */
export type CloudAccount = v.InferOutput<typeof StoredAccount>;

function readWindows(text: string): MaintenanceWindow[] {
  return text
    .split(",")
    .filter((part) => part !== "")
    .map((part) => {
      const [day = "", startTime = "", duration = ""] = part.split(" ");
      return { day, startTime, duration: Number(duration) };
    });
}

const writeWindows = (windows: readonly MaintenanceWindow[]): string =>
  windows.map(({ day, startTime, duration }) => `${day} ${startTime} ${duration}`).join(",");

const StoredSchedule = v.object({
  identity: v.string(),
  name: v.string(),
  /** `SATURDAY 02:00 120,…`: compact, because 200 schedules of 20 windows and 200 accounts must fit into one item. */
  windows: v.pipe(v.string(), v.transform(readWindows)),
  createdAt: v.string(),
  revision: v.number(),
});

/** Schedule of times at which clusters may be maintained. */
export type MaintenanceSchedule = v.InferOutput<typeof StoredSchedule>;

const StoredReferences = v.object({
  accounts: v.record(v.string(), StoredAccount),
  schedules: v.record(v.string(), StoredSchedule),
  /** Raised by every change. Each write is conditional on the revision that was read. */
  revision: v.number(),
  /** Ids of the last changes, the newest last, by which an attempt recognises its own write. Older items have none. */
  recentWrites: v.optional(v.array(v.string()), []),
});

/** Cloud accounts, public parts of credentials and maintenance schedules of an organisation, by identity. */
export type References = v.InferOutput<typeof StoredReferences>;

/** Entity of the references of an organisation. */
export const referencesEntity = defineEntity("references", 2, StoredReferences, {
  attributes: ["revision"],
  migrations: { 1: sameProperties },
});

/** Builds the item to write. */
export function buildReferencesItem(organisation: string, references: References): RawItem {
  const { schedules, ...rest } = references;
  const stored = Object.fromEntries(
    Object.entries(schedules).map(([identity, schedule]) => [
      identity,
      { ...schedule, windows: writeWindows(schedule.windows) },
    ]),
  );
  return referencesEntity.write(referencesKey(organisation), { ...rest, schedules: stored });
}

/** Maximum number of accounts, and of schedules, in an organisation: one item contains them all. */
export const MAX_REFERENCES = 200;

const StoredUsage = v.object({
  /**
   * Clusters that use a cloud account or a schedule. Of an account also those that are being deleted, because their machines can only be
   * removed with its credentials.
   */
  clusters: v.number(),
  /** Those of an account that are being deleted. */
  deletingClusters: v.optional(v.number(), 0),
  /** True from the deletion of the last credentials of an account until it has new ones: then no cluster that needs some is added. */
  lacksCredentials: v.optional(v.boolean(), false),
});

/** Numbers of the clusters that use a cloud account or a schedule. */
export type Usage = Pick<v.InferOutput<typeof StoredUsage>, "clusters" | "deletingClusters">;

/** Entity that counts the clusters that use a cloud account or a schedule. A create adds one; a removal requires 0. */
export const usageEntity = defineEntity("usage", 1, StoredUsage);
