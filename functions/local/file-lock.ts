/** Mutual exclusion across processes. */

import { closeSync, existsSync, openSync } from "node:fs";

/** Timeout of the lock, in milliseconds. */
const LOCK_TIMEOUT_MS = 30_000;

/**
 * Runs work while no other process holds the same lock.
 *
 * Renaming and exclusive creation cannot replace a stale record safely: between its read and its removal, another process may have
 * replaced it. A lock file has the same problem with stale locks. SQLite's lock on an empty database is a lock of the kernel, which
 * ends with its process in every case.
 *
 * @param lock path of the lock file, which is created if it is missing
 * @param work synchronous work that takes no longer than access to a few small files
 */
export function withFileLock<T>(lock: string, work: () => T): T {
  // SQLite would create it readable for all users.
  if (!existsSync(lock)) closeSync(openSync(lock, "a", 0o600));
  // Loaded here, because early releases of Node 24 print a warning for it. An engine in memory does not need it.
  const { DatabaseSync } = process.getBuiltinModule("node:sqlite");
  const guard = new DatabaseSync(lock, { timeout: LOCK_TIMEOUT_MS });
  try {
    guard.exec("BEGIN EXCLUSIVE");
    return work();
  } finally {
    guard.close();
  }
}
