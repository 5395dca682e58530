/** Context of every operation: its services and the request with its caller. */

import { randomInt, randomUUID } from "node:crypto";
import { monotonicFactory } from "ulid";
import type { CloudProviderType } from "./catalogue/index.ts";
import type { RequestedConfiguration } from "./configuration/requested.ts";
import { type AppError, invalid, type Problem } from "./shared/errors.ts";
import { LruCache } from "./shared/lru-cache.ts";
import { WRITE_TIMEOUT_MS } from "./shared/retry.ts";
import type { Parsed } from "./shared/validation.ts";
import type { Table } from "./table/client.ts";
import type { Key } from "./table/keys.ts";

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

/** Traits of a provisioner that the API depends on without loading the provisioner. */
export interface ProvisionerTraits {
  readonly name: string;
  /** True if a cluster on such a provider can only be built with the cloud account's credentials. */
  needsCredentials(type: CloudProviderType): boolean;
  /**
   * True if its clusters have API servers: then their certificate authorities are read from them, and bootstrap tokens are created in
   * them.
   */
  readonly hasApiServers: boolean;
  /** True if it upgrades nodes on such a provider without replacing their machines, where the strategy of their pool says so. */
  upgradesInPlace(type: CloudProviderType): boolean;
  /**
   * Finds settings that its clusters cannot have, so that they are refused before they are stored. A setting that does not change is no
   * problem.
   */
  problemsOf(configuration: RequestedConfiguration): Problem[];
}

/** Sizes of the page index. Tests make them small, so that few clusters cause every split. */
export interface PageIndexLimits {
  /** Maximum clusters in a bucket. 64 of the largest clusters fit into the 1 MB that one query may read. */
  readonly bucket: number;
  /** Maximum buckets in a chunk item. */
  readonly chunk: number;
}

/** Sizes of the page index in production. */
const pageIndexLimits: PageIndexLimits = { bucket: 64, chunk: 64 };

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
  /** Maximum duration of the wait, in milliseconds. */
  timeoutMs: number;
  /** Aborted when the client disconnects. */
  signal: AbortSignal | undefined;
}

/** Wakes requests that wait for a cluster's status. */
export interface StatusWatcher {
  /** True while the process is shutting down, so that no request may wait any longer. */
  readonly isClosed: boolean;
  /**
   * Reserves a place for a request that waits.
   *
   * @param tokenId of the caller's token, which was verified
   * @returns releases the place, to be called once; undefined where a limit is reached or the process shuts down
   */
  reserve(tokenId: string): (() => void) | undefined;
  /** Returns a table for reads of requests that were woken, which may be many at once: they yield to other requests. */
  sharedTable(table: Table): Table;
  /**
   * Waits until a cluster has a status or is not at its key any more, an item that authorizes the request was written, the
   * time is over, the client disconnected, or the process shuts down.
   *
   * @throws whatever a read of the cluster throws, unless the database is unavailable: then the poll goes on
   */
  change(awaited: AwaitedChange): Promise<void>;
}

/** Records when tokens are used. */
export interface TokenUseRecorder {
  /**
   * Records a use, if none was recorded for a day.
   *
   * @param token record as the request read it
   * @returns settles when the response may be sent; undefined if there is nothing to record. It never rejects
   */
  record(
    services: Pick<Services, "table" | "clock">,
    token: { tokenId: string; lastUsedAt?: string | undefined },
  ): Promise<void> | undefined;
}

/** Lets no request wait: a function on AWS serves one request at a time, so a waiting request would occupy it. */
const noStatusWatcher: StatusWatcher = {
  isClosed: false,
  reserve: () => undefined,
  sharedTable: (table) => table,
  change: async () => {},
};

/** References of an organisation, as a request of this process read them. */
export interface CachedReferences {
  readonly organisationIdentity: string;
  /** Revision of the references. They are current while the organisation's item has the same one. */
  readonly revision: number;
  /** The references; nothing may change them, because requests share them. */
  readonly references: object;
}

/** Maximum size of the cached references of a process, as JSON text in bytes. */
const REFERENCES_CACHE_BYTES = 16 * 1024 * 1024;

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
  /** Records when tokens are used, shared by all requests of a process; undefined in processes that do not record it. */
  readonly tokenUse: TokenUseRecorder | undefined;
  /** References of organisations by slug; shared by all requests of a process. */
  readonly referencesCache: LruCache<CachedReferences>;
}

/** Request: its caller, its source address and metadata of its response. */
export interface Context extends Services {
  readonly requestId: string;
  /** IP address of the caller; undefined if the transport has none. */
  readonly sourceAddress: string | undefined;
  /** Contents of the token; undefined if there is none, or it is not a token of this product. */
  readonly credentials: Credentials | undefined;
  /** Error of a request that cannot be parsed. Only a caller with a valid token gets it, so the check of the token throws it. */
  readonly requestError: AppError | undefined;
  /** Setting with which the caller asked to refuse unknown properties, for messages; undefined if they are ignored. */
  readonly strictSetting: string | undefined;
  /** Maximum wait that the caller allows, in seconds; 0 for no wait. */
  readonly waitSeconds: number;
  /** Idempotency key of the request; undefined if the caller sent none. */
  readonly idempotency: IdempotencyRequest | undefined;
  readonly responseMetadata: ResponseMetadata;
}

/** Request with an idempotency key: it may be repeated, and its effect must happen once. */
export interface IdempotencyRequest {
  /** Name of the key in messages, as the caller knows it. */
  readonly name: string;
  /** SHA-256 of the caller's key, in hexadecimal. */
  readonly keyHash: string;
  /** True if its response is stored. Other requests are only compared with the key's request. */
  readonly storesResponse: boolean;
  /** Hash of everything that the caller sent, in hexadecimal: a key belongs to one request only. It does not let secrets be guessed. */
  readonly fingerprint: string;
}

/** Metadata that operations record beside the response. */
interface ResponseMetadata {
  /** Unknown properties and options. */
  readonly ignored: Set<string>;
  /** True if the response is the stored one of an earlier request with the same key. */
  replayed: boolean;
  /** Applied maximum wait, in seconds; 0 for no wait. */
  waitedSeconds: number;
  /** Work that has to end before the response is sent, because a function on AWS does not run after it. It never rejects. */
  pending?: Promise<void>;
  /** Delay before the caller retries after an incomplete wait, in seconds; undefined if not applicable. */
  retryAfterSeconds?: number;
  /** Identity of the request's cluster, for the log; undefined if there is none, or it does not exist. */
  cluster?: string;
}

/** Options of an operation that has none: only unknown ones can have been sent. */
export type NoOptions = Readonly<Record<never, never>>;

/** Options of a write. */
export interface WriteOptions {
  /** True to make all checks, return the response and change nothing. */
  readonly dryRun: boolean;
  /** True to add the objects that the provisioner would make to the result of a dry run; only some writes have it. */
  readonly includeManifests?: boolean;
}

/**
 * Records unknown options and properties.
 *
 * @param options unknown options, which are always ignored
 * @param properties unknown properties, ignored unless the request is strict
 * @returns the properties as problems if the request is strict
 */
export function reportUnknown(
  { strictSetting, responseMetadata }: Context,
  options: readonly string[],
  properties: readonly string[] = [],
): Problem[] {
  for (const name of options) responseMetadata.ignored.add(name);
  if (strictSetting !== undefined) {
    return properties.map((path) => ({ path, message: `unknown property (${strictSetting})` }));
  }
  for (const name of properties) responseMetadata.ignored.add(name);
  return [];
}

/**
 * Returns the options of a read, and records unknown ones.
 *
 * @throws AppError invalid with every problem
 */
export function requireValid<T>(context: Context, { value, problems, unknown }: Parsed<T>): T {
  reportUnknown(context, unknown);
  if (problems.length > 0) throw invalid(problems);
  return value;
}

/** Caller, verified by its token. */
export interface Actor {
  readonly user: string;
  readonly tokenId: string;
  /** Address blocks from which the token can be used; empty if it can be used from every address. */
  readonly sources: readonly string[];
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
    statusWatcher: noStatusWatcher,
    tokenUse: undefined,
    referencesCache: new LruCache(REFERENCES_CACHE_BYTES),
    ...given,
  };
}
