/** Checks items one by one: each can be read, and the items that it depends on exist. */

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
  memberEmailKey,
  memberKey,
  observabilityTenantKeyOf,
  organisationKey,
  organisationOf,
  pointerKeyOf,
  tokenKey,
  userOf,
  userTokenKey,
} from "../../table/keys.ts";
import {
  emailHash,
  memberEmailEntity,
  memberEntity,
  tokenCountEntity,
  tokenEntity,
  userOrganisationEntity,
  userTokenEntity,
} from "../../tenancy/member.ts";
import { organisationEntity } from "../../tenancy/organisation.ts";
import { entities } from "../entities.ts";
import type { Inconsistency } from "./organisation.ts";

/** Number of items that are read before their dependencies are read. */
const CONCURRENCY = 100;

/** Item that must exist, with an optional condition on it. */
interface Dependency {
  key: Key;
  isValid?: (item: RawItem) => boolean;
}

/** Entities in the partition of a cluster that depend on its pointer. Events are stored longer. */
const OF_CLUSTERS = new Set(
  [nodePoolEntity, dataKeyEntity, certificateAuthorityEntity, oidcClientEntity, bootstrapTokensEntity].map(
    ({ name }) => name,
  ),
);

const dependsOn = (key: Key | undefined): Dependency[] => (key === undefined ? [] : [{ key }]);

/** Lists the items that an item depends on. @param item a readable item */
function dependenciesOf(item: RawItem): Dependency[] {
  if (item.entity === pointerEntity.name) {
    const { identity, organisation, path } = pointerEntity.read(item);
    const isValid = (found: RawItem) =>
      [clusterEntity, tombstoneEntity].some(
        (entity) => entity.name === found.entity && entity.read(found).identity === identity,
      );
    return [{ key: { ...organisationKey(organisation), sk: path }, isValid }];
  }
  if (OF_CLUSTERS.has(String(item.entity))) return dependsOn(pointerKeyOf(item));
  if (item.entity === tokenEntity.name) {
    const { user, tokenId, revokedAt, isCounted } = tokenEntity.read(item);
    // The record of a token that its user created and revoked has no link.
    return isCounted === true && revokedAt !== undefined ? [] : dependsOn(userTokenKey(user, tokenId));
  }
  if (item.entity === userTokenEntity.name) return dependsOn(tokenKey(userTokenEntity.read(item).tokenId));
  if (item.entity === userOrganisationEntity.name) {
    const user = userOf(item);
    return dependsOn(user === undefined ? undefined : memberKey(userOrganisationEntity.read(item).organisation, user));
  }
  const tenant = observabilityTenantKeyOf(item);
  if (tenant !== undefined) return dependsOn(tenant);
  const organisation = organisationOf(item);
  if (item.entity === memberEmailEntity.name && organisation !== undefined) {
    const { user } = memberEmailEntity.read(item);
    const isValid = (found: RawItem) =>
      memberEmailKey(organisation, emailHash(memberEntity.read(found).email)).sk === item.sk;
    return [{ key: memberKey(organisation, user), isValid }];
  }
  return dependsOn(organisation === undefined ? undefined : organisationKey(organisation));
}

/** Compares the number of tokens that a user created with the stored number. */
class TokenCounts {
  readonly #tokens = new Map<string, number>();
  readonly #stored = new Map<string, number>();

  /** Counts an item, if it is a token or a stored number. */
  add(item: RawItem): void {
    if (item.entity === tokenCountEntity.name) this.#stored.set(userOf(item) ?? "", tokenCountEntity.read(item).tokens);
    if (item.entity !== tokenEntity.name) return;
    const { user, isCounted, revokedAt } = tokenEntity.read(item);
    if (isCounted === true && revokedAt === undefined) this.#tokens.set(user, (this.#tokens.get(user) ?? 0) + 1);
  }

  inconsistencies(): Inconsistency[] {
    return [...new Set([...this.#tokens.keys(), ...this.#stored.keys()])].flatMap((user) => {
      const [is, should] = [this.#stored.get(user) ?? 0, this.#tokens.get(user) ?? 0];
      return is === should ? [] : [{ where: `user ${user}: tokens`, text: `is ${is}, should be ${should}` }];
    });
  }
}

/** Result of the check of all items. */
interface ItemsReport {
  items: number;
  /** Slugs, in order. */
  organisations: string[];
  contradictions: Inconsistency[];
}

/**
 * Reads every item of the table. Finds those that cannot be read, or that depend on a missing item.
 *
 * @throws AppError unavailable if the database cannot be reached
 */
export async function checkItems({ table, clock }: Pick<Services, "table" | "clock">): Promise<ItemsReport> {
  const now = clock().getTime() / 1_000;
  const byName = new Map(entities.map((entity) => [entity.name, entity]));
  const report: ItemsReport = { items: 0, organisations: [], contradictions: [] };
  const fault = (item: Key, text: string) => report.contradictions.push({ where: `item ${item.pk} ${item.sk}`, text });
  const tokens = new TokenCounts();
  let pending: [RawItem, Dependency][] = [];
  const checkDependencies = async () => {
    const found = await table.get(pending.map(([, { key }]) => key));
    for (const [item, { key, isValid }] of pending) {
      const target = found.get(keyText(key));
      if (target === undefined || isValid?.(target) === false)
        fault(item, `depends on ${key.pk} ${key.sk}, which does not exist or is of another item`);
    }
    pending = [];
  };
  for await (const item of table.scan()) {
    report.items++;
    try {
      const entity = byName.get(String(item.entity));
      if (entity === undefined) throw new Error(`unknown entity ${String(item.entity)}`);
      entity.read(item);
      tokens.add(item);
      if (item.entity === organisationEntity.name) report.organisations.push(organisationEntity.read(item).slug);
      // The database removes expired items at any time, each by itself.
      if (typeof item.ttl === "number" && item.ttl <= now) continue;
      for (const dependency of dependenciesOf(item)) pending.push([item, dependency]);
    } catch (error) {
      fault(item, errorText(error));
    }
    if (pending.length >= CONCURRENCY) await checkDependencies();
  }
  await checkDependencies();
  report.contradictions.push(...tokens.inconsistencies());
  report.organisations.sort();
  return report;
}
