/** A keyring in AWS KMS, where the key itself never leaves the service. */

import { DecryptCommand, GenerateDataKeyCommand, KMSClient, type KMSClientConfig } from "@aws-sdk/client-kms";
import type { Keyring } from "./keyring.ts";
import { KEY_BYTES } from "./seal.ts";

/** How long one sending of a call may take, in milliseconds. */
const SENDING_MS = 2_000;

/**
 * Makes a keyring of one KMS key. The context of a data key is its encryption context, which the service logs and holds it to.
 *
 * @param keyId the key's id or ARN
 * @param client overrides for the client, endpoint and credentials among them
 */
export function kmsKeyring(keyId: string, client: KMSClientConfig = {}): Keyring {
  const kms = new KMSClient({
    maxAttempts: 3,
    requestHandler: { connectionTimeout: SENDING_MS, requestTimeout: SENDING_MS, throwOnRequestTimeout: true },
    ...client,
  });
  return {
    async generate(context) {
      const { Plaintext, CiphertextBlob, KeyId } = await kms.send(
        new GenerateDataKeyCommand({ KeyId: keyId, NumberOfBytes: KEY_BYTES, EncryptionContext: { ...context } }),
      );
      if (Plaintext === undefined || CiphertextBlob === undefined) throw new Error("KMS gave no data key");
      const wrapped = { wrappedBy: KeyId ?? keyId, ciphertext: Buffer.from(CiphertextBlob).toString("base64") };
      return { key: Buffer.from(Plaintext), wrapped };
    },
    async unwrap({ wrappedBy, ciphertext }, context) {
      const { Plaintext } = await kms.send(
        new DecryptCommand({
          KeyId: wrappedBy,
          CiphertextBlob: Buffer.from(ciphertext, "base64"),
          EncryptionContext: { ...context },
        }),
      );
      if (Plaintext === undefined) throw new Error("KMS gave no data key");
      return Buffer.from(Plaintext);
    },
    // It answers with the ARN, where it may have been asked by the id alone.
    isCurrent: async (id) => id === keyId || id.endsWith(`/${keyId}`),
    // KMS rotates the key's material by itself, and keeps what older data keys were made with.
    async renew() {},
    async retire() {},
  };
}
