/** Rotates the keys of all secrets: a new data key for every cluster and all cloud credentials, encrypted with a new key of the keyring. */

import { setTimeout as sleep } from "node:timers/promises";
import * as v from "valibot";
import type { Services } from "../context.ts";
import { cloudSecretEntity, resealCredentials } from "../secrets/cloud-secrets.ts";
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
import { type Key, keyText, rotationKey } from "../table/keys.ts";
import { commit, type Expression, Transaction, writeTimedOut } from "../table/transaction.ts";

const StoredRotation = v.object({
  startedAt: v.string(),
  finishedAt: v.optional(v.string()),
  fromTable: v.optional(v.string()),
});
/** Entity of the last rotation. */
export const rotationEntity = defineEntity("secrets-rotation", 1, StoredRotation);

/** Services of a rotation. */
interface RotationServices extends Pick<Services, "table" | "clock" | "writeTimeoutMs"> {
  readonly keyring: Keyring;
  /**
   * Retention of the old keys after all secrets are encrypted again, in milliseconds: longer than the write of a data key that was
   * created before may take.
   */
  readonly graceMs: number;
  /** Name of the table in which the secrets were encrypted, if they were copied to another table since. */
  readonly fromTable?: string | undefined;
  /** Secrets outside of the table that the keyring encrypts. */
  readonly outside?: readonly OutsideSecrets[];
  /** Called after every cluster and credentials. @param done number of them so far */
  readonly onProgress?: (done: number) => void;
  /** Called before the wait of `graceMs`, after which the old keys are removed. */
  readonly onWait?: () => void;
}

/** Secrets outside of the table, for example in a file. */
export interface OutsideSecrets {
  /** Encrypts them with a new data key, which is encrypted with the keyring's current key. */
  rotate(): Promise<void>;
  /** Returns the id of the key that encrypts their data key; undefined if there are none. */
  wrappedBy(): Promise<string | undefined>;
}

/** Result of a rotation. */
interface RotationReport {
  /** True if it continued an interrupted rotation. */
  resumed: boolean;
  clusters: number;
  /** Number of cloud credentials. */
  credentials: number;
}

/**
 * Encrypts all secrets with new keys while servers are running. If interrupted, the next call continues it and skips finished
 * clusters and credentials. One whose secrets cannot be encrypted does not block the others, but the old keys stay until a later call has
 * encrypted its secrets too.
 *
 * @throws AppError unavailable if the database or the keyring cannot be reached; Error that lists what is not finished
 */
export async function rotateSecrets(rotating: RotationServices): Promise<RotationReport> {
  const { table, keyring, clock, graceMs, fromTable, outside = [] } = rotating;
  const item = (await table.get([rotationKey])).get(keyText(rotationKey));
  const before = item && rotationEntity.read(item);
  // An interrupted rotation of another table does not count: its new key is not in use here.
  const resumed = before !== undefined && before.finishedAt === undefined && before.fromTable === fromTable;
  const startedAt = resumed ? before.startedAt : clock().toISOString();
  if (!resumed) {
    await keyring.renew();
    // Recorded before an item refers to the new key. Missing keys stay recorded, because their secrets still exist.
    await recordKeys(rotating, async (recorded, present) => [
      ...new Set([...(recorded ?? (await findWrappingKeys(table))), ...present]),
    ]);
    await saveProgress(rotating, { startedAt, fromTable });
  }
  const done = { cluster: new Set<string>(), credentials: new Set<string>() };
  const failed = new Map<string, unknown>();
  const pass = async () => {
    failed.clear();
    for await (const { kind, identity, createdAt, wrappedBy, rotate } of storedKeys(rotating, startedAt)) {
      if (createdAt >= startedAt && (await keyring.isCurrent(wrappedBy))) continue;
      try {
        await untilWritten(rotating, rotate);
        done[kind].add(identity);
        rotating.onProgress?.(done.cluster.size + done.credentials.size);
      } catch (error) {
        if (error instanceof AppError && error.code !== writeTimedOut().code) throw error;
        failed.set(`${kind} ${identity}`, error);
      }
    }
    for (const secrets of outside) await secrets.rotate();
  };
  await pass();
  if (graceMs > 0) rotating.onWait?.();
  await sleep(graceMs);
  await pass();
  if (failed.size > 0) throw remaining(failed);
  const used = await findWrappingKeys(table);
  for (const secrets of outside) used.add((await secrets.wrappedBy()) ?? "");
  // The record first: after an interruption it lists too few keys, which the next start completes.
  await recordKeys(rotating, async (_, present) =>
    present.filter((id, at) => at === present.length - 1 || used.has(id)),
  );
  await keyring.retire((id) => used.has(id));
  await saveProgress(rotating, { startedAt, finishedAt: clock().toISOString(), fromTable });
  return { resumed, clusters: done.cluster.size, credentials: done.credentials.size };
}

/** Maximum number of unfinished clusters and credentials in the error. */
const MAX_LISTED = 20;

/** @param failed errors by the kind and identity of what is not finished */
function remaining(failed: ReadonlyMap<string, unknown>): Error {
  const listed = [...failed].slice(0, MAX_LISTED).map(([what, error]) => {
    return `${what}: ${error instanceof Error ? error.message : String(error)}`;
  });
  const more = failed.size > MAX_LISTED ? [`and ${failed.size - MAX_LISTED} more`] : [];
  const count = failed.size === 1 ? "one data key" : `${failed.size} data keys`;
  const [cause] = failed.values();
  return new Error(`failed to replace ${count}; the old keys are retained: ${[...listed, ...more].join("; ")}`, {
    cause,
  });
}

async function saveProgress(
  { table, writeTimeoutMs }: RotationServices,
  rotation: v.InferInput<typeof StoredRotation>,
): Promise<void> {
  const transaction = new Transaction().put("rotation", rotationEntity.write(rotationKey, rotation));
  await commit(table, transaction, deadlineIn(writeTimeoutMs));
}

/** Data key in the table, with the secrets that it encrypts. */
interface StoredKey extends Pick<DataKey, "createdAt" | "wrappedBy"> {
  kind: "cluster" | "credentials";
  /** Identity of the cluster or the credentials. */
  identity: string;
  /** Encrypts the secrets with a new data key, in one transaction. Returns false after a concurrent write. */
  rotate(deadline: Deadline): Promise<boolean>;
}

/** Finds all data keys. Reads the whole table. */
async function* storedKeys(rotating: RotationServices, startedAt: string): AsyncGenerator<StoredKey> {
  for await (const item of rotating.table.scan()) {
    if (item.entity === dataKeyEntity.name) {
      const { clusterIdentity: identity, ...key } = dataKeyEntity.read(item);
      yield { ...key, kind: "cluster", identity, rotate: (by) => tryCluster(rotating, identity, startedAt, by) };
    } else if (item.entity === cloudSecretEntity.name) {
      const { credentialsIdentity: identity, ...key } = cloudSecretEntity.read(item);
      yield { ...key, kind: "credentials", identity, rotate: (by) => tryCredentials(rotating, item, startedAt, by) };
    }
  }
}

/** Repeats a write after concurrent writes. @throws AppError unavailable at the deadline */
async function untilWritten({ writeTimeoutMs }: RotationServices, write: StoredKey["rotate"]): Promise<void> {
  const deadline = deadlineIn(writeTimeoutMs);
  for (let round = 1; !(await write(deadline)); round++) {
    if (deadline.expired()) throw writeTimedOut();
    await backoff(round, deadline);
  }
}

/** Encrypts the secrets of cloud credentials with a new data key. @returns false after a concurrent write */
async function tryCredentials(
  { table, keyring, clock, fromTable }: RotationServices,
  key: Key,
  startedAt: string,
  deadline: Deadline,
): Promise<boolean> {
  const item = (await table.get([key])).get(keyText(key));
  // They were deleted meanwhile.
  if (item === undefined) return true;
  const { createdAt, wrappedBy } = cloudSecretEntity.read(item);
  // Another rotation was faster.
  if (createdAt >= startedAt && (await keyring.isCurrent(wrappedBy))) return true;
  const renewed = await resealCredentials(table, keyring, item, clock().toISOString(), fromTable);
  const transaction = new Transaction().put("secret", renewed.item, renewed.unchanged);
  return (await commit(table, transaction, deadline)).length === 0;
}

/** Opens the vault with the table in which the secrets were encrypted: the former one, or this one for newer secrets. */
async function openInOriginalTable(
  { table, keyring, fromTable }: RotationServices,
  clusterIdentity: string,
  secrets: StoredSecrets,
) {
  if (fromTable === undefined) return await openVault(table, keyring, clusterIdentity, secrets);
  try {
    return await openVault({ ...table, name: fromTable }, keyring, clusterIdentity, secrets);
  } catch (error) {
    return await openVault(table, keyring, clusterIdentity, secrets).catch(() => {
      throw error;
    });
  }
}

const Values = v.record(v.string(), v.string());

/** Builds the condition that a data key is unchanged and no secret was encrypted with it since the read. */
const asRead = ({ keyId, revision }: DataKey): Expression => ({
  condition: `#keyId = :keyId AND ${revision === undefined ? "attribute_not_exists(#revision)" : "#revision = :revision"}`,
  values: { ":keyId": keyId, ...(revision === undefined ? {} : { ":revision": revision }) },
});

/** Encrypts the secrets of one cluster with a new data key. @returns false after a concurrent write */
async function tryCluster(
  rotating: RotationServices,
  clusterIdentity: string,
  startedAt: string,
  deadline: Deadline,
): Promise<boolean> {
  const { table, keyring, clock } = rotating;
  const secrets = await readSecrets(table, clusterIdentity);
  const keyItem = secrets.get(DATA_KEY);
  // The cluster was deleted meanwhile.
  if (keyItem === undefined) return true;
  const data = dataKeyEntity.read(keyItem);
  // Another rotation was faster.
  if (data.createdAt >= startedAt && (await keyring.isCurrent(data.wrappedBy))) return true;
  const old = await openInOriginalTable(rotating, clusterIdentity, secrets);
  if (old === undefined) return true;
  const replace = (transaction: Transaction, item: RawItem) => void transaction.put("data-key", item, asRead(data));
  const renewed = await createVault(table, keyring, clusterIdentity, clock().toISOString(), replace);
  const transaction = new Transaction();
  renewed.bindTo(transaction);
  for (const [name, item] of secrets) {
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
