/** Traits of the simulated provisioner. */

import type { ProvisionerTraits } from "../../context.ts";

/** Traits of a provisioner that creates nothing in a cloud, so it needs no credentials. */
export const simulatedTraits: ProvisionerTraits = {
  name: "simulated",
  needsCredentials: () => false,
  hasApiServers: false,
  upgradesInPlace: () => true,
  problemsOf: () => [],
};
