import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { seal, UnsealError, unseal } from "#core/secrets/seal.ts";

const key = randomBytes(32);
const context = { table: "t", pk: "CLUSTER#1", sk: "SECRET#CA" };

describe("sealed data", () => {
  test("sealed data of any content is opened only with the same key and context", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2_000 }), (bytes) => {
        const plaintext = Buffer.from(bytes);
        const sealed = seal(key, plaintext, context);
        expect(unseal(key, sealed, { sk: "SECRET#CA", pk: "CLUSTER#1", table: "t" })).toEqual(plaintext);
      }),
      { numRuns: 50 },
    );
  });

  test("sealing the same data twice gives different ciphertexts", () => {
    expect(seal(key, Buffer.from("x"), context)).not.toBe(seal(key, Buffer.from("x"), context));
  });

  const sealed = seal(key, Buffer.from("secret"), context);
  const changed = (at: number) => {
    const bytes = Buffer.from(sealed, "base64");
    bytes.writeUInt8((bytes.at(at) ?? 0) ^ 1, at < 0 ? bytes.length + at : at);
    return bytes.toString("base64");
  };
  test.each<[string, () => Buffer]>([
    ["another key", () => unseal(randomBytes(32), sealed, context)],
    ["another item", () => unseal(key, sealed, { ...context, sk: "SECRET#OIDC" })],
    ["another cluster", () => unseal(key, sealed, { ...context, pk: "CLUSTER#2" })],
    ["another table", () => unseal(key, sealed, { ...context, table: "u" })],
    ["less context", () => unseal(key, sealed, { table: "t", pk: "CLUSTER#1" })],
    ["more context", () => unseal(key, sealed, { ...context, more: "" })],
    ["another vector", () => unseal(key, changed(0), context)],
    ["another tag", () => unseal(key, changed(12), context)],
    ["another ciphertext", () => unseal(key, changed(-1), context)],
    ["a truncated ciphertext", () => unseal(key, sealed.slice(0, 20), context)],
    ["nothing", () => unseal(key, "", context)],
  ])("sealed data is not opened with %s, and the error reveals nothing", (_, open) => {
    expect(open).toThrow(UnsealError);
    expect(open).toThrow(/^a ciphertext (was not encrypted with this key|is truncated)/);
  });
});
