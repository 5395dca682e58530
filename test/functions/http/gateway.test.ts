import { describe, expect, test } from "vitest";
import { baseUrlOf, type GatewayEvent, requestOf, resultOf } from "#functions/http/gateway.ts";
import { MinimalResponse } from "#functions/http/minimal-fetch.ts";
import { canonicalPath } from "#functions/http/request.ts";

const event = (more: Partial<GatewayEvent> & { stage?: string; method?: string } = {}): GatewayEvent => {
  const { stage = "$default", method = "GET", ...rest } = more;
  return {
    rawPath: "/api/v1/memberships",
    rawQueryString: "",
    isBase64Encoded: false,
    requestContext: {
      domainName: "api.example.test",
      requestId: "gateway-request",
      stage,
      http: { method, sourceIp: "198.51.100.7" },
    },
    ...rest,
  };
};

async function textOf(given: GatewayEvent): Promise<string | undefined> {
  const { body } = requestOf(given);
  if (body === null) return undefined;
  let text = "";
  for await (const chunk of body) text += Buffer.from(chunk).toString();
  return text;
}

describe("the request built from a gateway event", () => {
  test.each([
    ["/a b", "/a%20b"],
    ["/50%", "/50%25"],
    ["/%41", "/%2541"],
    ["/what?now", "/what%3Fnow"],
    ["/sharp#end", "/sharp%23end"],
    ["/ü/☃", "/%C3%BC/%E2%98%83"],
    ["/half\ud800", "/half%EF%BF%BD"],
    ["//", "//"],
  ])("the decoded path %j is encoded as %s", (rawPath, path) => {
    const url = new URL(requestOf(event({ rawPath, rawQueryString: "a=%20b&a=c" })).url);
    expect(url.pathname).toBe(path);
    expect(url.search).toBe("?a=%20b&a=c");
    expect(canonicalPath(url.pathname)).toBe(path);
  });

  test.each([
    ["$default", "/api/v1/memberships", "/api/v1/memberships", ""],
    ["dev", "/dev/api/v1/memberships", "/api/v1/memberships", "/dev"],
    ["dev", "/developer", "/developer", ""],
    ["dev", "/api/v1/memberships", "/api/v1/memberships", ""],
    ["api", "/api/api/v1/memberships", "/api/v1/memberships", "/api"],
  ])("on stage %s the path %s is converted to %s", (stage, rawPath, path, prefix) => {
    expect(new URL(requestOf(event({ stage, rawPath })).url).pathname).toBe(path);
    expect(baseUrlOf(event({ stage, rawPath }))).toBe(`https://api.example.test${prefix}`);
  });

  test("a request has the event's body as text, as bytes, or no body", async () => {
    expect(await textOf(event())).toBeUndefined();
    expect(await textOf(event({ body: "" }))).toBe("");
    expect(await textOf(event({ body: "ü" }))).toBe("ü");
    const body = Buffer.from("ü").toString("base64");
    expect(await textOf(event({ body, isBase64Encoded: true }))).toBe("ü");
  });

  test("a request has the event's headers in any spelling, empty ones included, and its cookies", () => {
    const { headers } = requestOf(event({ headers: { "X-A": "1, 2", "x-empty": "" }, cookies: ["a=1", "b=2"] }));
    expect([headers.get("x-a"), headers.get("X-Empty"), headers.get("cookie")]).toEqual(["1, 2", "", "a=1; b=2"]);
    expect(headers.get("x-none")).toBeNull();
    expect(headers.has("X-a")).toBe(true);
  });
});

describe("the response for the gateway", () => {
  const init = (headers: Record<string, string> = {}) => ({ status: 200, headers });

  test("a response body is text, or base64 if it is compressed", async () => {
    const bytes = Buffer.from("ü");
    expect(await resultOf(new MinimalResponse(bytes, init({ ETag: '"1"' })))).toEqual({
      statusCode: 200,
      headers: { etag: '"1"' },
      body: "ü",
      isBase64Encoded: false,
    });
    expect(await resultOf(new MinimalResponse("ü", init()))).toMatchObject({ body: "ü", isBase64Encoded: false });
    const compressed = await resultOf(new MinimalResponse(bytes, init({ "content-encoding": "gzip" })));
    expect(compressed).toMatchObject({ body: bytes.toString("base64"), isBase64Encoded: true });
  });

  test("a response of the platform's Response class gives the same result", async () => {
    const plain = new MinimalResponse(Buffer.from("ü"), { status: 201, headers: { "x-a": "1" } });
    expect(await resultOf(new Response(plain.body, { status: 201, headers: [...plain.headers] }))).toEqual(
      await resultOf(plain),
    );
    expect(await resultOf(new MinimalResponse(null, { status: 204, headers: {} }))).toMatchObject({ body: "" });
  });
});

test("equivalent spellings of a path are normalised to one", () => {
  const spelled = ["/a%62c/d@e", "/abc/d%40e", "/%61bc/%64@e"].map(canonicalPath);
  expect(new Set(spelled)).toEqual(new Set(["/abc/d%40e"]));
  expect(canonicalPath("/%ff/%/a")).toBe("/%ff/%/a");
});
