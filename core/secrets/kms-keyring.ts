/** A keyring in AWS KMS, where the key itself never leaves the service. */

import { DecryptCommand, GenerateDataKeyCommand, KMSClient, type KMSClientConfig } from "@aws-sdk/client-kms";
import { unavailable } from "../shared/errors.ts";
import { isTransient } from "../table/errors.ts";
import type { Keyring } from "./keyring.ts";
import { KEY_BYTES } from "./seal.ts";

/** How long one sending of a call may take, in milliseconds. */
const REQUEST_TIMEOUT_MS = 2_000;

/**
 * Awaits a call to KMS. What KMS says names keys and callers, and users are told why a step failed: it stays in the cause.
 *
 * @throws AppError unavailable where KMS was out of reach or overloaded; Error, with nothing but the kind of its refusal
 */
async function callKms<Output>(doing: string, call: Promise<Output>): Promise<Output> {
  try {
    return await call;
  } catch (error) {
    if (isTransient(error)) {
      const late = unavailable(
        "secrets.unavailable",
        "The service that keeps the keys is out of reach or overloaded. Try again.",
      );
      throw Object.assign(late, { cause: error });
    }
    const kind = error instanceof Error ? error.name : "an unknown error";
    throw new Error(`${doing} was refused by the service that keeps the keys: ${kind}`, { cause: error });
  }
}

/**
 * Makes a keyring of one KMS key. The context of a data key is its encryption context, which the service logs and holds it to.
 * Its calls throw AppError unavailable where the service was out of reach or overloaded.
 *
 * @param keyId the key's id or ARN, or an alias of it
 * @param client overrides for the client, endpoint and credentials among them
 */
export function kmsKeyring(keyId: string, client: KMSClientConfig = {}): Keyring {
  const kms = new KMSClient({
    maxAttempts: 3,
    requestHandler: {
      connectionTimeout: REQUEST_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      throwOnRequestTimeout: true,
    },
    ...client,
  });
  /** Which key an alias stands for, as data keys tell. */
  let current: string | undefined;
  return {
    async generate(context) {
      const { Plaintext, CiphertextBlob, KeyId } = await callKms(
        "making a data key",
        kms.send(
          new GenerateDataKeyCommand({ KeyId: keyId, NumberOfBytes: KEY_BYTES, EncryptionContext: { ...context } }),
        ),
      );
      current = KeyId;
      if (Plaintext === undefined || CiphertextBlob === undefined) throw new Error("KMS gave no data key");
      const wrapped = { wrappedBy: KeyId ?? keyId, ciphertext: Buffer.from(CiphertextBlob).toString("base64") };
      return { key: Buffer.from(Plaintext), wrapped };
    },
    async unwrap({ wrappedBy, ciphertext }, context) {
      const { Plaintext } = await callKms(
        "decrypting a data key",
        kms.send(
          new DecryptCommand({
            KeyId: wrappedBy,
            CiphertextBlob: Buffer.from(ciphertext, "base64"),
            EncryptionContext: { ...context },
          }),
        ),
      );
      if (Plaintext === undefined) throw new Error("KMS gave no data key");
      return Buffer.from(Plaintext);
    },
    // It answers with the ARN, where it may have been asked by the id alone.
    isCurrent: async (id) => id === keyId || id === current || id.endsWith(`/${keyId}`),
    ids: async () => undefined,
    async ensure() {},
    // KMS rotates the key's material by itself, and keeps what older data keys were made with.
    async renew() {},
    async retire() {},
  };
}
