import { createHash, randomBytes } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { kmsKeyring } from "#core/secrets/kms-keyring.ts";
import { seal, unseal } from "#core/secrets/seal.ts";
import type { Json } from "#test/support/world.ts";

// What KMS says of itself, as far as these two calls go: the protocol and the errors of the real one, and a key of our own. It is
// no proof of KMS; it shows what is sent, and that the context is held to.
const KEY = randomBytes(32);
const ARN = "arn:aws:kms:eu-west-1:123456789012:key/0d990263-018e-4e65-a703-eff731de951e";
let server: Server;
let endpoint: string;
const calls: { operation: string; input: Json }[] = [];

const fingerprint = (context: Json) => ({
  context: createHash("sha256").update(JSON.stringify(context)).digest("hex"),
});

function answer(operation: string, input: Json): [status: number, body: Json] {
  if (operation === "GenerateDataKey") {
    const key = randomBytes(input.NumberOfBytes);
    const blob = seal(KEY, key, fingerprint(input.EncryptionContext));
    return [200, { KeyId: ARN, Plaintext: key.toString("base64"), CiphertextBlob: blob }];
  }
  try {
    const plaintext = unseal(KEY, input.CiphertextBlob, fingerprint(input.EncryptionContext));
    return [200, { KeyId: ARN, Plaintext: plaintext.toString("base64") }];
  } catch {
    return [400, { __type: "InvalidCiphertextException" }];
  }
}

beforeAll(async () => {
  server = createServer(async (request, response) => {
    const operation = String(request.headers["x-amz-target"]).split(".")[1] ?? "";
    const input = JSON.parse(await text(request));
    calls.push({ operation, input });
    const [status, body] = answer(operation, input);
    response
      .writeHead(status, {
        "content-type": "application/x-amz-json-1.1",
        ...(status === 200 ? {} : { "x-amzn-errortype": body.__type }),
      })
      .end(JSON.stringify(body));
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
beforeEach(() => {
  calls.length = 0;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const keyring = () =>
  kmsKeyring("0d990263-018e-4e65-a703-eff731de951e", {
    endpoint,
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
  expect(calls.map(({ operation, input }) => [operation, input.KeyId, input.EncryptionContext])).toEqual([
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
  expect(await kmsKeyring(ARN, { endpoint }).isCurrent(ARN)).toBe(true);
  await keyring().renew();
  await keyring().retire(() => false);
  expect(calls).toEqual([]);
});
