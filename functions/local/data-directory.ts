/** The data directory: its database, which at most one engine may have open, and the record of who has. */

import { closeSync, existsSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import * as v from "valibot";
import { answers, type Engine, type EngineExit, launchEngine, pollMs, stopWithinMs } from "./engine.ts";
import { withFileLock } from "./file-lock.ts";
import { identify, isRunning, type ProcessIdentity } from "./process-identity.ts";

const ownerPollMs = 50;

/** Who opens a data directory: the server keeps it, an admin command needs it for moments and may use a running one. */
export type Role = "server" | "admin";

/**
 * An engine on a data directory, which either this process started (`shared` is false; `stop` ends it and gives the
 * directory free) or another one did (`shared` is true; `stop` leaves it alone).
 */
export type OpenedEngine =
  | { endpoint: string; shared: true; stop(): Promise<void> }
  | { endpoint: string; shared: false; stop(): Promise<void>; exited: Promise<EngineExit> };

/**
 * Opens the database in a data directory, which at most one engine may have open, since it is one SQLite file.
 *
 * `engine.json` in the directory is the lock and names its owner and its engine. Where nobody owns it an engine is
 * started. Where the owner was killed, the engine it left behind is ended first; a pid that now belongs to another
 * process is neither taken for the owner nor killed. Of several processes that do this at the same moment one becomes
 * the owner, and the others find it as such.
 *
 * An admin command uses the engine of a running server. It does not at once use that of another admin command, which
 * would end it under its feet, but waits for its turn; only behind one that runs longer than `waitMs` it shares.
 *
 * @param directory Made, for its user alone, if it is missing; the database in it is `ame.db`.
 * @param options.role Who opens it; see {@link Role}.
 * @param options.waitMs How long to wait for an admin command to finish or for an owner's engine to come up, in
 *   milliseconds; 5000 by default.
 * @returns The engine, ready for requests.
 * @throws Error naming the owner's pid where a server is to be started and another server owns the directory (at once),
 *   or where waiting did not help; and as `startEngine` does.
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
    if (mayShare && endpoint !== undefined && (await answers(endpoint))) {
      return { endpoint, shared: true, stop: async () => {} };
    }
    if (waited) throw inUse(home, record, mayShare ? ", whose database engine does not answer" : "");
    await sleep(ownerPollMs);
  }
}

type Home = { directory: string; database: string; record: string; guard: string };

const Process = v.object({ pid: v.pipe(v.number(), v.integer(), v.minValue(1)), startedAt: v.string() });
// An engine without an endpoint is either still starting or was left behind by an earlier owner and is being ended.
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
  // SQLite would make it readable for everybody; the files it adds beside a database take over that one's mode.
  if (!existsSync(home.database)) closeSync(openSync(home.database, "a", 0o600));
  return home;
}

/** Makes this process the owner of the directory, unless a running one is. */
function claimHome(home: Home, role: Role): Claim {
  const owner = identify(process.pid);
  if (owner === undefined) throw new Error("cannot tell when this process started");
  return withFileLock(home.guard, () => {
    const found = readRecord(home);
    if (found !== undefined && isRunning(found.owner)) return { won: false, record: found };
    // Keeps the dead owner's engine on record: we may be killed too before we have ended it.
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
  // Records change by renaming, so only a crash of the machine leaves a broken one, and with it ended every engine.
  try {
    const parsed = v.safeParse(EngineRecord, JSON.parse(text));
    return parsed.success ? parsed.output : undefined;
  } catch {
    return undefined;
  }
}

/** Needs no guard after the claim: only the owner writes, and as long as it runs nobody else becomes the owner. */
function writeRecord(home: Home, record: EngineRecord): void {
  const next = `${home.record}.next`;
  writeFileSync(next, `${JSON.stringify(record)}\n`, { mode: 0o600 });
  renameSync(next, home.record);
}

function releaseHome(home: Home, owner: ProcessIdentity): void {
  // Whoever deleted the directory under a running server should still see it stop in order.
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
      await reap(previous.engine);
    } catch (error) {
      // So that whoever opens the directory next meets that engine again.
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

/** Ends an engine whose owner is gone; asks first, because an engine that ends in order closes its database. */
async function reap(engine: ProcessIdentity): Promise<void> {
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    const deadline = performance.now() + stopWithinMs;
    if (isRunning(engine)) kill(engine.pid, signal);
    while (isRunning(engine) && performance.now() < deadline) await sleep(pollMs);
  }
  if (isRunning(engine))
    throw new Error(`the database engine with pid ${engine.pid}, left by a killed process, does not end`);
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    // It ended between the check and the signal.
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
