/** Events of an organisation: changes of everything that it has besides clusters. */

import type { Services } from "../context.ts";
import { organisationEventKey } from "../table/keys.ts";
import type { Transaction } from "../table/transaction.ts";
import type { Change } from "./entity.ts";
import { appendTo, type Requester } from "./event-log.ts";

/** All types of events of organisations: a noun and a verb in the past tense. */
export const organisationEventTypes = [
  "environment.created",
  "environment.updated",
  "environment.deletion-requested",
  "environment.deleted",
  "observability-tenant.created",
  "observability-tenant.updated",
  "observability-tenant.deleted",
  "alertmanager.updated",
  "silence.created",
  "silence.expired",
  "member.added",
  "member.updated",
  "member.removed",
  "cloud-account.created",
  "cloud-account.updated",
  "cloud-account.deleted",
  "cloud-credentials.created",
  "cloud-credentials.updated",
  "cloud-credentials.deleted",
  "maintenance-schedule.created",
  "maintenance-schedule.updated",
  "maintenance-schedule.deleted",
] as const;

/** Path of a change: the collection with the name of the element, and the property unless the whole element is meant. */
type ElementPath<Collection extends string> = `${Collection}[${string}]` | `${Collection}[${string}].${string}`;

/** Event of an organisation, with its changes. Values of changes contain no secret. */
export interface OrganisationEvent {
  type: (typeof organisationEventTypes)[number];
  changes: readonly Change<
    ElementPath<"cloudAccounts" | "environments" | "maintenanceSchedules" | "members" | "observabilityTenants">
  >[];
}

/** Organisation and time of an event, and the request that caused it. */
interface EventSource {
  /** Slug. */
  organisation: string;
  /** Identity of the environment that the event is about, if it is about one. */
  environmentIdentity?: string;
  /** Time of the change, RFC 3339; the same as in the changed item. */
  at: string;
  /** Absent for a change by an operator, or one that the server makes later by itself. */
  requester: Requester | undefined;
}

/** Appends an event of an organisation to the transaction of the change. The operation has the label `event`. */
export function appendOrganisationEvent(
  services: Pick<Services, "ids">,
  transaction: Transaction,
  event: OrganisationEvent,
  source: EventSource,
): void {
  appendTo(services, transaction, (ulid) => organisationEventKey(source.organisation, source.at, ulid), event, source);
}
