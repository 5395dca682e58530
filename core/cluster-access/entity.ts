/** What nodes and clients of a cluster need, as it is stored beside it. */

import * as v from "valibot";
import { Sealed } from "../secrets/vault.ts";
import { defineEntity, sameProperties } from "../table/entity.ts";

/** The name of the item of a cluster's certificate authority. */
export const CERTIFICATE_AUTHORITY = "CA";
/** The name of the item of a cluster's OIDC client. */
export const OIDC_CLIENT = "OIDC";
/** The name of the item of a cluster's bootstrap tokens. */
export const BOOTSTRAP_TOKENS = "BOOTSTRAP";

const StoredCertificateAuthority = v.object({
  clusterIdentity: v.string(),
  /** PEM. */
  certificate: v.string(),
  /** Absent once the key that encrypted it was lost and discarded. */
  sealed: v.optional(Sealed),
  createdAt: v.string(),
});

/** How a certificate authority is stored. */
export const certificateAuthorityEntity = defineEntity("certificate-authority", 1, StoredCertificateAuthority);

/** What of a certificate authority is encrypted: PKCS #8, PEM. */
export const CertificateAuthoritySecret = v.object({ privateKey: v.string() });

const StoredOidcClient = v.object({
  clusterIdentity: v.string(),
  /** When it was last about to be registered, RFC 3339. */
  intendedAt: v.string(),
  /** Of which intention it is known what became of it; while that is another one, or none, nobody knows of the last one. */
  settledAt: v.optional(v.string()),
  /** The issuer that was last about to be asked. */
  intendedIssuer: v.optional(v.string()),
  /** The intention in doubt after which an operator allowed one more registration. */
  retryAllowedFor: v.optional(v.string()),
  issuer: v.optional(v.string()),
  clientId: v.optional(v.string()),
  /** When the client's secret expires, and from when on it is to be replaced, RFC 3339; absent where it does not expire. */
  expiresAt: v.optional(v.string()),
  renewAt: v.optional(v.string()),
  /** Where it is managed, where the issuer lets it be. */
  registrationUri: v.optional(v.string()),
  /** The client that this one replaced, until it is removed. Its token is beside the present one's. */
  former: v.optional(v.object({ issuer: v.string(), clientId: v.string(), registrationUri: v.string() })),
  sealed: v.optional(Sealed),
});
export type OidcClient = v.InferOutput<typeof StoredOidcClient>;

/** How a client of the issuer is stored. */
export const oidcClientEntity = defineEntity("oidc-client", 1, StoredOidcClient);

/** Whether nobody knows what became of the last registration: there may be a client that is not recorded. */
export const isUnconfirmed = ({ intendedAt, settledAt }: OidcClient): boolean => settledAt !== intendedAt;

/** Whether a client's secret has expired. @param now the present moment */
export const hasExpired = ({ expiresAt }: OidcClient, now: Date): boolean =>
  expiresAt !== undefined && Date.parse(expiresAt) <= now.getTime();

/** The name that a cluster's client is registered under, by which the issuer's operator finds it. */
export const clientNameOf = (clusterIdentity: string): string => `kubernetes ${clusterIdentity}`;

/** What of an OIDC client is encrypted. */
export const OidcClientSecret = v.object({
  clientSecret: v.string(),
  registrationAccessToken: v.optional(v.string()),
  formerRegistrationAccessToken: v.optional(v.string()),
});

const StoredBootstrapTokens = v.object({
  clusterIdentity: v.string(),
  revision: v.number(),
  /** The oldest first. */
  tokens: v.array(
    v.object({
      /** The public part, which names it. */
      id: v.string(),
      /** SHA-256 of the whole token, in hexadecimal. */
      hash: v.string(),
      createdAt: v.string(),
      expiresAt: v.string(),
    }),
  ),
});
export type BootstrapTokens = v.InferOutput<typeof StoredBootstrapTokens>;

/** How the bootstrap tokens of a cluster are stored. */
export const bootstrapTokensEntity = defineEntity("bootstrap-tokens", 2, StoredBootstrapTokens, {
  attributes: ["revision"],
  steps: { 1: sameProperties },
});
