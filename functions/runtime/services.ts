/** Creates the services from the configuration, for every entry point. */

import { createServices, type Services } from "#core/context.ts";
import type { Profiles } from "#core/provisioning/cluster-api/profiles.ts";
import { clusterApiTraits } from "#core/provisioning/cluster-api/traits.ts";
import { simulatedTraits } from "#core/provisioning/simulated/traits.ts";
import { AppError } from "#core/shared/errors.ts";
import { isLoopbackUrl } from "#core/shared/ip.ts";
import { openTable } from "#core/table/client.ts";
import type { Config } from "#functions/runtime/config.ts";
import { bundledProfiles } from "./bundled-profiles.ts";

/** Fixed credentials for an engine on this machine: it accepts all, but some engines separate tables by credentials. */
const LOCAL_CREDENTIALS = { region: "local", credentials: { accessKeyId: "local", secretAccessKey: "local" } };

type ClientOptions = NonNullable<Parameters<typeof openTable>[0]["client"]>;

/**
 * Returns the profiles of the Cluster API provisioner.
 *
 * @throws AppError if there are none
 */
export function requireProfiles(profiles: Profiles | undefined): Profiles {
  if (profiles !== undefined) return profiles;
  throw new AppError("invalid", "config.invalid", [
    "CLUSTER_API_PROFILES: is not set; PROVISIONER=cluster-api requires a profile file, which a build for AWS writes into the functions",
  ]);
}

/**
 * Creates the services.
 *
 * @param config configuration
 * @param endpoint URL of another engine. It gets the configured credentials only if it is on another machine; absent for DynamoDB on
 *   AWS
 * @param client further options of the client, for the embedded engine
 * @param profiles profiles of the Cluster API provisioner; those of the bundle on AWS
 * @throws AppError if the Cluster API provisioner has no profiles
 */
export function servicesFrom(
  config: Config,
  endpoint?: string,
  client: ClientOptions = {},
  profiles: Profiles | undefined = bundledProfiles,
): Services {
  const isKnown = endpoint === undefined || (config.AWS_ACCESS_KEY_ID !== undefined && !isLoopbackUrl(endpoint));
  return createServices({
    table: openTable({
      name: config.TABLE_NAME,
      endpoint,
      client: { ...(isKnown ? {} : LOCAL_CREDENTIALS), ...client },
    }),
    provisioner: config.PROVISIONER === "simulated" ? simulatedTraits : clusterApiTraits(requireProfiles(profiles)),
    hostingPool: { id: config.HOSTING_POOL_ID, name: config.HOSTING_POOL_NAME },
  });
}
