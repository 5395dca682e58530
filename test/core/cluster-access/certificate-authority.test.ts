import { createPrivateKey, createPublicKey, sign, verify, X509Certificate } from "node:crypto";
import { expect, test } from "vitest";
import { createCertificateAuthority } from "#core/cluster-access/certificate-authority.ts";

test("a certificate authority is self-signed, may sign others, and is valid for ten years", async () => {
  const now = new Date("2026-11-27T00:00:00.000Z");
  const { certificate, privateKey } = await createCertificateAuthority("an-identity", now);
  const read = new X509Certificate(certificate);
  expect(certificate).toMatch(/^-----BEGIN CERTIFICATE-----\n[\s\S]+\n-----END CERTIFICATE-----\n$/);
  expect(read.ca).toBe(true);
  expect(read.subject).toBe("CN=kubernetes\nOU=an-identity");
  expect(read.verify(read.publicKey)).toBe(true);
  expect(read.checkIssued(read)).toBe(true);
  expect(read.validFromDate).toEqual(new Date("2026-11-26T23:55:00.000Z"));
  expect(read.validToDate).toEqual(new Date("2036-11-24T00:00:00.000Z"));
  const data = Buffer.from("signed");
  const signature = sign("sha256", data, createPrivateKey(privateKey));
  expect(verify("sha256", data, createPublicKey(certificate), signature)).toBe(true);
});

test("two certificate authorities have different keys", async () => {
  const [one, other] = await Promise.all([
    createCertificateAuthority("same", new Date()),
    createCertificateAuthority("same", new Date()),
  ]);
  expect(new X509Certificate(one.certificate).serialNumber).not.toBe(
    new X509Certificate(other.certificate).serialNumber,
  );
  expect(one.privateKey).not.toBe(other.privateKey);
});
