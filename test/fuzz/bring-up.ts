/** Starts clusters like the reconciler, because some operations need a started one. */

import { randomUUID } from "node:crypto";
import { createPrerequisites } from "#core/cluster-access/prerequisites.ts";
import { reconcile } from "#core/provisioning/reconcile.ts";
import { createReconciler } from "#core/provisioning/services.ts";
import { simulatedProvisioner } from "#core/provisioning/simulated/provisioner.ts";
import { simulatedTraits } from "#core/provisioning/simulated/traits.ts";
import type { World } from "#test/support/world.ts";

/** Returns a function that brings a cluster, by its identity, to `started` and with an OIDC client that no issuer knows. */
export function createFixturesIn({ services, keyring }: World): (identity: string) => Promise<void> {
  const { table, clock } = services;
  const identityProvider = {
    issuer: "https://login.example.com",
    register: async () => ({ clientId: randomUUID(), clientSecret: randomUUID() }),
    remove: async () => true,
  };
  const prerequisites = createPrerequisites({
    table,
    clock,
    provisioner: simulatedTraits,
    keyring,
    identityProvider,
    warn: () => {},
  });
  const provisioner = simulatedProvisioner({ table, clock, stepMs: 1 });
  const reconciler = createReconciler(services, provisioner, { prerequisites });
  return async (identity) => {
    await reconcile(reconciler, identity);
  };
}
