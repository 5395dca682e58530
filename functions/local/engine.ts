/** Runs the embedded DynamoDB engine. `data-directory.ts` keeps it the only one on its data. */
import { spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { dirname, join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { identify, type ProcessIdentity } from "./process-identity.ts";

const launchAttempts = 4;
const readyWithinMs = 30_000;
/** How long an engine may take to end before it is killed, in milliseconds. */
export const stopWithinMs = 5_000;
/** How long between two looks at something that is about to happen, in milliseconds. */
export const pollMs = 10;

/** How an engine ended; `requested` is false where nobody had called `stop` before. */
export type EngineExit = { code: number | null; signal: NodeJS.Signals | null; requested: boolean };

/** A running engine that this process started. */
export type Engine = {
  /** Where it answers, such as `http://127.0.0.1:41234`; any key and any region are accepted there. */
  endpoint: string;
  pid: number;
  /** Ends the engine, by force after 5 s, and waits until its process is gone; calling it again is harmless. */
  stop(): Promise<void>;
  /** Resolves when the process is gone, whoever ended it; never rejects. */
  exited: Promise<EngineExit>;
};

/**
 * Starts an engine of its own on a free loopback port and waits until it answers.
 *
 * The engine is a process group of its own, so that Ctrl-C in a terminal reaches only this process, which can then
 * finish its requests before it stops the engine. It is killed when this process exits without having stopped it.
 *
 * @param options.databaseFile Where the data is kept; without it (or as `:memory:`) the data ends with the engine.
 *   Nothing here keeps a second engine off the same file: {@link openDataDirectory} does.
 * @returns The engine, ready for requests.
 * @throws Error where there is no engine for this platform, where it does not start in 4 attempts (each on another
 *   port), or where it does not answer within 30 s.
 */
export async function startEngine(options: { databaseFile?: string } = {}): Promise<Engine> {
  return launchEngine(options.databaseFile, () => {});
}

/**
 * Starts engines until one answers.
 *
 * @param onStart called for each of them before it can touch the database
 * @throws Error as `startEngine`
 */
export async function launchEngine(
  databaseFile: string | undefined,
  onStart: (engine: ProcessIdentity) => void,
): Promise<Engine> {
  const binary = engineBinary();
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    const engine = await startProcess(binary, port, databaseFile, onStart);
    if (await becomesReady(engine)) return engine;
    const { code, signal, requested } = await stopped(engine);
    if (requested) throw new Error(`the database engine ${binary} did not answer within ${readyWithinMs / 1000} s`);
    // Another process may have taken the port between our looking and the engine's.
    if (attempt === launchAttempts) {
      throw new Error(
        `the database engine ended at once, ${attempt} times, the last time with ${signal ?? `exit code ${code}`}; ` +
          `run it by hand to see why: ${binary} --port ${port}${databaseFile === undefined ? "" : ` --db-path ${databaseFile}`}`,
      );
    }
  }
}

async function stopped(engine: Engine): Promise<EngineExit> {
  await engine.stop();
  return engine.exited;
}

async function startProcess(
  binary: string,
  port: number,
  databaseFile: string | undefined,
  onStart: (engine: ProcessIdentity) => void,
): Promise<Engine> {
  const args = ["--host", "127.0.0.1", "--port", `${port}`];
  if (databaseFile !== undefined && databaseFile !== ":memory:") args.push("--db-path", resolve(databaseFile));
  // The shell becomes the engine, same pid and same start, only when it is told to, and ends when its input does. So an
  // engine is on record before it opens the database: killed at any moment, we leave none that nobody knows of.
  const child = spawn("/bin/sh", ["-c", 'read -r go && exec "$0" "$@" </dev/null', binary, ...args], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  const { pid } = child;
  if (pid === undefined) {
    throw await new Promise<Error>((fail) => child.once("error", fail));
  }

  let requested = false;
  const force = () => child.kill("SIGKILL");
  process.once("exit", force);
  const exited = new Promise<EngineExit>((settle) =>
    child.once("exit", (code, signal) => {
      process.off("exit", force);
      settle({ code, signal, requested });
    }),
  );
  let stopping: Promise<void> | undefined;
  const stop = async () => {
    requested = true;
    child.kill("SIGTERM");
    const timer = setTimeout(force, stopWithinMs);
    await exited;
    clearTimeout(timer);
  };

  try {
    const identity = identify(pid);
    if (identity !== undefined) onStart(identity);
  } catch (error) {
    force();
    await exited;
    throw error;
  }
  // It may be gone already; `exited` tells that.
  child.stdin.on("error", () => {});
  child.stdin.end("go\n");
  return {
    endpoint: `http://127.0.0.1:${port}`,
    pid,
    exited,
    stop: () => {
      stopping ??= stop();
      return stopping;
    },
  };
}

async function becomesReady(engine: Engine): Promise<boolean> {
  let ended = false;
  const end = engine.exited.then(() => {
    ended = true;
  });
  const deadline = performance.now() + readyWithinMs;
  while (!ended && performance.now() < deadline) {
    // Whoever answers while our process is gone is somebody else on that port.
    if (await answers(engine.endpoint)) return !ended;
    await Promise.race([sleep(pollMs), end]);
  }
  return false;
}

/** Whether an engine, or anything else that speaks HTTP, answers at an endpoint. */
export async function answers(endpoint: string): Promise<boolean> {
  try {
    const response = await fetch(endpoint, {
      method: "POST",
      headers: { "content-type": "application/x-amz-json-1.0", "x-amz-target": "DynamoDB_20120810.ListTables" },
      body: "{}",
      signal: AbortSignal.timeout(stopWithinMs),
    });
    await response.arrayBuffer();
    return response.status < 500;
  } catch {
    // Refused, reset or too slow: the caller asks again or gives up.
    return false;
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((listening, failed) => {
    server.once("error", failed);
    server.listen(0, "127.0.0.1", listening);
  });
  const address = server.address();
  await new Promise((closed) => server.close(closed));
  if (address === null || typeof address === "string") throw new Error("no port for the database engine");
  return address.port;
}

function engineBinary(): string {
  const platform = `${process.platform}-${process.arch}`;
  let binary = process.env.DYNOXIDE_BIN;
  try {
    binary ||= join(dirname(createRequire(import.meta.url).resolve(`@dynoxide/${platform}/package.json`)), "dynoxide");
    accessSync(binary, constants.X_OK);
    return binary;
  } catch (error) {
    throw new Error(
      `there is no embedded database engine for ${platform}${binary ? ` at ${binary}` : ""}: set DYNOXIDE_BIN to the ` +
        "path of a dynoxide program, or DYNAMODB_ENDPOINT to the address of a DynamoDB engine that runs already",
      { cause: error },
    );
  }
}
