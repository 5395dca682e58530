/** Thread of the local server's reconciler. `reconciler-host.ts` starts it. */

import { parentPort } from "node:worker_threads";
import { createIdentityProvider } from "#core/cluster-access/identity-provider.ts";
import { CommitListeners } from "#core/table/commit-listeners.ts";
import { logOutages } from "../reconciler/log-outages.ts";
import { reconcilerFrom, sharedProvisionerFrom } from "../reconciler/services.ts";
import { loadCatalogue } from "../runtime/catalogue-file.ts";
import { createLogger } from "../runtime/log.ts";
import { servicesFrom } from "../runtime/services.ts";
import { clientOptionsFor } from "./engine.ts";
import { createLocalIdentityProvider } from "./issuer/identity-provider.ts";
import { createKeyring } from "./keyring.ts";
import { readKubeconfig } from "./kubeconfig.ts";
import type { FromThread, ThreadData, ToThread } from "./reconciler-host.ts";
import { limitIterations, RequestCounter } from "./request-priority.ts";
import { runWorker } from "./worker.ts";

const stopping = new AbortController();
const commits = new CommitListeners();

parentPort?.on("message", (message: ToThread) => {
  if (message === "stop") stopping.abort();
  else if ("start" in message) void run(message.start);
  else commits.notify(message.committed);
});

/** Runs the reconciler until it is stopped. Then the thread ends. */
async function run({
  config,
  commandEnvironment,
  profiles,
  endpoint,
  keys,
  issuer,
  startedAt,
  requests,
  worker,
}: ThreadData): Promise<void> {
  const log = createLogger(config.LOG_LEVEL);
  // Each thread has its own modules, and so its own catalogue.
  loadCatalogue(config.CATALOGUE_FILE);
  const services = servicesFrom(config, endpoint, clientOptionsFor(config), profiles);
  services.table.commits.subscribe((committed) => {
    commits.notify(committed);
    parentPort?.postMessage({ committed } satisfies FromThread);
  });
  const limit = limitIterations(new RequestCounter(undefined, requests));
  const own = {
    keyring: createKeyring(config, keys),
    identityProvider: (issuer.isLocal ? createLocalIdentityProvider : createIdentityProvider)(
      issuer.url,
      issuer.initialAccessToken,
    ),
    warn: log.warn,
  };
  const management = {
    readKubeconfig: () => readKubeconfig(config),
    clientOptions: { environment: commandEnvironment, onOutage: logOutages(log) },
  };
  const reconciler = reconcilerFrom(config, services, own, {
    ...(startedAt === undefined ? {} : { startedAt: new Date(startedAt) }),
    stopping: stopping.signal,
    yieldToRequests: (iteration) => limit.run(iteration),
    shared: await sharedProvisionerFrom(config, services, own, management, profiles),
  });
  await runWorker(reconciler, commits, stopping.signal, log, worker);
  // An open port would keep the thread alive.
  parentPort?.close();
}
