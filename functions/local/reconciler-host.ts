/** Starts the reconciler of the local server in a thread of its own, so that requests do not wait for its processor time. */

import { Worker } from "node:worker_threads";
import type { Services } from "#core/context.ts";
import type { Profiles } from "#core/provisioning/cluster-api/profiles.ts";
import type { LocalKeys } from "#core/secrets/local-keyring.ts";
import type { CommitListeners } from "#core/table/commit-listeners.ts";
import type { Key } from "#core/table/keys.ts";
import type { Config } from "#functions/runtime/config.ts";
import type { WorkerOptions } from "./worker.ts";

/** Data of the thread. */
export interface ThreadData {
  config: Config;
  /** Environment of a command in the kubeconfig of the management cluster. */
  commandEnvironment: Record<string, string | undefined>;
  /** Profiles of the Cluster API provisioner; undefined for another provisioner. */
  profiles?: Profiles | undefined;
  /** URL of the engine. */
  endpoint: string;
  /** Keys of a keyring in memory; undefined if they are stored elsewhere. */
  keys: LocalKeys | undefined;
  /** Issuer of the clusters' clients, with the token for registrations; `isLocal` if this server is the issuer. */
  issuer: { url: string; initialAccessToken: string | undefined; isLocal: boolean };
  /** Start of this process if no other one can have a lease, in milliseconds since the epoch. */
  startedAt: number | undefined;
  /** Number of requests that take priority. */
  requests: SharedArrayBuffer;
  /** Options of the worker, if they differ from its defaults. */
  worker?: WorkerOptions;
}

/** Message to the thread: its data, items that were committed, or the request to stop. */
export type ToThread = { start: ThreadData } | { committed: readonly Key[] } | "stop";

/** Message from the thread: items that it committed. */
export interface FromThread {
  committed: readonly Key[];
}

/** Reconciler that runs in its thread. */
interface RunningReconciler {
  /** Rejects if the thread fails or ends without `stop`; otherwise it is not settled before `stop`. */
  failed: Promise<never>;
  /** Stops the reconciler, and waits until all steps in progress are complete. */
  stop(): Promise<void>;
}

/** Starts the thread, which loads its code and waits. Before a server responds, this does not delay requests. */
export const loadReconciler = (): Worker => new Worker(new URL("./reconciler-thread.ts", import.meta.url));

/**
 * Starts the reconciler. Commits of each side are announced to the other one.
 *
 * @param thread result of `loadReconciler`
 * @param services of this thread, whose commits trigger the reconciler
 * @param commits notified about the commits of the reconciler
 */
export function startReconciler(
  thread: Worker,
  data: ThreadData,
  { table }: Services,
  commits: CommitListeners,
): RunningReconciler {
  const send = (message: ToThread) => thread.postMessage(message);
  const unsubscribe = table.commits.subscribe((committed) => send({ committed }));
  thread.on("message", ({ committed }: FromThread) => commits.notify(committed));
  const exited = new Promise((resolve) => thread.once("exit", resolve));
  const failed = new Promise<never>((_, reject) => {
    thread.once("error", reject);
    thread.once("exit", () => reject(new Error("the thread of the reconciler ended unexpectedly")));
  });
  // Without a handler, a failure while the server stops would be an unhandled rejection. `failed` still reports it.
  failed.catch(() => {});
  send({ start: data });
  return {
    failed,
    async stop() {
      unsubscribe();
      send("stop");
      await exited;
    },
  };
}
