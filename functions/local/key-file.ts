/** Stores the keys of the local keyring in a file that only its user can read. */

import { chmodSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import * as v from "valibot";
import { type KeyStore, LocalKeys } from "#core/secrets/local-keyring.ts";
import { withFileLock } from "./file-lock.ts";
import { writePrivateFile } from "./private-file.ts";

/**
 * Creates a key store in a file. Without the file all secrets of the database are lost, so back it up, but separately from the
 * database. A missing file is only created on request.
 *
 * @param file path; a missing directory is created with the file
 * @param options.isOwn whether the file belongs to this server: then it may be created, and its mode is set to 0600. A file that the
 *   configuration names is only read and rotated
 * @throws Error at the first use if the file is missing, or is not a key file
 */
export function createKeyFileStore(file: string, { isOwn }: { isOwn: boolean }): KeyStore {
  const lock = join(dirname(file), "keys.lock");
  let isPrivate = !isOwn;
  const find = () => {
    if (!existsSync(file)) return undefined;
    // A restored file may be readable for all users. A file that the configuration names is not changed.
    if (!isPrivate) chmodSync(file, 0o600);
    isPrivate = true;
    return parse(file);
  };
  const read = () => {
    const found = find();
    if (found === undefined) throw new Error(`${file} does not exist: restore it from a backup`);
    return found;
  };
  const write = (keys: LocalKeys) => writePrivateFile(file, `${JSON.stringify(keys)}\n`);
  return {
    find,
    read,
    create(first) {
      if (find() !== undefined) return;
      if (!isOwn)
        throw new Error(`${file} does not exist: create it with \`npm run admin -- secrets key --file ${file}\``);
      mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
      withFileLock(lock, () => {
        if (find() === undefined) write(first());
      });
    },
    change(update) {
      withFileLock(lock, () => write(update(read())));
    },
  };
}

function parse(file: string): LocalKeys {
  try {
    return v.parse(LocalKeys, JSON.parse(readFileSync(file, "utf8")));
  } catch {
    // Do not pass the cause on: it contains parts of the file.
    throw new Error(
      `${file} contains no keys: restore it from a backup. If there is no backup, move the file away and start again`,
    );
  }
}
