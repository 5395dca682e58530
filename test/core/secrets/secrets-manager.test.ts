import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { createSecretReader } from "#core/secrets/secrets-manager.ts";

const ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:kubeconfig-AbCdEf";

// Plays one call of Secrets Manager with its protocol and its errors.
const calls: unknown[] = [];
let response: { status: number; body: object };
const server = createServer(async (request, reply) => {
  calls.push([request.headers["x-amz-target"], JSON.parse(await text(request))]);
  const { status, body } = response;
  reply.writeHead(status, { "content-type": "application/x-amz-json-1.1" }).end(JSON.stringify(body));
});

beforeAll(() => new Promise<void>((done) => server.listen(0, "127.0.0.1", done)));
afterAll(() => new Promise((done) => server.close(done)));
beforeEach(() => {
  calls.length = 0;
  response = { status: 200, body: { ARN, SecretString: "apiVersion: v1" } };
});

const reader = () =>
  createSecretReader(ARN, "version-1", {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    region: "eu-west-1",
    credentials: { accessKeyId: "id", secretAccessKey: "key" },
    maxAttempts: 1,
  });

test("one version of the secret is read at the first call, and kept", async () => {
  const read = reader();
  expect(calls).toEqual([]);
  expect([await read(), await read()]).toEqual(["apiVersion: v1", "apiVersion: v1"]);
  expect(calls).toEqual([["secretsmanager.GetSecretValue", { SecretId: ARN, VersionId: "version-1" }]]);
});

test("a refused call fails with the name of the error only, and the next call tries again", async () => {
  const message = "User: arn:aws:sts::123456789012:assumed-role/x is not authorized";
  response = { status: 400, body: { __type: "AccessDeniedException", message } };
  const read = reader();
  const failed = await read().then(
    () => undefined,
    (error: Error) => error,
  );
  const expected = "The secret store did not return the secret: AccessDeniedException";
  expect(failed).toMatchObject({ message: expected, cause: { message } });
  response = { status: 200, body: { ARN, SecretString: "later" } };
  expect(await read()).toBe("later");
});

test("a secret without text is refused", async () => {
  response = { status: 200, body: { ARN, SecretBinary: "AAAA" } };
  await expect(reader()()).rejects.toThrow("The secret store did not return the secret");
});
