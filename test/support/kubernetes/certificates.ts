/** Certificates of the test server: its authority, its own certificate and those of clients. */

import "reflect-metadata";
import { createPrivateKey, type webcrypto } from "node:crypto";
import * as x509 from "@peculiar/x509";

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const DAY_MS = 86_400_000;

/** Certificate with its private key, both PEM. */
export interface Certificate {
  certificate: string;
  key: string;
}

/** Certificate authority. */
export interface Authority extends Certificate {
  /** Issues a certificate for the server on loopback or for a client. */
  issue(role: "server" | "client", name: string): Promise<Certificate>;
}

async function keyPem(keys: webcrypto.CryptoKeyPair): Promise<string> {
  const der = Buffer.from(await crypto.subtle.exportKey("pkcs8", keys.privateKey));
  return createPrivateKey({ key: der, format: "der", type: "pkcs8" })
    .export({ format: "pem", type: "pkcs8" })
    .toString();
}

/** Creates a certificate authority that is valid from yesterday until tomorrow. */
export async function createAuthority(): Promise<Authority> {
  const generate = () =>
    crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]) as Promise<webcrypto.CryptoKeyPair>;
  const validity = { notBefore: new Date(Date.now() - DAY_MS), notAfter: new Date(Date.now() + DAY_MS) };
  const keys = await generate();
  const root = await x509.X509CertificateGenerator.createSelfSigned({
    name: "CN=test authority",
    ...validity,
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
    ],
  });
  return {
    certificate: `${root.toString("pem")}\n`,
    key: await keyPem(keys),
    async issue(role, name) {
      const own = await generate();
      const usage = role === "server" ? x509.ExtendedKeyUsage.serverAuth : x509.ExtendedKeyUsage.clientAuth;
      const names = new x509.SubjectAlternativeNameExtension([
        { type: "ip", value: "127.0.0.1" },
        { type: "dns", value: "localhost" },
      ]);
      const certificate = await x509.X509CertificateGenerator.create({
        subject: `CN=${name}`,
        issuer: root.subject,
        ...validity,
        signingAlgorithm: ALGORITHM,
        publicKey: own.publicKey,
        signingKey: keys.privateKey,
        extensions: [new x509.ExtendedKeyUsageExtension([usage]), ...(role === "server" ? [names] : [])],
      });
      return { certificate: `${certificate.toString("pem")}\n`, key: await keyPem(own) };
    },
  };
}
