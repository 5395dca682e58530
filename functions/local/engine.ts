/** Runs the embedded DynamoDB engine. `data-directory.ts` ensures that only one engine opens a database. */
import { spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { dirname, join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Config } from "#functions/runtime/config.ts";
import { identify, type ProcessIdentity } from "./process-identity.ts";

const launchAttempts = 4;
const readyWithinMs = 30_000;
/** Time for an engine to stop before it is killed, in milliseconds. */
export const stopWithinMs = 5_000;
/** Interval of polling, in milliseconds. */
export const pollMs = 10;

/** Exit of an engine; `requested` is false if `stop` was not called before. */
export type EngineExit = { code: number | null; signal: NodeJS.Signals | null; requested: boolean };

/** Running engine that this process started. */
export type Engine = {
  /** URL, such as `http://127.0.0.1:41234`; it accepts any key and any region. */
  endpoint: string;
  pid: number;
  /** Stops the engine, by force after 5 s, and waits until its process has ended. Further calls are harmless. */
  stop(): Promise<void>;
  /** Resolves when the process has ended, for any reason; never rejects. */
  exited: Promise<EngineExit>;
};

/** Part of a request of the SDK that a signature changes. */
interface Signed {
  headers: Record<string, string>;
}

/**
 * Options of a client for the embedded engine. It requires a signature and does not check it, and its computation takes a third of the
 * client's processor time for a small call.
 */
export const UNSIGNED_CLIENT = {
  signer: {
    async sign<T extends Signed>(request: T): Promise<T> {
      const credential = "local/20260101/local/dynamodb/aws4_request";
      request.headers["x-amz-date"] = "20260101T000000Z";
      request.headers.authorization = `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=host, Signature=0`;
      return request;
    },
  },
};

/** Returns the options of the server's database client. Another engine than the embedded one may check signatures. */
export const clientOptionsFor = ({ DYNAMODB_ENDPOINT }: Pick<Config, "DYNAMODB_ENDPOINT">) =>
  DYNAMODB_ENDPOINT === undefined ? UNSIGNED_CLIENT : {};

/**
 * Starts an own engine on a free loopback port and waits until it responds.
 *
 * The engine has its own process group, so that Ctrl-C in a terminal reaches only this process, which can finish its requests before
 * it stops the engine. The engine is killed if this process exits without stopping it.
 *
 * @param options.databaseFile File of the data; without it (or with `:memory:`) the data ends with the engine. This function does
 *   not prevent a second engine on the same file: {@link openDataDirectory} does.
 * @returns The engine, ready for requests.
 * @throws Error if there is no engine for this platform, if it does not start in 4 attempts (each on another port), or if it does
 *   not respond within 30 s.
 */
export async function startEngine(options: { databaseFile?: string } = {}): Promise<Engine> {
  return launchEngine(options.databaseFile, () => {});
}

/**
 * Starts engines until one responds.
 *
 * @param onStart called for each engine before it opens the database
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
    const { code, signal, requested } = await stopAndWait(engine);
    if (requested) throw new Error(`the database engine ${binary} did not respond within ${readyWithinMs / 1000} s`);
    // Another process may have taken the port between the check and the start of the engine.
    if (attempt === launchAttempts) {
      throw new Error(
        `the database engine ended at once in ${attempt} attempts, the last time with ${signal ?? `exit code ${code}`}; ` +
          `run it manually to see the reason: ${binary} --port ${port}${databaseFile === undefined ? "" : ` --db-path ${databaseFile}`}`,
      );
    }
  }
}

async function stopAndWait(engine: Engine): Promise<EngineExit> {
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
  // The shell becomes the engine, with the same pid and start time, only after it reads a line, and ends if its input ends. So an
  // engine is on record before it opens the database: if this process is killed at any time, no unknown engine remains.
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
  // The engine may have ended already; `exited` reports that.
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
    // If the process has ended, the response came from another process on that port.
    if (await isResponding(engine.endpoint)) return !ended;
    await Promise.race([sleep(pollMs), end]);
  }
  return false;
}

/** Returns whether an engine, or any other HTTP server, responds at a URL. */
export async function isResponding(endpoint: string): Promise<boolean> {
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
    // Refused, reset or timed out: the caller retries or gives up.
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
        "path of a dynoxide program, or DYNAMODB_ENDPOINT to the URL of a running DynamoDB engine",
      { cause: error },
    );
  }
}
