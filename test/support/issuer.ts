/** Creates a world whose clusters have node and client configurations, with a real OIDC issuer on its own port. */

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { IdentityProvider } from "#core/cluster-access/identity-provider.ts";
import { createClusterAccess } from "#core/cluster-access/prerequisites.ts";
import { reconcile } from "#core/provisioning/reconcile.ts";
import { deadlineIn } from "#core/shared/retry.ts";
import type { Key } from "#core/table/keys.ts";
import { commit, Transaction } from "#core/table/transaction.ts";
import { createLocalIdentityProvider } from "#functions/local/issuer/identity-provider.ts";
import { type LocalIssuer, startIssuer } from "#functions/local/issuer/issuer.ts";
import { permitted } from "./permissions.ts";
import { makeReconciledWorld, type ReconciledWorld } from "./reconciling.ts";
import { addKnownSecrets } from "./secrets.ts";

/** World with an issuer. */
export interface ConfiguredWorld extends ReconciledWorld {
  issuer: LocalIssuer;
  /** Wraps the issuer; a fault applies from the next call on. Without `removeOthers` it is like any issuer of RFC 7591, the default. */
  provider: Omit<IdentityProvider, "issuer">;
  /** The capability of the local issuer to find clients by name. */
  removeOthers: NonNullable<IdentityProvider["removeOthers"]>;
  /** Messages to the operator, one per line. */
  warnings: string[];
  /** Reconciles a cluster as if it was due. @param budgetMs time limit of the worker, in milliseconds */
  reconcileOnce(identity: string, budgetMs?: number): Promise<unknown>;
  /** Deletes an item in the database. */
  remove(item: Key): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Creates such a world. @param options those of a world with a reconciler; calls may by default take as long as on a busy machine
 */
export async function makeConfiguredWorld(
  options: Parameters<typeof makeReconciledWorld>[0] = {},
): Promise<ConfiguredWorld> {
  let issuer: LocalIssuer | undefined;
  const server = createServer((request, response) => {
    if (issuer?.handle(request, response) !== true) response.writeHead(404).end();
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const warnings: string[] = [];
  const early = async () => {
    throw new Error("the issuer is not running yet");
  };
  const provider: ConfiguredWorld["provider"] = { register: early, remove: early };
  const world = await makeReconciledWorld({
    callMs: 5_000,
    ...options,
    access: ({ services: { table, clock, provisioner }, keyring }) =>
      createClusterAccess({
        table,
        clock,
        provisioner,
        keyring: permitted(keyring, table.name),
        identityProvider: {
          issuer: `${origin}/oidc`,
          register: (name, signal) => provider.register(name, signal),
          remove: (...given) => provider.remove(...given),
          get removeOthers() {
            return provider.removeOthers;
          },
        },
        warn: (message, fields) => warnings.push(JSON.stringify({ message, ...fields })),
      }),
  });
  issuer = await startIssuer({ origin, location: undefined, services: world.services, log: world.log });
  const own = createLocalIdentityProvider(issuer.issuer, issuer.initialAccessToken);
  const { register: ask, remove, removeOthers = early } = own;
  addKnownSecrets(issuer.initialAccessToken);
  const register: IdentityProvider["register"] = async (name, signal) => {
    const made = await ask(name, signal);
    addKnownSecrets(made.clientSecret, made.registrationAccessToken);
    return made;
  };
  Object.assign(provider, { register, remove });
  return {
    ...world,
    issuer,
    provider,
    removeOthers,
    warnings,
    reconcileOnce: (identity, budgetMs = 0) => reconcile(world.reconciler, identity, budgetMs),
    async remove(item) {
      await commit(world.table, new Transaction().delete("item", item), deadlineIn());
    },
    async stop() {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}
