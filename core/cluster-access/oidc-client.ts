/** Prerequisites that register a cluster's OIDC client, renew it before its secret expires, and remove it. */

import { type Prerequisite, PrerequisiteError, RetryableError } from "../provisioning/prerequisite.ts";
import { secretKey } from "../table/keys.ts";
import { Transaction } from "../table/transaction.ts";
import { hasExpired, OIDC_CLIENT, type OidcClient } from "./entity.ts";
import { OidcRegistrar, stillIntended, storedClientOf } from "./oidc-registrar.ts";
import type { PrerequisiteServices } from "./prerequisite-services.ts";

/** Creates the prerequisite that registers a cluster's client, and replaces it before its secret expires. */
export function createOidcClientPrerequisite(services: PrerequisiteServices): Prerequisite {
  const { identityProvider, clock } = services;
  const registrar = new OidcRegistrar(services);
  return {
    operation: "registering the OIDC client",
    isDone(context) {
      const client = storedClientOf(context);
      if (client?.clientId === undefined || client.issuer !== identityProvider.issuer) return false;
      return client.renewAt === undefined || Date.parse(client.renewAt) > clock().getTime();
    },
    dueAt(context) {
      const { renewAt } = storedClientOf(context) ?? {};
      return renewAt === undefined ? undefined : new Date(renewAt);
    },
    async prepare(context, write, signal) {
      try {
        return await registrar.register(context, write, signal);
      } catch (error) {
        const client = storedClientOf(context);
        throw client !== undefined && hasExpired(client, clock()) ? expired(client, error) : error;
      }
    },
    remove: (context, signal) => registrar.remove(context, signal),
  };
}

/** Adds to the error of a renewal that the present secret has expired. */
function expired({ expiresAt }: OidcClient, error: unknown): PrerequisiteError {
  const cause = error instanceof Error ? error : new Error(String(error));
  return new PrerequisiteError(
    cause instanceof PrerequisiteError ? cause.reason : "OidcClientSecretExpired",
    `the client secret expired at ${expiresAt} and is no longer returned to users; ${cause.message}`,
    {
      cause,
      retryAfterMs: cause instanceof RetryableError ? cause.retryAfterMs : undefined,
    },
  );
}

/** Creates the prerequisite that removes a replaced client. */
export function createFormerOidcClientPrerequisite(services: PrerequisiteServices): Prerequisite {
  const registrar = new OidcRegistrar(services);
  return {
    operation: "removing the replaced OIDC client",
    isDone: (context) => storedClientOf(context)?.former === undefined,
    async prepare(context, write, signal) {
      const client = storedClientOf(context);
      await registrar.removeFormer(context, signal);
      if (client === undefined) return true;
      const key = secretKey(context.cluster.identity, OIDC_CLIENT);
      return await write(new Transaction().update("oidc-client", key, "REMOVE #former", stillIntended(client)));
    },
    remove: (context, signal) => registrar.removeFormer(context, signal),
  };
}
