/** Secrets of cloud credentials: one item for each, with a data key of its own. */

import * as v from "valibot";
import type { Table } from "../table/client.ts";
import { defineEntity, type RawItem } from "../table/entity.ts";
import { cloudSecretKey, keyText, organisationOf } from "../table/keys.ts";
import type { Expression } from "../table/transaction.ts";
import type { Keyring } from "./keyring.ts";
import { type SealContext, seal, unseal } from "./seal.ts";

const StoredCloudSecret = v.object({
  credentialsIdentity: v.string(),
  /** Id of the keyring's key that encrypted the data key. */
  wrappedBy: v.string(),
  /** The data key, encrypted, as base64. */
  dataKey: v.string(),
  ciphertext: v.string(),
  /** Time of the encryption, RFC 3339. */
  createdAt: v.string(),
});
/** Encrypted secrets of cloud credentials. */
type CloudSecret = v.InferOutput<typeof StoredCloudSecret>;

/** Entity of the secrets of cloud credentials. */
export const cloudSecretEntity = defineEntity("cloud-secret", 1, StoredCloudSecret);

const Secrets = v.record(v.string(), v.string());
type Secrets = v.InferOutput<typeof Secrets>;

/** Context of the data key. */
const keyContext = (table: Table, organisation: string, credentials: string): SealContext => ({
  table: table.name,
  organisation,
  credentials,
});

/** Context of the ciphertext. */
const contentContext = (table: Table, organisation: string, credentials: string): SealContext => ({
  table: table.name,
  ...cloudSecretKey(organisation, credentials),
});

/**
 * Encrypts the secrets of credentials with a new data key. The permission to generate data keys is enough to write secrets, and does not
 * allow to read them.
 *
 * @param organisation slug
 * @param credentials identity of the credentials
 * @param now RFC 3339
 * @returns the item to write
 * @throws AppError unavailable if the keyring cannot be reached
 */
export async function sealCredentials(
  table: Table,
  keyring: Keyring,
  organisation: string,
  credentials: string,
  secrets: Secrets,
  now: string,
): Promise<RawItem> {
  const { key, wrapped } = await keyring.generate(keyContext(table, organisation, credentials));
  const text = Buffer.from(JSON.stringify(secrets));
  return cloudSecretEntity.write(cloudSecretKey(organisation, credentials), {
    credentialsIdentity: credentials,
    wrappedBy: wrapped.wrappedBy,
    dataKey: wrapped.ciphertext,
    ciphertext: seal(key, text, contentContext(table, organisation, credentials)),
    createdAt: now,
  });
}

/**
 * Reads and decrypts the secrets of credentials, for a provisioner. One database round trip.
 *
 * @param organisation slug
 * @param credentials identity of the credentials
 * @returns undefined if the credentials have no secrets
 * @throws Error if the keyring does not decrypt the data key; UnsealError; AppError unavailable
 */
export async function readCredentials(
  table: Table,
  keyring: Keyring,
  organisation: string,
  credentials: string,
): Promise<Secrets | undefined> {
  const key = cloudSecretKey(organisation, credentials);
  const item = (await table.get([key])).get(keyText(key));
  return item && (await open(table, keyring, organisation, cloudSecretEntity.read(item)));
}

async function open(table: Table, keyring: Keyring, organisation: string, secret: CloudSecret): Promise<Secrets> {
  const { credentialsIdentity, wrappedBy, dataKey, ciphertext } = secret;
  const context = keyContext(table, organisation, credentialsIdentity);
  const key = await keyring.unwrap({ wrappedBy, ciphertext: dataKey }, context);
  const text = unseal(key, ciphertext, contentContext(table, organisation, credentialsIdentity)).toString();
  return v.parse(Secrets, JSON.parse(text));
}

/**
 * Encrypts secrets again with a new data key.
 *
 * @param item item as read
 * @param now RFC 3339
 * @param fromTable name of the table in which they were encrypted, if it was another one
 * @returns the item to write, on condition that it is unchanged
 * @throws Error if the keyring does not decrypt the data key; UnsealError; AppError unavailable
 */
export async function resealCredentials(
  table: Table,
  keyring: Keyring,
  item: RawItem,
  now: string,
  fromTable: string | undefined,
): Promise<{ item: RawItem; unchanged: Expression }> {
  const secret = cloudSecretEntity.read(item);
  const organisation = organisationOf(item) ?? "";
  const openIn = (name: string) => open({ ...table, name }, keyring, organisation, secret);
  const secrets = await openIn(fromTable ?? table.name).catch((error: unknown) => {
    if (fromTable === undefined) throw error;
    // Written since the copy.
    return openIn(table.name).catch(() => {
      throw error;
    });
  });
  const renewed = await sealCredentials(table, keyring, organisation, secret.credentialsIdentity, secrets, now);
  const unchanged = { condition: "#ciphertext = :before", values: { ":before": secret.ciphertext } };
  return { item: renewed, unchanged };
}
