import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { KubernetesClient } from "#core/kubernetes/interface.ts";
import { clientOf, errorOf, kinds, unaborted } from "#test/support/kubernetes-client.ts";
import { type KubernetesServer, startKubernetesServer } from "#test/support/kubernetes-server.ts";

let server: KubernetesServer;
let client: KubernetesClient;
let now: Date;
const later = (ms: number) => {
  now = new Date(now.getTime() + ms);
};

beforeAll(async () => {
  server = await startKubernetesServer();
});
beforeEach(async () => {
  server.fault = () => undefined;
  now = new Date("2026-01-01T00:00:00Z");
  client = clientOf(server, { clock: () => now, failureThreshold: 3, random: () => 0 });
  await client.apply({ ...kinds.namespace, metadata: { name: "test" } }, unaborted());
  server.reset();
  return () => client.close();
});
afterAll(() => server.stop());

const read = () => client.get({ ...kinds.secret, namespace: "test", name: "none" }, unaborted());
const paths = () => server.calls.map(({ path }) => path.replace(/.*\//, ""));
const isDown = () => {
  server.fault = () => ({ type: "status", status: 503, text: "" });
};

async function fail(times: number): Promise<void> {
  for (let count = 0; count < times; count += 1) await errorOf(read());
}

describe("a server that does not answer", () => {
  test("after consecutive outages calls fail at once with the time of the next probe", async () => {
    isDown();
    await fail(3);
    const error = await errorOf(read());
    expect(error).toMatchObject({ kind: "unavailable", isOutage: false, retryAfterMs: 1_000 });
    expect(error.message).toBe(
      "the management cluster does not answer; calls are stopped until a probe succeeds; last problem: GET /api/v1/namespaces/test/secrets/none: unexpected response with status 503",
    );
    expect(paths()).toEqual(["none", "none", "none", "readyz"]);
  });

  test.each([
    ["a success", () => client.version(unaborted())],
    ["a response without an object", () => read()],
  ])("%s between outages resets the count", async (_, call) => {
    isDown();
    await fail(2);
    server.fault = () => undefined;
    await call();
    isDown();
    await fail(2);
    server.fault = () => undefined;
    expect(await read()).toBeUndefined();
  });

  test("after the delay one probe decides, and the call follows if it succeeds", async () => {
    isDown();
    await fail(3);
    server.reset();
    server.fault = () => undefined;
    later(999);
    await fail(1);
    expect(paths()).toEqual([]);
    later(1);
    expect(await read()).toBeUndefined();
    expect(await read()).toBeUndefined();
    expect(paths()).toEqual(["readyz", "none", "none"]);
  });

  test("a probe that fails doubles the delay, up to a minute", async () => {
    isDown();
    await fail(3);
    const delays: number[] = [];
    for (let probe = 0; probe < 9; probe += 1) {
      const { retryAfterMs = 0 } = await errorOf(read());
      delays.push(retryAfterMs / 1_000);
      later(retryAfterMs);
      await fail(1);
    }
    expect(delays).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60]);
    expect(paths().slice(4)).toEqual(Array.from({ length: 9 }, () => "readyz"));
  });

  test("a successful probe resets the delay", async () => {
    isDown();
    await fail(3);
    later(1_000);
    await fail(1);
    later(2_000);
    server.fault = () => undefined;
    await read();
    isDown();
    await fail(3);
    expect(await errorOf(read())).toMatchObject({ retryAfterMs: 1_000 });
  });

  test("calls during a probe wait for its result, so that the calls of one operation succeed together", async () => {
    isDown();
    await fail(3);
    later(1_000);
    server.fault = () => undefined;
    server.reset();
    expect(await Promise.all([read(), read(), read()])).toEqual([undefined, undefined, undefined]);
    expect(paths()).toEqual(["readyz", "none", "none", "none"]);
  });

  test("calls during a probe that fails are not made", async () => {
    isDown();
    await fail(3);
    server.reset();
    later(1_000);
    for (const error of await Promise.all([1, 2, 3].map(() => errorOf(read()))))
      expect(error).toMatchObject({ kind: "unavailable", retryAfterMs: 2_000 });
    expect(paths()).toEqual(["readyz"]);
  });

  test("a probe that is refused shows that the server answers", async () => {
    isDown();
    await fail(3);
    later(1_000);
    server.fault = ({ path }) =>
      path === "/readyz" ? { type: "status", status: 403, reason: "Forbidden" } : undefined;
    expect(await read()).toBeUndefined();
  });

  test("a server that answers but is not ready fails the probe", async () => {
    isDown();
    await fail(3);
    server.reset();
    later(1_000);
    server.fault = ({ path }) =>
      path === "/readyz" ? { type: "status", status: 500, text: "[-]informer-sync failed" } : undefined;
    expect((await errorOf(read())).message).toContain("GET /readyz: the server is not ready (status 500)");
    expect(paths()).toEqual(["readyz"]);
  });

  test("jitter shortens a delay by up to half", async () => {
    const other = clientOf(server, { clock: () => now, failureThreshold: 1, random: () => 1 });
    isDown();
    await errorOf(other.version(unaborted()));
    later(499);
    const before = server.calls.length;
    await errorOf(other.version(unaborted()));
    expect(server.calls).toHaveLength(before);
    later(1);
    await errorOf(other.version(unaborted()));
    expect(server.calls.slice(before).map(({ path }) => path)).toEqual(["/readyz"]);
    other.close();
  });

  test("a listener gets the problem once when calls stop, and is called when the server answers again", async () => {
    const outages: (string | undefined)[] = [];
    const onOutage = (problem: string | undefined) => void outages.push(problem);
    const other = clientOf(server, { clock: () => now, failureThreshold: 1, random: () => 0, onOutage });
    isDown();
    await errorOf(other.version(unaborted()));
    later(1_000);
    await errorOf(other.version(unaborted()));
    expect(outages).toEqual([expect.stringContaining("status 503")]);
    server.fault = () => undefined;
    later(2_000);
    await other.version(unaborted());
    expect(outages).toEqual([expect.any(String), undefined]);
    other.close();
  });

  test("calls in progress when the breaker opens do not extend its delay", async () => {
    const own = clientOf(server, { clock: () => now, failureThreshold: 3, random: () => 0, callTimeoutMs: 1_000 });
    await own.version(unaborted());
    server.fault = () => ({ type: "slow", ms: 3_000 });
    const slow = [1, 2, 3].map(() => errorOf(own.version(unaborted())));
    await expect.poll(() => server.calls.length).toBe(4);
    isDown();
    for (let count = 0; count < 3; count += 1) await errorOf(own.version(unaborted()));
    later(500);
    for (const error of await Promise.all(slow)) expect(error.message).toContain("no response within 1 s");
    server.fault = () => undefined;
    later(500);
    expect(await own.version(unaborted())).toBe("v1.34.4");
    own.close();
  });
});

describe("a webhook that does not answer for longer than the time limit of a call", () => {
  const isHanging = () => {
    server.fault = ({ method, path }) =>
      method === "PATCH" && path.includes("/awsmachinetemplates/") ? { type: "slow", ms: 60_000 } : undefined;
  };
  const template = (index: number) => ({
    apiVersion: "infrastructure.cluster.x-k8s.io/v1beta2",
    kind: "AWSMachineTemplate",
    metadata: { name: `a${index}`, namespace: "test" },
    spec: { template: { spec: { instanceType: "t3.medium" } } },
  });
  const applyTemplates = (own: KubernetesClient, count: number, options = unaborted()) =>
    Promise.all(Array.from({ length: count }, (_, index) => errorOf(own.apply(template(index), options))));

  test("outages of its calls do not stop other calls, because the server is ready", async () => {
    const own = clientOf(server, { clock: () => now, failureThreshold: 5, callTimeoutMs: 300 });
    isHanging();
    for (const errors of [await applyTemplates(own, 5), await applyTemplates(own, 5)]) {
      for (const error of errors) expect(error.message).toContain("no response within 0.3 s");
      expect(await own.version(unaborted())).toBe("v1.34.4");
    }
    expect(paths().filter((path) => path === "readyz")).toHaveLength(2);
    own.close();
  });

  test("its calls do not hold all places in flight, and others are made meanwhile", async () => {
    const own = clientOf(server, { clock: () => now, callTimeoutMs: 50_000 });
    await own.version(unaborted());
    isHanging();
    server.reset();
    const stopping = new AbortController();
    const hanging = applyTemplates(own, 30, { signal: stopping.signal });
    await expect.poll(() => server.calls.length).toBe(3);
    const others = Array.from({ length: 30 }, (_, index) =>
      own.apply({ ...kinds.configMap, metadata: { name: `a${index}`, namespace: "test" } }, unaborted()),
    );
    await Promise.all([...others, own.version(unaborted())]);
    // The first three still hang.
    expect(server.calls.filter(({ path }) => path.includes("/awsmachinetemplates/"))).toHaveLength(3);
    stopping.abort();
    await hanging;
    own.close();
  });

  test("the breaker opens if the server does not answer the probe either", async () => {
    const own = clientOf(server, { clock: () => now, failureThreshold: 3, callTimeoutMs: 300, random: () => 0 });
    server.fault = () => ({ type: "slow", ms: 60_000 });
    await applyTemplates(own, 3);
    expect(await errorOf(own.version(unaborted()))).toMatchObject({ retryAfterMs: 1_000 });
    own.close();
  });
});

describe("a server that answers", () => {
  test.each([
    ["throttling", { type: "throttle" }],
    ["a refusal", { type: "status", status: 422, reason: "Invalid" }],
    ["a conflict", { type: "status", status: 409, reason: "Conflict" }],
    [
      "a refused apply with status 500",
      { type: "status", status: 500, message: "failed to create typed patch object (a): .b" },
    ],
    [
      "a webhook that does not answer",
      { type: "status", status: 500, reason: "InternalError", message: 'failed calling webhook "a"' },
    ],
    ["refused credentials", { type: "status", status: 401, reason: "Unauthorized" }],
  ] as const)("%s does not stop calls", async (_, fault) => {
    server.fault = () => fault;
    await fail(5);
    server.fault = () => undefined;
    expect(await read()).toBeUndefined();
    expect(server.calls).toHaveLength(6);
  });

  test("aborted calls do not stop calls", async () => {
    server.fault = () => ({ type: "slow", ms: 200 });
    for (let count = 0; count < 5; count += 1) {
      await expect(client.version({ signal: AbortSignal.timeout(20) })).rejects.toThrow();
    }
    server.fault = () => undefined;
    expect(await read()).toBeUndefined();
  });
});
