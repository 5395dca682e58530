/** Doing one thing at a time across processes. */

import { closeSync, existsSync, openSync } from "node:fs";

/** How long to wait for other processes, in milliseconds. */
const PATIENCE_MS = 30_000;

/**
 * Runs something while no other process does so under the same lock.
 *
 * Renaming and exclusive creation cannot replace a stale record safely: between reading it and removing it another process may
 * have put its own in its place. A lock file would only move the question to whose lock is stale. SQLite's lock on an (empty)
 * database is the kernel's, which ends with the process that holds it, however that dies.
 *
 * @param lock path of the lock, which is made where it is missing
 * @param work synchronous, and no longer than a few small files take
 */
export function withFileLock<T>(lock: string, work: () => T): T {
  // SQLite would make it readable for everybody.
  if (!existsSync(lock)) closeSync(openSync(lock, "a", 0o600));
  // Loaded here because early releases of Node 24 print a warning for it, which an engine in memory can do without.
  const { DatabaseSync } = process.getBuiltinModule("node:sqlite");
  const guard = new DatabaseSync(lock, { timeout: PATIENCE_MS });
  try {
    guard.exec("BEGIN EXCLUSIVE");
    return work();
  } finally {
    guard.close();
  }
}
