/** Builds the transactions that change the accounts, credentials and schedules of an organisation. */

import type { Services } from "../context.ts";
import type { Requester } from "../events/event-log.ts";
import { appendOrganisationEvent, type OrganisationEvent } from "../events/organisation-events.ts";
import { type AppError, conflict } from "../shared/errors.ts";
import { organisationKey, usageKey } from "../table/keys.ts";
import { Transaction } from "../table/transaction.ts";
import { buildReferencesItem, type References, usageEntity } from "../tenancy/references-entity.ts";

/** Accounts and schedules by identity, as the clusters of an organisation refer to them. */
export type ReferenceElements = Pick<References, "accounts" | "schedules">;

/** Change of the references of an organisation. */
export interface ReferencesChange {
  /** Accounts and schedules after the change. */
  after: ReferenceElements;
  event: OrganisationEvent;
  /** Identity of a new account or schedule: the counter of its clusters is created. */
  created?: string;
  /** Identity of a removed account or schedule: no cluster may use it. */
  removed?: string;
}

/** Organisation, request and time of a write. */
export interface WriteSource {
  /** Slug. */
  organisation: string;
  /** Absent for an operator. */
  requester: Requester | undefined;
  /** RFC 3339. */
  at: string;
  /** Id of the change, the same in every attempt. */
  changeId: string;
}

/** Number of recent changes whose ids are stored. Concurrent writers of one organisation are fewer. */
const RECENT_WRITES = 16;

/** Maximum size of the references as JSON, in bytes: an item has at most 400 KB, and its keys need some of them. */
const MAX_BYTES = 405_000;

/**
 * Builds the transaction of a change: the references, their revision in the organisation, the counter of a new or removed element, and
 * the event. The conditions have the labels `references`, `organisation` and `usage`.
 *
 * @param before references as read; the transaction requires their revision
 * @returns the transaction, and the references that it stores
 * @throws AppError conflict if the references would be too large for one item
 */
export function changeTransaction(
  services: Pick<Services, "ids">,
  before: References,
  { after, event, created, removed }: ReferencesChange,
  { organisation, requester, at, changeId }: WriteSource,
): { transaction: Transaction; after: References } {
  const recentWrites = [...before.recentWrites.slice(1 - RECENT_WRITES), changeId];
  const references: References = { ...after, revision: before.revision + 1, recentWrites };
  const item = buildReferencesItem(organisation, references);
  if (Buffer.byteLength(String(item.document)) > MAX_BYTES) throw tooLarge();
  const transaction = new Transaction()
    .put("references", item, { condition: "#revision = :revision", values: { ":revision": before.revision } })
    .update("organisation", organisationKey(organisation), "SET #referencesRevision = :revision", {
      condition: "attribute_exists(#pk)",
      values: { ":revision": references.revision },
    });
  if (created !== undefined) {
    transaction.create("usage", usageEntity.write(usageKey(organisation, created), { clusters: 0 }));
  }
  if (removed !== undefined) {
    transaction.delete("usage", usageKey(organisation, removed), {
      condition: "#clusters = :none",
      values: { ":none": 0 },
    });
  }
  appendOrganisationEvent(services, transaction, event, { organisation, at, requester });
  return { transaction, after: references };
}

const tooLarge = (): AppError =>
  conflict(
    "organisation.references_limit",
    `Limit reached: the cloud accounts, credentials and maintenance schedules of an organisation can have at most ${MAX_BYTES} bytes together.`,
  );
