/** Sends requests to an API server over TLS, with persistent connections, time limits and credentials. */

import type { IncomingMessage } from "node:http";
import { Agent, request as httpsRequest, type RequestOptions } from "node:https";
import type { Credentials, RequestCredentials } from "./credentials.ts";
import { unavailableError } from "./errors.ts";
import type { Kubeconfig } from "./kubeconfig.ts";
import type { HttpResponse } from "./response.ts";

/** Request to an API server. */
export interface Request {
  method: "GET" | "POST" | "PATCH" | "DELETE";
  /** Path and query below the server's URL. */
  path: string;
  /** JSON, with its media type. */
  body?: { type: string; text: string };
  /** API version and kind of the objects that the request writes; absent for a read. */
  written?: string;
}

/** HTTPS transport with persistent connections. */
export interface Transport {
  /**
   * Sends a request and reads the whole response.
   *
   * @param timeoutMs time limit from the request until the end of the response, in milliseconds
   * @throws KubernetesError `unavailable` without a complete response, `unauthorized` without credentials; the reason of the signal if it
   *   aborted the request
   */
  send(request: Request, signal: AbortSignal, timeoutMs: number): Promise<HttpResponse>;
  /** Closes all connections. Requests in progress fail. */
  close(): void;
}

/** Maximum size of a response, in bytes. A page of a list has at most 250 objects. */
const MAX_RESPONSE_BYTES = 64 * 1_048_576;

/** Time after which an idle connection is closed, in milliseconds. Most load balancers drop it silently after 60 s. */
const IDLE_MS = 45_000;

/**
 * Creates the transport to one API server.
 *
 * @param connections maximum number of connections
 */
export function createTransport(
  { server, authority, serverName }: Pick<Kubeconfig, "server" | "authority" | "serverName">,
  credentials: Credentials,
  connections: number,
): Transport {
  let current: { agent: Agent; certificate: string | undefined } | undefined;

  // TLS identifies the client by its certificate, so a renewed certificate needs new connections.
  function agentFor({ certificate, key }: RequestCredentials): Agent {
    if (current !== undefined && current.certificate === certificate) return current.agent;
    const previous = current?.agent;
    const agent = new Agent({
      ca: authority,
      ...(serverName === undefined ? {} : { servername: serverName }),
      ...(certificate === undefined || key === undefined ? {} : { cert: certificate, key }),
      keepAlive: true,
      maxSockets: connections,
      scheduling: "lifo",
      timeout: IDLE_MS,
    });
    current = { agent, certificate };
    if (previous !== undefined) closeWhenIdle(previous);
    return agent;
  }

  return {
    async send(request, signal, timeoutMs) {
      signal.throwIfAborted();
      const call = `${request.method} ${request.path}`;
      const { promise: ended, reject } = Promise.withResolvers<never>();
      const stop = new AbortController();
      const abort = () => {
        reject(signal.reason);
        stop.abort();
      };
      signal.addEventListener("abort", abort, { once: true });
      let timer: NodeJS.Timeout | undefined;
      try {
        // A credential command has its own time limit, because a slow command is no outage of the server.
        const presented = await Promise.race([credentials.get(), ended]);
        timer = setTimeout(() => {
          reject(unavailableError(call, `no response within ${Math.round(timeoutMs / 100) / 10} s`));
          stop.abort();
        }, timeoutMs);
        const options = {
          agent: agentFor(presented),
          method: request.method,
          headers: headersOf(request, presented),
          signal: stop.signal,
        };
        const response = await Promise.race([exchangeOnce(`${server}${request.path}`, options, call, request), ended]);
        if (response.status === 401) credentials.forget();
        return response;
      } finally {
        clearTimeout(timer);
        signal.removeEventListener("abort", abort);
      }
    },
    close: () => current?.agent.destroy(),
  };
}

function headersOf({ body }: Request, { token }: RequestCredentials): Record<string, string> {
  return {
    accept: "application/json",
    "user-agent": "ame-control-plane",
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    ...(body === undefined
      ? {}
      : { "content-type": body.type, "content-length": String(Buffer.byteLength(body.text)) }),
  };
}

/** Closes unused connections now, and those in use after the time limit of every request. */
function closeWhenIdle(agent: Agent): void {
  for (const sockets of Object.values(agent.freeSockets)) for (const socket of sockets ?? []) socket.destroy();
  setTimeout(() => agent.destroy(), 60_000).unref();
}

async function exchangeOnce(
  url: string,
  options: RequestOptions,
  call: string,
  { method, body }: Request,
): Promise<HttpResponse> {
  for (let attempt = 1; ; attempt += 1) {
    const result = await exchange(url, options, body?.text);
    if ("status" in result) return result;
    // The server closed an idle connection at the same moment. Every request except a creation may be sent twice.
    if (!result.isStale || method === "POST" || attempt === 3)
      throw unavailableError(call, result.problem, { cause: result.cause });
  }
}

interface Failure {
  problem: string;
  cause: unknown;
  /** True if a reused connection ended before any byte of the response. */
  isStale: boolean;
}

function exchange(url: string, options: RequestOptions, body: string | undefined): Promise<HttpResponse | Failure> {
  const { promise, resolve } = Promise.withResolvers<HttpResponse | Failure>();
  const request = httpsRequest(url, options, (message) => {
    readBody(message).then(
      (text) => resolve({ status: message.statusCode ?? 0, retryAfterMs: retryAfterOf(message), body: text }),
      (cause: unknown) => resolve({ problem: "the response ended early", cause, isStale: false }),
    );
  });
  request.on("error", (cause) => {
    const code = "code" in cause ? String(cause.code) : "";
    const isStale = request.reusedSocket && (code === "ECONNRESET" || code === "EPIPE");
    // Not the message of the error: it contains the address of the server.
    resolve({ problem: `the connection failed (${code === "" ? cause.name : code})`, cause, isStale });
  });
  request.end(body);
  return promise;
}

async function readBody(message: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of message as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_RESPONSE_BYTES) {
      message.destroy();
      throw new Error("the response is too large");
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

/** Reads Retry-After, which API servers send in whole seconds. @returns milliseconds */
function retryAfterOf({ headers: { "retry-after": value } }: IncomingMessage): number | undefined {
  return value !== undefined && /^[0-9]{1,6}$/.test(value) ? Number(value) * 1_000 : undefined;
}
