/** Registers a cluster's OIDC client with the issuer, discards one that cannot be used, and removes it with the cluster. */

import type { PrerequisiteContext, Write } from "../provisioning/prerequisite.ts";
import { openSecret, type Vault } from "../secrets/vault.ts";
import { deadlineIn } from "../shared/retry.ts";
import { DAY_MS } from "../shared/time.ts";
import { secretKey } from "../table/keys.ts";
import { commit, Transaction } from "../table/transaction.ts";
import { certificateAuthorityItem } from "./certificate-authority.ts";
import {
  CERTIFICATE_AUTHORITY,
  clientNameOf,
  isUnconfirmed,
  OIDC_CLIENT,
  type OidcClient,
  OidcClientSecret,
  oidcClientEntity,
} from "./entity.ts";
import { NotRegisteredError, type RegisteredClient } from "./identity-provider.ts";
import { openOrCreateVault, type PrerequisiteServices } from "./prerequisite-services.ts";
import { discardUnconfirmed, removeUnrecorded, requireConfirmed, warnUnconfirmed } from "./unconfirmed-registration.ts";

/** Timeout of the removal of a client that cannot be used, in milliseconds. */
const DISCARD_MS = 5_000;

/** Shortest useful lifetime of a client secret, in milliseconds: a person has to log in with it. */
const MIN_LIFETIME_MS = 30_000;

/** Longest time between the renewal of a secret and its expiry, in milliseconds; otherwise a third of its lifetime. */
const MAX_RENEWAL_MARGIN_MS = 7 * DAY_MS;

/** Registration that is about to be sent. */
type Intent = Pick<OidcClient, "clusterIdentity" | "intendedAt"> & { intendedIssuer: string };

/** Replaced client that has to be removed, and the token for its removal. */
interface FormerClient {
  former?: NonNullable<OidcClient["former"]>;
  formerRegistrationAccessToken?: string;
}

/** Client to remove. */
interface RemovableClient {
  issuer: string;
  clientId: string;
  registrationUri: string | undefined;
  token: string | undefined;
}

const withoutUndefined = <Values extends Record<string, string | undefined>>(values: Values) =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [Name in keyof Values]?: string;
  };

const keyOf = (clusterIdentity: string) => secretKey(clusterIdentity, OIDC_CLIENT);

/** Reads the stored client of a cluster. @returns undefined before the first registration */
export function storedClientOf({ secrets }: PrerequisiteContext): OidcClient | undefined {
  const item = secrets.get(OIDC_CLIENT);
  return item && oidcClientEntity.read(item);
}

/** Builds the condition that no other registration was intended since. */
export const stillIntended = ({ intendedAt }: Pick<OidcClient, "intendedAt">) => ({
  condition: "#intendedAt = :before",
  values: { ":before": intendedAt },
});

/** Returns the time at which a secret is renewed, RFC 3339. @param expiresAt RFC 3339 */
function renewalOf(expiresAt: string, now: Date): string {
  const end = Date.parse(expiresAt);
  return new Date(end - Math.min(MAX_RENEWAL_MARGIN_MS, (end - now.getTime()) / 3)).toISOString();
}

/**
 * Registers and removes clients. RFC 7591 has no idempotency key, so a repeated request would leave a second client. Therefore a
 * registration has three steps:
 *
 * 1. Intent: `intendedAt` is stored before anything is sent.
 * 2. Register: the issuer creates the client.
 * 3. Record: the client is stored, on condition that the intent is still the last one, and `settledAt` becomes `intendedAt`.
 *
 * An intent is also settled when it certainly left no client. Otherwise the registration is unconfirmed. If the issuer can find clients
 * by name, the client that it may have left is removed before the next registration. Else the registration is only repeated after an
 * operator has allowed it (`retryAllowedFor`).
 */
export class OidcRegistrar {
  readonly #services: PrerequisiteServices;

  constructor(services: PrerequisiteServices) {
    this.#services = services;
  }

  /**
   * Registers a client. A client of the cluster that it replaces stays recorded until it is removed.
   *
   * @param write commits under the worker's lease
   * @returns false if the client was not recorded: another worker has the lease, or the secrets changed
   * @throws PrerequisiteError if an earlier registration is unconfirmed; Error if the issuer fails
   */
  async register(context: PrerequisiteContext, write: Write, signal: AbortSignal): Promise<boolean> {
    const { identityProvider, clock } = this.#services;
    const before = storedClientOf(context);
    if (before !== undefined && isUnconfirmed(before) && !(await discardUnconfirmed(this.#services, before, signal))) {
      requireConfirmed(this.#services, before);
      warnUnconfirmed(this.#services, before);
    }
    // Opened first: no client is registered if its secret could not be encrypted.
    const vault = await openOrCreateVault(this.#services, context);
    const former = await this.#formerOf(context, before);
    const { identity } = context.cluster;
    const intent = {
      clusterIdentity: identity,
      intendedAt: clock().toISOString(),
      intendedIssuer: identityProvider.issuer,
    };
    const transaction = new Transaction();
    // The intent of the first registration also stores the certificate authority and the data key: one transaction less.
    if (!this.#services.provisioner.hasApiServers && !context.secrets.has(CERTIFICATE_AUTHORITY)) {
      const authority = await certificateAuthorityItem(context.cluster, vault, clock());
      vault.bindTo(transaction.create("certificate-authority", authority));
    }
    if (!(await this.#recordIntent(transaction, intent, before, write))) return false;
    const client = await this.#requestClient(intent, signal);
    if (await write(this.#recordOf(intent, client, former, vault))) return true;
    // Another worker has the lease, or a rotation replaced the data key.
    await this.#discard(intent, client);
    return false;
  }

  /** Removes the client of a deleted cluster. @throws Error if another attempt may succeed */
  async remove(context: PrerequisiteContext, signal: AbortSignal): Promise<void> {
    const client = storedClientOf(context);
    if (client?.clientId !== undefined && client.issuer !== undefined) {
      const { issuer, clientId, registrationUri } = client;
      const secret = registrationUri === undefined ? undefined : await this.#secretOf(context);
      await this.#removeOrWarn(
        context,
        { issuer, clientId, registrationUri, token: secret?.registrationAccessToken },
        signal,
      );
    }
    await removeUnrecorded(this.#services, context.cluster.identity, client, signal);
  }

  /** Removes the client that another one replaced. @throws Error if another attempt may succeed */
  async removeFormer(context: PrerequisiteContext, signal: AbortSignal): Promise<void> {
    const { former } = storedClientOf(context) ?? {};
    if (former === undefined) return;
    const secret = await this.#secretOf(context);
    await this.#removeOrWarn(context, { ...former, token: secret?.formerRegistrationAccessToken }, signal);
  }

  /** Step 1: stores the intent. The former client stays as it is. @returns false if it was not committed */
  async #recordIntent(
    transaction: Transaction,
    intent: Intent,
    before: OidcClient | undefined,
    write: Write,
  ): Promise<boolean> {
    const key = keyOf(intent.clusterIdentity);
    if (before === undefined) transaction.create("oidc-client", oidcClientEntity.write(key, intent));
    else {
      const { condition, values } = stillIntended(before);
      transaction.update("oidc-client", key, "SET #intendedAt = :now, #intendedIssuer = :issuer", {
        condition,
        values: { ...values, ":now": intent.intendedAt, ":issuer": intent.intendedIssuer },
      });
    }
    return await write(transaction).catch(async (error: unknown) => {
      // The intent may be stored although its response was lost. Nothing was sent to the issuer.
      await this.#settle(intent).catch(() => {});
      throw error;
    });
  }

  /** Step 2: registers the client. @throws Error if there is none, or its secret expires too early */
  async #requestClient(intent: Intent, signal: AbortSignal): Promise<RegisteredClient> {
    const { identityProvider, clock } = this.#services;
    const name = clientNameOf(intent.clusterIdentity);
    const client = await identityProvider.register(name, signal).catch(async (error: unknown) => {
      if (error instanceof NotRegisteredError) await this.#settle(intent);
      throw error;
    });
    const { expiresAt } = client;
    if (expiresAt === undefined || Date.parse(expiresAt) >= clock().getTime() + MIN_LIFETIME_MS) return client;
    await this.#discard(intent, client);
    throw new Error(
      `${identityProvider.issuer} registered a client whose secret expires at ${expiresAt}, too early to be used`,
    );
  }

  /** Step 3: builds the transaction that stores the client and settles the intent. */
  #recordOf(intent: Intent, client: RegisteredClient, former: FormerClient, vault: Vault): Transaction {
    const { clientId, clientSecret, expiresAt, registrationUri, registrationAccessToken } = client;
    const { formerRegistrationAccessToken } = former;
    const renewAt = expiresAt && renewalOf(expiresAt, this.#services.clock());
    const tokens = withoutUndefined({ registrationAccessToken, formerRegistrationAccessToken });
    const item = oidcClientEntity.write(keyOf(intent.clusterIdentity), {
      ...intent,
      settledAt: intent.intendedAt,
      issuer: intent.intendedIssuer,
      clientId,
      sealed: vault.seal(OIDC_CLIENT, { clientSecret, ...tokens }),
      ...withoutUndefined({ registrationUri, expiresAt, renewAt }),
      ...(former.former === undefined ? {} : { former: former.former }),
    });
    const transaction = new Transaction().put("oidc-client", item, stillIntended(intent));
    vault.bindTo(transaction);
    return transaction;
  }

  /** Records that an intent left no client. The lease is not needed: the condition on the intent is sufficient. */
  async #settle(intent: Intent): Promise<void> {
    const key = keyOf(intent.clusterIdentity);
    const settled = new Transaction().update("oidc-client", key, "SET #settledAt = :before", stillIntended(intent));
    await commit(this.#services.table, settled, deadlineIn());
  }

  /** Removes a new client that cannot be used, and settles the intent if that succeeded. */
  async #discard(intent: Intent, client: RegisteredClient): Promise<void> {
    const { identityProvider, warn } = this.#services;
    const { clientId, registrationUri, registrationAccessToken } = client;
    let reason = "the issuer does not remove clients";
    let isRemoved = false;
    try {
      if (registrationUri !== undefined && registrationAccessToken !== undefined) {
        // The step's own signal may be aborted already, which is one reason to discard a client.
        const signal = AbortSignal.timeout(DISCARD_MS);
        isRemoved = await identityProvider.remove({ registrationUri, registrationAccessToken }, signal, true);
      }
    } catch (error) {
      reason = String(error);
    }
    if (isRemoved) await this.#settle(intent);
    else warn("failed to remove an unused OIDC client", { issuer: identityProvider.issuer, clientId, reason });
  }

  /**
   * Removes a client, and logs a warning if that is not possible. Another issuer than the configured one gets one attempt, because
   * it may not exist any more.
   *
   * @throws Error if another attempt may succeed
   */
  async #removeOrWarn(context: PrerequisiteContext, client: RemovableClient, signal: AbortSignal): Promise<void> {
    const { registrationUri, token: registrationAccessToken } = client;
    const { identityProvider } = this.#services;
    const isOurs = client.issuer === identityProvider.issuer;
    const isManaged = registrationUri !== undefined && registrationAccessToken !== undefined;
    // Shorter than the timeout of the step, so that an issuer that does not respond is handled here.
    const limited = isOurs ? signal : AbortSignal.any([signal, AbortSignal.timeout(DISCARD_MS)]);
    const isGone =
      isManaged &&
      (await identityProvider.remove({ registrationUri, registrationAccessToken }, limited).catch((error: unknown) => {
        if (isOurs) throw error;
        return false;
      }));
    if (!isGone) this.#warnRemaining(context, client);
  }

  /** Returns the client to replace and its token, or logs a warning if it cannot be removed later. */
  async #formerOf(context: PrerequisiteContext, before: OidcClient | undefined): Promise<FormerClient> {
    if (before?.clientId === undefined || before.issuer === undefined) return {};
    const { clientId, registrationUri, former, issuer } = before;
    if (former !== undefined) this.#warnRemaining(context, former);
    const formerRegistrationAccessToken = (await this.#secretOf(context))?.registrationAccessToken;
    if (registrationUri !== undefined && formerRegistrationAccessToken !== undefined) {
      return { former: { issuer, clientId, registrationUri }, formerRegistrationAccessToken };
    }
    this.#warnRemaining(context, before);
    return {};
  }

  #secretOf({ cluster, secrets }: PrerequisiteContext) {
    const { table, keyring } = this.#services;
    return openSecret(table, keyring, cluster.identity, secrets, OIDC_CLIENT, OidcClientSecret);
  }

  #warnRemaining(
    { cluster }: PrerequisiteContext,
    { issuer, clientId }: { issuer?: string | undefined; clientId?: string | undefined },
  ): void {
    this.#services.warn("an OIDC client cannot be removed and remains at its issuer", {
      clusterIdentity: cluster.identity,
      issuer,
      clientId,
    });
  }
}
