/** Node's HTTP server for the local server. Connections stay usable after responses that are sent before the body was read. */

import { createServer, type IncomingMessage, type RequestListener, type Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { conflict } from "#core/shared/errors.ts";
import { MAX_BODY_BYTES } from "../http/request.ts";

/**
 * Time that a connection without requests stays open, in milliseconds. It is longer than that of load balancers (AWS: 60 s) and
 * clients, so that they close it first and never send a request on a connection that the server is closing.
 */
const KEEP_ALIVE_MS = 75_000;

/** Maximum time for the headers of a request, in milliseconds. Longer than the idle time of a connection before them. */
const HEADERS_MS = KEEP_ALIVE_MS + 5_000;

/** Maximum length of an unread body that is read and discarded so that the connection can be reused, in bytes. */
const MAX_DISCARDED_BYTES = 4 * MAX_BODY_BYTES;

/**
 * Time that the server continues to read from a client after it announced the close of the connection, in milliseconds. An earlier
 * close would reset the connection, and a client that is still sending could lose the response.
 */
const LINGER_MS = 30_000;

/** Maximum pause of such a client, in milliseconds. Both values are those of nginx: lingering_time and lingering_timeout. */
const LINGER_IDLE_MS = 5_000;

/** Time for running requests to finish after a request to stop, in milliseconds. */
const GRACE_MS = 10_000;

/** Interval at which idle connections are closed while the server stops, in milliseconds. */
const IDLE_CHECK_MS = 50;

/** Returns whether a request was received and read completely. */
const isRead = (request: IncomingMessage): boolean => request.complete && request.readableLength === 0;

/** Returns whether the rest of a request is known to be small enough to read it only for the reuse of the connection. */
const isReusable = (request: IncomingMessage): boolean =>
  request.complete || Number(request.headers["content-length"] ?? Number.NaN) <= MAX_DISCARDED_BYTES;

/**
 * Reads the rest of a request and discards it.
 *
 * @param isReused whether the connection is reused. Then Node's `requestTimeout` is the limit, as for every request
 * @returns after the rest is read, the connection broke, or the time is over
 */
async function discardRest(request: IncomingMessage, isReused: boolean): Promise<void> {
  const { promise: done, resolve } = Promise.withResolvers<void>();
  // The reader of the beginning has stopped, and its listeners would pause the stream again.
  for (const event of ["data", "readable"]) request.removeAllListeners(event);
  for (const event of ["end", "error", "close"]) request.once(event, () => resolve());
  const timers = isReused ? [] : [setTimeout(resolve, LINGER_MS), setTimeout(resolve, LINGER_IDLE_MS)];
  request.on("data", () => timers[1]?.refresh());
  request.resume();
  await done;
  for (const timer of timers) clearTimeout(timer);
}

/**
 * Response that ends after its request. If a route responds before it read the body, the response is sent at once and the rest of the
 * body is discarded. If the rest is too long, or of unknown length, the response has `Connection: close`.
 */
class OrderlyResponse extends ServerResponse {
  /** Called by Node for every response, also with headers that were set before. */
  override writeHead(...given: unknown[]): this {
    if (!isReusable(this.req)) this.shouldKeepAlive = false;
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
 * Creates an HTTP server whose connections stay usable, or whose responses announce that they are closed.
 *
 * @param listener handles requests; it need not read their bodies
 */
export function createHttpServer(listener: RequestListener): Server {
  const server = createServer({ ServerResponse: OrderlyResponse }, listener as RequestListener<typeof IncomingMessage>);
  return Object.assign(server, { keepAliveTimeout: KEEP_ALIVE_MS, headersTimeout: HEADERS_MS });
}

/**
 * Starts listening.
 *
 * @param at port, 0 for any free one, and address
 * @throws AppError conflict if another process uses the port; other errors of the system unchanged
 */
export function listen(server: Server, at: { port: number; host: string }): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.listen(at.port, at.host, () => {
      const address = server.address();
      if (address === null || typeof address === "string") reject(new Error("the server has no address"));
      else resolve(address);
    });
    server.once("error", (error: NodeJS.ErrnoException) => {
      const isTaken = error.code === "EADDRINUSE";
      const message = `PORT: another process uses port ${at.port} on ${at.host}; set PORT to a free port, or to 0 for any free port`;
      reject(isTaken ? conflict("config.port_taken", message) : error);
    });
  });
}

/** Returns the URL of a server for clients on this machine, also if it listens on all addresses. */
export function originOf({ address, family, port }: AddressInfo): string {
  const host = address === "0.0.0.0" ? "127.0.0.1" : address === "::" ? "::1" : address;
  return `http://${family === "IPv6" ? `[${host}]` : host}:${port}`;
}

/** Stops accepting requests, waits for the running ones, and closes idle connections. */
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
