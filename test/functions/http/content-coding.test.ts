import { describe, expect, test } from "vitest";
import { encodeBody } from "#functions/http/content-coding.ts";

const body = "a".repeat(20_000);

describe("the content coding of a response", () => {
  test("a response that no cache may store is not compressed, because it contains secrets", async () => {
    const headers = { "cache-control": "no-store", vary: "Accept" };
    expect(await encodeBody({ body, headers }, "br, gzip, identity;q=0")).toEqual({ body, headers });
  });

  test("a response keeps the headers that it varies by", async () => {
    for (const accepted of ["br", "identity"]) {
      const { headers } = await encodeBody({ body, headers: { vary: "Accept" } }, accepted);
      expect(headers.vary).toBe("Accept, Accept-Encoding");
    }
  });

  test("a response for a client without Accept-Encoding is not compressed", async () => {
    expect(await encodeBody({ body, headers: {} }, undefined)).toEqual({ body, headers: { vary: "Accept-Encoding" } });
  });
});
