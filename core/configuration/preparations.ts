/** The steps that give a cluster what its nodes and clients need. */

import type { Services } from "../context.ts";
import type { Preparation, Prepared } from "../provisioning/preparation.ts";
import type { Keyring } from "../secrets/keyring.ts";
import { newVault, openSecret, openVault, type Vault } from "../secrets/vault.ts";
import { type Key, secretKey } from "../table/keys.ts";
import { Transaction } from "../table/transact.ts";
import { makeCertificateAuthority } from "./certificate-authority.ts";
import { type IdentityProvider, NotRegistered, type RegisteredClient } from "./identity-provider.ts";
import {
  CERTIFICATE_AUTHORITY,
  certificateAuthorityEntity,
  clientNameOf,
  isInDoubt,
  OIDC_CLIENT,
  type OidcClient,
  OidcClientSecret,
  oidcClientEntity,
} from "./stored.ts";

/** What the steps work with. */
export interface PreparationServices extends Pick<Services, "table" | "clock"> {
  readonly keyring: Keyring;
  readonly identityProvider: IdentityProvider;
  /** Tells the operator what nobody else will ever find out. */
  readonly warn: (message: string, fields: Readonly<Record<string, unknown>>) => void;
}

/** The steps in their order. */
export const preparationsWith = (services: PreparationServices): readonly Preparation[] => [
  certificateAuthority(services),
  oidcClient(services),
];

/** The cluster's vault, which is made where there is none yet. */
async function vaultOf({ table, clock, keyring }: PreparationServices, { cluster, held }: Prepared): Promise<Vault> {
  const { identity } = cluster;
  return (
    (await openVault(table, keyring, identity, held)) ??
    (await newVault(table, keyring, identity, clock().toISOString()))
  );
}

function certificateAuthority(services: PreparationServices): Preparation {
  return {
    operation: "making the certificate authority",
    isDone: ({ held }) => held.has(CERTIFICATE_AUTHORITY),
    async prepare(prepared, write) {
      const { identity } = prepared.cluster;
      const now = services.clock();
      const vault = await vaultOf(services, prepared);
      const { certificate, privateKey } = await makeCertificateAuthority(identity, now);
      const item = certificateAuthorityEntity.write(secretKey(identity, CERTIFICATE_AUTHORITY), {
        clusterIdentity: identity,
        certificate,
        sealed: vault.seal(CERTIFICATE_AUTHORITY, { privateKey }),
        createdAt: now.toISOString(),
      });
      const transaction = new Transaction().create("certificate-authority", item);
      vault.hold(transaction);
      return await write(transaction);
    },
  };
}

/** What of these is there. */
const defined = <Values extends Record<string, string | undefined>>(values: Values) =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [Name in keyof Values]?: string;
  };

const heldClient = ({ held }: Prepared): OidcClient | undefined => {
  const item = held.get(OIDC_CLIENT);
  return item && oidcClientEntity.read(item);
};

/** How long what is left of a registration that came to nothing may take to be removed, in milliseconds. */
const DISCARD_MS = 5_000;

/** What an item is held to, so that of two workers' intentions the later one counts. */
const stillIntended = ({ intendedAt }: Pick<OidcClient, "intendedAt">) => ({
  condition: "#intendedAt = :before",
  values: { ":before": intendedAt },
});

/** Writes down that a client is about to be registered. What is known of one there was before stays. */
function intention(key: Key, clusterIdentity: string, before: OidcClient | undefined, intendedAt: string): Transaction {
  if (before === undefined) {
    return new Transaction().create("oidc-client", oidcClientEntity.write(key, { clusterIdentity, intendedAt }));
  }
  const { condition, values } = stillIntended(before);
  return new Transaction().update("oidc-client", key, "SET #intendedAt = :now", {
    condition,
    values: { ...values, ":now": intendedAt },
  });
}

function oidcClient(services: PreparationServices): Preparation {
  const { identityProvider, warn } = services;
  const { issuer } = identityProvider;

  const tellDoubt = (prepared: Prepared, client: OidcClient | undefined) => {
    if (client === undefined || !isInDoubt(client)) return;
    warn("an OIDC client may have been registered and never recorded; look for it by its name", {
      clusterIdentity: prepared.cluster.identity,
      issuer,
      clientName: clientNameOf(prepared.cluster.identity),
    });
  };

  const removeHeld = async (prepared: Prepared, client: OidcClient, signal: AbortSignal) => {
    const { registrationUri, clientId } = client;
    const { table, keyring } = services;
    const { identity } = prepared.cluster;
    // With an issuer that we do not know any more nothing can be done, and a cluster must not wait for it for ever.
    const isOurs = client.issuer === issuer && registrationUri !== undefined;
    const secret = isOurs && (await openSecret(table, keyring, identity, prepared.held, OIDC_CLIENT, OidcClientSecret));
    const registrationAccessToken = secret ? secret.registrationAccessToken : undefined;
    const isGone =
      registrationUri !== undefined &&
      registrationAccessToken !== undefined &&
      (await identityProvider.remove({ registrationUri, registrationAccessToken }, signal));
    if (isGone) return;
    const fields = { clusterIdentity: identity, issuer: client.issuer, clientId };
    warn("an OIDC client stays behind with its issuer, where it cannot be removed", fields);
  };

  /** @returns whether it is gone */
  const discard = async ({ clientId, registrationUri, registrationAccessToken }: RegisteredClient) => {
    let reason = "it cannot be removed";
    try {
      // The step may have run out of time, which is why there is something to discard.
      const signal = AbortSignal.timeout(DISCARD_MS);
      const isManaged = registrationUri !== undefined && registrationAccessToken !== undefined;
      if (isManaged && (await identityProvider.remove({ registrationUri, registrationAccessToken }, signal)))
        return true;
    } catch (error) {
      reason = String(error);
    }
    warn("an OIDC client stays behind that nobody uses", { issuer, clientId, reason });
    return false;
  };

  return {
    operation: "registering the OIDC client",
    isDone(prepared) {
      const client = heldClient(prepared);
      return client?.clientId !== undefined && client.issuer === issuer;
    },
    async prepare(prepared, write, signal) {
      const { identity } = prepared.cluster;
      const key = secretKey(identity, OIDC_CLIENT);
      const before = heldClient(prepared);
      tellDoubt(prepared, before);
      // First of all: where secrets cannot be encrypted, there shall be none.
      const vault = await vaultOf(services, prepared);
      const intendedAt = services.clock().toISOString();
      const asIntended = stillIntended({ intendedAt });
      // Without the intention on record, nobody would ever look for a client whose registration was the last thing done.
      if (!(await write(intention(key, identity, before, intendedAt)))) return false;
      const settle = () => write(new Transaction().update("oidc-client", key, "SET #settledAt = :before", asIntended));
      const made = await identityProvider.register(clientNameOf(identity), signal).catch(async (error: unknown) => {
        if (error instanceof NotRegistered) await settle();
        throw error;
      });
      const { clientId, clientSecret, registrationUri, registrationAccessToken } = made;
      const sealed = vault.seal(OIDC_CLIENT, { clientSecret, ...defined({ registrationAccessToken }) });
      const registered = { clusterIdentity: identity, intendedAt, settledAt: intendedAt, issuer, clientId, sealed };
      const item = oidcClientEntity.write(key, { ...registered, ...defined({ registrationUri }) });
      const record = new Transaction().put("oidc-client", item, asIntended);
      vault.hold(record);
      if (await write(record)) {
        if (before?.clientId === undefined) return true;
        warn("a cluster has a client with another issuer now; the one it had stays behind", {
          clusterIdentity: identity,
          issuer: before.issuer,
          clientId: before.clientId,
        });
        return true;
      }
      // Somebody else has the cluster, and registers one of its own; or its secrets are being encrypted anew.
      if (await discard(made)) await settle();
      return false;
    },
    async remove(prepared, signal) {
      const client = heldClient(prepared);
      if (client?.clientId !== undefined) await removeHeld(prepared, client, signal);
      tellDoubt(prepared, client);
    },
  };
}
