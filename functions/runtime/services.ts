/** Services as the environment asks for them, the same for every entry point. */

import { createServices, type Services } from "#core/context.ts";
import { simulatedTraits } from "#core/provisioning/simulated/traits.ts";
import { isLoopbackUrl } from "#core/shared/ip.ts";
import { openTable } from "#core/table/client.ts";
import type { Config } from "#functions/runtime/config.ts";

/** An engine on this machine takes anybody, and some keep tables by who asks: it is always the same one. */
const ANYBODY = { region: "local", credentials: { accessKeyId: "local", secretAccessKey: "local" } };

/**
 * Makes the services.
 *
 * @param config what the environment says
 * @param endpoint of an engine of one's own, to which credentials are shown only where it is elsewhere and there are any; absent
 *   for DynamoDB on AWS
 */
export function servicesFrom(config: Config, endpoint?: string): Services {
  const isKnown = endpoint === undefined || (config.AWS_ACCESS_KEY_ID !== undefined && !isLoopbackUrl(endpoint));
  return createServices({
    table: openTable({ name: config.TABLE_NAME, endpoint, ...(isKnown ? {} : { client: ANYBODY }) }),
    provisioner: simulatedTraits,
    hostingPool: { id: config.HOSTING_POOL_ID, name: config.HOSTING_POOL_NAME },
  });
}
