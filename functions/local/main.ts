/** Entry point of the local server: all routes on one port, with an embedded or an external engine. */

import { getRequestListener } from "@hono/node-server";
import { TokenUse } from "#core/access/token-use.ts";
import { requireNoPendingImport } from "#core/admin/backup/import-lock.ts";
import { PollingStatusWatcher } from "#core/cluster/operations/status-watcher.ts";
import type { Services } from "#core/context.ts";
import type { Profiles } from "#core/provisioning/cluster-api/profiles.ts";
import { requireKeys } from "#core/secrets/keyring-record.ts";
import type { LocalKeys } from "#core/secrets/local-keyring.ts";
import { errorText } from "#core/shared/errors.ts";
import { CommitListeners } from "#core/table/commit-listeners.ts";
import { createTable, requireTransactions } from "#core/table/create.ts";
import { type Config, commandEnvironment, readConfig } from "#functions/runtime/config.ts";
import { isDatabaseAvailable } from "../api/health.ts";
import { loadCatalogue } from "../runtime/catalogue-file.ts";
import { createLogger, errorFields, type Logger } from "../runtime/log.ts";
import { loadProfiles } from "../runtime/profiles-file.ts";
import { servicesFrom } from "../runtime/services.ts";
import { createLocalApp } from "./app.ts";
import { openDataDirectory } from "./data-directory.ts";
import { clientOptionsFor, type EngineExit, startEngine } from "./engine.ts";
import { closeServer, createHttpServer, listen, originOf } from "./http-server.ts";
import { type LocalIssuer, startIssuer } from "./issuer/issuer.ts";
import { createKeyring, generateKeysInMemory, keyringLocation } from "./keyring.ts";
import { readKubeconfig } from "./kubeconfig.ts";
import { loadReconciler, startReconciler, type ThreadData } from "./reconciler-host.ts";
import { limitWrites, RequestCounter } from "./request-priority.ts";
import { seed } from "./seed.ts";
import { directoryIn, fileIn, ISSUER_FILE, isStateless, requireExternalState } from "./storage-mode.ts";

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
  const profiles = loadProfiles(config);
  if (config.PROVISIONER === "cluster-api") await readKubeconfig(config);
  const thread = loadReconciler();
  const database = await openDatabase(config);
  try {
    const configured = servicesFrom(config, database.endpoint, clientOptionsFor(config), profiles);
    const commits = new CommitListeners();
    configured.table.commits.subscribe((keys) => commits.notify(keys));
    const statusWatcher = new PollingStatusWatcher(commits);
    const services = { ...configured, statusWatcher, tokenUse: new TokenUse() };
    await createTable(services.table);
    await requireTransactions(services.table);
    await requireNoPendingImport(services.table);
    const keys = generateKeysInMemory(config);
    const keyring = createKeyring(config, keys);
    await requireKeys({ ...services, keyring }, keyringLocation(config));
    const access = await prepareAccess(config, services);
    const ready = () => isDatabaseAvailable(services);
    const app = createLocalApp({ services, log, config, keyring, ready, writes: limitWrites() });
    const listener = getRequestListener(app.fetch);
    let issuer: LocalIssuer | undefined;
    const requests = new RequestCounter();
    const server = createHttpServer((request, response) => {
      // The reconciler registers clients with the issuer: it must not wait for itself.
      if (issuer?.handle(request, response) === true) return;
      response.once("close", requests.begin());
      void listener(request, response);
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
    const data = threadData(config, profiles, database, services, keys, issuer, requests);
    const reconciler = startReconciler(thread, data, services, commits);
    announce(origin, access);
    const exited = database.exited ?? new Promise<never>(() => {});
    const ended = await Promise.race([stopping, exited, reconciler.failed]);
    log.info("stopping", typeof ended === "string" ? { signal: ended } : { engine: ended });
    statusWatcher.close();
    await Promise.all([closeServer(server), reconciler.stop()]);
    if (typeof ended !== "string") throw new Error("the database engine ended unexpectedly");
  } finally {
    await database.stop();
  }
}

/** Returns the data of the reconciler's thread. @param keys of a keyring in memory */
function threadData(
  config: Config,
  profiles: Profiles | undefined,
  { endpoint }: Database,
  { clock }: Services,
  keys: LocalKeys | undefined,
  issuer: LocalIssuer | undefined,
  requests: RequestCounter,
): ThreadData {
  return {
    config,
    commandEnvironment: commandEnvironment(process.env),
    profiles,
    endpoint,
    keys,
    issuer: {
      url: issuer?.issuer ?? config.OIDC_ISSUER_URL ?? "",
      initialAccessToken: issuer?.initialAccessToken ?? config.OIDC_INITIAL_ACCESS_TOKEN,
      isLocal: issuer !== undefined,
    },
    // With an embedded engine, this is the only reconciler: an existing lease belongs to an earlier process.
    startedAt: config.DYNAMODB_ENDPOINT === undefined ? clock().getTime() : undefined,
    requests: requests.memory,
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
  const config = readConfig(process.env, ["CLUSTER_API_PROFILES", "CLUSTER_API_KUBECONFIG"]);
  log = createLogger(config.LOG_LEVEL);
  await main(config, log);
  // Timers and open connections of clients must not keep the process alive.
  process.exit(0);
} catch (error) {
  log.error("server failed", errorFields(error));
  process.stderr.write(`${errorText(error)}\n`);
  process.exit(1);
}
