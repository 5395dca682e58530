/** The keys of the local keyring, in a file that its user alone can read. */

import { chmodSync, existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import * as v from "valibot";
import { type KeyStore, LocalKeys } from "#core/secrets/local-keyring.ts";
import { exclusively } from "./exclusively.ts";
import { writePrivately } from "./private-file.ts";

/**
 * Keeps keys in a file. Whoever loses the file loses every secret in the database, so it belongs into every backup, but not beside
 * that of the database.
 *
 * @param file in a directory that is there already
 * @param options.isMade whether the first key is drawn where there is no file; otherwise that is an error
 * @throws Error at the first use where the file is missing and not to be made, or is not what this wrote
 */
export function keyFile(file: string, { isMade }: { isMade: boolean }): KeyStore {
  const lock = join(dirname(file), "keys.lock");
  let isPrivate = !isMade;
  const present = () => {
    if (!existsSync(file)) return undefined;
    // Brought back from a backup everybody may be able to read it. What is named from elsewhere is not ours to change.
    if (!isPrivate) chmodSync(file, 0o600);
    isPrivate = true;
    return parse(file);
  };
  const write = (keys: LocalKeys) => {
    writePrivately(file, `${JSON.stringify(keys)}\n`);
    return keys;
  };
  const read: KeyStore["read"] = (make) => {
    const there = present();
    if (there !== undefined) return there;
    if (!isMade) throw new Error(`there is no ${file}: make one with \`npm run admin -- secrets key --file\``);
    return exclusively(lock, () => present() ?? write(make()));
  };
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
