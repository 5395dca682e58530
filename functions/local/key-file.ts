/** The keys of the local keyring, in a file that its user alone can read. */

import { chmodSync, existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { type KeyStore, LocalKeys } from "#core/secrets/local-keyring.ts";
import { exclusively } from "./exclusively.ts";

/**
 * Keeps keys in `keys.json` of a data directory. Whoever loses the file loses every secret in the database, so it belongs into
 * every backup, but not beside that of the database.
 *
 * @param directory there already
 * @throws Error at the first use where the file is not what this wrote
 */
export function keyFile(directory: string): KeyStore {
  const file = join(directory, "keys.json");
  const lock = join(directory, "keys.lock");
  const present = () => (existsSync(file) ? parse(file) : undefined);
  const write = (keys: LocalKeys) => {
    writeFileSync(`${file}.next`, `${JSON.stringify(keys)}\n`, { mode: 0o600 });
    // A file that was there keeps its mode when it is written to.
    chmodSync(`${file}.next`, 0o600);
    renameSync(`${file}.next`, file);
    return keys;
  };
  const read: KeyStore["read"] = (make) => present() ?? exclusively(lock, () => present() ?? write(make()));
  return {
    read,
    change(become) {
      exclusively(lock, () => {
        const before = present();
        if (before === undefined) throw new Error(`there is no ${file}`);
        write(become(before));
      });
    },
  };
}

function parse(file: string): LocalKeys {
  try {
    return v.parse(LocalKeys, JSON.parse(readFileSync(file, "utf8")));
  } catch {
    // What went wrong would be told with what stands in the file.
    throw new Error(`${file} holds no keys: bring it back from a backup`);
  }
}
