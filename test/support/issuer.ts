/** A world whose clusters have what their nodes and clients need, with a real OIDC issuer on a port of its own. */

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type IdentityProvider, identityProvider } from "#core/cluster-access/identity-provider.ts";
import { createPrerequisites } from "#core/cluster-access/prerequisites.ts";
import { reconcile } from "#core/provisioning/reconcile.ts";
import { deadlineIn } from "#core/shared/retry.ts";
import type { Key } from "#core/table/keys.ts";
import { commit, Transaction } from "#core/table/transaction.ts";
import { type LocalIssuer, startIssuer } from "#functions/local/issuer/issuer.ts";
import { permitted } from "./permissions.ts";
import { type LivingWorld, makeLivingWorld } from "./reconciling.ts";
import { learn } from "./secrets.ts";
import type { WorldOptions } from "./world.ts";

/** A world with an issuer. */
export interface ConfiguredWorld extends LivingWorld {
  issuer: LocalIssuer;
  /** Stands before the issuer; what is put into it counts from the next call on. */
  provider: { register: IdentityProvider["register"]; remove: IdentityProvider["remove"] };
  /** What the operator was told, a line each. */
  warnings: string[];
  /** Gives a cluster to a worker, as if it were due. @param budgetMs how long the worker goes on, in milliseconds */
  reconcileOnce(identity: string, budgetMs?: number): Promise<unknown>;
  /** Removes an item behind everybody's back. */
  remove(item: Key): Promise<void>;
  stop(): Promise<void>;
}

/** Makes one. @param options as those of a living world; unless they say otherwise, calls may take as long as on a busy machine */
export async function makeConfiguredWorld(options: WorldOptions & { callMs?: number } = {}): Promise<ConfiguredWorld> {
  let issuer: LocalIssuer | undefined;
  const server = createServer((request, response) => {
    if (issuer?.handle(request, response) !== true) response.writeHead(404).end();
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const warnings: string[] = [];
  const early = async () => {
    throw new Error("the issuer is not there yet");
  };
  const provider: ConfiguredWorld["provider"] = { register: early, remove: early };
  const world = await makeLivingWorld({
    callMs: 5_000,
    ...options,
    preparations: ({ services: { table, clock }, keyring }) =>
      createPrerequisites({
        table,
        clock,
        keyring: permitted(keyring, table.name),
        identityProvider: {
          issuer: `${origin}/oidc`,
          register: (name, signal) => provider.register(name, signal),
          remove: (...given) => provider.remove(...given),
        },
        warn: (message, fields) => warnings.push(JSON.stringify({ message, ...fields })),
      }),
  });
  issuer = await startIssuer({ origin, place: undefined, services: world.services, log: world.log });
  const { register: ask, remove } = identityProvider(issuer.issuer, issuer.initialAccessToken);
  learn(issuer.initialAccessToken);
  const register: IdentityProvider["register"] = async (name, signal) => {
    const made = await ask(name, signal);
    learn(made.clientSecret, made.registrationAccessToken);
    return made;
  };
  Object.assign(provider, { register, remove });
  return {
    ...world,
    issuer,
    provider,
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
