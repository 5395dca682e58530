/** Data directory: its database, which only one engine can open, and the record of its owner. */

import { closeSync, existsSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import * as v from "valibot";
import { type Engine, type EngineExit, isResponding, launchEngine, pollMs, stopWithinMs } from "./engine.ts";
import { withFileLock } from "./file-lock.ts";
import { identify, isRunning, type ProcessIdentity } from "./process-identity.ts";

const ownerPollMs = 50;

/** Role of the process that opens a data directory: a server owns it, an admin command needs it briefly and may use a running engine. */
type Role = "server" | "admin";

/**
 * Engine on a data directory. Either this process started it (`shared` is false; `stop` ends it and releases the directory), or
 * another process did (`shared` is true; `stop` does nothing).
 */
type OpenedEngine =
  | { endpoint: string; shared: true; stop(): Promise<void> }
  | { endpoint: string; shared: false; stop(): Promise<void>; exited: Promise<EngineExit> };

/**
 * Opens the database in a data directory. Only one engine can open it, because it is one SQLite file.
 *
 * `engine.json` in the directory is the lock; it names the owner and the engine. Without an owner, an engine is started. If the owner
 * was killed, its engine is stopped first. A pid that was reused by another process is neither treated as the owner nor killed. If
 * several processes start at the same time, one becomes the owner and the others find it.
 *
 * An admin command uses the engine of a running server. It does not use the engine of another admin command at once, because that
 * engine may stop at any time. It waits first, and shares the engine only after `waitMs`.
 *
 * @param directory Created, only for its user, if it is missing; the database in it is `ame.db`.
 * @param options.role Role of this process; see {@link Role}.
 * @param options.waitMs Time to wait for an admin command to finish or for an owner's engine to start, in milliseconds; default
 *   5000.
 * @returns The engine, ready for requests.
 * @throws Error with the owner's pid if this is a server and another server owns the directory (at once), or if the wait did not
 *   help; and as `startEngine`.
 */
export async function openDataDirectory(
  directory: string,
  options: { role: Role; waitMs?: number },
): Promise<OpenedEngine> {
  const { role, waitMs = 5_000 } = options;
  const home = prepareHome(directory);
  const deadline = performance.now() + waitMs;
  for (;;) {
    const claim = claimHome(home, role);
    if (claim.won) return startOwned(home, role, claim);
    const { record } = claim;
    if (role === "server" && record.role === "server") throw inUse(home, record);
    const waited = performance.now() >= deadline;
    const endpoint = record.engine?.endpoint;
    const mayShare = role === "admin" && (record.role === "server" || waited);
    if (mayShare && endpoint !== undefined && (await isResponding(endpoint))) {
      return { endpoint, shared: true, stop: async () => {} };
    }
    if (waited) throw inUse(home, record, mayShare ? ", and its database engine does not respond" : "");
    await sleep(ownerPollMs);
  }
}

type Home = { directory: string; database: string; record: string; guard: string };

const Process = v.object({ pid: v.pipe(v.number(), v.integer(), v.minValue(1)), startedAt: v.string() });
// An engine without an endpoint is either starting, or was left by an earlier owner and is being stopped.
const EngineRecord = v.object({
  role: v.picklist(["server", "admin"]),
  owner: Process,
  engine: v.optional(v.object({ ...Process.entries, endpoint: v.optional(v.string()) })),
});
type EngineRecord = v.InferOutput<typeof EngineRecord>;

type Claim =
  | { won: true; owner: ProcessIdentity; previous: EngineRecord | undefined }
  | { won: false; record: EngineRecord };

function prepareHome(directory: string): Home {
  const path = resolve(directory);
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const home = {
    directory: path,
    database: join(path, "ame.db"),
    record: join(path, "engine.json"),
    guard: join(path, "engine.lock"),
  };
  // SQLite would create it readable for all users. Its additional files get the mode of the database.
  if (!existsSync(home.database)) closeSync(openSync(home.database, "a", 0o600));
  return home;
}

/** Makes this process the owner of the directory, unless a running process is. */
function claimHome(home: Home, role: Role): Claim {
  const owner = identify(process.pid);
  if (owner === undefined) throw new Error("cannot determine the start time of this process");
  return withFileLock(home.guard, () => {
    const found = readRecord(home);
    if (found !== undefined && isRunning(found.owner)) return { won: false, record: found };
    // Keep the dead owner's engine on record: this process may be killed before it has stopped that engine.
    const leftover = found?.engine && { engine: { pid: found.engine.pid, startedAt: found.engine.startedAt } };
    writeRecord(home, { role, owner, ...leftover });
    return { won: true, owner, previous: found };
  });
}

function readRecord(home: Home): EngineRecord | undefined {
  let text: string;
  try {
    text = readFileSync(home.record, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
  // Records are replaced by renaming, so only a crash of the machine leaves an invalid one, and it also ended every engine.
  try {
    const parsed = v.safeParse(EngineRecord, JSON.parse(text));
    return parsed.success ? parsed.output : undefined;
  } catch {
    return undefined;
  }
}

/** Needs no lock after the claim: only the owner writes, and no other process becomes the owner while it runs. */
function writeRecord(home: Home, record: EngineRecord): void {
  const next = `${home.record}.next`;
  writeFileSync(next, `${JSON.stringify(record)}\n`, { mode: 0o600 });
  renameSync(next, home.record);
}

function releaseHome(home: Home, owner: ProcessIdentity): void {
  // If the directory was deleted under a running server, the server must still stop normally.
  if (!existsSync(home.directory)) return;
  withFileLock(home.guard, () => {
    const found = readRecord(home);
    if (found?.owner.pid === owner.pid && found.owner.startedAt === owner.startedAt) rmSync(home.record);
  });
}

async function startOwned(home: Home, role: Role, claim: Claim & { won: true }): Promise<OpenedEngine> {
  const { owner, previous } = claim;
  if (previous?.engine !== undefined) {
    try {
      await stopOrphan(previous.engine);
    } catch (error) {
      // The next process that opens the directory must find that engine.
      writeRecord(home, previous);
      throw error;
    }
  }
  let engine: Engine | undefined;
  try {
    let identity: ProcessIdentity | undefined;
    engine = await launchEngine(home.database, (started) => {
      identity = started;
      writeRecord(home, { role, owner, engine: started });
    });
    const { endpoint, exited } = engine;
    if (identity !== undefined) writeRecord(home, { role, owner, engine: { ...identity, endpoint } });
    const stopEngine = engine.stop;
    let stopping: Promise<void> | undefined;
    const stop = () => {
      stopping ??= stopEngine().then(() => releaseHome(home, owner));
      return stopping;
    };
    return { endpoint, shared: false, stop, exited };
  } catch (error) {
    await engine?.stop();
    releaseHome(home, owner);
    throw error;
  }
}

/** Stops an engine whose owner is gone. Sends SIGTERM first, so that the engine can close its database. */
async function stopOrphan(engine: ProcessIdentity): Promise<void> {
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    const deadline = performance.now() + stopWithinMs;
    if (isRunning(engine)) kill(engine.pid, signal);
    while (isRunning(engine) && performance.now() < deadline) await sleep(pollMs);
  }
  if (isRunning(engine))
    throw new Error(`the database engine with pid ${engine.pid}, left by a killed process, does not stop`);
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    // It ended after the check.
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}

function inUse(home: Home, { role, owner }: EngineRecord, state = ""): Error {
  const who = role === "server" ? "a server" : "an admin command";
  return new Error(
    `the data directory ${home.directory} is in use by ${who} with pid ${owner.pid}${state}: ` +
      "wait for it or stop it, or set DATA_DIR to another directory",
  );
}
