/** The reconciler as the environment asks for it, the same wherever it runs. Functions that only serve the API do not carry it. */

import { createPrerequisites, type PrerequisiteServices } from "#core/cluster-access/prerequisites.ts";
import type { Services } from "#core/context.ts";
import { createReconciler, type ReconcilerServices } from "#core/provisioning/services.ts";
import { simulatedProvisioner } from "#core/provisioning/simulated/provisioner.ts";
import type { Config } from "#functions/runtime/config.ts";

/**
 * Makes what the reconciler works with.
 *
 * @param own what its own steps work with
 * @param given when the process began and what tells it to stop, where it lives that long; how it waits
 */
export function reconcilerFrom(
  config: Config,
  services: Services,
  own: Omit<PrerequisiteServices, "table" | "clock">,
  given: Partial<Pick<ReconcilerServices, "startedAt" | "stopping" | "sleep">> = {},
): ReconcilerServices {
  const { table, clock } = services;
  const provisioner = simulatedProvisioner({ table, clock, stepMs: config.SIMULATED_STEP_MS });
  return createReconciler(services, provisioner, {
    ...given,
    prerequisites: createPrerequisites({ table, clock, ...own }),
  });
}
