/** What clusters of an organisation refer to, kept together in one item so that one read brings it all. */

import * as v from "valibot";
import { cloudProviderTypes } from "../catalogue/index.ts";
import { defineEntity, type RawItem } from "../table/entity.ts";
import { referencesKey } from "../table/keys.ts";

const StoredCredentials = v.object({
  identity: v.string(),
  displayName: v.string(),
  cloudType: v.picklist(cloudProviderTypes),
  metadata: v.record(v.string(), v.string()),
  createdAt: v.string(),
  revision: v.number(),
});

/** The public part of a cloud account's credentials. Secrets are never here. */
export type CloudCredentials = v.InferOutput<typeof StoredCredentials>;

const StoredAccount = v.object({
  identity: v.string(),
  displayName: v.string(),
  enabled: v.boolean(),
  /** Identity of the catalogue's cloud profile. */
  cloudProfile: v.string(),
  metadata: v.record(v.string(), v.string()),
  primaryCloudCredentialsIdentity: v.optional(v.string()),
  credentials: v.array(StoredCredentials),
  createdAt: v.string(),
  revision: v.number(),
});

/** An organisation's account with a cloud provider. */
export type CloudAccount = v.InferOutput<typeof StoredAccount>;

/** A window: `startTime` as `H:MM` or `HH:MM` in UTC, `duration` in minutes; spelling as it was sent. */
export interface MaintenanceWindow {
  day: string;
  startTime: string;
  duration: number;
}

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
  /** `SATURDAY 02:00 120,…`: 200 schedules of 20 windows have to fit into one item beside as many accounts. */
  windows: v.pipe(v.string(), v.transform(readWindows)),
  createdAt: v.string(),
  revision: v.number(),
});

/** When clusters may be maintained. */
export type MaintenanceSchedule = v.InferOutput<typeof StoredSchedule>;

const StoredReferences = v.object({
  accounts: v.record(v.string(), StoredAccount),
  schedules: v.record(v.string(), StoredSchedule),
  /** Raised by every change, which is made on condition that it is as read. */
  revision: v.number(),
});

/** Cloud accounts, public parts of credentials and maintenance schedules of an organisation, by identity. */
export type References = v.InferOutput<typeof StoredReferences>;

/** How what clusters refer to is stored. */
export const referencesEntity = defineEntity("references", 1, StoredReferences);

/** Makes the item to write. */
export function referencesItem(organisation: string, { accounts, schedules, revision }: References): RawItem {
  const stored = Object.fromEntries(
    Object.entries(schedules).map(([identity, schedule]) => [
      identity,
      { ...schedule, windows: writeWindows(schedule.windows) },
    ]),
  );
  return referencesEntity.write(referencesKey(organisation), { accounts, schedules: stored, revision });
}

/** At most this many of each kind an organisation, so that the one item that holds them stays small. */
export const MAX_REFERENCES = 200;

const StoredUsage = v.object({ clusters: v.number() });

/** How many clusters use a cloud account or a schedule: a create adds one, removing the referent needs none. */
export const usageEntity = defineEntity("usage", 1, StoredUsage);
