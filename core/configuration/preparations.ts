/** The steps that give a cluster what its nodes and clients need. */

import type { Services } from "../context.ts";
import type { Preparation, Prepared } from "../provisioning/preparation.ts";
import type { Keyring } from "../secrets/keyring.ts";
import { newVault, openSecret, openVault, type Vault } from "../secrets/vault.ts";
import { secretKey } from "../table/keys.ts";
import { type Expression, Transaction } from "../table/transact.ts";
import { makeCertificateAuthority } from "./certificate-authority.ts";
import type { IdentityProvider, RegisteredClient } from "./identity-provider.ts";
import {
  CERTIFICATE_AUTHORITY,
  certificateAuthorityEntity,
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

/** What a client's item is held to, so that of two workers' intentions the later one counts. */
const asRead = (before: OidcClient | undefined): Expression =>
  before === undefined
    ? { condition: "attribute_not_exists(#pk)" }
    : { condition: "#intendedAt = :before", values: { ":before": before.intendedAt } };

const heldClient = ({ held }: Prepared): OidcClient | undefined => {
  const item = held.get(OIDC_CLIENT);
  return item && oidcClientEntity.read(item);
};

function oidcClient(services: PreparationServices): Preparation {
  const { identityProvider, warn } = services;
  const { issuer } = identityProvider;

  const removeHeld = async (prepared: Prepared, client: OidcClient, signal: AbortSignal) => {
    const { registrationUri, clientId } = client;
    const { table, keyring } = services;
    const { identity } = prepared.cluster;
    // With an issuer that we do not know any more nothing can be done, and a cluster must not wait for it for ever.
    const isOurs = client.issuer === issuer;
    const secret = isOurs && (await openSecret(table, keyring, identity, prepared.held, OIDC_CLIENT, OidcClientSecret));
    if (!secret || registrationUri === undefined || secret.registrationAccessToken === undefined) {
      const fields = { cluster: identity, issuer: client.issuer, clientId };
      warn("an OIDC client stays behind with its issuer, where it cannot be removed", fields);
      return;
    }
    const { registrationAccessToken } = secret;
    await identityProvider.remove({ registrationUri, registrationAccessToken }, signal);
  };

  const discard = async (client: RegisteredClient, signal: AbortSignal) => {
    const { clientId, registrationUri, registrationAccessToken } = client;
    try {
      if (registrationUri === undefined || registrationAccessToken === undefined)
        throw new Error("it cannot be removed");
      await identityProvider.remove({ registrationUri, registrationAccessToken }, signal);
    } catch (error) {
      warn("an OIDC client stays behind that nobody uses", { issuer, clientId, reason: String(error) });
    }
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
      const clientName = `kubernetes ${identity}`;
      const before = heldClient(prepared);
      const fields = { cluster: identity, issuer, clientName };
      if (before !== undefined && before.registeredAt !== before.intendedAt) {
        warn("an OIDC client may have been registered and never recorded; look for it by its name", fields);
      }
      const intendedAt = services.clock().toISOString();
      // Without the intention on record, nobody would ever look for a client whose registration was the last thing done.
      const intended = { ...before, clusterIdentity: identity, intendedAt };
      const intention = new Transaction().put("oidc-client", oidcClientEntity.write(key, intended), asRead(before));
      if (!(await write(intention))) return false;
      const vault = await vaultOf(services, prepared);
      const made = await identityProvider.register(clientName, signal);
      const { clientId, clientSecret, registrationUri, registrationAccessToken } = made;
      const sealed = vault.seal(OIDC_CLIENT, { clientSecret, ...defined({ registrationAccessToken }) });
      const registered = { clusterIdentity: identity, intendedAt, registeredAt: intendedAt, issuer, clientId, sealed };
      const item = oidcClientEntity.write(key, { ...registered, ...defined({ registrationUri }) });
      const record = new Transaction().put("oidc-client", item, asRead(intended));
      vault.hold(record);
      const isWritten = await write(record);
      // Where it is not, somebody else has the cluster, and registers one of its own.
      if (!isWritten) await discard(made, signal);
      else if (before?.clientId !== undefined) {
        const { issuer: former, clientId: formerId } = before;
        warn("a cluster has a client with another issuer now; the one it had stays behind", {
          ...fields,
          issuer: former,
          clientId: formerId,
        });
      }
      return isWritten;
    },
    async remove(prepared, signal) {
      const client = heldClient(prepared);
      if (client?.clientId !== undefined) await removeHeld(prepared, client, signal);
    },
  };
}
