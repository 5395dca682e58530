import { Agent, type IncomingMessage, type OutgoingHttpHeaders, request } from "node:http";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { createHttpServer, listen } from "#functions/local/http-server.ts";
import { cleanUp, type Server, start, until } from "#test/support/server.ts";

let server: Server;
let token: OutgoingHttpHeaders;
/** Client with one keep-alive connection. */
let agent: Agent;

beforeAll(async () => {
  server = await start({ DATA_DIR: ":memory:" });
  token = { authorization: `Token ${server.token}` };
});
afterEach(() => agent?.destroy());
afterAll(async () => {
  // A killed server would leave its engine, as no data directory names it.
  server.signal("SIGTERM");
  await server.exited;
  cleanUp();
});

const CLUSTERS = "/api/v1/orgs/demo/clusters/production";
const JSON_TYPE = { "content-type": "application/json" };
const FORM_TYPE = { "content-type": "application/x-www-form-urlencoded" };

interface TestResponse {
  status: number | undefined;
  headers: IncomingMessage["headers"];
  body: string;
  /** The client's port, which identifies the connection. */
  port: number | undefined;
}

/**
 * Sends a request over the agent's connection.
 *
 * @param send writes the body; the request ends when it is done
 * @throws Error if the connection ends before the response, ECONNRESET among them
 */
function ask(
  method: string,
  path: string,
  headers: OutgoingHttpHeaders,
  send: (write: (chunk: Buffer) => void, answered: Promise<unknown>) => Promise<void> | void = () => {},
): Promise<TestResponse> {
  return new Promise((resolve, reject) => {
    const asked = request(`${server.url}${path}`, { method, agent, headers });
    const answered = new Promise((done) => asked.once("response", done));
    asked.once("error", reject);
    asked.once("response", async (response) => {
      const { statusCode: status, headers } = response;
      const port = asked.socket?.localPort;
      try {
        resolve({ status, headers, body: await text(response), port });
      } catch (error) {
        reject(error);
      }
    });
    void Promise.resolve(send((chunk) => void asked.write(chunk), answered)).then(() => asked.end());
  });
}

const CHUNK = 50_000;

/** Sends a request with a body of the given number of bytes. */
function askWithBody(method: string, path: string, headers: OutgoingHttpHeaders, bytes: number, isChunked: boolean) {
  const framing = isChunked ? { "transfer-encoding": "chunked" } : { "content-length": bytes };
  return ask(method, path, { ...headers, ...framing }, (write) => {
    for (let sent = 0; sent < bytes; sent += CHUNK) write(Buffer.alloc(Math.min(CHUNK, bytes - sent), "a"));
  });
}

/** Responses that are sent before the body was read, or without reading it. */
const early: [number, string, string, () => OutgoingHttpHeaders][] = [
  [401, "POST", CLUSTERS, () => JSON_TYPE],
  [404, "POST", "/nothing", () => ({ ...JSON_TYPE, ...token })],
  [405, "PUT", CLUSTERS, () => ({ ...JSON_TYPE, ...token })],
  [415, "POST", CLUSTERS, () => ({ "content-type": "text/plain", ...token })],
  [200, "GET", "/healthz", () => ({})],
  [404, "POST", "/docs/nothing", () => ({})],
  [404, "POST", "/oidc/nothing", () => JSON_TYPE],
  [400, "POST", "/oidc/login/none", () => FORM_TYPE],
  [400, "POST", "/oidc/reg", () => JSON_TYPE],
];
const sizes = [1_000, 100_000, 300_000, 1_500_000, 5_000_000];
const cases = early.flatMap(([status, method, path, headers]) =>
  sizes.flatMap((bytes) => [false, true].map((isChunked) => ({ status, method, path, headers, bytes, isChunked }))),
);

/** Maximum body that is discarded to keep a connection, in bytes. */
const MAX_DISCARDED_BYTES = 1_048_576;

test.each(cases)(
  "the request after a $status to $method $path with $bytes bytes (chunked: $isChunked) gets a response",
  async ({ status, method, path, headers, bytes, isChunked }) => {
    agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const first = await askWithBody(method, path, headers(), bytes, isChunked);
    expect(first.status, first.body).toBe(status);
    const next = await ask("GET", "/healthz", {});
    expect(next.status).toBe(200);
    expect(next.port === first.port).toBe(first.headers.connection !== "close");
    if (!isChunked) expect(next.port === first.port).toBe(bytes <= MAX_DISCARDED_BYTES);
  },
);

test.each([false, true])("the request after a body over the limit gets a response (chunked: %s)", async (isChunked) => {
  for (const bytes of [262_145, 300_000, 1_500_000, 5_000_000]) {
    agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const first = await askWithBody("POST", CLUSTERS, { ...JSON_TYPE, ...token }, bytes, isChunked);
    expect([bytes, first.status], first.body).toEqual([bytes, 413]);
    const next = await ask("GET", CLUSTERS, token);
    expect([bytes, next.status]).toEqual([bytes, 200]);
    expect([bytes, next.port === first.port]).toEqual([bytes, first.headers.connection !== "close"]);
    if (!isChunked) expect([bytes, next.port === first.port]).toEqual([bytes, bytes <= MAX_DISCARDED_BYTES]);
    agent.destroy();
  }
});

test("a client that sends the rest of its body long after the response keeps its connection", async () => {
  agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const headers = { ...JSON_TYPE, ...token, "content-length": 300_000 };
  const first = await ask("POST", CLUSTERS, headers, async (write, answered) => {
    write(Buffer.alloc(CHUNK));
    await answered;
    // Longer than the half second after which @hono/node-server closes a connection with an unread body.
    await sleep(1_000);
    for (let sent = CHUNK; sent < 300_000; sent += CHUNK) write(Buffer.alloc(CHUNK));
  });
  expect([first.status, first.headers.connection]).toEqual([413, "keep-alive"]);
  const next = await ask("GET", "/healthz", {});
  expect([next.status, next.port]).toEqual([200, first.port]);
});

test("the keep-alive timeout of the server is longer than those of proxies and clients", async () => {
  agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const { headers } = await ask("GET", "/healthz", {});
  expect(Number(/^timeout=(\d+)$/.exec(`${headers["keep-alive"]}`)?.[1])).toBeGreaterThanOrEqual(65);
});

test("the headers of a request may take longer than its connection may be idle before them", () => {
  const { headersTimeout, keepAliveTimeout, requestTimeout } = createHttpServer(() => {});
  expect(headersTimeout).toBeGreaterThan(keepAliveTimeout);
  expect(requestTimeout).toBeGreaterThan(headersTimeout);
});

test.each([
  ["431", `GET /healthz HTTP/1.1\r\nhost: x\r\nx: ${"a".repeat(40_000)}\r\n\r\n`],
  ["400", "nonsense\r\n\r\n"],
  ["400", "POST /healthz HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nnonsense\r\n"],
])("a response of Node itself, %s, says that the connection is closed", async (status, sent) => {
  const { hostname, port } = new URL(server.url);
  const socket = connect(Number(port), hostname);
  let received = "";
  let isClosed = false;
  socket.on("data", (data) => {
    received += data;
  });
  socket.on("error", () => {});
  socket.on("close", () => {
    isClosed = true;
  });
  socket.write(sent);
  await until(() => isClosed || undefined);
  expect(received).toMatch(new RegExp(`HTTP/1.1 ${status} [\\s\\S]*\r\nConnection: close\r\n`));
});

test("a client that stops sending after the server announced the close is disconnected", async () => {
  const { hostname, port } = new URL(server.url);
  const socket = connect(Number(port), hostname);
  let received = "";
  let isEnded = false;
  socket.on("data", (data) => {
    received += data;
  });
  socket.on("end", () => {
    isEnded = true;
  });
  socket.write("POST /nothing HTTP/1.1\r\nhost: x\r\ncontent-length: 5000000\r\n\r\nabc");
  await until(() => isEnded || undefined);
  expect(received).toMatch(/^HTTP\/1\.1 404 [\s\S]*\r\nConnection: close\r\n/);
  socket.destroy();
});

test("listening on a port that another server uses fails with the port and what to do", async () => {
  const [first, second] = [createHttpServer(() => {}), createHttpServer(() => {})];
  const { port } = await listen(first, { port: 0, host: "127.0.0.1" });
  const message = `PORT: another process uses port ${port} on 127.0.0.1; set PORT to a free port, or to 0 for any free port`;
  await expect(listen(second, { port, host: "127.0.0.1" })).rejects.toThrow(message);
  await new Promise((closed) => first.close(closed));
});
