/** Stored shape of events: of clusters, and of what an organisation has besides clusters. */

import * as v from "valibot";
import { parseJson } from "../shared/json.ts";
import { defineEntity } from "../table/entity.ts";
import { upgradeEvent } from "./upgrade.ts";

const StoredChange = v.object({
  path: v.string(),
  /** Absent if there was no value before. */
  from: v.optional(v.unknown()),
  /** Absent if there is no value now. */
  to: v.optional(v.unknown()),
});

const StoredEvent = v.object({
  type: v.string(),
  at: v.string(),
  /** Present in the event of a cluster. */
  clusterIdentity: v.optional(v.string()),
  /** Slug; present in the event of an organisation. */
  organisation: v.optional(v.string()),
  /** Environment that an organisation's event is about. A caller without a role in it does not get the event. */
  environmentIdentity: v.optional(v.string()),
  /** User, token and request of the change; absent for a change by the reconciler or an operator. */
  user: v.optional(v.string()),
  tokenId: v.optional(v.string()),
  sourceAddress: v.optional(v.string()),
  requestId: v.optional(v.string()),
  changes: v.array(StoredChange),
  ttl: v.number(),
});

/** Event, with the user and the IP address of the change. */
export type StoredEvent = v.InferOutput<typeof StoredEvent>;

/** Entity of an event. */
export const eventEntity = defineEntity("event", 3, StoredEvent, {
  attributes: ["ttl"],
  migrations: { 1: upgradeEvent, 2: (event) => ({ ...event, changes: parseJson(String(event.changes)) }) },
});

/** Changed property. `from` is absent if there was no value before, `to` if there is none now. */
export interface Change<Path extends string = string, Value = unknown> {
  path: Path;
  from?: Value | undefined;
  to?: Value | undefined;
}
