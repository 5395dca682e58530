/** Test world: a new table, the served app, organisations with their people, and requests like those of clients. */

import { randomUUID } from "node:crypto";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { parse } from "yaml";
import { PollingStatusWatcher } from "#core/cluster/operations/status-watcher.ts";
import { createServices, type Services } from "#core/context.ts";
import { simulatedTraits } from "#core/provisioning/simulated/traits.ts";
import type { Keyring } from "#core/secrets/keyring.ts";
import { createLocalKeyring, createMemoryKeyStore } from "#core/secrets/local-keyring.ts";
import { parseJson } from "#core/shared/json.ts";
import { openTable, type Table } from "#core/table/client.ts";
import { createTable } from "#core/table/create.ts";
import { allRoutes } from "#functions/api/all-routes.ts";
import { isDatabaseAvailable } from "#functions/api/health.ts";
import { createApp } from "#functions/http/app.ts";
import { UNSIGNED_CLIENT } from "#functions/local/engine.ts";
import { createLogger, type Logger } from "#functions/runtime/log.ts";
import { expectContract } from "./contract.ts";
import { tap, type Wire } from "./faults.ts";
import { as, operationAt, permitted } from "./permissions.ts";
import { addSecretsOf, expectNoSecrets } from "./secrets.ts";
import { type Tenant, tenantsOn } from "./tenants.ts";

export type { Tenant } from "./tenants.ts";

/** JSON value whose form a test asserts. */
// biome-ignore lint/suspicious/noExplicitAny: answers are whatever the server sends; tests look into them and assert
export type Json = any;

/** HTTP response. */
export interface TestResponse {
  status: number;
  headers: Headers;
  body: Json;
  text: string;
}

/** Options of a request. */
export interface RequestOptions {
  token?: string | undefined;
  /** Sent as JSON. */
  body?: unknown;
  /** Sent unchanged. */
  raw?: string | Uint8Array | ReadableStream;
  headers?: Record<string, string>;
  /** Peer of the connection. */
  peer?: string;
}

/** Everything a test needs. */
export interface World {
  services: Services;
  wire: Wire;
  /** Keys with a transaction in progress, of all processes on the table. */
  busy: Set<string>;
  table: Table;
  keyring: Keyring;
  /** Logged lines. */
  logs: string[];
  log: Logger;
  send(method: string, path: string, options?: RequestOptions): Promise<TestResponse>;
  /** Like `send`, with the response's bytes unchanged. */
  raw(
    method: string,
    path: string,
    options?: RequestOptions,
  ): Promise<{ status: number; headers: Headers; bytes: Buffer }>;
  tenant(environments?: readonly string[]): Promise<Tenant>;
  /** Creates another process on the same table: its client and wire are separate, and it shares only the database. */
  sibling(): World;
}

/** Options of a world. */
export interface WorldOptions extends Partial<Omit<Services, "table">> {
  /** Maximum number of attempts of the SDK for a call. */
  maxAttempts?: number;
  /** Timeout of one attempt of a call, in milliseconds. */
  requestTimeoutMs?: number;
  /** True if calls are signed as for AWS, which is the default. */
  isSigned?: boolean;
  trustedProxies?: string[];
  corsOrigins?: string[];
  /** A new one if absent. */
  keyring?: Keyring;
  /** Check of every response; none if absent. */
  validateResponse?: typeof expectContract;
}

/** Credentials for an engine that accepts any. */
export const ENGINE = { region: "local", credentials: { accessKeyId: "local", secretAccessKey: "local" } };

/** Creates a world with a new table on the engine under test. Its responses are compared with the OpenAPI document. */
export async function makeWorld(options: WorldOptions = {}): Promise<World> {
  // Imported here, because the benchmark uses worlds too, and vitest cannot be imported outside of its runner.
  const { inject } = await import("vitest");
  const { deleteAfterFile } = await import("./tables.ts");
  const given = { validateResponse: expectContract, isSigned: false, ...options, endpoint: inject("endpoint") };
  const world = worldOn(`test-${randomUUID()}`, given, new Set());
  await createTable(world.table);
  deleteAfterFile(world.table);
  return world;
}

/**
 * Creates a world on a table, which may not exist yet.
 *
 * @param busy keys with a transaction in progress; shared by all processes on the table
 */
export function worldOn(name: string, options: WorldOptions & { endpoint: string }, busy: Set<string>): World {
  const { endpoint, maxAttempts = 4, requestTimeoutMs, isSigned = true, validateResponse, ...rest } = options;
  const {
    trustedProxies = [],
    corsOrigins = [],
    keyring = createLocalKeyring(createMemoryKeyStore()),
    ...given
  } = rest;
  const client = { ...ENGINE, ...(isSigned ? {} : UNSIGNED_CLIENT), maxAttempts };
  const table = openTable({ name, endpoint, client, ...(requestTimeoutMs && { requestTimeoutMs }) });
  const statusWatcher = new PollingStatusWatcher(table.commits);
  const services = createServices({ table, provisioner: simulatedTraits, statusWatcher, ...given });
  const logs: string[] = [];
  const log = createLogger("debug", (line) => {
    expectNoSecrets(line, "the log");
    logs.push(line);
  });
  const app = createApp(
    {
      services,
      log,
      config: { TRUSTED_PROXIES: trustedProxies, CORS_ORIGINS: corsOrigins },
      peerAddress: (c) => (c.env as { peer?: string }).peer,
    },
    allRoutes(permitted(keyring, name), () => isDatabaseAvailable(services)),
  );
  const wire = tap(table, busy);
  const tenant = tenantsOn(services);
  const raw: World["raw"] = async (method, path, options = {}) => {
    const { token, body, raw: given, headers = {}, peer = "127.0.0.1" } = options;
    const sent = given ?? (body === undefined ? undefined : JSON.stringify(body));
    const request = {
      method,
      headers: {
        ...(token === undefined ? {} : { authorization: `Token ${token}` }),
        ...(sent === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      ...(sent === undefined ? {} : { body: sent }),
      // Node requires it when the body is a stream.
      ...(sent instanceof ReadableStream ? { duplex: "half" as const } : {}),
    };
    const response = await as(operationAt(method, path), () => app.request(path, request, { peer }));
    const bytes = Buffer.from(await response.arrayBuffer());
    const { status, headers: answered } = response;
    const plain = unpack(bytes, answered);
    validateResponse?.(method, path, status, answered, valueIn(plain, answered));
    if (RETURNS_SECRETS.test(`${method} ${path}`)) addSecretsOf(plain.toString());
    else expectNoSecrets(plain.toString(), `the response to ${method} ${path}`);
    return { status, headers: answered, bytes };
  };
  return {
    services,
    wire,
    busy,
    table,
    keyring,
    logs,
    log,
    raw,
    async send(method, path, options) {
      const { status, headers, bytes } = await raw(method, path, options);
      const plain = unpack(bytes, headers);
      return { status, headers, text: plain.toString(), body: valueIn(plain, headers) };
    },
    sibling: () => worldOn(name, { ...options, keyring }, busy),
    tenant: (environments = ["production", "staging"]) => tenant(environments),
  };
}

/** Returns the body of a response without its content coding. A response to HEAD has the coding and no body. */
export function unpack(bytes: Buffer, headers: Headers): Buffer {
  const coding = headers.get("content-encoding");
  if (coding === null || bytes.length === 0) return bytes;
  return coding === "br" ? brotliDecompressSync(bytes) : gunzipSync(bytes);
}

/** Operations that return secrets. */
const RETURNS_SECRETS = /(\/(join-config|oidc-config|kubeconfig)|^POST (\/acloud)?\/api\/v1\/tokens)(\?|$)/;

function valueIn(bytes: Buffer, headers: Headers): Json {
  if (bytes.length === 0) return undefined;
  const isYaml = headers.get("content-type")?.startsWith("application/yaml") === true;
  return isYaml ? parse(bytes.toString()) : parseJson<Json>(bytes.toString());
}
