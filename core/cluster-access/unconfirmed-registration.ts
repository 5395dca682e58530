/** Registrations of OIDC clients whose result is unknown: the worker died, or the issuer did not answer. */

import { PrerequisiteError } from "../provisioning/prerequisite.ts";
import { clientNameOf, isUnconfirmed, type OidcClient } from "./entity.ts";
import type { PrerequisiteServices } from "./prerequisite-services.ts";

type Services = Pick<PrerequisiteServices, "identityProvider" | "warn">;

/** Returns the issuer of the last registration. */
const intendedIssuer = ({ identityProvider }: Services, client: OidcClient): string =>
  client.intendedIssuer ?? identityProvider.issuer;

/** Returns whether the last registration was sent to the configured issuer. */
const usesConfiguredIssuer = (services: Services, client: OidcClient): boolean =>
  intendedIssuer(services, client) === services.identityProvider.issuer;

/**
 * Removes the client that an unconfirmed registration may have left. A worker that still waits for the response has lost the lease, so it
 * cannot record the client.
 *
 * @returns false if the issuer cannot find clients by name, or is not the one of the registration
 * @throws Error if another attempt may succeed
 */
export async function discardUnconfirmed(
  services: Services,
  client: OidcClient,
  signal: AbortSignal,
): Promise<boolean> {
  const { removeOthers, issuer } = services.identityProvider;
  if (removeOthers === undefined || !usesConfiguredIssuer(services, client)) return false;
  const { former, ...last } = client;
  const kept = [last, former].flatMap((each) =>
    each?.clientId !== undefined && each.issuer === issuer ? [each.clientId] : [],
  );
  await removeOthers(clientNameOf(client.clusterIdentity), kept, signal);
  return true;
}

/**
 * Removes all clients of a deleted cluster that are not recorded, including the client of a request that the issuer handled late. Logs a
 * warning about an unconfirmed registration if the issuer cannot find clients by name.
 *
 * @throws Error if another attempt may succeed
 */
export async function removeUnrecorded(
  services: Services,
  clusterIdentity: string,
  client: OidcClient | undefined,
  signal: AbortSignal,
): Promise<void> {
  const { removeOthers } = services.identityProvider;
  await removeOthers?.(clientNameOf(clusterIdentity), [], signal);
  if (client === undefined || !isUnconfirmed(client)) return;
  if (removeOthers === undefined || !usesConfiguredIssuer(services, client)) warnUnconfirmed(services, client);
}

/** @throws PrerequisiteError if no operator has allowed a registration after an unconfirmed one */
export function requireConfirmed(services: Services, client: OidcClient): void {
  if (client.retryAllowedFor === client.intendedAt) return;
  // Otherwise the configured issuer has received no request yet.
  if (!usesConfiguredIssuer(services, client)) return;
  const { issuer } = services.identityProvider;
  throw new PrerequisiteError(
    "OidcRegistrationInDoubt",
    `the result of the registration started at ${client.intendedAt} is unknown, and a retry could leave a second client. An operator has to remove the client "${clientNameOf(client.clusterIdentity)}" from ${issuer} if it exists and is not used, and then run "cluster retry".`,
  );
}

/** Logs a warning about an unconfirmed registration, for the issuer's operator. */
export function warnUnconfirmed(services: Services, client: OidcClient): void {
  services.warn("unconfirmed registration of an OIDC client; the issuer may have a client with this name", {
    clusterIdentity: client.clusterIdentity,
    issuer: intendedIssuer(services, client),
    clientName: clientNameOf(client.clusterIdentity),
  });
}
