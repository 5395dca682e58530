/** What the reconciler's own steps work with. */

import type { Services } from "../context.ts";
import type { PrerequisiteContext } from "../provisioning/prerequisite.ts";
import type { Keyring } from "../secrets/keyring.ts";
import { newVault, openVault, type Vault } from "../secrets/vault.ts";
import type { IdentityProvider } from "./identity-provider.ts";

/** What the steps work with. */
export interface PrerequisiteServices extends Pick<Services, "table" | "clock"> {
  readonly keyring: Keyring;
  readonly identityProvider: IdentityProvider;
  /** Logs what an operator has to know. */
  readonly warn: (message: string, fields: Readonly<Record<string, unknown>>) => void;
}

/**
 * Opens the cluster's vault, or makes it where there is none yet.
 *
 * @throws Error where the keyring does not decrypt its data key
 */
export async function vaultOf(
  { table, clock, keyring }: PrerequisiteServices,
  { cluster, secrets }: PrerequisiteContext,
): Promise<Vault> {
  const { identity } = cluster;
  return (
    (await openVault(table, keyring, identity, secrets)) ??
    (await newVault(table, keyring, identity, clock().toISOString()))
  );
}
