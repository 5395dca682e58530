/** Node's HTTP server as the local server uses it: connections stay usable after answers that come before the body was read. */

import { createServer, type IncomingMessage, type RequestListener, type Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { MAX_BODY_BYTES } from "../http/request.ts";

/**
 * How long a connection without requests stays open, in milliseconds: longer than load balancers (AWS's: 60 s) and clients keep
 * theirs, so that they close it first and never send a request into a connection that the server is closing.
 */
const KEEP_ALIVE_MS = 75_000;

/** How long the headers of a request may take, in milliseconds. Longer than a connection may be idle before them. */
const HEADERS_MS = KEEP_ALIVE_MS + 5_000;

/** Up to this length a body that no route read is read and discarded, and the connection is kept, in bytes. */
const MAX_DISCARDED_BYTES = 4 * MAX_BODY_BYTES;

/**
 * How long the server goes on reading from a client after it announced that it closes the connection, in milliseconds. Closing
 * earlier would reset the connection and could take the answer away from a client that is still sending.
 */
const LINGER_MS = 30_000;

/** How long such a client may send nothing, in milliseconds. Both numbers are those of nginx: lingering_time and _timeout. */
const LINGER_IDLE_MS = 5_000;

/** How long running requests may take to finish once the server is asked to stop, in milliseconds. */
const GRACE_MS = 10_000;

/** How often connections without a request are closed while the server stops, in milliseconds. */
const IDLE_CHECK_MS = 50;

/** Whether a request was received to its end, and all of it was read. */
const isRead = (request: IncomingMessage): boolean => request.complete && request.readableLength === 0;

/** Whether what is left of a request is known to be little enough to be read only to keep the connection. */
const isWorthKeeping = (request: IncomingMessage): boolean =>
  request.complete || Number(request.headers["content-length"] ?? Number.NaN) <= MAX_DISCARDED_BYTES;

/**
 * Reads the rest of a request and discards it.
 *
 * @param isKept whether the connection is kept. Then Node's `requestTimeout` is the limit, as for every request
 * @returns when the rest is read, the connection broke, or reading takes too long
 */
async function discardRest(request: IncomingMessage, isKept: boolean): Promise<void> {
  const { promise: done, resolve } = Promise.withResolvers<void>();
  // Whoever read the beginning stopped reading, and would pause the stream again.
  for (const event of ["data", "readable"]) request.removeAllListeners(event);
  for (const event of ["end", "error", "close"]) request.once(event, () => resolve());
  const timers = isKept ? [] : [setTimeout(resolve, LINGER_MS), setTimeout(resolve, LINGER_IDLE_MS)];
  request.on("data", () => timers[1]?.refresh());
  request.resume();
  await done;
  for (const timer of timers) clearTimeout(timer);
}

/**
 * A response that ends after its request. Where a route answers before it read the body, the answer is sent at once and the rest
 * of the body is discarded; a rest that is too long, or of unknown length, is announced with `Connection: close`.
 */
class OrderlyResponse extends ServerResponse {
  /** Node calls this for every answer, with headers that were set before as well. */
  override writeHead(...given: unknown[]): this {
    if (!isWorthKeeping(this.req)) this.shouldKeepAlive = false;
    return super.writeHead(...(given as Parameters<ServerResponse["writeHead"]>));
  }

  override end(...given: unknown[]): this {
    const finish = () => super.end(...(given.filter((each) => typeof each === "function") as []));
    if (isRead(this.req) || this.req.destroyed || this.writableEnded || this.destroyed) {
      return super.end(...(given as Parameters<ServerResponse["end"]>));
    }
    const [chunk, encoding] = given;
    if (typeof chunk === "string" || chunk instanceof Uint8Array) {
      this.write(chunk, typeof encoding === "string" ? (encoding as BufferEncoding) : "utf8");
    } else this.flushHeaders();
    void discardRest(this.req, this.shouldKeepAlive).then(finish);
    return this;
  }
}

/**
 * Makes an HTTP server that keeps connections usable, or says that it closes them.
 *
 * @param listener answers requests; it need not read their bodies
 */
export function createHttpServer(listener: RequestListener): Server {
  const server = createServer({ ServerResponse: OrderlyResponse }, listener as RequestListener<typeof IncomingMessage>);
  return Object.assign(server, { keepAliveTimeout: KEEP_ALIVE_MS, headersTimeout: HEADERS_MS });
}

/**
 * Starts listening.
 *
 * @param at port, 0 for any free one, and address
 * @throws what the system says, such as EADDRINUSE
 */
export function listen(server: Server, at: { port: number; host: string }): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.listen(at.port, at.host, () => {
      const address = server.address();
      if (address === null || typeof address === "string") reject(new Error("the server has no address"));
      else resolve(address);
    });
    server.once("error", reject);
  });
}

/** Returns the URL that a server is reached by from this machine, also where it listens on all addresses. */
export function originOf({ address, family, port }: AddressInfo): string {
  const host = address === "0.0.0.0" ? "127.0.0.1" : address === "::" ? "::1" : address;
  return `http://${family === "IPv6" ? `[${host}]` : host}:${port}`;
}

/** Takes no more requests, lets the running ones finish, and closes connections that have none. */
export function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const started = performance.now();
    const timer = setInterval(() => {
      if (performance.now() - started > GRACE_MS) server.closeAllConnections();
      else server.closeIdleConnections();
    }, IDLE_CHECK_MS);
    server.close(() => {
      clearInterval(timer);
      resolve();
    });
  });
}
