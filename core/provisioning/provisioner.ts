/** What turns a configuration into a running cluster. */

import type { CloudProviderType } from "../cloud/catalogue/index.ts";

/** A way to make clusters real. */
export interface Provisioner {
  readonly name: string;
  /** Whether a cluster on such a provider can only be built with the cloud account's credentials. */
  needsCredentials(type: CloudProviderType): boolean;
}

/** Builds nothing anywhere, so it needs nobody's credentials. */
export const simulatedProvisioner: Provisioner = { name: "simulated", needsCredentials: () => false };
