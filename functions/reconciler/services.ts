/** Builds the reconciler from the configuration, for Lambda and the local server. Functions of the API do not import it. */

import { createClusterAccess, type PrerequisiteServices } from "#core/cluster-access/prerequisites.ts";
import type { Services } from "#core/context.ts";
import { recordManagementCluster } from "#core/provisioning/cluster-api/management-cluster-record.ts";
import type { Profiles } from "#core/provisioning/cluster-api/profiles.ts";
import type { ManagementAccess } from "#core/provisioning/cluster-api/provisioner.ts";
import type { Provisioner } from "#core/provisioning/provisioner.ts";
import { createReconciler, type ReconcilerServices } from "#core/provisioning/services.ts";
import { simulatedProvisioner } from "#core/provisioning/simulated/provisioner.ts";
import type { Config } from "#functions/runtime/config.ts";
import { bundledProfiles } from "../runtime/bundled-profiles.ts";
import { requireProfiles } from "../runtime/services.ts";

/** Services of the prerequisites, beside those that all operations have. */
type OwnServices = Omit<PrerequisiteServices, "table" | "clock" | "provisioner">;

/**
 * Creates the provisioner of a process that is shared by all invocations. Its code is loaded only if it is used.
 *
 * @param management access to the management cluster
 * @param profiles profiles of the Cluster API provisioner; those of the bundle on AWS
 * @returns undefined for the simulated provisioner, which each invocation creates with its own services
 * @throws AppError if the Cluster API provisioner has no profiles
 */
export async function sharedProvisionerFrom(
  config: Config,
  { table, clock, referencesCache }: Services,
  { keyring }: OwnServices,
  management: ManagementAccess,
  profiles: Profiles | undefined = bundledProfiles,
): Promise<Provisioner | undefined> {
  if (config.PROVISIONER === "simulated") return undefined;
  const checked = requireProfiles(profiles);
  const { createClusterApiProvisioner } = await import("#core/provisioning/cluster-api/provisioner.ts");
  return createClusterApiProvisioner({
    table,
    clock,
    referencesCache,
    profiles: checked,
    ...management,
    recordManagementCluster: (clusters) => recordManagementCluster({ table, clock }, clusters),
    keyring,
  });
}

/** Further services of a reconciler. */
interface Given extends Partial<Pick<ReconcilerServices, "startedAt" | "stopping" | "sleep" | "yieldToRequests">> {
  /** Result of `sharedProvisionerFrom`. */
  shared?: Provisioner | undefined;
}

/**
 * Builds the services of the reconciler.
 *
 * @param own services of the prerequisites
 * @param given start of the process, its stop signal and its turns, for a process that outlives one call; replacement of the wait in tests
 */
export function reconcilerFrom(
  config: Config,
  services: Services,
  own: OwnServices,
  { shared, ...given }: Given = {},
): ReconcilerServices {
  const { table, clock } = services;
  const provisioner = shared ?? simulatedProvisioner({ table, clock, stepMs: config.SIMULATED_STEP_MS });
  return createReconciler(services, provisioner, {
    ...given,
    ...createClusterAccess({ table, clock, provisioner, ...own }),
  });
}
