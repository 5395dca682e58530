/** Services as the environment asks for them, the same for every entry point. */

import type { Config } from "#core/config.ts";
import { type Services, servicesWith } from "#core/context.ts";
import { type ReconcilerServices, reconcilerWith } from "#core/provisioning/reconcile.ts";
import { simulatedProvisioner } from "#core/provisioning/simulated/provisioner.ts";
import { simulatedTraits } from "#core/provisioning/simulated/traits.ts";
import { openTable } from "#core/table/client.ts";

/**
 * Makes the services.
 *
 * @param config what the environment says
 * @param endpoint of an engine of one's own, where any credentials do; absent for DynamoDB on AWS
 */
export function servicesFrom(config: Config, endpoint?: string): Services {
  const local = {
    endpoint,
    client: { region: "local", credentials: { accessKeyId: "local", secretAccessKey: "local" } },
  };
  return servicesWith({
    table: openTable({ name: config.TABLE_NAME, ...(endpoint === undefined ? {} : local) }),
    provisioner: simulatedTraits,
    hostingPool: { id: config.HOSTING_POOL_ID, name: config.HOSTING_POOL_NAME },
  });
}

/**
 * Makes what the reconciler works with. Functions that only serve the API do not carry it.
 *
 * @param given when the process began and what tells it to stop, where it lives that long
 */
export function reconcilerFrom(
  config: Config,
  services: Services,
  given: Pick<ReconcilerServices, "startedAt" | "stopping"> = {},
): ReconcilerServices {
  const { table, clock } = services;
  return reconcilerWith(services, simulatedProvisioner({ table, clock, stepMs: config.SIMULATED_STEP_MS }), given);
}
