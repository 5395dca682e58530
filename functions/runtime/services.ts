/** Creates the services from the configuration, for every entry point. */

import { createServices, type Services } from "#core/context.ts";
import { simulatedTraits } from "#core/provisioning/simulated/traits.ts";
import { isLoopbackUrl } from "#core/shared/ip.ts";
import { openTable } from "#core/table/client.ts";
import type { Config } from "#functions/runtime/config.ts";

/** Fixed credentials for an engine on this machine: it accepts all, but some engines separate tables by credentials. */
const LOCAL_CREDENTIALS = { region: "local", credentials: { accessKeyId: "local", secretAccessKey: "local" } };

type ClientOptions = NonNullable<Parameters<typeof openTable>[0]["client"]>;

/**
 * Creates the services.
 *
 * @param config configuration
 * @param endpoint URL of another engine. It gets the configured credentials only if it is on another machine; absent for DynamoDB on
 *   AWS
 * @param client further options of the client, for the embedded engine
 */
export function servicesFrom(config: Config, endpoint?: string, client: ClientOptions = {}): Services {
  const isKnown = endpoint === undefined || (config.AWS_ACCESS_KEY_ID !== undefined && !isLoopbackUrl(endpoint));
  return createServices({
    table: openTable({
      name: config.TABLE_NAME,
      endpoint,
      client: { ...(isKnown ? {} : LOCAL_CREDENTIALS), ...client },
    }),
    provisioner: simulatedTraits,
    hostingPool: { id: config.HOSTING_POOL_ID, name: config.HOSTING_POOL_NAME },
  });
}
