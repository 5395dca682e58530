/** Encrypting all secrets anew: a new data key for every cluster, under a new key of the keyring. */

import { setTimeout as sleep } from "node:timers/promises";
import * as v from "valibot";
import type { Services } from "../context.ts";
import type { Keyring } from "../secrets/keyring.ts";
import { findWrappingKeys, recordKeys } from "../secrets/keyring-record.ts";
import {
  createVault,
  DATA_KEY,
  type DataKey,
  dataKeyEntity,
  openVault,
  readSecrets,
  Sealed,
  type StoredSecrets,
} from "../secrets/vault.ts";
import { AppError } from "../shared/errors.ts";
import { backoff, type Deadline, deadlineIn } from "../shared/retry.ts";
import { defineEntity, type RawItem } from "../table/entity.ts";
import { keyText, rotationKey } from "../table/keys.ts";
import { commit, type Expression, Transaction, writeTimedOut } from "../table/transaction.ts";

const StoredRotation = v.object({
  startedAt: v.string(),
  finishedAt: v.optional(v.string()),
  fromTable: v.optional(v.string()),
});
/** The last rotation, as it is stored. */
export const rotationEntity = defineEntity("secrets-rotation", 1, StoredRotation);

/** What rotating works with. */
export interface RotationServices extends Pick<Services, "table" | "clock" | "writeTimeoutMs"> {
  readonly keyring: Keyring;
  /**
   * How long after everything is encrypted anew the old keys are kept, in milliseconds: longer than a data key that was made
   * before may take to be written.
   */
  readonly graceMs: number;
  /** The name of the table that they were encrypted in, where they were brought into another one since. */
  readonly fromTable?: string | undefined;
  /** Secrets that the keyring encrypts outside of the table. */
  readonly outside?: readonly OutsideSecrets[];
  /** Told after every cluster. @param done clusters so far */
  readonly onProgress?: (done: number) => void;
}

/** Secrets that lie outside of the table, such as in a file. */
export interface OutsideSecrets {
  /** Encrypts them with a new data key under the keyring's present key. */
  rotate(): Promise<void>;
  /** Returns the id of the key that encrypts their data key; undefined where there are none. */
  wrappedBy(): Promise<string | undefined>;
}

/** What a rotation did. */
export interface RotationReport {
  /** Whether it went on with one that was cut off. */
  resumed: boolean;
  clusters: number;
}

/**
 * Encrypts all secrets anew, beside running servers. Killed at any moment, it is finished by the next call: what is done already
 * is not done again. A cluster whose secrets cannot be encrypted anew keeps no other from it, but the rotation from its end: the old
 * keys stay until a later call has done that cluster's, too.
 *
 * @throws AppError unavailable where the database or the keyring cannot be reached; Error that names clusters that are not done
 */
export async function rotateSecrets(rotating: RotationServices): Promise<RotationReport> {
  const { table, keyring, clock, graceMs, fromTable, outside = [] } = rotating;
  const item = (await table.get([rotationKey])).get(keyText(rotationKey));
  const before = item && rotationEntity.read(item);
  // What another table's rotation had begun with is not begun here.
  const resumed = before !== undefined && before.finishedAt === undefined && before.fromTable === fromTable;
  const startedAt = resumed ? before.startedAt : clock().toISOString();
  if (!resumed) {
    await keyring.renew();
    // Before anything names the new key. Keys that are missing stay on record, for what they encrypted is still there.
    await recordKeys(rotating, async (recorded, present) => [
      ...new Set([...(recorded ?? (await findWrappingKeys(table))), ...present]),
    ]);
    await saveProgress(rotating, { startedAt, fromTable });
  }
  const identities = new Set<string>();
  const failed = new Map<string, unknown>();
  const pass = async () => {
    failed.clear();
    for await (const data of dataKeys(rotating)) {
      const { clusterIdentity } = data;
      if (data.createdAt >= startedAt && (await keyring.isCurrent(data.wrappedBy))) continue;
      try {
        await rotateCluster(rotating, clusterIdentity, startedAt);
        identities.add(clusterIdentity);
        rotating.onProgress?.(identities.size);
      } catch (error) {
        if (error instanceof AppError && error.code !== writeTimedOut().code) throw error;
        failed.set(clusterIdentity, error);
      }
    }
    for (const secrets of outside) await secrets.rotate();
  };
  await pass();
  await sleep(graceMs);
  await pass();
  if (failed.size > 0) throw remainingClusters(failed);
  const used = await findWrappingKeys(table);
  for (const secrets of outside) used.add((await secrets.wrappedBy()) ?? "");
  // The record first: cut off in between, it names fewer keys than there are, which is completed at the next start.
  await recordKeys(rotating, async (_, present) =>
    present.filter((id, at) => at === present.length - 1 || used.has(id)),
  );
  await keyring.retire((id) => used.has(id));
  await saveProgress(rotating, { startedAt, finishedAt: clock().toISOString(), fromTable });
  return { resumed, clusters: identities.size };
}

/** How many clusters are named that are not done. */
const NAMED = 20;

function remainingClusters(failed: ReadonlyMap<string, unknown>): Error {
  const named = [...failed].slice(0, NAMED).map(([identity, error]) => {
    return `${identity}: ${error instanceof Error ? error.message : String(error)}`;
  });
  const more = failed.size > NAMED ? [`and ${failed.size - NAMED} more`] : [];
  const count = failed.size === 1 ? "one cluster" : `${failed.size} clusters`;
  const [cause] = failed.values();
  return new Error(
    `the secrets of ${count} could not be encrypted anew, and the old keys stay: ${[...named, ...more].join("; ")}`,
    { cause },
  );
}

async function saveProgress(
  { table, writeTimeoutMs }: RotationServices,
  rotation: v.InferInput<typeof StoredRotation>,
): Promise<void> {
  const transaction = new Transaction().put("rotation", rotationEntity.write(rotationKey, rotation));
  await commit(table, transaction, deadlineIn(writeTimeoutMs));
}

async function* dataKeys({ table }: RotationServices): AsyncGenerator<DataKey> {
  for await (const item of table.scan()) {
    if (item.entity === dataKeyEntity.name) yield dataKeyEntity.read(item);
  }
}

/** Encrypts the secrets of one cluster anew, all in one transaction. */
async function rotateCluster(rotating: RotationServices, clusterIdentity: string, startedAt: string): Promise<void> {
  const deadline = deadlineIn(rotating.writeTimeoutMs);
  for (let round = 1; !(await tryCluster(rotating, clusterIdentity, startedAt, deadline)); round++) {
    if (deadline.expired()) throw writeTimedOut();
    await backoff(round, deadline);
  }
}

/** Opens secrets in the table they were encrypted in: the former one, or this one where they were made since. */
async function openWhereItWas(
  { table, keyring, fromTable }: RotationServices,
  clusterIdentity: string,
  held: StoredSecrets,
) {
  if (fromTable === undefined) return await openVault(table, keyring, clusterIdentity, held);
  try {
    return await openVault({ ...table, name: fromTable }, keyring, clusterIdentity, held);
  } catch (error) {
    return await openVault(table, keyring, clusterIdentity, held).catch(() => {
      throw error;
    });
  }
}

const Values = v.record(v.string(), v.string());

/** Holds a data key to being what it was, with nothing encrypted with it since. */
const asRead = ({ keyId, revision }: DataKey): Expression => ({
  condition: `#keyId = :keyId AND ${revision === undefined ? "attribute_not_exists(#revision)" : "#revision = :revision"}`,
  values: { ":keyId": keyId, ...(revision === undefined ? {} : { ":revision": revision }) },
});

/** @returns false where somebody wrote at the same time */
async function tryCluster(
  rotating: RotationServices,
  clusterIdentity: string,
  startedAt: string,
  deadline: Deadline,
): Promise<boolean> {
  const { table, keyring, clock } = rotating;
  const held = await readSecrets(table, clusterIdentity);
  const keyItem = held.get(DATA_KEY);
  // The cluster went away meanwhile.
  if (keyItem === undefined) return true;
  const data = dataKeyEntity.read(keyItem);
  // Another rotation was faster.
  if (data.createdAt >= startedAt && (await keyring.isCurrent(data.wrappedBy))) return true;
  const old = await openWhereItWas(rotating, clusterIdentity, held);
  if (old === undefined) return true;
  const replace = (transaction: Transaction, item: RawItem) => void transaction.put("data-key", item, asRead(data));
  const renewed = await createVault(table, keyring, clusterIdentity, clock().toISOString(), replace);
  const transaction = new Transaction();
  renewed.bindTo(transaction);
  for (const [name, item] of held) {
    if (item.sealed === undefined) continue;
    const sealed = v.parse(Sealed, item.sealed);
    if (sealed.keyId !== old.keyId) return false;
    const again = renewed.seal(name, old.open(name, sealed, Values));
    transaction.update("secret", item, "SET #sealed = :sealed", {
      condition: "#sealed.#ciphertext = :before",
      values: { ":sealed": again, ":before": sealed.ciphertext },
    });
  }
  return (await commit(table, transaction, deadline)).length === 0;
}
