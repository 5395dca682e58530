import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { createKmsKeyring } from "#core/secrets/kms-keyring.ts";
import { AppError } from "#core/shared/errors.ts";
import { errorFields } from "#functions/runtime/log.ts";
import { KMS_KEY_ARN as ARN, type Kms, startKms } from "#test/support/kms.ts";

let kms: Kms;

beforeAll(async () => {
  kms = await startKms();
});
beforeEach(() => {
  kms.calls.length = 0;
  kms.refusal = undefined;
});
afterAll(() => kms.stop());

const keyring = ({ keyId = "0d990263-018e-4e65-a703-eff731de951e", maxAttempts = 3 } = {}) =>
  createKmsKeyring(keyId, {
    maxAttempts,
    endpoint: kms.endpoint,
    region: "eu-west-1",
    credentials: { accessKeyId: "test", secretAccessKey: "test" },
  });

test("KMS creates and decrypts data keys with the context as encryption context", async () => {
  const context = { table: "ame", cluster: "one" };
  const { key, wrapped } = await keyring().generate(context);
  expect(key).toHaveLength(32);
  expect(wrapped.wrappedBy).toBe(ARN);
  expect(wrapped.ciphertext).not.toContain(key.toString("base64"));
  expect(await keyring().unwrap(wrapped, context)).toEqual(key);
  expect(kms.calls.map(({ operation, input }) => [operation, input.KeyId, input.EncryptionContext])).toEqual([
    ["GenerateDataKey", "0d990263-018e-4e65-a703-eff731de951e", context],
    ["Decrypt", ARN, context],
  ]);
});

test("a data key of one cluster is not decrypted for another cluster", async () => {
  const { wrapped } = await keyring().generate({ table: "ame", cluster: "one" });
  await expect(keyring().unwrap(wrapped, { table: "ame", cluster: "two" })).rejects.toThrow(
    "The key service refused decrypting a data key: InvalidCiphertextException",
  );
});

test.each([
  ["AccessDeniedException", 400, "The key service refused generating a data key: AccessDeniedException"],
  ["KMSInvalidStateException", 400, "The key service refused generating a data key"],
  ["ThrottlingException", 400, "is unreachable or overloaded"],
  ["KMSInternalException", 500, "is unreachable or overloaded"],
])("the error %s is shown without names of keys and callers, which are only logged", async (type, status, words) => {
  kms.refusal = { status, type, message: `User: somebody is not authorized on ${ARN}` };
  const error: Error = await keyring({ maxAttempts: 1 })
    .generate({})
    .catch((thrown) => thrown);
  expect(error.message).toContain(words);
  expect(error.message).not.toContain(ARN);
  expect(error instanceof AppError).toBe(words === "is unreachable or overloaded");
  expect(JSON.stringify(errorFields(error))).toContain(ARN);
});

test("a data key under the configured KMS key is current, however the key is named, and is not renewed", async () => {
  expect(await keyring().isCurrent(ARN)).toBe(true);
  expect(await keyring().isCurrent(ARN.replace("0d99", "1d99"))).toBe(false);
  expect(await createKmsKeyring(ARN, { endpoint: kms.endpoint }).isCurrent(ARN)).toBe(true);
  const byAlias = keyring({ keyId: "alias/ame" });
  expect(await byAlias.isCurrent(ARN)).toBe(false);
  await byAlias.generate({});
  expect(await byAlias.isCurrent(ARN)).toBe(true);
  kms.calls.length = 0;
  await keyring().renew();
  await keyring().retire(() => false);
  expect(kms.calls).toEqual([]);
});
