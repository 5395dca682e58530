/** Secrets of one cluster: its data key, and everything that is encrypted with it. */

import { randomUUID } from "node:crypto";
import * as v from "valibot";
import { unavailable } from "../shared/errors.ts";
import type { Table } from "../table/client.ts";
import { defineEntity, type RawItem } from "../table/entity.ts";
import { SECRET_PREFIX, secretKey } from "../table/keys.ts";
import type { Transaction } from "../table/transaction.ts";
import type { Keyring } from "./keyring.ts";
import { type SealContext, seal, unseal } from "./seal.ts";

const StoredDataKey = v.object({
  clusterIdentity: v.string(),
  keyId: v.string(),
  wrappedBy: v.string(),
  ciphertext: v.string(),
  createdAt: v.string(),
  /** Rises with every value that is encrypted with the key after its creation. Absent before the first. */
  revision: v.optional(v.number()),
});
export type DataKey = v.InferOutput<typeof StoredDataKey>;

/** Entity of a data key. */
export const dataKeyEntity = defineEntity("data-key", 1, StoredDataKey);

/** Name of the item of a cluster's data key. */
export const DATA_KEY = "KEY";

/** Encrypted value in the attribute `sealed` of an item. */
export const Sealed = v.object({ keyId: v.string(), ciphertext: v.string() });
export type Sealed = v.InferOutput<typeof Sealed>;

/** Stored items of a cluster's secrets, by name. */
export type StoredSecrets = ReadonlyMap<string, RawItem>;

/** Reads the stored secrets of a cluster, still encrypted. One round trip. */
export async function readSecrets(table: Table, clusterIdentity: string): Promise<StoredSecrets> {
  const { pk } = secretKey(clusterIdentity, DATA_KEY);
  return secretsByName(await table.query({ pk, prefix: SECRET_PREFIX }));
}

/** Returns the secrets among items of a cluster, by name. */
export const secretsByName = (items: readonly RawItem[]): StoredSecrets =>
  new Map(
    items.filter(({ sk }) => sk.startsWith(SECRET_PREFIX)).map((item) => [item.sk.slice(SECRET_PREFIX.length), item]),
  );

/** Secrets of one cluster, with its decrypted data key. */
export interface Vault {
  readonly keyId: string;
  /** Encrypts values for the item of a name. They decrypt only there. */
  seal(name: string, values: Readonly<Record<string, string>>): Sealed;
  /** Decrypts. @throws UnsealError if it was encrypted for another item or with another key; ValiError as the schema */
  open<Shape extends v.GenericSchema>(name: string, sealed: Sealed, schema: Shape): v.InferOutput<Shape>;
  /**
   * Binds a transaction that writes an encrypted value to the data key: the first one creates a new key. Each other one requires that
   * the key is still the stored one (label `data-key`), and raises the key's revision, so that a concurrent rotation includes the new
   * value.
   */
  bindTo(transaction: Transaction): void;
}

const wrappingContext = (table: Table, clusterIdentity: string): SealContext => ({
  table: table.name,
  cluster: clusterIdentity,
});

function vaultWith(
  table: Table,
  data: Pick<DataKey, "clusterIdentity" | "keyId">,
  key: Buffer,
  bindTo: Vault["bindTo"],
) {
  const { clusterIdentity, keyId } = data;
  const contextOf = (name: string): SealContext => ({
    ...wrappingContext(table, clusterIdentity),
    ...secretKey(clusterIdentity, name),
    keyId,
  });
  const vault: Vault = {
    keyId,
    seal: (name, values) => ({
      keyId,
      ciphertext: seal(key, Buffer.from(JSON.stringify(values)), contextOf(name)),
    }),
    open(name, sealed, schema) {
      const text = unseal(key, sealed.ciphertext, contextOf(name)).toString();
      return v.parse(schema, JSON.parse(text));
    },
    bindTo,
  };
  return vault;
}

/**
 * Generates a new data key for a cluster.
 *
 * @param now RFC 3339
 * @param writeKey adds the key to a transaction; by default on condition that there is none yet (label `data-key`)
 */
export async function createVault(
  table: Table,
  keyring: Keyring,
  clusterIdentity: string,
  now: string,
  writeKey = (transaction: Transaction, item: RawItem): void => void transaction.create("data-key", item),
): Promise<Vault> {
  const { key, wrapped } = await keyring.generate(wrappingContext(table, clusterIdentity));
  const data: DataKey = { clusterIdentity, keyId: randomUUID(), ...wrapped, createdAt: now };
  const item = dataKeyEntity.write(secretKey(clusterIdentity, DATA_KEY), data);
  let isCreated = false;
  return vaultWith(table, data, key, (transaction) => {
    if (isCreated) requireKey(transaction, data);
    else writeKey(transaction, item);
    isCreated = true;
  });
}

/**
 * Opens a cluster's secrets with the stored data key.
 *
 * @returns undefined if there is none
 * @throws Error if the keyring does not decrypt it
 */
export async function openVault(
  table: Table,
  keyring: Keyring,
  clusterIdentity: string,
  secrets: StoredSecrets,
): Promise<Vault | undefined> {
  const item = secrets.get(DATA_KEY);
  if (item === undefined) return undefined;
  const data = dataKeyEntity.read(item);
  const key = await keyring.unwrap(data, wrappingContext(table, clusterIdentity));
  return vaultWith(table, { clusterIdentity, keyId: data.keyId }, key, (transaction) => requireKey(transaction, data));
}

/** Requires that a data key is still the stored one, and raises its revision. */
const requireKey = (transaction: Transaction, { clusterIdentity, keyId }: Pick<DataKey, "clusterIdentity" | "keyId">) =>
  void transaction.update("data-key", secretKey(clusterIdentity, DATA_KEY), "ADD #revision :one", {
    condition: "#keyId = :keyId",
    values: { ":keyId": keyId, ":one": 1 },
  });

/** Maximum number of reads of a secret that a rotation re-encrypts at the same time. */
const MAX_READS = 4;

/**
 * Decrypts one of a cluster's secrets. If a rotation re-encrypts them at the same time, item and data key may have been read from
 * before and after it: then both are read again.
 *
 * @param secrets stored secrets, from `readSecrets`
 * @param name name of the item with the attribute `sealed`
 * @returns undefined if there is none
 * @throws Error if the keyring does not decrypt the data key; UnsealError; AppError unavailable if rotations do not end
 */
export async function openSecret<Shape extends v.GenericSchema>(
  table: Table,
  keyring: Keyring,
  clusterIdentity: string,
  secrets: StoredSecrets,
  name: string,
  schema: Shape,
): Promise<v.InferOutput<Shape> | undefined> {
  let present = secrets;
  for (let reads = 1; reads <= MAX_READS; reads++) {
    const stored = present.get(name)?.sealed;
    if (stored === undefined) return undefined;
    const sealed = v.parse(Sealed, stored);
    const vault = await openVault(table, keyring, clusterIdentity, present);
    if (vault?.keyId === sealed.keyId) return vault.open(name, sealed, schema);
    present = await readSecrets(table, clusterIdentity);
  }
  throw unavailable("secrets.rotating", "The secrets of this cluster are being re-encrypted. Try again.");
}
