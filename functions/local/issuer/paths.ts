/** Paths of the local issuer, without its code. */

/** Path of the issuer on the server. */
export const ISSUER_PATH = "/oidc";

/** Path of the clients, for requests of the reconciler that OIDC does not have. */
export const CLIENTS_PATH = `${ISSUER_PATH}/clients`;

/**
 * Returns the URL of a request that removes all clients with a name, except some.
 *
 * @param issuer URL of the issuer
 * @param kept ids of the clients that stay
 */
export function othersUrl(issuer: string, name: string, kept: readonly string[]): URL {
  const url = new URL(CLIENTS_PATH, issuer);
  url.searchParams.append("name", name);
  for (const id of kept) url.searchParams.append("kept", id);
  return url;
}
