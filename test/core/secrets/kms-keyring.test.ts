import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { kmsKeyring } from "#core/secrets/kms-keyring.ts";
import { KMS_KEY_ARN as ARN, type Kms, startKms } from "#test/support/kms.ts";

let kms: Kms;

beforeAll(async () => {
  kms = await startKms();
});
beforeEach(() => {
  kms.calls.length = 0;
});
afterAll(() => kms.stop());

const keyring = () =>
  kmsKeyring("0d990263-018e-4e65-a703-eff731de951e", {
    endpoint: kms.endpoint,
    region: "eu-west-1",
    credentials: { accessKeyId: "test", secretAccessKey: "test" },
  });

test("data keys are made and decrypted with the context as encryption context", async () => {
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

test("a data key does not decrypt for another cluster", async () => {
  const { wrapped } = await keyring().generate({ table: "ame", cluster: "one" });
  await expect(keyring().unwrap(wrapped, { table: "ame", cluster: "two" })).rejects.toMatchObject({
    $metadata: { httpStatusCode: 400 },
  });
});

test("a data key is current under the key that is set, however it is named, and there is nothing to renew", async () => {
  expect(await keyring().isCurrent(ARN)).toBe(true);
  expect(await keyring().isCurrent(ARN.replace("0d99", "1d99"))).toBe(false);
  expect(await kmsKeyring(ARN, { endpoint: kms.endpoint }).isCurrent(ARN)).toBe(true);
  await keyring().renew();
  await keyring().retire(() => false);
  expect(kms.calls).toEqual([]);
});
