/** What must hold of items one by one: each can be read, and what it hangs on is there. */

import { clusterEntity, pointerEntity, tombstoneEntity } from "../../cluster/entity.ts";
import { bootstrapTokensEntity, certificateAuthorityEntity, oidcClientEntity } from "../../cluster-access/entity.ts";
import type { Services } from "../../context.ts";
import { nodePoolEntity } from "../../node-pool/entity.ts";
import { dataKeyEntity } from "../../secrets/vault.ts";
import { errorText } from "../../shared/errors.ts";
import type { RawItem } from "../../table/entity.ts";
import {
  type Key,
  keyText,
  memberKey,
  organisationKey,
  organisationOf,
  pointerKeyOf,
  tokenKey,
  userOf,
  userTokenKey,
} from "../../table/keys.ts";
import { tokenEntity, userOrganisationEntity, userTokenEntity } from "../../tenancy/member.ts";
import { organisationEntity } from "../../tenancy/organisation.ts";
import { entities } from "../entities.ts";
import type { Inconsistency } from "./organisation.ts";

/** How many items are looked at before what they hang on is read. */
const CONCURRENCY = 100;

/** An item that has to be there, and what has to be true of it. */
interface Dependency {
  key: Key;
  holds?: (item: RawItem) => boolean;
}

/** What hangs on a cluster's pointer, in its partition. Events stay for longer. */
const OF_CLUSTERS = new Set(
  [nodePoolEntity, dataKeyEntity, certificateAuthorityEntity, oidcClientEntity, bootstrapTokensEntity].map(
    ({ name }) => name,
  ),
);

const kept = (key: Key | undefined): Dependency[] => (key === undefined ? [] : [{ key }]);

/** What an item hangs on. @param item that can be read */
function dependenciesOf(item: RawItem): Dependency[] {
  if (item.entity === pointerEntity.name) {
    const { identity, organisation, path } = pointerEntity.read(item);
    const holds = (found: RawItem) =>
      [clusterEntity, tombstoneEntity].some(
        (entity) => entity.name === found.entity && entity.read(found).identity === identity,
      );
    return [{ key: { ...organisationKey(organisation), sk: path }, holds }];
  }
  if (OF_CLUSTERS.has(String(item.entity))) return kept(pointerKeyOf(item));
  if (item.entity === tokenEntity.name) {
    const { user, tokenId } = tokenEntity.read(item);
    return kept(userTokenKey(user, tokenId));
  }
  if (item.entity === userTokenEntity.name) return kept(tokenKey(userTokenEntity.read(item).tokenId));
  if (item.entity === userOrganisationEntity.name) {
    const user = userOf(item);
    return kept(user === undefined ? undefined : memberKey(userOrganisationEntity.read(item).organisation, user));
  }
  const organisation = organisationOf(item);
  return kept(organisation === undefined ? undefined : organisationKey(organisation));
}

/** What was found in the whole table. */
export interface ItemsReport {
  items: number;
  /** Slugs, in order. */
  organisations: string[];
  contradictions: Inconsistency[];
}

/**
 * Reads every item of the table and finds those that cannot be read, or that hang on something that is not there.
 *
 * @throws AppError unavailable where the database cannot be reached
 */
export async function checkItems({ table, clock }: Pick<Services, "table" | "clock">): Promise<ItemsReport> {
  const now = clock().getTime() / 1_000;
  const byName = new Map(entities.map((entity) => [entity.name, entity]));
  const report: ItemsReport = { items: 0, organisations: [], contradictions: [] };
  const fault = (item: Key, text: string) => report.contradictions.push({ where: `item ${item.pk} ${item.sk}`, text });
  let hanging: [RawItem, Dependency][] = [];
  const look = async () => {
    const found = await table.get(hanging.map(([, { key }]) => key));
    for (const [item, { key, holds }] of hanging) {
      const support = found.get(keyText(key));
      if (support === undefined || holds?.(support) === false)
        fault(item, `hangs on ${key.pk} ${key.sk}, which is not there`);
    }
    hanging = [];
  };
  for await (const item of table.scan()) {
    report.items++;
    try {
      const entity = byName.get(String(item.entity));
      if (entity === undefined) throw new Error(`is of an unknown entity, ${String(item.entity)}`);
      entity.read(item);
      if (item.entity === organisationEntity.name) report.organisations.push(organisationEntity.read(item).slug);
      // The database removes what has expired when it likes, each item by itself.
      if (typeof item.ttl === "number" && item.ttl <= now) continue;
      for (const support of dependenciesOf(item)) hanging.push([item, support]);
    } catch (error) {
      fault(item, errorText(error));
    }
    if (hanging.length >= CONCURRENCY) await look();
  }
  await look();
  report.organisations.sort();
  return report;
}
