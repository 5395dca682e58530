/** Certificate authority of a cluster, by which nodes and clients verify the API server. */

import "reflect-metadata";
import { createPrivateKey } from "node:crypto";
import * as x509 from "@peculiar/x509";
import type { Cluster } from "../cluster/entity.ts";
import type { Vault } from "../secrets/vault.ts";
import { DAY_MS } from "../shared/time.ts";
import type { RawItem } from "../table/entity.ts";
import { secretKey } from "../table/keys.ts";
import { CERTIFICATE_AUTHORITY, certificateAuthorityEntity } from "./entity.ts";

/** Validity of a certificate authority, in years; the same as kubeadm's. */
const YEARS = 10;
const YEAR_MS = 365 * DAY_MS;

/** Tolerated delay of the clocks of nodes, in milliseconds. */
const CLOCK_SKEW_MS = 5 * 60_000;

// kubeadm supports ECDSA-P256 for its own authority. Generating such a key takes a millisecond, an RSA key a hundred.
const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

/** Certificate and private key of a certificate authority, PEM; the key as PKCS #8. */
interface CertificateAuthority {
  certificate: string;
  privateKey: string;
}

/**
 * Creates a self-signed certificate authority.
 *
 * @param clusterIdentity part of the subject name, so that the authorities of two clusters cannot be confused
 * @param now start of its validity of ten years
 */
export async function createCertificateAuthority(clusterIdentity: string, now: Date): Promise<CertificateAuthority> {
  const keys = await crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const { keyCertSign, digitalSignature, keyEncipherment } = x509.KeyUsageFlags;
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: `CN=kubernetes, OU=${clusterIdentity}`,
    notBefore: new Date(now.getTime() - CLOCK_SKEW_MS),
    notAfter: new Date(now.getTime() + YEARS * YEAR_MS),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(keyCertSign | digitalSignature | keyEncipherment, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  const pkcs8 = Buffer.from(await crypto.subtle.exportKey("pkcs8", keys.privateKey));
  const privateKey = createPrivateKey({ key: pkcs8, format: "der", type: "pkcs8" });
  return {
    certificate: `${certificate.toString("pem")}\n`,
    privateKey: privateKey.export({ format: "pem", type: "pkcs8" }).toString(),
  };
}

/** Creates the certificate authority of a cluster, and builds its item. @param vault encrypts the private key */
export async function certificateAuthorityItem(
  { identity }: Pick<Cluster, "identity">,
  vault: Vault,
  now: Date,
): Promise<RawItem> {
  const { certificate, privateKey } = await createCertificateAuthority(identity, now);
  return certificateAuthorityEntity.write(secretKey(identity, CERTIFICATE_AUTHORITY), {
    clusterIdentity: identity,
    certificate,
    sealed: vault.seal(CERTIFICATE_AUTHORITY, { privateKey }),
    createdAt: now.toISOString(),
  });
}
