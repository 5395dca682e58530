/** The keys of the local keyring, in a file that its user alone can read. */

import { chmodSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import * as v from "valibot";
import { type KeyStore, LocalKeys } from "#core/secrets/local-keyring.ts";
import { withFileLock } from "./file-lock.ts";
import { writePrivately } from "./private-file.ts";

/**
 * Keeps keys in a file. Without the file every secret in the database is lost, so it belongs into every backup, but not beside
 * that of the database. A file that is missing is never replaced unless that is asked for.
 *
 * @param file in a directory that is there already, or is created with the file
 * @param options.isOwn whether the file is this server's own: it may be created, and its mode is kept at 0600. A file that is
 *   named from elsewhere is only read and rotated
 * @throws Error at the first use where the file is missing, or is not what this wrote
 */
export function keyFile(file: string, { isOwn }: { isOwn: boolean }): KeyStore {
  const lock = join(dirname(file), "keys.lock");
  let isPrivate = !isOwn;
  const find = () => {
    if (!existsSync(file)) return undefined;
    // Brought back from a backup everybody may be able to read it. What is named from elsewhere is not ours to change.
    if (!isPrivate) chmodSync(file, 0o600);
    isPrivate = true;
    return parse(file);
  };
  const read = () => {
    const found = find();
    if (found === undefined) throw new Error(`there is no ${file}: bring it back from a backup`);
    return found;
  };
  const write = (keys: LocalKeys) => writePrivately(file, `${JSON.stringify(keys)}\n`);
  return {
    find,
    read,
    create(first) {
      if (find() !== undefined) return;
      if (!isOwn) throw new Error(`there is no ${file}: make one with \`npm run admin -- secrets key --file ${file}\``);
      mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
      withFileLock(lock, () => {
        if (find() === undefined) write(first());
      });
    },
    change(become) {
      withFileLock(lock, () => write(become(read())));
    },
  };
}

function parse(file: string): LocalKeys {
  try {
    return v.parse(LocalKeys, JSON.parse(readFileSync(file, "utf8")));
  } catch {
    // What went wrong would be told with what stands in the file.
    throw new Error(
      `${file} holds no keys: bring it back from a backup. If there is none, move the file away and start again`,
    );
  }
}
