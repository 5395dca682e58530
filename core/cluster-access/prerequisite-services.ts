/** Services of the prerequisites. */

import type { ProvisionerTraits, Services } from "../context.ts";
import type { PrerequisiteContext } from "../provisioning/prerequisite.ts";
import type { Keyring } from "../secrets/keyring.ts";
import { createVault, openVault, type Vault } from "../secrets/vault.ts";
import type { IdentityProvider } from "./identity-provider.ts";

/** Services of the prerequisites. */
export interface PrerequisiteServices extends Pick<Services, "table" | "clock"> {
  readonly provisioner: Pick<ProvisionerTraits, "hasApiServers">;
  readonly keyring: Keyring;
  readonly identityProvider: IdentityProvider;
  /** Logs a warning for operators. */
  readonly warn: (message: string, fields: Readonly<Record<string, unknown>>) => void;
}

/**
 * Opens the vault of a cluster, or creates it if the cluster has none yet.
 *
 * @throws Error if the keyring cannot decrypt the data key
 */
export async function openOrCreateVault(
  { table, clock, keyring }: PrerequisiteServices,
  { cluster, secrets }: PrerequisiteContext,
): Promise<Vault> {
  const { identity } = cluster;
  return (
    (await openVault(table, keyring, identity, secrets)) ??
    (await createVault(table, keyring, identity, clock().toISOString()))
  );
}
