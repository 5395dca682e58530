/** Starts servers like users: as separate processes with their own data. */

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isRunning, type ProcessIdentity } from "#functions/local/process-identity.ts";

/** Root folder of the project. */
export const ROOT = resolve(import.meta.dirname, "../..");

/** Running server. */
export interface Server {
  url: string;
  token: string;
  output: () => string;
  /** Sends a signal to npm and its whole process group, like a terminal. */
  signal(signal: NodeJS.Signals): void;
  /** Sends a signal only to the server. */
  signalServer(signal: NodeJS.Signals): void;
  exited: Promise<number | null>;
}

const children: ChildProcess[] = [];
const directories: string[] = [];

/** Ends every started process with its engines, and deletes their data. */
export function cleanUp(): void {
  for (const child of children.splice(0)) {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
    } catch {
      // It ended by itself.
    }
  }
  for (const directory of directories.splice(0)) {
    killEngine(join(directory, "data"));
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Ends the engine that a killed server left on a directory. */
function killEngine(directory: string): void {
  if (!existsSync(join(directory, "engine.json"))) return;
  const engine = engineOf(directory);
  if (isRunning(engine)) process.kill(engine.pid, "SIGKILL");
}

/** Returns a data directory that does not exist yet. */
export function temporary(): string {
  const directory = mkdtempSync(join(tmpdir(), "ame-server-"));
  directories.push(directory);
  return join(directory, "data");
}

/**
 * Finds a free port below those that systems assign to connections, so that no connection takes it while a server on it restarts.
 */
export async function portForRestarts(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    const probe = createServer();
    const isFree = await new Promise<boolean>((done) => {
      probe.once("error", () => done(false));
      probe.listen(port, "127.0.0.1", () => done(true));
    });
    await new Promise((done) => probe.close(done));
    if (isFree) return port;
  }
}

/** Runs an npm script like a user. */
export const npm = (args: readonly string[], environment: Record<string, string>) => launch("npm", args, environment);

const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));

/**
 * Runs a script of package.json like npm, but without npm, which starts slowly.
 *
 * @param name such as `admin`
 */
export function script(name: string, words: readonly string[], environment: Record<string, string>) {
  const PATH = `${join(ROOT, "node_modules/.bin")}:${process.env.PATH}`;
  return launch("sh", ["-c", `${scripts[name]} "$@"`, name, ...words], { PATH, ...environment });
}

function launch(command: string, args: readonly string[], environment: Record<string, string>) {
  const child = spawn(command, args, {
    cwd: ROOT,
    detached: true,
    env: { ...process.env, PORT: "0", DYNAMODB_ENDPOINT: "", ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  children.push(child);
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (data) => {
    stdout += data;
  });
  child.stderr.on("data", (data) => {
    stderr += data;
  });
  const exited = new Promise<number | null>((done) => child.once("close", (code) => done(code)));
  return { child, exited, stdout: () => stdout, stderr: () => stderr };
}

/** Waits for a condition. @throws Error after `limitMs` milliseconds */
export async function until<T>(what: () => T | undefined | Promise<T | undefined>, limitMs = 30_000): Promise<T> {
  const end = performance.now() + limitMs;
  for (;;) {
    const value = await what();
    if (value !== undefined) return value;
    if (performance.now() > end) throw new Error("timeout while waiting");
    await sleep(20);
  }
}

/**
 * Starts a server and waits until it listens.
 *
 * @param through program that runs the script: `npm`, like a user, or only the shell
 * @throws Error with its output if it ends before
 */
export async function start(environment: Record<string, string>, through?: "npm"): Promise<Server> {
  const { child, exited, stdout, stderr } =
    through === "npm" ? npm(["start"], environment) : script("start", [], environment);
  const output = () => `${stdout()}\n${stderr()}`;
  let ended = false;
  void exited.then(() => {
    ended = true;
  });
  const [url, token] = await until(() => {
    if (ended) throw new Error(output());
    const address = /listens on (http:\S+)/.exec(stdout())?.[1];
    const text = /(ame_[0-9A-Za-z]+)/.exec(stdout())?.[1];
    return address === undefined || text === undefined ? undefined : [address, text];
  });
  const pid = child.pid ?? 0;
  return {
    url: url ?? "",
    token: token ?? "",
    output,
    signal: (signal) => process.kill(-pid, signal),
    signalServer: (signal) => process.kill(through === "npm" ? belowNpm(pid) : pid, signal),
    exited,
  };
}

/** Returns the only process below npm: its shell was replaced by the server, as the shell itself does. */
function belowNpm(npmPid: number): number {
  const [child] = readFileSync(`/proc/${npmPid}/task/${npmPid}/children`, "utf8").trim().split(" ");
  return Number(child);
}

/** Reads the engine of a directory from its record. */
export const engineOf = (directory: string): ProcessIdentity =>
  JSON.parse(readFileSync(join(directory, "engine.json"), "utf8")).engine;
