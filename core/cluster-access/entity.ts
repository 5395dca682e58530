/** Stored shapes of what nodes and clients of a cluster need. */

import * as v from "valibot";
import { PublicOidcClient } from "../provisioning/oidc-client.ts";
import { Sealed } from "../secrets/vault.ts";
import { defineEntity, sameProperties } from "../table/entity.ts";

export { OIDC_CLIENT } from "../provisioning/oidc-client.ts";

/** Name of the item of a cluster's certificate authority. */
export const CERTIFICATE_AUTHORITY = "CA";
/** Name of the item of a cluster's bootstrap tokens. */
export const BOOTSTRAP_TOKENS = "BOOTSTRAP";

const StoredCertificateAuthority = v.object({
  clusterIdentity: v.string(),
  /** PEM. */
  certificate: v.string(),
  /** Absent after the key that encrypted it was lost and discarded. */
  sealed: v.optional(Sealed),
  createdAt: v.string(),
});

/** Entity of a certificate authority. */
export const certificateAuthorityEntity = defineEntity("certificate-authority", 1, StoredCertificateAuthority);

const StoredOidcClient = v.object({
  clusterIdentity: v.string(),
  /** Time of the last attempt to register a client, RFC 3339. */
  intendedAt: v.string(),
  /** The attempt (`intendedAt`) whose outcome is known. If it differs from `intendedAt` or is absent, the last outcome is unknown. */
  settledAt: v.optional(v.string()),
  /** Issuer of the last attempt. */
  intendedIssuer: v.optional(v.string()),
  /** The unconfirmed attempt (`intendedAt`) after which an operator allowed one more registration. */
  retryAllowedFor: v.optional(v.string()),
  ...PublicOidcClient.entries,
  /** Expiry of the client's secret and time of its renewal, RFC 3339; absent if it does not expire. */
  expiresAt: v.optional(v.string()),
  renewAt: v.optional(v.string()),
  /** Management URL of the client, if the issuer supports management (RFC 7592). */
  registrationUri: v.optional(v.string()),
  /** Client that this one replaced, until it is removed. Its access token is encrypted together with this one's. */
  former: v.optional(v.object({ issuer: v.string(), clientId: v.string(), registrationUri: v.string() })),
  sealed: v.optional(Sealed),
});
export type OidcClient = v.InferOutput<typeof StoredOidcClient>;

/** Entity of an OIDC client. */
export const oidcClientEntity = defineEntity("oidc-client", 1, StoredOidcClient);

/** Returns whether the outcome of the last registration is unknown: the issuer may have a client that is not recorded. */
export const isUnconfirmed = ({ intendedAt, settledAt }: OidcClient): boolean => settledAt !== intendedAt;

/** Returns whether a client's secret has expired. @param now the present time */
export const hasExpired = ({ expiresAt }: OidcClient, now: Date): boolean =>
  expiresAt !== undefined && Date.parse(expiresAt) <= now.getTime();

/** Returns the name under which a cluster's client is registered, for the issuer's operator. */
export const clientNameOf = (clusterIdentity: string): string => `kubernetes ${clusterIdentity}`;

/** Encrypted part of an OIDC client. */
export const OidcClientSecret = v.object({
  clientSecret: v.string(),
  registrationAccessToken: v.optional(v.string()),
  formerRegistrationAccessToken: v.optional(v.string()),
});

const StoredBootstrapTokens = v.object({
  clusterIdentity: v.string(),
  revision: v.number(),
  /** Oldest first. */
  tokens: v.array(
    v.object({
      /** Public part of the token. */
      id: v.string(),
      /** SHA-256 of the whole token, in hexadecimal. */
      hash: v.string(),
      createdAt: v.string(),
      expiresAt: v.string(),
    }),
  ),
  /** Tokens that are not created in the cluster yet, by their ids. Absent if there are none. */
  sealed: v.optional(Sealed),
  /** Ids of revoked tokens that are not deleted in the cluster yet. Absent if there are none. */
  revoked: v.optional(v.array(v.string())),
});
export type BootstrapTokens = v.InferOutput<typeof StoredBootstrapTokens>;

/** Entity of the bootstrap tokens of a cluster. */
export const bootstrapTokensEntity = defineEntity("bootstrap-tokens", 3, StoredBootstrapTokens, {
  // A rotation of the secrets reads and replaces `sealed` in every item.
  attributes: ["revision", "sealed"],
  migrations: { 1: sameProperties, 2: sameProperties },
});
