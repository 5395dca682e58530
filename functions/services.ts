/** Services as the environment asks for them, the same for every entry point. */

import type { Config } from "#core/config.ts";
import { type Services, servicesWith } from "#core/context.ts";
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
