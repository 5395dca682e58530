/** The steps that register a cluster's OIDC client, renew it before its secret expires, and remove it. */

import {
  type Prerequisite,
  type PrerequisiteContext,
  PrerequisiteError,
  RetryableError,
} from "../provisioning/prerequisite.ts";
import { openSecret } from "../secrets/vault.ts";
import { deadlineIn } from "../shared/retry.ts";
import { type Key, secretKey } from "../table/keys.ts";
import { commit, Transaction } from "../table/transaction.ts";
import {
  clientNameOf,
  hasExpired,
  isUnconfirmed,
  OIDC_CLIENT,
  type OidcClient,
  OidcClientSecret,
  oidcClientEntity,
} from "./entity.ts";
import { NotRegisteredError, type RegisteredClient } from "./identity-provider.ts";
import { openOrCreateVault, type PrerequisiteServices } from "./prerequisite-services.ts";

/** How long the removal of a client that cannot be used may take, in milliseconds. */
const DISCARD_MS = 5_000;

/** The shortest lifetime of a secret that is of use, in milliseconds: a person has to log in with it. */
const SHORTEST_LIFETIME_MS = 30_000;

/** A secret is renewed when a third of its lifetime is left, but not earlier than this before its end, in milliseconds. */
const LONGEST_MARGIN_MS = 7 * 24 * 60 * 60_000;

/** Drops values that are undefined. */
const defined = <Values extends Record<string, string | undefined>>(values: Values) =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [Name in keyof Values]?: string;
  };

const heldClient = ({ held }: PrerequisiteContext): OidcClient | undefined => {
  const item = held.get(OIDC_CLIENT);
  return item && oidcClientEntity.read(item);
};

/** Holds a write to the intention it belongs to, so that of two workers' intentions the later one counts. */
const stillIntended = ({ intendedAt }: Pick<OidcClient, "intendedAt">) => ({
  condition: "#intendedAt = :before",
  values: { ":before": intendedAt },
});

/** Records that a client is about to be registered. The client before it stays as it is. */
function intention(
  key: Key,
  before: OidcClient | undefined,
  next: Pick<OidcClient, "clusterIdentity" | "intendedAt" | "intendedIssuer">,
): Transaction {
  if (before === undefined) return new Transaction().create("oidc-client", oidcClientEntity.write(key, next));
  const { condition, values } = stillIntended(before);
  return new Transaction().update("oidc-client", key, "SET #intendedAt = :now, #intendedIssuer = :issuer", {
    condition,
    values: { ...values, ":now": next.intendedAt, ":issuer": next.intendedIssuer },
  });
}

/** Returns when a secret is renewed, RFC 3339. @param expiresAt RFC 3339 */
function renewalOf(expiresAt: string, now: Date): string {
  const end = Date.parse(expiresAt);
  return new Date(end - Math.min(LONGEST_MARGIN_MS, (end - now.getTime()) / 3)).toISOString();
}

/** Makes the step that registers a cluster's client, and another one before its secret expires. */
export function oidcClient(services: PrerequisiteServices): Prerequisite {
  const { identityProvider, warn, clock, table, keyring } = services;
  const { issuer } = identityProvider;

  const intendedIssuer = (client: OidcClient) => client.intendedIssuer ?? issuer;

  const warnOfDoubt = ({ cluster: { identity } }: PrerequisiteContext, client: OidcClient | undefined) => {
    if (client === undefined || !isUnconfirmed(client)) return;
    warn("an OIDC client may have been registered and never recorded; look for it by its name", {
      clusterIdentity: identity,
      issuer: intendedIssuer(client),
      clientName: clientNameOf(identity),
    });
  };

  /** @throws PreparationError where a registration may have left a client, and no operator has allowed another one */
  const refuseInDoubt = ({ cluster: { identity } }: PrerequisiteContext, client: OidcClient | undefined) => {
    if (client === undefined || !isUnconfirmed(client) || client.retryAllowedFor === client.intendedAt) return;
    // Another issuer has not been asked yet.
    if (intendedIssuer(client) !== issuer) return;
    throw new PrerequisiteError(
      "OidcRegistrationInDoubt",
      `the outcome of the registration begun at ${client.intendedAt} is unknown, and another try could leave a second client. An operator has to remove the client "${clientNameOf(identity)}" from ${issuer}, where there is one without use, and then run "cluster retry".`,
      { waitsForOperator: true },
    );
  };

  /** @returns whether it is gone */
  const discard = async ({ clientId, registrationUri, registrationAccessToken }: RegisteredClient) => {
    let reason = "it cannot be removed";
    try {
      // The step may have run out of time, which is why there is something to discard.
      const signal = AbortSignal.timeout(DISCARD_MS);
      const isManaged = registrationUri !== undefined && registrationAccessToken !== undefined;
      if (isManaged && (await identityProvider.remove({ registrationUri, registrationAccessToken }, signal, true)))
        return true;
    } catch (error) {
      reason = String(error);
    }
    warn("failed to remove an unused OIDC client", { issuer, clientId, reason });
    return false;
  };

  const secretOf = (prepared: PrerequisiteContext) =>
    openSecret(table, keyring, prepared.cluster.identity, prepared.held, OIDC_CLIENT, OidcClientSecret);

  /** Splits the client before into what is recorded until it is removed, and its token. */
  const formerOf = async (prepared: PrerequisiteContext, before: OidcClient | undefined) => {
    if (before?.clientId === undefined || before.issuer === undefined) return {};
    const { clientId, registrationUri, former } = before;
    if (former !== undefined) warnOfRemaining(services, prepared, former);
    const formerRegistrationAccessToken = (await secretOf(prepared))?.registrationAccessToken;
    if (registrationUri !== undefined && formerRegistrationAccessToken !== undefined)
      return { former: { issuer: before.issuer, clientId, registrationUri }, formerRegistrationAccessToken };
    warnOfRemaining(services, prepared, before);
    return {};
  };

  const register = async (
    prepared: PrerequisiteContext,
    write: Parameters<Prerequisite["prepare"]>[1],
    signal: AbortSignal,
  ): Promise<boolean> => {
    const { identity } = prepared.cluster;
    const key = secretKey(identity, OIDC_CLIENT);
    const before = heldClient(prepared);
    refuseInDoubt(prepared, before);
    warnOfDoubt(prepared, before);
    // First: without encryption there must be no secret.
    const vault = await openOrCreateVault(services, prepared);
    const { former, formerRegistrationAccessToken } = await formerOf(prepared, before);
    const intendedAt = clock().toISOString();
    const asIntended = stillIntended({ intendedAt });
    const next = { clusterIdentity: identity, intendedAt, intendedIssuer: issuer };
    // Not under the lease: the worker may have given up waiting, and the intention is fence enough.
    const settle = async () => {
      const settled = new Transaction().update("oidc-client", key, "SET #settledAt = :before", asIntended);
      await commit(table, settled, deadlineIn());
    };
    // Without the recorded intention, a client whose registration was the last thing done would be lost.
    const isIntended = await write(intention(key, before, next)).catch(async (error: unknown) => {
      // It may be recorded all the same, and nothing was sent.
      await settle().catch(() => {});
      throw error;
    });
    if (!isIntended) return false;
    const made = await identityProvider.register(clientNameOf(identity), signal).catch(async (error: unknown) => {
      if (error instanceof NotRegisteredError) await settle();
      throw error;
    });
    const { clientId, clientSecret, expiresAt, registrationUri, registrationAccessToken } = made;
    if (expiresAt !== undefined && Date.parse(expiresAt) < clock().getTime() + SHORTEST_LIFETIME_MS) {
      if (await discard(made)) await settle();
      throw new Error(`${issuer} registered a client whose secret expires at ${expiresAt}, too early to be used`);
    }
    const renewAt = expiresAt && renewalOf(expiresAt, clock());
    const tokens = defined({ registrationAccessToken, formerRegistrationAccessToken });
    const item = oidcClientEntity.write(key, {
      ...next,
      settledAt: intendedAt,
      issuer,
      clientId,
      sealed: vault.seal(OIDC_CLIENT, { clientSecret, ...tokens }),
      ...defined({ registrationUri, expiresAt, renewAt }),
      ...(former === undefined ? {} : { former }),
    });
    const record = new Transaction().put("oidc-client", item, asIntended);
    vault.bindTo(record);
    if (await write(record)) return true;
    // Another worker has the cluster, or a rotation replaced its data key.
    if (await discard(made)) await settle();
    return false;
  };

  return {
    operation: "registering the OIDC client",
    isDone(prepared) {
      const client = heldClient(prepared);
      if (client?.clientId === undefined || client.issuer !== issuer) return false;
      return client.renewAt === undefined || Date.parse(client.renewAt) > clock().getTime();
    },
    dueAt(prepared) {
      const { renewAt } = heldClient(prepared) ?? {};
      return renewAt === undefined ? undefined : new Date(renewAt);
    },
    async prepare(prepared, write, signal) {
      try {
        return await register(prepared, write, signal);
      } catch (error) {
        const before = heldClient(prepared);
        if (before === undefined || !hasExpired(before, clock())) throw error;
        const cause = error instanceof Error ? error : new Error(String(error));
        throw new PrerequisiteError(
          cause instanceof PrerequisiteError ? cause.reason : "OidcClientSecretExpired",
          `the client secret expired at ${before.expiresAt} and is not handed out any more; ${cause.message}`,
          {
            cause,
            retryAfterMs: cause instanceof RetryableError ? cause.retryAfterMs : undefined,
            waitsForOperator: cause instanceof PrerequisiteError && cause.waitsForOperator,
          },
        );
      }
    },
    async remove(prepared, signal) {
      const client = heldClient(prepared);
      if (client?.clientId !== undefined && client.issuer !== undefined) {
        const { issuer: from, clientId, registrationUri } = client;
        const token = registrationUri === undefined ? undefined : (await secretOf(prepared))?.registrationAccessToken;
        await removeOne(services, prepared, { issuer: from, clientId, registrationUri, token }, signal);
      }
      warnOfDoubt(prepared, client);
    },
  };
}

/** Logs that a client is left with its issuer. */
const warnOfRemaining = (
  { warn }: PrerequisiteServices,
  { cluster }: PrerequisiteContext,
  { issuer, clientId }: Pick<OidcClient, "issuer" | "clientId">,
) =>
  warn("an OIDC client stays behind with its issuer, where it cannot be removed", {
    clusterIdentity: cluster.identity,
    issuer,
    clientId,
  });

/**
 * Removes a client, and logs where that is not possible. With an issuer that is not used any more it is tried once: nothing waits for
 * an issuer that may be gone.
 *
 * @throws Error where another try may succeed
 */
async function removeOne(
  services: PrerequisiteServices,
  prepared: PrerequisiteContext,
  client: { issuer: string; clientId: string; registrationUri: string | undefined; token: string | undefined },
  signal: AbortSignal,
): Promise<void> {
  const { registrationUri, token: registrationAccessToken } = client;
  const { identityProvider } = services;
  const isOurs = client.issuer === identityProvider.issuer;
  const isManaged = registrationUri !== undefined && registrationAccessToken !== undefined;
  // Shorter than the step may take, so that a foreign issuer's silence is seen here.
  const soon = isOurs ? signal : AbortSignal.any([signal, AbortSignal.timeout(DISCARD_MS)]);
  const isGone =
    isManaged &&
    (await identityProvider.remove({ registrationUri, registrationAccessToken }, soon).catch((error: unknown) => {
      if (isOurs) throw error;
      return false;
    }));
  if (!isGone) warnOfRemaining(services, prepared, client);
}

/** Makes the step that removes the client that another one replaced. */
export function formerOidcClient(services: PrerequisiteServices): Prerequisite {
  const remove = async (prepared: PrerequisiteContext, signal: AbortSignal) => {
    const { former } = heldClient(prepared) ?? {};
    if (former === undefined) return;
    const { identity } = prepared.cluster;
    const { table, keyring } = services;
    const secret = await openSecret(table, keyring, identity, prepared.held, OIDC_CLIENT, OidcClientSecret);
    await removeOne(services, prepared, { ...former, token: secret?.formerRegistrationAccessToken }, signal);
  };
  return {
    operation: "removing the OIDC client that was replaced",
    isDone: (prepared) => heldClient(prepared)?.former === undefined,
    async prepare(prepared, write, signal) {
      const client = heldClient(prepared);
      await remove(prepared, signal);
      if (client === undefined) return true;
      const key = secretKey(prepared.cluster.identity, OIDC_CLIENT);
      return await write(new Transaction().update("oidc-client", key, "REMOVE #former", stillIntended(client)));
    },
    remove,
  };
}
