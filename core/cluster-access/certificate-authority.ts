/** The certificate authority of a cluster: what its nodes and clients recognise its API server by. */

import "reflect-metadata";
import { createPrivateKey } from "node:crypto";
import * as x509 from "@peculiar/x509";

/** As long as kubeadm's own, in years. */
const YEARS = 10;
const YEAR_MS = 365 * 24 * 60 * 60_000;

/** Clocks of nodes may be late by as much, in milliseconds. */
const CLOCK_SKEW_MS = 5 * 60_000;

// kubeadm offers ECDSA-P256 for its own; a key is drawn in a millisecond, where RSA takes a hundred.
const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

/** A certificate authority, both as PEM; the key as PKCS #8. */
export interface CertificateAuthority {
  certificate: string;
  privateKey: string;
}

/**
 * Makes a certificate authority that signs for itself.
 *
 * @param clusterIdentity stands in its name, so that one cluster's is never taken for another's
 * @param now from when on it is valid, for ten years
 */
export async function makeCertificateAuthority(clusterIdentity: string, now: Date): Promise<CertificateAuthority> {
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
