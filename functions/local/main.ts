/** The local server: all routes on one port, on an embedded engine or a given one. */

import { getRequestListener } from "@hono/node-server";
import { requireNoPendingImport } from "#core/admin/backup/import-lock.ts";
import { StatusWatcher } from "#core/cluster/operations/status-watcher.ts";
import { identityProvider } from "#core/cluster-access/identity-provider.ts";
import type { Services } from "#core/context.ts";
import type { Keyring } from "#core/secrets/keyring.ts";
import { requireKeys } from "#core/secrets/keyring-record.ts";
import { errorText } from "#core/shared/errors.ts";
import { createTable, requireTransactions } from "#core/table/create.ts";
import { type Config, readConfig } from "#functions/runtime/config.ts";
import { databaseAnswers } from "../api/health.ts";
import { reconcilerFrom } from "../reconciler/services.ts";
import { createLogger, errorFields, type Logger } from "../runtime/log.ts";
import { servicesFrom } from "../runtime/services.ts";
import { createLocalApp } from "./app.ts";
import { openDataDirectory } from "./data-directory.ts";
import { type EngineExit, startEngine } from "./engine.ts";
import { closeServer, createHttpServer, listen, originOf } from "./http-server.ts";
import { type LocalIssuer, startIssuer } from "./issuer/issuer.ts";
import { keyringFrom, keyringPlace } from "./keyring.ts";
import { seed } from "./seed.ts";
import { directoryIn, fileIn, ISSUER_FILE, isStateless, requireExternalState } from "./storage-mode.ts";
import { work } from "./worker.ts";

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

/** Says where the server is, and how it is entered. */
function announce(url: string, entrance: string): void {
  process.stdout.write(`AME Clusters listens on ${url}\n${entrance}\n`);
}

/** Makes the organisation to try things in, where there is a place for its token. @returns how it is entered */
async function entranceOf(config: Config, services: Services): Promise<string> {
  if (isStateless(config))
    return "Organisations and tokens are made by the operator's command, functions/admin/main.ts.";
  const directory = directoryIn(config);
  const token = await seed(services, directory);
  const also = directory === undefined ? "" : `, also in ${directory}/token`;
  return token === undefined
    ? `The token in ${directory}/token does not work any more; remove the file and start again for a new one.`
    : `Token of the organisation "demo"${also}: ${token}`;
}

async function main(config: Config, log: Logger): Promise<void> {
  const stopping = stopSignal();
  requireExternalState(config);
  const database = await openDatabase(config);
  try {
    const shared = servicesFrom(config, database.endpoint);
    const statusWatcher = new StatusWatcher(shared.table.commits);
    const services = { ...shared, statusWatcher };
    await createTable(services.table);
    await requireTransactions(services.table);
    await requireNoPendingImport(services.table);
    const keyring = keyringFrom(config);
    await requireKeys({ ...services, keyring }, keyringPlace(config));
    const entrance = await entranceOf(config, services);
    const app = createLocalApp({ services, log, config, keyring, ready: () => databaseAnswers(services) });
    const listener = getRequestListener(app.fetch);
    let issuer: LocalIssuer | undefined;
    const server = createHttpServer((request, response) => {
      if (issuer?.handle(request, response) !== true) void listener(request, response);
    });
    const origin = originOf(await listen(server, { port: config.PORT, host: config.HOST }));
    // Only now is it known where it can be reached.
    if (config.OIDC_ISSUER_URL === undefined) {
      const file = fileIn(config, ISSUER_FILE);
      issuer = await startIssuer({ origin, place: file === undefined ? undefined : { file, keyring }, services, log });
    }
    const working = startWork(config, services, keyring, issuer, log);
    announce(origin, entrance);
    const ended = await Promise.race([stopping, database.exited ?? new Promise<never>(() => {})]);
    log.info("stopping", typeof ended === "string" ? { signal: ended } : { engine: ended });
    statusWatcher.close();
    await Promise.all([closeServer(server), working.stop()]);
    if (typeof ended !== "string") throw new Error("the database engine ended by itself");
  } finally {
    await database.stop();
  }
}

/** Runs the reconciler beside the server. */
function startWork(
  config: Config,
  services: Services,
  keyring: Keyring,
  issuer: LocalIssuer | undefined,
  log: Logger,
): { stop(): Promise<void> } {
  const end = new AbortController();
  // On an engine of its own this process is the only one that works: whoever holds a lease from before is gone.
  const since = config.DYNAMODB_ENDPOINT === undefined ? { startedAt: services.clock() } : {};
  const provider =
    issuer === undefined
      ? identityProvider(config.OIDC_ISSUER_URL ?? "", config.OIDC_INITIAL_ACCESS_TOKEN)
      : identityProvider(issuer.issuer, issuer.initialAccessToken);
  const own = { keyring, identityProvider: provider, warn: log.warn };
  const given = { ...since, stopping: end.signal };
  const done = work(reconcilerFrom(config, services, own, given), end.signal, log);
  return {
    stop() {
      end.abort();
      return done;
    },
  };
}

/** Resolves at the first request to stop. Later ones change nothing: stopping is under way. */
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
  // Timers and kept-alive connections of clients must not hold the process once everything is stopped.
  process.exit(0);
} catch (error) {
  log.error("the server could not go on", errorFields(error));
  process.stderr.write(`${errorText(error)}\n`);
  process.exit(1);
}
