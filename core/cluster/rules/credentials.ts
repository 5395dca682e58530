/** Rule about the credentials that a cluster needs. */

import { type CloudProvider, isBringYourOwn, providerBySlug } from "../../catalogue/index.ts";
import type { ProvisionerTraits } from "../../context.ts";

/** Returns whether a cluster of a provider can only be built with credentials of its cloud account. */
export const needsCredentials = (
  provisioner: Pick<ProvisionerTraits, "needsCredentials">,
  { type }: Pick<CloudProvider, "type">,
): boolean => provisioner.needsCredentials(type) && !isBringYourOwn(type);

/** Returns the same for a cluster. @param cloudProvider slug of its provider; false for one that left the catalogue */
export function clusterNeedsCredentials(
  provisioner: Pick<ProvisionerTraits, "needsCredentials">,
  { cloudProvider }: { cloudProvider: string },
): boolean {
  const provider = providerBySlug(cloudProvider);
  return provider !== undefined && needsCredentials(provisioner, provider);
}
