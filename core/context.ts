/** What every operation takes first: the services it works with and who is asking. */

import { randomInt, randomUUID } from "node:crypto";
import { monotonicFactory } from "ulid";
import type { StatusWatcher } from "./cluster/operations/status-watcher.ts";
import { type PageIndexLimits, pageIndexLimits } from "./listing/limits.ts";
import type { ProvisionerTraits } from "./provisioning/provisioner.ts";
import type { AppError, Problem } from "./shared/errors.ts";
import { WRITE_TIMEOUT_MS } from "./shared/retry.ts";
import type { Table } from "./table/client.ts";
import type { Credentials } from "./tenancy/token.ts";

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
  readonly statusWatcher: StatusWatcher | undefined;
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
    return properties.map((path) => ({ path, text: "is not known, and handling=strict was asked for" }));
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
    statusWatcher: undefined,
    ...given,
  };
}
