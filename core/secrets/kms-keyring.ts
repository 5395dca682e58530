/** Keyring in AWS KMS: the key never leaves the service. */

import { DecryptCommand, GenerateDataKeyCommand, KMSClient, type KMSClientConfig } from "@aws-sdk/client-kms";
import { unavailable } from "../shared/errors.ts";
import { isTransient } from "../table/errors.ts";
import type { Keyring } from "./keyring.ts";
import { KEY_BYTES } from "./seal.ts";

/** Timeout of one attempt of a call, in milliseconds. */
const REQUEST_TIMEOUT_MS = 2_000;

/**
 * Awaits a call to KMS. Messages of KMS name keys and callers, and this error is shown to users, so they are only in its cause.
 *
 * @throws AppError unavailable if KMS is unreachable or overloaded; Error with only the name of the KMS error
 */
async function callKms<Output>(operation: string, call: Promise<Output>): Promise<Output> {
  try {
    return await call;
  } catch (error) {
    if (isTransient(error)) {
      const failure = unavailable("secrets.unavailable", "The key service is unreachable or overloaded. Try again.");
      throw Object.assign(failure, { cause: error });
    }
    const kind = error instanceof Error ? error.name : "an unknown error";
    throw new Error(`The key service refused ${operation}: ${kind}`, { cause: error });
  }
}

/**
 * Creates a keyring of one KMS key. The context of a data key is its encryption context, which KMS logs and verifies. Its calls throw
 * AppError unavailable if KMS is unreachable or overloaded.
 *
 * @param keyId id, ARN or alias of the key
 * @param client client options, such as endpoint and credentials
 */
export function createKmsKeyring(keyId: string, client: KMSClientConfig = {}): Keyring {
  const kms = new KMSClient({
    maxAttempts: 3,
    requestHandler: {
      connectionTimeout: REQUEST_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      throwOnRequestTimeout: true,
    },
    ...client,
  });
  /** ARN of the key, from the last generated data key; `keyId` may be an alias. */
  let current: string | undefined;
  return {
    async generate(context) {
      const { Plaintext, CiphertextBlob, KeyId } = await callKms(
        "generating a data key",
        kms.send(
          new GenerateDataKeyCommand({ KeyId: keyId, NumberOfBytes: KEY_BYTES, EncryptionContext: { ...context } }),
        ),
      );
      current = KeyId;
      if (Plaintext === undefined || CiphertextBlob === undefined) throw new Error("KMS returned no data key");
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
      if (Plaintext === undefined) throw new Error("KMS returned no data key");
      return Buffer.from(Plaintext);
    },
    // KMS responds with the ARN, also to a request with the id.
    isCurrent: async (id) => id === keyId || id === current || id.endsWith(`/${keyId}`),
    ids: async () => undefined,
    async ensure() {},
    // KMS rotates the key's material itself, and retains older material for existing data keys.
    async renew() {},
    async retire() {},
  };
}
