/** Record of the keys that encrypt stored data, to detect a lost keyring before a new one replaces it. */

import * as v from "valibot";
import type { Services } from "../context.ts";
import { AppError } from "../shared/errors.ts";
import { backoff, deadlineIn } from "../shared/retry.ts";
import type { Table } from "../table/client.ts";
import { defineEntity } from "../table/entity.ts";
import { keyringKey, keyText } from "../table/keys.ts";
import { commit, type Expression, Transaction, writeTimedOut } from "../table/transaction.ts";
import { cloudSecretEntity } from "./cloud-secrets.ts";
import type { Keyring } from "./keyring.ts";
import { dataKeyEntity } from "./vault.ts";

const StoredKeyring = v.object({
  /** Ids of the keys that encrypted the stored data keys. */
  keyIds: v.array(v.string()),
});

/** Entity of the record. */
export const keyringEntity = defineEntity("keyring", 1, StoredKeyring);

/** Services that the record needs. */
interface KeyringRecordServices extends Pick<Services, "table" | "writeTimeoutMs"> {
  readonly keyring: Keyring;
}

/** Finds the keys of all stored data keys. Reads the whole table. */
export async function findWrappingKeys(table: Table): Promise<Set<string>> {
  const ids = new Set<string>();
  for await (const item of table.scan()) {
    if (item.entity === dataKeyEntity.name) ids.add(dataKeyEntity.read(item).wrappedBy);
    if (item.entity === cloudSecretEntity.name) ids.add(cloudSecretEntity.read(item).wrappedBy);
  }
  return ids;
}

/** Reads the record. @returns undefined if there is none: nothing is stored, or an older release stored it */
async function recordedKeys(table: Table): Promise<string[] | undefined> {
  const item = (await table.get([keyringKey])).get(keyText(keyringKey));
  return item && keyringEntity.read(item).keyIds;
}

/**
 * Updates the record. Does nothing for a keyring whose keys cannot be lost.
 *
 * @param update receives the recorded ids (undefined without a record) and those of the keyring, and returns the new ids; called
 *   again if another process changed the record meanwhile
 * @throws AppError unavailable as `commit`; errors of `update`
 */
export async function recordKeys(
  { table, writeTimeoutMs, keyring }: KeyringRecordServices,
  update: (recorded: string[] | undefined, present: readonly string[]) => Promise<readonly string[]>,
): Promise<void> {
  const deadline = deadlineIn(writeTimeoutMs);
  for (let round = 1; ; round++) {
    const before = await recordedKeys(table);
    // Read after the record: otherwise a key that is created in between would be reported as missing.
    const present = await keyring.ids();
    if (present === undefined) return;
    const keyIds = [...(await update(before, present))];
    if (before !== undefined && JSON.stringify(before) === JSON.stringify(keyIds)) return;
    const asRead: Expression =
      before === undefined
        ? { condition: "attribute_not_exists(#pk)" }
        : { condition: "#keyIds = :before", values: { ":before": before } };
    const transaction = new Transaction().put("keyring", keyringEntity.write(keyringKey, { keyIds }), asRead);
    if ((await commit(table, transaction, deadline)).length === 0) return;
    if (deadline.expired()) throw writeTimedOut();
    await backoff(round, deadline);
  }
}

/**
 * Checks that the keyring has every key that stored secrets need. Creates its first key if nothing is stored. Without a record,
 * reads the whole table once.
 *
 * @param location location of the keys, for the message
 * @throws AppError invalid if a key is missing; unavailable if the database cannot be reached; Error if the keys cannot be read
 */
export async function requireKeys(services: KeyringRecordServices, location: string): Promise<void> {
  const { table, keyring } = services;
  await recordKeys(services, async (recorded, present) => {
    const missing = [...(recorded ?? (await findWrappingKeys(table)))].filter((id) => !present.includes(id));
    if (missing.length > 0) throw keysMissing(location, present.length > 0, missing);
    if (present.length > 0) return present;
    await keyring.ensure();
    return (await keyring.ids()) ?? [];
  });
}

function keysMissing(location: string, exists: boolean, missing: readonly string[]): AppError {
  const keys = `${missing.length === 1 ? "the key" : "the keys"} ${missing.join(", ")}`;
  return new AppError("invalid", "secrets.keys_missing", [
    `${location}: ${exists ? "lacks" : "is missing, with"} ${keys} of stored secrets. ` +
      "Restore the file from a backup and start again. If it is lost, stop all servers and run " +
      "`npm run admin -- secrets discard`: it lists the secrets that cannot be decrypted, and removes them with --yes.",
  ]);
}
