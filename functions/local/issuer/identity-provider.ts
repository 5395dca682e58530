/** Identity provider of the local issuer. Unlike other issuers, this one finds clients by name. */

import { createIdentityProvider, type IdentityProvider } from "#core/cluster-access/identity-provider.ts";
import { othersUrl } from "./paths.ts";

/**
 * Creates the identity provider of the local issuer.
 *
 * @param issuer URL of the issuer
 * @param initialAccessToken the issuer's token for registrations
 */
export function createLocalIdentityProvider(issuer: string, initialAccessToken: string | undefined): IdentityProvider {
  return {
    ...createIdentityProvider(issuer, initialAccessToken),
    async removeOthers(name, kept, signal) {
      const response = await fetch(othersUrl(issuer, name, kept), {
        method: "DELETE",
        headers: { authorization: `Bearer ${initialAccessToken}` },
        signal,
      });
      await response.body?.cancel();
      if (!response.ok)
        throw new Error(`removing unrecorded clients from ${issuer}: it responded with ${response.status}`);
    },
  };
}
