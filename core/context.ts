/** What every operation takes first: the services it works with and who is asking. */

import { randomInt, randomUUID } from "node:crypto";
import { monotonicFactory } from "ulid";
import type { CloudProviderType } from "./catalogue/index.ts";
import type { AppError, Problem } from "./shared/errors.ts";
import { WRITE_TIMEOUT_MS } from "./shared/retry.ts";
import type { Table } from "./table/client.ts";
import type { Key } from "./table/keys.ts";

/** What the server draws. Given from outside, so that two runs can be compared to the byte. */
export interface IdGenerator {
  /** A new uuid. */
  identity(): string;
  /** A new numeric id below 2^52, which every JSON reader keeps exactly. */
  number(): number;
  /** A sortable text that tells events of one millisecond apart. @param at milliseconds since the epoch */
  ulid(at: number): string;
}

/** The hosting pool of the control plane: configuration, not a node pool. */
export interface HostingPool {
  readonly id: number;
  readonly name: string;
}

/** Traits of a provisioner that the API depends on without loading the provisioner. */
export interface ProvisionerTraits {
  readonly name: string;
  /** Whether a cluster on such a provider can only be built with the cloud account's credentials. */
  needsCredentials(type: CloudProviderType): boolean;
}

/** Sizes of the page index. Tests make them small, so that few clusters cause every split. */
export interface PageIndexLimits {
  /** Maximum clusters in a bucket. 64 of the largest clusters fit into the 1 MB that one query may read. */
  readonly bucket: number;
  /** Maximum buckets in a chunk item. */
  readonly chunk: number;
}

/** Sizes of the page index in production. */
export const pageIndexLimits: PageIndexLimits = { bucket: 64, chunk: 64 };

/** Content of a personal access token: the record to read, its user, and the hash to compare with the record. */
export interface Credentials {
  readonly tokenId: string;
  readonly user: string;
  readonly hash: string;
}

/** A change of a cluster's status that a request waits for. */
export interface AwaitedChange {
  /** The table of the request: what the shared reads consume counts for one of the requests that they serve. */
  table: Table;
  cluster: Key;
  status: string;
  /** Items that authorize the request: it is woken when this process writes one of them. */
  authorizedBy: readonly Key[];
  /** How long to wait at most, in milliseconds. */
  timeoutMs: number;
  /** Aborted when the client disconnects. */
  signal: AbortSignal | undefined;
}

/** Wakes requests that wait for a cluster's status. */
export interface StatusWatcher {
  /** Whether the process is shutting down, so that no request may wait any longer. */
  readonly isClosed: boolean;
  /**
   * Reserves a place for a request that waits.
   *
   * @param tokenId of the caller's token, which was verified
   * @returns releases the place, to be called once; undefined where a limit is reached or the process shuts down
   */
  reserve(tokenId: string): (() => void) | undefined;
  /** Returns a table for reads of requests that were woken, which may be many at once: they yield to other requests. */
  tableForWoken(table: Table): Table;
  /**
   * Waits until a cluster has a status or is not at its key any more, an item that authorizes the request was written, the
   * time is over, the client disconnected, or the process shuts down.
   *
   * @throws whatever a read of the cluster throws, unless the database is unavailable: then the poll goes on
   */
  change(awaited: AwaitedChange): Promise<void>;
}

/** Lets no request wait: a function on AWS serves one request at a time, so a waiting request would occupy it. */
export const noStatusWatcher: StatusWatcher = {
  isClosed: false,
  reserve: () => undefined,
  tableForWoken: (table) => table,
  change: async () => {},
};

/** What operations work with, the same for every request. */
export interface Services {
  readonly table: Table;
  readonly clock: () => Date;
  readonly ids: IdGenerator;
  readonly provisioner: ProvisionerTraits;
  readonly hostingPool: HostingPool;
  readonly pageIndex: PageIndexLimits;
  /** How long writers wait for each other inside the server before a caller is told to come back, in milliseconds. */
  readonly writeTimeoutMs: number;
  /**
   * Wakes requests that wait for a cluster's status; one for all requests of a process. Undefined in functions on AWS, where no
   * request waits: a function serves one request at a time, and a request that waits would occupy its execution environment.
   */
  readonly statusWatcher: StatusWatcher;
}

/** One request: who asks, from where, and what became of it. */
export interface Context extends Services {
  readonly requestId: string;
  /** The caller's address; undefined where the transport has none. */
  readonly sourceAddress: string | undefined;
  /** What the token's text says; undefined where there is none, or none of ours. */
  readonly credentials: Credentials | undefined;
  /**
   * What is wrong with the request as it arrived (content type, size, JSON). Told only to callers whose token is good, so
   * it travels to where the token is checked.
   */
  readonly requestError: AppError | undefined;
  /** Whether the caller wants unknown properties refused instead of ignored (`Prefer: handling=strict`). */
  readonly strict: boolean;
  /** How many seconds the caller would wait for what it asks for (`Prefer: wait`); 0 where it would not. */
  readonly waitSeconds: number;
  /** What makes a repeat of this request recognisable; undefined where the caller sent no key. */
  readonly idempotency: IdempotencyRequest | undefined;
  readonly responseMetadata: ResponseMetadata;
}

/** A request that may be repeated and shall happen once. */
export interface IdempotencyRequest {
  /** SHA-256 of the caller's key, in hexadecimal. */
  readonly keyHash: string;
  /** Whether its answer is kept: a POST's. Others are only held against what the key stands for. */
  readonly storesResponse: boolean;
  /** Method, path with query, and SHA-256 of the body: a key stands for one request alone. */
  readonly fingerprint: string;
}

/** What operations note of a request beside their answer. */
export interface ResponseMetadata {
  /** Properties and query parameters that were not understood, as they may stand in a header. */
  readonly ignored: Set<string>;
  /** Whether the answer is the one that an earlier request of the same key got. */
  replayed: boolean;
  /** How many seconds the answer could be waited for; 0 where nothing is waited for. */
  waitedSeconds: number;
  /** After how many seconds to ask again for what could not be waited for to its end; undefined where that says nothing. */
  retryAfterSeconds?: number;
  /** Identity of the cluster it was about, for the log; undefined where it was about none, or none that is there. */
  cluster?: string;
}

/**
 * Notes what was not understood.
 *
 * @param parameters unknown query parameters, which are always ignored
 * @param properties unknown properties of the body, ignored unless the caller is strict
 * @returns the properties as problems where the caller is strict
 */
export function reportUnknown(
  context: Context,
  parameters: readonly string[],
  properties: readonly string[] = [],
): Problem[] {
  for (const name of parameters) context.responseMetadata.ignored.add(name);
  if (context.strict)
    return properties.map((path) => ({ path, message: "is not known, and handling=strict was asked for" }));
  for (const name of properties) context.responseMetadata.ignored.add(name);
  return [];
}

/** Who is asking, once the token proved it. */
export interface Actor {
  readonly user: string;
  readonly tokenId: string;
}

/** Random identities, numbers and ulids. */
export function randomIds(): IdGenerator {
  const ulid = monotonicFactory();
  return {
    identity: randomUUID,
    // randomInt takes a span below 2^48; two draws make 52 bits. Zero is no id.
    number: () => randomInt(2 ** 26) * 2 ** 26 + randomInt(1, 2 ** 26),
    ulid,
  };
}

/** Services with what they default to. @param given at least the table and the provisioner */
export function createServices(given: Pick<Services, "table" | "provisioner"> & Partial<Services>): Services {
  return {
    clock: () => new Date(),
    ids: randomIds(),
    hostingPool: { id: 1, name: "default" },
    pageIndex: pageIndexLimits,
    writeTimeoutMs: WRITE_TIMEOUT_MS,
    statusWatcher: noStatusWatcher,
    ...given,
  };
}
