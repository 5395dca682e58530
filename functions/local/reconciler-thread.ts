/** Thread of the local server's reconciler. `reconciler-host.ts` starts it. */

import { parentPort, workerData } from "node:worker_threads";
import { createIdentityProvider } from "#core/cluster-access/identity-provider.ts";
import { CommitListeners } from "#core/table/commit-listeners.ts";
import { reconcilerFrom } from "../reconciler/services.ts";
import { createLogger } from "../runtime/log.ts";
import { servicesFrom } from "../runtime/services.ts";
import { clientOptionsFor } from "./engine.ts";
import { createKeyring } from "./keyring.ts";
import type { FromThread, ThreadData, ToThread } from "./reconciler-host.ts";
import { limitIterations, RequestCounter } from "./request-priority.ts";
import { runWorker } from "./worker.ts";

const { config, endpoint, keys, issuer, startedAt, requests, worker } = workerData as ThreadData;
const log = createLogger(config.LOG_LEVEL);
const services = servicesFrom(config, endpoint, clientOptionsFor(config));
const stopping = new AbortController();
const commits = new CommitListeners();

services.table.commits.subscribe((committed) => {
  commits.notify(committed);
  parentPort?.postMessage({ committed } satisfies FromThread);
});
parentPort?.on("message", (message: ToThread) => {
  if (message === "stop") stopping.abort();
  else commits.notify(message.committed);
});

const limit = limitIterations(new RequestCounter(undefined, requests));
const reconciler = reconcilerFrom(
  config,
  services,
  {
    keyring: createKeyring(config, keys),
    identityProvider: createIdentityProvider(issuer.url, issuer.initialAccessToken),
    warn: log.warn,
  },
  {
    ...(startedAt === undefined ? {} : { startedAt: new Date(startedAt) }),
    stopping: stopping.signal,
    yieldToRequests: (iteration) => limit.run(iteration),
  },
);
await runWorker(reconciler, commits, stopping.signal, log, worker);
// An open port would keep the thread alive.
parentPort?.close();
