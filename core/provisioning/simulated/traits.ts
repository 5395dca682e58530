/** What the API knows of the simulated provisioner. */

import type { ProvisionerTraits } from "../../context.ts";

/** Builds nothing anywhere, so it needs nobody's credentials. */
export const simulatedTraits: ProvisionerTraits = { name: "simulated", needsCredentials: () => false };
