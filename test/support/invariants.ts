/** Checks the invariants between any two transactions: counters, index, pointers and items are consistent. */

import { expect } from "vitest";
import { findInconsistencies } from "#core/admin/integrity/organisation.ts";
import { type Cluster, clusterEntity, type Tombstone, tombstoneEntity } from "#core/cluster/entity.ts";
import type { Services } from "#core/context.ts";
import { eventEntity, type StoredEvent } from "#core/events/entity.ts";
import {
  CLUSTER_PREFIX,
  EVENT_PREFIX,
  type Key,
  organisationEventsPartition,
  organisationKey,
  pointerKey,
  TOMBSTONE_PREFIX,
} from "#core/table/keys.ts";
import { snapshotOf } from "./snapshot.ts";

/** Reads every cluster of an organisation. */
export async function clustersOf(services: Services, organisation: string): Promise<(Cluster & Key)[]> {
  const { pk } = organisationKey(organisation);
  const items = await services.table.query({ pk, prefix: CLUSTER_PREFIX });
  return items.map((item) => clusterEntity.read(item));
}

/** Reads every tombstone of an organisation. */
export async function tombstonesOf(services: Services, organisation: string): Promise<(Tombstone & Key)[]> {
  const { pk } = organisationKey(organisation);
  const items = await services.table.query({ pk, prefix: TOMBSTONE_PREFIX });
  return items.map((item) => tombstoneEntity.read(item));
}

/** Reads the events of a cluster, oldest first. */
export async function eventsOf(services: Services, identity: string): Promise<(StoredEvent & Key)[]> {
  const items = await services.table.query({ pk: pointerKey(identity).pk, prefix: EVENT_PREFIX });
  return items.map((item) => eventEntity.read(item));
}

/** Reads the events of an organisation, oldest first. */
export async function organisationEventsOf(services: Services, organisation: string): Promise<(StoredEvent & Key)[]> {
  const items = await services.table.query({ pk: organisationEventsPartition(organisation), prefix: EVENT_PREFIX });
  return items.map((item) => eventEntity.read(item));
}

/** Asserts that all stored items of an organisation are consistent. */
export async function expectInvariants(given: Services, organisation: string): Promise<void> {
  const services = await snapshotOf(given, organisation);
  expect(await findInconsistencies(services, organisation)).toEqual([]);
}
