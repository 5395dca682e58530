/** The record of which keys encrypt what is stored, by which a lost keyring is recognised before it is replaced. */

import * as v from "valibot";
import type { Services } from "../context.ts";
import { AppError } from "../shared/errors.ts";
import { backoff, deadlineIn } from "../shared/retry.ts";
import type { Table } from "../table/client.ts";
import { defineEntity } from "../table/entity.ts";
import { keyringKey, keyText } from "../table/keys.ts";
import { commit, type Expression, Transaction, writeTimedOut } from "../table/transaction.ts";
import type { Keyring } from "./keyring.ts";
import { dataKeyEntity } from "./vault.ts";

const StoredKeyring = v.object({
  /** Ids of keys; every data key that is stored was encrypted by one of them. */
  keyIds: v.array(v.string()),
});

/** How the record is stored. */
export const keyringEntity = defineEntity("keyring", 1, StoredKeyring);

/** What reading and writing the record needs. */
export interface KeyringRecordServices extends Pick<Services, "table" | "writeTimeoutMs"> {
  readonly keyring: Keyring;
}

/** Finds the keys of stored data keys by reading the whole table. */
export async function keysOfDataKeys(table: Table): Promise<Set<string>> {
  const ids = new Set<string>();
  for await (const item of table.scan()) {
    if (item.entity === dataKeyEntity.name) ids.add(dataKeyEntity.read(item).wrappedBy);
  }
  return ids;
}

/** Reads the record. @returns undefined where there is none: nothing was stored yet, or by a release without the record */
async function recordedKeys(table: Table): Promise<string[] | undefined> {
  const item = (await table.get([keyringKey])).get(keyText(keyringKey));
  return item && keyringEntity.read(item).keyIds;
}

/**
 * Replaces the record by what becomes of it. Does nothing for a keyring that cannot be lost.
 *
 * @param become gets the ids that were recorded, undefined where there is no record, and those of the keyring; called again
 *   where another process changed the record meanwhile
 * @throws AppError unavailable as `commit`; what `become` throws
 */
export async function recordKeys(
  { table, writeTimeoutMs, keyring }: KeyringRecordServices,
  become: (recorded: string[] | undefined, present: readonly string[]) => Promise<readonly string[]>,
): Promise<void> {
  const deadline = deadlineIn(writeTimeoutMs);
  for (let round = 1; ; round++) {
    const before = await recordedKeys(table);
    // After the record: a key that is made in between is then not taken for one that is missing.
    const present = await keyring.ids();
    if (present === undefined) return;
    const keyIds = [...(await become(before, present))];
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
 * Makes sure that the keyring has every key that stored secrets name, and makes its first key where nothing is stored. Reads
 * the whole table once, where there is no record yet.
 *
 * @param place where the keys are, for the message
 * @throws AppError invalid where a key is missing; unavailable where the database cannot be reached; Error where the keys cannot
 *   be read
 */
export async function requireKeys(recording: KeyringRecordServices, place: string): Promise<void> {
  const { table, keyring } = recording;
  await recordKeys(recording, async (recorded, present) => {
    const missing = [...(recorded ?? (await keysOfDataKeys(table)))].filter((id) => !present.includes(id));
    if (missing.length > 0) throw keysMissing(place, present.length > 0, missing);
    if (present.length > 0) return present;
    await keyring.ensure();
    return (await keyring.ids()) ?? [];
  });
}

function keysMissing(place: string, isThere: boolean, missing: readonly string[]): AppError {
  const keys = `${missing.length === 1 ? "the key" : "the keys"} ${missing.join(", ")}`;
  return new AppError("invalid", "secrets.keys_missing", [
    `${place}: ${isThere ? "lacks" : "is missing, with"} ${keys}, by which stored secrets are encrypted. ` +
      "Bring the file back from a backup and start again. If it is lost for good, stop all servers and run " +
      "`npm run admin -- secrets discard`: it lists the secrets that cannot be decrypted, and removes them with --yes.",
  ]);
}
