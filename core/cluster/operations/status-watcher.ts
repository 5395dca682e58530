/** Watches the statuses of clusters for all requests of a process that wait for one. */

import type { AwaitedChange, StatusWatcher } from "../../context.ts";
import { AppError } from "../../shared/errors.ts";
import { BATCH_GET_KEYS, type Table } from "../../table/client.ts";
import type { CommitListeners } from "../../table/commit-listeners.ts";
import type { RawItem } from "../../table/entity.ts";
import { type Key, keyText } from "../../table/keys.ts";
import { SharedReads } from "../../table/shared-reads.ts";
import { clusterEntity } from "../entity.ts";
import { hasStatus } from "./wait.ts";

/** Interval between reads for changes by other processes, in milliseconds. Own commits cause a read at once. */
const POLL_INTERVAL_MS = 1_000;

/** Maximum number of requests that wait at the same time. */
interface WaitLimits {
  readonly perToken: number;
  readonly perProcess: number;
}

/** Limits of a server. docs/decisions/waiting.md explains them. */
export const WAIT_LIMITS: WaitLimits = { perToken: 100, perProcess: 1_000 };

interface Waiter extends AwaitedChange {
  wake(): void;
  fail(error: unknown): void;
}

/** Waiters by the text of a key. */
class WaitersByKey extends Map<string, Set<Waiter>> {
  add(key: Key, waiter: Waiter): void {
    const text = keyText(key);
    const others = this.get(text);
    if (others === undefined) this.set(text, new Set([waiter]));
    else others.add(waiter);
  }

  remove(key: Key, waiter: Waiter): void {
    const text = keyText(key);
    const waiters = this.get(text);
    waiters?.delete(waiter);
    if (waiters?.size === 0) this.delete(text);
  }
}

/**
 * Wakes requests when a cluster has the status that they wait for. All waiters of a process share one poll: it reads each
 * cluster once, up to 100 clusters a call, with at most one call in flight. Commits of this process start a read at once.
 *
 * A wake-up does not authorize a caller: a woken request reads and authorizes again.
 */
export class PollingStatusWatcher implements StatusWatcher {
  readonly #commits: CommitListeners;
  readonly #limits: WaitLimits;
  readonly #reads = new SharedReads();
  readonly #placesByToken = new Map<string, number>();
  #places = 0;
  #isClosed = false;

  readonly #byCluster = new WaitersByKey();
  readonly #byAuthorization = new WaitersByKey();
  /** Texts of the keys of clusters to read. */
  readonly #changed = new Set<string>();
  #isPolling = false;
  #stopWatching: (() => void) | undefined;

  constructor(commits: CommitListeners, limits: WaitLimits = WAIT_LIMITS) {
    this.#commits = commits;
    this.#limits = limits;
  }

  /** True while the process shuts down: then no request may wait. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /**
   * Reserves a place for a request that waits.
   *
   * @param tokenId of the caller's token, which was verified
   * @returns function that releases the place, to be called once; undefined if a limit is reached or the process shuts down
   */
  reserve(tokenId: string): (() => void) | undefined {
    const ofToken = this.#placesByToken.get(tokenId) ?? 0;
    const isFull = this.#places >= this.#limits.perProcess || ofToken >= this.#limits.perToken;
    if (isFull || this.#isClosed) return undefined;
    this.#places++;
    this.#placesByToken.set(tokenId, ofToken + 1);
    return () => {
      this.#places--;
      const left = (this.#placesByToken.get(tokenId) ?? 0) - 1;
      if (left > 0) this.#placesByToken.set(tokenId, left);
      else this.#placesByToken.delete(tokenId);
    };
  }

  /** Returns a table for reads of requests that wait or were woken. They can be many at once, so their reads yield to others. */
  sharedTable(table: Table): Table {
    return this.#reads.of(table);
  }

  /**
   * Waits until the cluster has the status or no longer exists at its key, an item that authorizes the request was written, the
   * time expired, the client disconnected, or the process shuts down.
   *
   * @throws the error of a read of the cluster, unless the database is unavailable: then polling continues
   */
  async change(awaited: AwaitedChange): Promise<void> {
    const { signal, timeoutMs } = awaited;
    if (signal?.aborted === true || this.#isClosed) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter: Waiter = { ...awaited, wake: resolve, fail: reject };
    const timer = setTimeout(resolve, timeoutMs);
    const onAbort = () => resolve();
    signal?.addEventListener("abort", onAbort, { once: true });
    this.#add(waiter);
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
      this.#remove(waiter);
    }
  }

  /** Ends all waits and refuses new ones. For a process that shuts down. */
  close(): void {
    this.#isClosed = true;
    for (const waiters of this.#byCluster.values()) for (const { wake } of waiters) wake();
  }

  #add(waiter: Waiter): void {
    this.#byCluster.add(waiter.cluster, waiter);
    for (const key of waiter.authorizedBy) this.#byAuthorization.add(key, waiter);
    this.#stopWatching ??= this.#watch();
  }

  #remove(waiter: Waiter): void {
    this.#byCluster.remove(waiter.cluster, waiter);
    for (const key of waiter.authorizedBy) this.#byAuthorization.remove(key, waiter);
    if (this.#byCluster.size > 0) return;
    this.#stopWatching?.();
    this.#stopWatching = undefined;
  }

  /** Starts to poll and to listen for commits. @returns function that stops both */
  #watch(): () => void {
    const timer = setInterval(() => {
      for (const text of this.#byCluster.keys()) this.#changed.add(text);
      void this.#poll();
    }, POLL_INTERVAL_MS);
    const stopListening = this.#commits.subscribe((keys) => {
      for (const text of keys.map(keyText)) {
        if (this.#byCluster.has(text)) this.#changed.add(text);
        for (const { wake } of this.#byAuthorization.get(text) ?? []) wake();
      }
      void this.#poll();
    });
    return () => {
      clearInterval(timer);
      stopListening();
      this.#changed.clear();
    };
  }

  /** Reads the clusters that may have changed, one call after another, until there are none. */
  async #poll(): Promise<void> {
    if (this.#isPolling) return;
    this.#isPolling = true;
    while (this.#changed.size > 0) {
      const texts = [...this.#changed].slice(0, BATCH_GET_KEYS);
      for (const text of texts) this.#changed.delete(text);
      await this.#read(texts.flatMap((text) => [...(this.#byCluster.get(text) ?? [])]));
    }
    this.#isPolling = false;
  }

  /** Reads the clusters of waiters in one call, and wakes those whose wait is over. */
  async #read(waiters: readonly Waiter[]): Promise<void> {
    const [first] = waiters;
    if (first === undefined) return;
    let items: ReadonlyMap<string, RawItem>;
    try {
      items = await first.table.get(waiters.map(({ cluster }) => cluster));
    } catch (error) {
      // A short outage must not end a wait. The read at the end of each wait reports a longer one.
      if (error instanceof AppError && error.kind === "unavailable") return;
      for (const { fail } of waiters) fail(error);
      return;
    }
    for (const { cluster, status, wake } of waiters) {
      if (isOver(items.get(keyText(cluster)), status)) wake();
    }
  }
}

/** Returns whether the wait for a status is over: the cluster has it, does not exist, or its item cannot be read. */
function isOver(item: RawItem | undefined, awaited: string): boolean {
  if (item === undefined) return true;
  // An attribute in every version: the document of most items need not be parsed.
  if (item.status !== awaited) return false;
  try {
    return hasStatus(clusterEntity.read(item), awaited);
  } catch {
    // The woken request reads it again, and reports what is wrong.
    return true;
  }
}
