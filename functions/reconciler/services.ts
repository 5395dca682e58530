/** Builds the reconciler from the configuration, for Lambda and the local server. Functions of the API do not import it. */

import { createClusterAccess, type PrerequisiteServices } from "#core/cluster-access/prerequisites.ts";
import type { Services } from "#core/context.ts";
import { createReconciler, type ReconcilerServices } from "#core/provisioning/services.ts";
import { simulatedProvisioner } from "#core/provisioning/simulated/provisioner.ts";
import type { Config } from "#functions/runtime/config.ts";

/**
 * Builds the services of the reconciler.
 *
 * @param own services of the prerequisites
 * @param given start of the process, its stop signal and its turns, for a process that outlives one call; replacement of the wait in tests
 */
export function reconcilerFrom(
  config: Config,
  services: Services,
  own: Omit<PrerequisiteServices, "table" | "clock" | "provisioner">,
  given: Partial<Pick<ReconcilerServices, "startedAt" | "stopping" | "sleep" | "yieldToRequests">> = {},
): ReconcilerServices {
  const { table, clock } = services;
  const provisioner = simulatedProvisioner({ table, clock, stepMs: config.SIMULATED_STEP_MS });
  return createReconciler(services, provisioner, {
    ...given,
    ...createClusterAccess({ table, clock, provisioner, ...own }),
  });
}
