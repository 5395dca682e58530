/** Entry point of the local server: all routes on one port, with an embedded or an external engine. */

import { getRequestListener } from "@hono/node-server";
import { requireNoPendingImport } from "#core/admin/backup/import-lock.ts";
import { PollingStatusWatcher } from "#core/cluster/operations/status-watcher.ts";
import { createIdentityProvider } from "#core/cluster-access/identity-provider.ts";
import type { Services } from "#core/context.ts";
import type { Keyring } from "#core/secrets/keyring.ts";
import { requireKeys } from "#core/secrets/keyring-record.ts";
import { errorText } from "#core/shared/errors.ts";
import { createTable, requireTransactions } from "#core/table/create.ts";
import { type Config, readConfig } from "#functions/runtime/config.ts";
import { isDatabaseAvailable } from "../api/health.ts";
import { reconcilerFrom } from "../reconciler/services.ts";
import { loadCatalogue } from "../runtime/catalogue-file.ts";
import { createLogger, errorFields, type Logger } from "../runtime/log.ts";
import { servicesFrom } from "../runtime/services.ts";
import { createLocalApp } from "./app.ts";
import { openDataDirectory } from "./data-directory.ts";
import { type EngineExit, startEngine } from "./engine.ts";
import { closeServer, createHttpServer, listen, originOf } from "./http-server.ts";
import { type LocalIssuer, startIssuer } from "./issuer/issuer.ts";
import { createKeyring, keyringLocation } from "./keyring.ts";
import { RequestPriority } from "./request-priority.ts";
import { seed } from "./seed.ts";
import { directoryIn, fileIn, ISSUER_FILE, isStateless, requireExternalState } from "./storage-mode.ts";
import { runWorker } from "./worker.ts";

interface Database {
  endpoint: string;
  stop(): Promise<void>;
  exited?: Promise<EngineExit>;
}

async function openDatabase(config: Config): Promise<Database> {
  if (config.DYNAMODB_ENDPOINT !== undefined) return { endpoint: config.DYNAMODB_ENDPOINT, stop: async () => {} };
  const directory = directoryIn(config);
  return directory === undefined ? await startEngine() : await openDataDirectory(directory, { role: "server" });
}

/** Prints the server's URL and where its token is. */
function announce(url: string, access: string): void {
  process.stdout.write(`AME Clusters listens on ${url}\n${access}\n`);
}

/** Creates the demo organisation, unless the server stores no data itself. @returns text about the access to the server */
async function prepareAccess(config: Config, services: Services): Promise<string> {
  if (isStateless(config))
    return "Create organisations and tokens with the operator's command, functions/admin/main.ts.";
  const directory = directoryIn(config);
  const token = await seed(services, directory);
  const also = directory === undefined ? "" : `, also in ${directory}/token`;
  return token === undefined
    ? `The token in ${directory}/token is not valid any more; remove the file and start again to get a new one.`
    : `Token of the organisation "demo"${also}: ${token}`;
}

async function main(config: Config, log: Logger): Promise<void> {
  const stopping = stopSignal();
  requireExternalState(config);
  loadCatalogue(config.CATALOGUE_FILE);
  const database = await openDatabase(config);
  try {
    const configured = servicesFrom(config, database.endpoint);
    const statusWatcher = new PollingStatusWatcher(configured.table.commits);
    const services = { ...configured, statusWatcher };
    await createTable(services.table);
    await requireTransactions(services.table);
    await requireNoPendingImport(services.table);
    const keyring = createKeyring(config);
    await requireKeys({ ...services, keyring }, keyringLocation(config));
    const access = await prepareAccess(config, services);
    const app = createLocalApp({ services, log, config, keyring, ready: () => isDatabaseAvailable(services) });
    const listener = getRequestListener(app.fetch);
    let issuer: LocalIssuer | undefined;
    const priority = new RequestPriority();
    const server = createHttpServer((request, response) => {
      response.once("close", priority.beginRequest());
      if (issuer?.handle(request, response) !== true) void listener(request, response);
    });
    const origin = originOf(await listen(server, { port: config.PORT, host: config.HOST }));
    // The port is known only after the start of the server.
    if (config.OIDC_ISSUER_URL === undefined) {
      const file = fileIn(config, ISSUER_FILE);
      issuer = await startIssuer({
        origin,
        location: file === undefined ? undefined : { file, keyring },
        services,
        log,
      });
    }
    const working = startWork(config, services, keyring, issuer, priority, log);
    announce(origin, access);
    const ended = await Promise.race([stopping, database.exited ?? new Promise<never>(() => {})]);
    log.info("stopping", typeof ended === "string" ? { signal: ended } : { engine: ended });
    statusWatcher.close();
    await Promise.all([closeServer(server), working.stop()]);
    if (typeof ended !== "string") throw new Error("the database engine ended unexpectedly");
  } finally {
    await database.stop();
  }
}

/** Runs the reconciler beside the server. @param priority gives requests priority */
function startWork(
  config: Config,
  services: Services,
  keyring: Keyring,
  issuer: LocalIssuer | undefined,
  priority: RequestPriority,
  log: Logger,
): { stop(): Promise<void> } {
  const end = new AbortController();
  // With an embedded engine, this is the only reconciler: an existing lease belongs to an earlier process.
  const since = config.DYNAMODB_ENDPOINT === undefined ? { startedAt: services.clock() } : {};
  const provider =
    issuer === undefined
      ? createIdentityProvider(config.OIDC_ISSUER_URL ?? "", config.OIDC_INITIAL_ACCESS_TOKEN)
      : createIdentityProvider(issuer.issuer, issuer.initialAccessToken);
  const own = { keyring, identityProvider: provider, warn: log.warn };
  const yieldToRequests = <T>(iteration: () => Promise<T>) => priority.run(iteration);
  const given = { ...since, stopping: end.signal, yieldToRequests };
  const done = runWorker(reconcilerFrom(config, services, own, given), end.signal, log);
  return {
    stop() {
      end.abort();
      return done;
    },
  };
}

/** Resolves at the first stop signal. Later signals have no effect. */
function stopSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => resolve(signal));
  });
}

let log = createLogger("info");
try {
  const config = readConfig(process.env);
  log = createLogger(config.LOG_LEVEL);
  await main(config, log);
  // Timers and open connections of clients must not keep the process alive.
  process.exit(0);
} catch (error) {
  log.error("server failed", errorFields(error));
  process.stderr.write(`${errorText(error)}\n`);
  process.exit(1);
}
