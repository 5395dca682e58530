/** Lambda emulation for one function: the runtime API on loopback, and the official runtime client as a process. */

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "../..");
const CLIENT = join(ROOT, ".ci/runtime-client/node_modules/aws-lambda-ric/index.mjs");

/** Timeout of every operation, in milliseconds. */
const LIMIT_MS = 20_000;

/** Response of a function's process. */
export interface Invoked {
  /** Value that the handler returned. */
  result?: unknown;
  /** Error that it threw, as Lambda reports it. */
  error?: { errorType: string; errorMessage: string };
  /** Time from the delivery of the event to the response, in milliseconds. */
  milliseconds: number;
}

/** Running instance of a function. */
export interface RunningFunction {
  /** Time from the start of the process to its request for the first event, in milliseconds. */
  initMilliseconds: number;
  /** Process id. */
  pid: number | undefined;
  invoke(event: unknown): Promise<Invoked>;
  /** Its output on stdout and stderr. */
  output(): string;
  stop(): Promise<void>;
}

/** Start options of a function. */
export interface Started {
  /** Folder of the code. */
  taskRoot: string;
  /** Name of the file and its export, such as `bundle.handler`. */
  handler: string;
  environment: Record<string, string>;
}

/** Value that is set later. */
function later<T>() {
  let resolve: (value: T) => void = () => {};
  let reject: (error: Error) => void = () => {};
  const promise = new Promise<T>((done, failed) => {
    [resolve, reject] = [done, failed];
  });
  return { promise, resolve, reject };
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of request) text += chunk;
  return text;
}

/** Lambda's runtime API for one instance of a function, which handles one event at a time. */
class RuntimeApi {
  readonly server: Server;
  /** Resolves when the function requests its first event; rejects if it cannot start. */
  readonly ready = later<void>();
  #waiting: ServerResponse | undefined;
  #present: { event: unknown; answered: ReturnType<typeof later<Invoked>>; handedOver: number } | undefined;
  #count = 0;

  constructor() {
    this.server = createServer((request, response) => void this.#serve(request, response));
    // An unobserved rejection must not end the process.
    this.ready.promise.catch(() => {});
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url?.replace("/2018-06-01/runtime/", "") ?? "";
    if (path === "invocation/next") {
      this.#waiting = response;
      this.ready.resolve();
      this.#handOver();
      return;
    }
    const milliseconds = performance.now() - (this.#present?.handedOver ?? 0);
    const body = JSON.parse((await bodyOf(request)) || "null");
    response.writeHead(202).end("{}");
    if (path === "init/error") this.fail(new Error(`the function does not start: ${JSON.stringify(body)}`));
    else if (path.endsWith("/error")) this.#settle({ error: body, milliseconds });
    else this.#settle({ result: body, milliseconds });
  }

  #settle(invoked: Invoked): void {
    const { answered } = this.#present ?? {};
    this.#present = undefined;
    answered?.resolve(invoked);
  }

  #handOver(): void {
    if (this.#waiting === undefined || this.#present === undefined) return;
    const [waiting, present] = [this.#waiting, this.#present];
    this.#waiting = undefined;
    present.handedOver = performance.now();
    waiting
      .writeHead(200, {
        "content-type": "application/json",
        "lambda-runtime-aws-request-id": `lambda-${++this.#count}`,
        "lambda-runtime-deadline-ms": `${Date.now() + LIMIT_MS}`,
        "lambda-runtime-invoked-function-arn": "arn:aws:lambda:eu-west-1:123456789012:function:test",
      })
      .end(JSON.stringify(present.event));
  }

  /** Delivers an event. */
  invoke(event: unknown): Promise<Invoked> {
    if (this.#present !== undefined) throw new Error("one event at a time");
    this.#present = { event, answered: later<Invoked>(), handedOver: 0 };
    const { answered } = this.#present;
    this.#handOver();
    return answered.promise;
  }

  /** Rejects all pending waits. */
  fail(error: Error): void {
    this.ready.reject(error);
    this.#present?.answered.reject(error);
  }
}

/**
 * Starts a function under the runtime client.
 *
 * @returns when the function requests its first event
 * @throws Error if the client is not installed, or the function does not start, with its output
 */
export async function startFunction({ taskRoot, handler, environment }: Started): Promise<RunningFunction> {
  if (!existsSync(CLIENT)) {
    throw new Error("Lambda's runtime client is not installed: run npm run runtime-client:install");
  }
  const api = new RuntimeApi();
  await new Promise<void>((done) => api.server.listen(0, "127.0.0.1", done));
  const started = performance.now();
  const child = spawn(process.execPath, [CLIENT, handler], {
    cwd: taskRoot,
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      PATH: process.env.PATH,
      AWS_LAMBDA_RUNTIME_API: `127.0.0.1:${(api.server.address() as AddressInfo).port}`,
      LAMBDA_TASK_ROOT: taskRoot,
      _HANDLER: handler,
      AWS_LAMBDA_FUNCTION_NAME: "test",
      AWS_LAMBDA_FUNCTION_VERSION: "$LATEST",
      AWS_LAMBDA_FUNCTION_MEMORY_SIZE: "1024",
      AWS_LAMBDA_LOG_GROUP_NAME: "/aws/lambda/test",
      AWS_LAMBDA_LOG_STREAM_NAME: "test",
      AWS_LAMBDA_LOG_FORMAT: "JSON",
      AWS_REGION: "eu-west-1",
      AWS_ACCESS_KEY_ID: "local",
      AWS_SECRET_ACCESS_KEY: "local",
      ...environment,
    },
  });
  const output = collect(child);
  const exited = new Promise<void>((done) => child.once("close", () => done()));
  void exited.then(() => api.fail(new Error(`the function's process ended: ${output()}`)));
  const stop = async () => {
    child.kill("SIGKILL");
    await exited;
    api.server.closeAllConnections();
    await new Promise((done) => api.server.close(done));
  };
  try {
    await within(api.ready.promise, output);
  } catch (error) {
    await stop();
    throw error;
  }
  const initMilliseconds = performance.now() - started;
  return { initMilliseconds, pid: child.pid, invoke: (event) => within(api.invoke(event), output), output, stop };
}

function collect(child: ChildProcess): () => string {
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (data) => {
      text += data;
    });
  }
  return () => text;
}

async function within<T>(promise: Promise<T>, output: () => string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`timeout; output of the function: ${output()}`)), LIMIT_MS);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
