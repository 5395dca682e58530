/**
 * KMS test server for two calls: the protocol and errors of the real service, with a local key. It does not prove that KMS
 * behaves the same; it shows the requests, and enforces the context.
 */

import { createHash, randomBytes } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { seal, unseal } from "#core/secrets/seal.ts";
import type { Json } from "./world.ts";

/** ARN of the key. */
export const KMS_KEY_ARN = "arn:aws:kms:eu-west-1:123456789012:key/0d990263-018e-4e65-a703-eff731de951e";

/** KMS server on loopback. */
export interface Kms {
  endpoint: string;
  /** Every call since the last reset. */
  calls: { operation: string; input: Json }[];
  /** Error that every call returns. */
  refusal: { status: number; type: string; message: string } | undefined;
  stop(): Promise<void>;
}

const fingerprint = (context: Json) => ({
  context: createHash("sha256").update(JSON.stringify(context)).digest("hex"),
});

function answer(key: Buffer, operation: string, input: Json): [status: number, body: Json] {
  if (operation === "GenerateDataKey") {
    const plaintext = randomBytes(input.NumberOfBytes);
    const blob = seal(key, plaintext, fingerprint(input.EncryptionContext));
    return [200, { KeyId: KMS_KEY_ARN, Plaintext: plaintext.toString("base64"), CiphertextBlob: blob }];
  }
  try {
    const plaintext = unseal(key, input.CiphertextBlob, fingerprint(input.EncryptionContext));
    return [200, { KeyId: KMS_KEY_ARN, Plaintext: plaintext.toString("base64") }];
  } catch {
    return [400, { __type: "InvalidCiphertextException" }];
  }
}

/** Starts a server with a new key. */
export async function startKms(): Promise<Kms> {
  const key = randomBytes(32);
  const calls: Kms["calls"] = [];
  const server = createServer(async (request, response) => {
    const operation = String(request.headers["x-amz-target"]).split(".")[1] ?? "";
    const input = JSON.parse(await text(request));
    calls.push({ operation, input });
    const { refusal } = kms;
    const [status, body] =
      refusal === undefined
        ? answer(key, operation, input)
        : [refusal.status, { __type: refusal.type, message: refusal.message }];
    response
      .writeHead(status, {
        "content-type": "application/x-amz-json-1.1",
        ...(status === 200 ? {} : { "x-amzn-errortype": body.__type }),
      })
      .end(JSON.stringify(body));
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const kms: Kms = {
    refusal: undefined,
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    async stop() {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
  return kms;
}
