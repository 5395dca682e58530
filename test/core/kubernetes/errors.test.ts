import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { isKindNotServed } from "#core/kubernetes/errors.ts";
import type { KubernetesClient } from "#core/kubernetes/interface.ts";
import { base64, clientOf, errorOf, kinds, secret, unaborted } from "#test/support/kubernetes-client.ts";
import { type Fault, type KubernetesServer, startKubernetesServer } from "#test/support/kubernetes-server.ts";

let server: KubernetesServer;
let client: KubernetesClient;
/** Client with a short time limit. */
let hasty: KubernetesClient;
const namespace = "test";

beforeAll(async () => {
  server = await startKubernetesServer();
});
beforeEach(async () => {
  server.fault = () => undefined;
  server.forbids = () => false;
  // The circuit breaker has its own tests.
  client = clientOf(server, { failureThreshold: 1_000 });
  hasty = clientOf(server, { failureThreshold: 1_000, callTimeoutMs: 400 });
  await client.apply({ ...kinds.namespace, metadata: { name: namespace } }, unaborted());
  server.reset();
  return () => {
    client.close();
    hasty.close();
  };
});
afterAll(() => server.stop());

const ref = (name: string) => ({ ...kinds.secret, namespace, name });
const inject = (fault: Fault) => {
  server.fault = () => fault;
};

describe("refusals", () => {
  test("an invalid object (422) is refused with the server's message", async () => {
    const error = await errorOf(client.apply(secret("Wrong_Name", namespace), unaborted()));
    expect(error).toMatchObject({ kind: "refused", status: 422, reason: "Invalid" });
    expect(error.message).toMatch(
      /^PATCH \/api\/v1\/namespaces\/test\/secrets\/Wrong_Name\?.* 422 Invalid: Secret "Wrong_Name" is invalid/,
    );
  });

  test("a creation with an unreadable body (400) is refused", async () => {
    const wrong = { ...secret("a", "other"), metadata: { name: "a", namespace } };
    server.fault = () => ({
      type: "status",
      status: 400,
      reason: "BadRequest",
      message: "strict decoding error: unknown field",
    });
    expect(await errorOf(client.create(wrong, unaborted()))).toMatchObject({ kind: "refused", status: 400 });
  });

  test("a forbidden call (403) is refused", async () => {
    server.forbids = () => true;
    expect(await errorOf(client.version(unaborted()))).toMatchObject({
      kind: "refused",
      status: 403,
      reason: "Forbidden",
    });
  });

  test.each([
    ["an unknown field", { unknown: 1 }, ".unknown: field not declared in schema"],
    ["a value of a wrong type", { data: { x: 5 } }, ".data.x: expected string"],
    ["a value that is not base64", { data: { x: "***" } }, "illegal base64 data"],
  ])("an apply of %s, which the server answers with 500, is refused", async (_, rest, message) => {
    const error = await errorOf(client.apply(secret("a", namespace, rest), unaborted()));
    expect(error).toMatchObject({ kind: "refused", status: 500, isOutage: false });
    expect(error.message).toContain(message);
  });

  test("an apply into a missing namespace fails with not-found", async () => {
    const error = await errorOf(client.apply(secret("a", "nowhere"), unaborted()));
    expect(error).toMatchObject({ kind: "not-found", status: 404 });
    expect(error.message).toContain('namespaces "nowhere" not found');
  });

  test("an apply into a namespace that is being deleted is refused", async () => {
    await client.apply({ ...kinds.namespace, metadata: { name: "closing" } }, unaborted());
    await client.apply(secret("held", "closing", {}, { finalizers: ["example.com/f"] }), unaborted());
    await client.delete({ ...kinds.namespace, name: "closing" }, unaborted());
    expect(await errorOf(client.apply(secret("a", "closing"), unaborted()))).toMatchObject({
      kind: "refused",
      status: 403,
    });
  });

  test("a message contains no value of the Secret that was sent", async () => {
    const value = base64("a secret value");
    inject({ type: "status", status: 422, reason: "Invalid", message: `refused: ${value} is a secret value, abc` });
    const error = await errorOf(
      client.apply(secret("a", namespace, { data: { x: value, y: base64("abc") } }), unaborted()),
    );
    expect(error.message).toContain("refused: [redacted] is [redacted], abc");
  });

  test("of two secret values with the same beginning the longer one is redacted completely", async () => {
    inject({ type: "status", status: 422, reason: "Invalid", message: "got word-and-more" });
    const data = { a: base64("word"), b: base64("word-and-more") };
    expect((await errorOf(client.apply(secret("a", namespace, { data }), unaborted()))).message).toMatch(
      /got \[redacted\]$/,
    );
  });

  test("a 404 that names no object is refused", async () => {
    const message = "the server could not find the requested resource";
    inject({ type: "status", status: 404, reason: "NotFound", message });
    const error = await errorOf(client.get(ref("a"), unaborted()));
    expect(error).toMatchObject({ kind: "refused", status: 404 });
    expect(isKindNotServed(error)).toBe(true);
  });

  test("a long message is shortened", async () => {
    inject({ type: "status", status: 422, reason: "Invalid", message: "x".repeat(5_000) });
    expect((await errorOf(client.version(unaborted()))).message.length).toBeLessThan(2_100);
  });
});

describe("credentials", () => {
  test("unknown credentials (401) fail with unauthorized", async () => {
    const stranger = clientOf(server, { user: { token: "wrong" } });
    expect(await errorOf(stranger.version(unaborted()))).toMatchObject({ kind: "unauthorized", status: 401 });
    stranger.close();
  });
});

describe("throttling", () => {
  test("a call waits for the Retry-After of a 429 within its time limit", async () => {
    const slow = clientOf(server, { callTimeoutMs: 3_000 });
    server.fault = ({ index }) => (index === 0 ? { type: "throttle", seconds: 1 } : undefined);
    const start = performance.now();
    expect(await slow.version(unaborted())).toBe("v1.34.4");
    expect(performance.now() - start).toBeGreaterThan(950);
    slow.close();
  });

  test("a pause beyond the time limit fails with throttled and the delay", async () => {
    inject({ type: "throttle", seconds: 7 });
    expect(await errorOf(client.version(unaborted()))).toMatchObject({
      kind: "throttled",
      retryAfterMs: 7_000,
      isOutage: false,
    });
    expect(server.calls).toHaveLength(1);
  });

  test("a 429 without a delay fails with throttled", async () => {
    inject({ type: "throttle" });
    expect(await errorOf(client.version(unaborted()))).toMatchObject({ kind: "throttled", retryAfterMs: undefined });
  });

  test("the pause ends when the caller aborts", async () => {
    const slow = clientOf(server, { callTimeoutMs: 60_000 });
    inject({ type: "throttle", seconds: 30 });
    const start = performance.now();
    const stop = new AbortController();
    const call = slow.version({ signal: stop.signal });
    setTimeout(() => stop.abort(new Error("enough")), 50);
    await expect(call).rejects.toThrow("enough");
    expect(performance.now() - start).toBeLessThan(20_000);
    slow.close();
  });
});

describe("unavailable servers", () => {
  test.each<[string, Fault, string]>([
    [
      "a 500 of the server",
      { type: "status", status: 500, reason: "InternalError", message: "etcdserver: leader changed" },
      "500 InternalError: etcdserver: leader changed",
    ],
    [
      "a 503 of the server",
      { type: "status", status: 503, reason: "ServiceUnavailable" },
      "503 ServiceUnavailable: injected",
    ],
    ["a 504 of the server", { type: "status", status: 504, reason: "Timeout" }, "504 Timeout"],
    [
      "a page of a load balancer",
      { type: "status", status: 502, text: "<html>" },
      "unexpected response with status 502",
    ],
    [
      "a 404 that is not from the server",
      { type: "status", status: 404, text: "no such host" },
      "unexpected response with status 404",
    ],
    ["a redirect", { type: "status", status: 302, text: "" }, "unexpected response with status 302"],
    ["a response that is not JSON", { type: "broken" }, "the response is not a JSON object"],
    ["half of a response", { type: "half" }, "the response ended early"],
    ["a connection that ends before the response", { type: "before" }, "the connection failed (ECONNRESET)"],
    ["a response after the time limit", { type: "slow", ms: 600 }, "no response within 0.4 s"],
  ])("%s fails with unavailable", async (_, fault, message) => {
    inject(fault);
    const error = await errorOf((fault.type === "slow" ? hasty : client).version(unaborted()));
    expect(error).toMatchObject({ kind: "unavailable", isOutage: true });
    expect(error.message).toContain(`GET /version: ${message}`);
  });

  test("a webhook that does not answer is unavailable, but no outage of the server", async () => {
    const message = 'Internal error occurred: failed calling webhook "x.example": no endpoints available';
    inject({ type: "status", status: 500, reason: "InternalError", message });
    expect(await errorOf(client.version(unaborted()))).toMatchObject({ kind: "unavailable", isOutage: false });
  });

  test("a refused connection fails with unavailable, without the address of the server", async () => {
    const own = clientOf(server);
    await server.refuse();
    const error = await errorOf(own.version(unaborted()));
    await server.accept();
    expect(error).toMatchObject({
      kind: "unavailable",
      isOutage: true,
      message: "GET /version: the connection failed (ECONNREFUSED)",
    });
    own.close();
  });

  test("a certificate of another authority fails with unavailable", async () => {
    const other = await startKubernetesServer();
    const authority = base64(other.authority.certificate);
    const own = clientOf(server, { cluster: { "certificate-authority-data": authority } });
    expect(await errorOf(own.version(unaborted()))).toMatchObject({ kind: "unavailable" });
    expect(server.calls).toEqual([]);
    own.close();
    await other.stop();
  });

  test("a certificate for another name fails with unavailable, and tls-server-name names the right one", async () => {
    const wrong = clientOf(server, { cluster: { "tls-server-name": "example.com" } });
    expect((await errorOf(wrong.version(unaborted()))).message).toContain("ERR_TLS_CERT_ALTNAME_INVALID");
    const right = clientOf(server, { cluster: { "tls-server-name": "localhost" } });
    expect(await right.version(unaborted())).toBe("v1.34.4");
    wrong.close();
    right.close();
  });

  test("a call whose response was lost has taken effect", async () => {
    inject({ type: "after" });
    expect(await errorOf(client.apply(secret("lost", namespace), unaborted()))).toMatchObject({ kind: "unavailable" });
    server.fault = () => undefined;
    expect(await client.get(ref("lost"), unaborted())).toBeDefined();
  });

  test("a call after its time limit can still take effect", async () => {
    inject({ type: "late", ms: 600 });
    expect(await errorOf(hasty.apply(secret("late", namespace), unaborted()))).toMatchObject({ kind: "unavailable" });
    server.fault = () => undefined;
    expect(await client.get(ref("late"), unaborted())).toBeUndefined();
    await expect.poll(() => client.get(ref("late"), unaborted())).toBeDefined();
  });
});

describe("aborted calls", () => {
  test("an aborted call fails with the caller's reason, and a call with an aborted signal is not sent", async () => {
    inject({ type: "slow", ms: 4_000 });
    const stop = new AbortController();
    const call = client.version({ signal: stop.signal });
    void expect
      .poll(() => server.calls.length)
      .toBe(1)
      .then(() => stop.abort(new Error("enough")));
    await expect(call).rejects.toThrow("enough");
    await expect(client.version({ signal: stop.signal })).rejects.toThrow("enough");
    expect(server.calls).toHaveLength(1);
  });

  test("an abort after most of the time limit is reported as an outage", async () => {
    inject({ type: "slow", ms: 600 });
    const error = await errorOf(hasty.version({ signal: AbortSignal.timeout(300) }));
    expect(error).toMatchObject({ kind: "unavailable", isOutage: true });
  });
});
