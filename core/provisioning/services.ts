/** Dependencies of the reconciler. */

import { setTimeout as sleep } from "node:timers/promises";
import type { Services } from "../context.ts";
import type { StoredSecrets } from "../secrets/vault.ts";
import type { FollowUp, Prerequisite } from "./prerequisite.ts";
import type { ClusterOidcClient, Provisioner } from "./provisioner.ts";

/** Timeout of one call to the provisioner or of one prerequisite, in milliseconds. */
const CALL_TIMEOUT_MS = 10_000;

/**
 * Longest time until a converged cluster is observed again, to detect lost resources and changes of its maintenance schedule, in
 * milliseconds.
 */
export const RESYNC_MS = 60 * 60_000;

/** Services of the reconciler. */
export interface ReconcilerServices extends Services {
  readonly provisioner: Provisioner;
  /** Steps before the provisioner builds a cluster, in this order. */
  readonly prerequisites: readonly Prerequisite[];
  /** Steps that follow from an observation. */
  readonly followUps: readonly FollowUp[];
  /** Returns the OIDC client of a cluster from its stored secrets; undefined if it has none. */
  readonly oidcClientOf: (secrets: StoredSecrets) => ClusterOidcClient | undefined;
  /** Waits for a number of milliseconds; injected like the clock, which it may advance. */
  readonly sleep: (ms: number) => Promise<void>;
  /** Timeout of one call, in milliseconds. */
  readonly callMs: number;
  /** Longest time until a converged cluster is observed again, in milliseconds. */
  readonly resyncMs: number;
  /** Runs one iteration when it is its turn among the other work of this process. */
  readonly yieldToRequests: <T>(iteration: () => Promise<T>) => Promise<T>;
  /** Start of this process, if no other one can have a lease: leases taken before are ignored. */
  readonly startedAt?: Date;
  /** Once aborted, the reconciler releases each cluster after its current step. */
  readonly stopping?: AbortSignal;
}

/**
 * Builds the services of a reconciler. Without `given` it has no prerequisites, waits in real time, runs every iteration at once and
 * never stops.
 */
export function createReconciler(
  services: Services,
  provisioner: Provisioner,
  given: Partial<Omit<ReconcilerServices, keyof Services | "provisioner">> = {},
): ReconcilerServices {
  const signal = given.stopping;
  // An abort ends the wait early, which is no error.
  const wait = (ms: number) => sleep(ms, undefined, signal && { signal }).catch(() => {});
  const defaults = {
    prerequisites: [],
    followUps: [],
    oidcClientOf: () => undefined,
    sleep: wait,
    callMs: CALL_TIMEOUT_MS,
    resyncMs: RESYNC_MS,
    yieldToRequests: <T>(work: () => Promise<T>) => work(),
  };
  return { ...defaults, ...given, ...services, provisioner };
}
