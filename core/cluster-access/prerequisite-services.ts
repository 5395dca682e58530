/** Services of the reconciler's prerequisites. */

import type { Services } from "../context.ts";
import type { PrerequisiteContext } from "../provisioning/prerequisite.ts";
import type { Keyring } from "../secrets/keyring.ts";
import { createVault, openVault, type Vault } from "../secrets/vault.ts";
import type { IdentityProvider } from "./identity-provider.ts";

/** Services that the prerequisites use. */
export interface PrerequisiteServices extends Pick<Services, "table" | "clock"> {
  readonly keyring: Keyring;
  readonly identityProvider: IdentityProvider;
  /** Logs a warning for the operator. */
  readonly warn: (message: string, fields: Readonly<Record<string, unknown>>) => void;
}

/**
 * Opens the vault of a cluster, or creates it.
 *
 * @throws Error if the keyring does not decrypt its data key
 */
export async function openOrCreateVault(
  { table, clock, keyring }: PrerequisiteServices,
  { cluster, held }: PrerequisiteContext,
): Promise<Vault> {
  const { identity } = cluster;
  return (
    (await openVault(table, keyring, identity, held)) ??
    (await createVault(table, keyring, identity, clock().toISOString()))
  );
}
