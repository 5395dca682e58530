/** Context of every operation: its services and the request with its caller. */

import { randomInt, randomUUID } from "node:crypto";
import { monotonicFactory } from "ulid";
import { StatusWatcher } from "./cluster/operations/status-watcher.ts";
import { type PageIndexLimits, pageIndexLimits } from "./listing/limits.ts";
import type { ProvisionerTraits } from "./provisioning/provisioner.ts";
import type { AppError, Problem } from "./shared/errors.ts";
import { WRITE_TIMEOUT_MS } from "./shared/retry.ts";
import type { Table } from "./table/client.ts";
import type { Credentials } from "./tenancy/token.ts";

/** Generates ids; injected so that tests are deterministic. */
export interface IdGenerator {
  /** Returns a new UUID. */
  identity(): string;
  /** Returns a new numeric id below 2^52, which every JSON parser reads exactly. */
  number(): number;
  /** Returns a sortable text that distinguishes events of one millisecond. @param at milliseconds since the epoch */
  ulid(at: number): string;
}

/** Hosting pool of the control plane: configuration, not a node pool. */
export interface HostingPool {
  readonly id: number;
  readonly name: string;
}

/** Services of operations, the same for every request. */
export interface Services {
  readonly table: Table;
  readonly clock: () => Date;
  readonly ids: IdGenerator;
  readonly provisioner: ProvisionerTraits;
  readonly hostingPool: HostingPool;
  readonly pageIndex: PageIndexLimits;
  /** Time for which a write retries inside the server before it fails as unavailable, in milliseconds. */
  readonly writeTimeoutMs: number;
  /** Wakes requests that wait for the status of a cluster; shared by all requests of a process. */
  readonly statusWatcher: StatusWatcher;
}

/** Request: its caller, its source address and metadata of its response. */
export interface Context extends Services {
  readonly requestId: string;
  /** IP address of the caller; undefined if the transport has none. */
  readonly sourceAddress: string | undefined;
  /** Contents of the token; undefined if there is none, or it is not a token of this product. */
  readonly credentials: Credentials | undefined;
  /**
   * Error of the request itself (content type, size, JSON). Only a caller with a valid token gets it, so it is passed on to the
   * check of the token.
   */
  readonly requestError: AppError | undefined;
  /** True if unknown properties are refused instead of ignored (`Prefer: handling=strict`). */
  readonly strict: boolean;
  /** Maximum wait that the caller allows (`Prefer: wait`), in seconds; 0 for no wait. */
  readonly waitSeconds: number;
  /** Idempotency key of the request; undefined if the caller sent none. */
  readonly idempotency: IdempotencyRequest | undefined;
  readonly responseMetadata: ResponseMetadata;
}

/** Request with an idempotency key: it may be repeated, and its effect must happen once. */
export interface IdempotencyRequest {
  /** SHA-256 of the caller's key, in hexadecimal. */
  readonly keyHash: string;
  /** True if its response is stored: for POST. Other requests are only compared with the key's request. */
  readonly storesResponse: boolean;
  /** Method, path with query, and SHA-256 of the body: a key belongs to one request only. */
  readonly fingerprint: string;
}

/** Metadata that operations record beside the response. */
export interface ResponseMetadata {
  /** Unknown properties and query parameters, encoded for a header. */
  readonly ignored: Set<string>;
  /** True if the response is the stored one of an earlier request with the same key. */
  replayed: boolean;
  /** Applied maximum wait, in seconds; 0 for no wait. */
  waitedSeconds: number;
  /** Delay before the caller retries after an incomplete wait, in seconds; undefined if not applicable. */
  retryAfterSeconds?: number;
  /** Identity of the request's cluster, for the log; undefined if there is none, or it does not exist. */
  cluster?: string;
}

/**
 * Records unknown parameters and properties.
 *
 * @param parameters unknown query parameters, which are always ignored
 * @param properties unknown properties of the body, ignored unless the request is strict
 * @returns the properties as problems if the request is strict
 */
export function reportUnknown(
  context: Context,
  parameters: readonly string[],
  properties: readonly string[] = [],
): Problem[] {
  for (const name of parameters) context.responseMetadata.ignored.add(name);
  if (context.strict) return properties.map((path) => ({ path, text: "unknown property (Prefer: handling=strict)" }));
  for (const name of properties) context.responseMetadata.ignored.add(name);
  return [];
}

/** Caller, verified by its token. */
export interface Actor {
  readonly user: string;
  readonly tokenId: string;
}

/** Creates a generator of random identities, numbers and ULIDs. */
export function randomIds(): IdGenerator {
  const ulid = monotonicFactory();
  return {
    identity: randomUUID,
    // The range of randomInt is below 2^48; two calls make 52 bits. Zero is not a valid id.
    number: () => randomInt(2 ** 26) * 2 ** 26 + randomInt(1, 2 ** 26),
    ulid,
  };
}

/** Creates services with defaults. @param given at least the table and the provisioner */
export function createServices(given: Pick<Services, "table" | "provisioner"> & Partial<Services>): Services {
  return {
    clock: () => new Date(),
    ids: randomIds(),
    hostingPool: { id: 1, name: "default" },
    pageIndex: pageIndexLimits,
    writeTimeoutMs: WRITE_TIMEOUT_MS,
    statusWatcher: new StatusWatcher(given.table.commits),
    ...given,
  };
}
