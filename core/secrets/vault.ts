/** The secrets of one cluster: a data key of its own, and everything encrypted with it. */

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
  /** Rises with everything that is encrypted with it after it was made. Absent before the first. */
  revision: v.optional(v.number()),
});
export type DataKey = v.InferOutput<typeof StoredDataKey>;

/** How a data key is stored. */
export const dataKeyEntity = defineEntity("data-key", 1, StoredDataKey);

/** The name of the item that holds a cluster's data key. */
export const DATA_KEY = "KEY";

/** An encrypted value as it lies in an item, in the attribute `sealed`. */
export const Sealed = v.object({ keyId: v.string(), ciphertext: v.string() });
export type Sealed = v.InferOutput<typeof Sealed>;

/** What is stored of a cluster's secrets, by name. */
export type StoredSecrets = ReadonlyMap<string, RawItem>;

/** Reads everything stored of a cluster's secrets, still encrypted. One wait on the database. */
export async function readSecrets(table: Table, clusterIdentity: string): Promise<StoredSecrets> {
  const { pk } = secretKey(clusterIdentity, DATA_KEY);
  const items = await table.query({ pk, prefix: SECRET_PREFIX });
  return new Map(items.map((item) => [item.sk.slice(SECRET_PREFIX.length), item]));
}

/** The secrets of one cluster, open. */
export interface Vault {
  readonly keyId: string;
  /** Encrypts values for the item of that name, where alone they decrypt. */
  seal(name: string, values: Readonly<Record<string, string>>): Sealed;
  /** Decrypts. @throws UnsealError where it was sealed for another item or with another key; ValiError as the schema */
  open<Shape extends v.GenericSchema>(name: string, sealed: Sealed, schema: Shape): v.InferOutput<Shape>;
  /**
   * Holds a transaction that writes something sealed to the data key it was sealed with: it is made with it, or has to be there
   * still (label `data-key`), and is seen to have more to it, so that whoever replaces it leaves nothing behind.
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
 * Draws a new data key for a cluster.
 *
 * @param now RFC 3339
 * @param hold how a transaction is held to it; by default the key must not be there yet (label `data-key`)
 */
export async function newVault(
  table: Table,
  keyring: Keyring,
  clusterIdentity: string,
  now: string,
  hold = (transaction: Transaction, item: RawItem): void => void transaction.create("data-key", item),
): Promise<Vault> {
  const { key, wrapped } = await keyring.generate(wrappingContext(table, clusterIdentity));
  const data: DataKey = { clusterIdentity, keyId: randomUUID(), ...wrapped, createdAt: now };
  const item = dataKeyEntity.write(secretKey(clusterIdentity, DATA_KEY), data);
  return vaultWith(table, data, key, (transaction) => hold(transaction, item));
}

/**
 * Opens a cluster's secrets with the data key that is stored.
 *
 * @returns undefined where there is none yet
 * @throws Error where the keyring does not decrypt it
 */
export async function openVault(
  table: Table,
  keyring: Keyring,
  clusterIdentity: string,
  held: StoredSecrets,
): Promise<Vault | undefined> {
  const item = held.get(DATA_KEY);
  if (item === undefined) return undefined;
  const data = dataKeyEntity.read(item);
  const key = await keyring.unwrap(data, wrappingContext(table, clusterIdentity));
  return vaultWith(table, { clusterIdentity, keyId: data.keyId }, key, (transaction) => {
    transaction.update("data-key", secretKey(clusterIdentity, DATA_KEY), "ADD #revision :one", {
      condition: "#keyId = :keyId",
      values: { ":keyId": data.keyId, ":one": 1 },
    });
  });
}

/** How often a secret is read again that was encrypted anew while it was being read. */
const READINGS = 4;

/**
 * Decrypts one of a cluster's secrets. Where a rotation encrypts them anew at this moment, item and data key may have been read
 * from before and after it: then both are read again.
 *
 * @param held what was read of them
 * @param name of the item, whose attribute `sealed` it is
 * @returns undefined where there is none
 * @throws Error where the keyring does not decrypt the data key; UnsealError; AppError unavailable where rotations do not end
 */
export async function openSecret<Shape extends v.GenericSchema>(
  table: Table,
  keyring: Keyring,
  clusterIdentity: string,
  held: StoredSecrets,
  name: string,
  schema: Shape,
): Promise<v.InferOutput<Shape> | undefined> {
  let present = held;
  for (let reading = 1; reading <= READINGS; reading++) {
    const stored = present.get(name)?.sealed;
    if (stored === undefined) return undefined;
    const sealed = v.parse(Sealed, stored);
    const vault = await openVault(table, keyring, clusterIdentity, present);
    if (vault?.keyId === sealed.keyId) return vault.open(name, sealed, schema);
    present = await readSecrets(table, clusterIdentity);
  }
  throw unavailable("secrets.rotating", "The secrets of this cluster are being encrypted anew. Try again.");
}
