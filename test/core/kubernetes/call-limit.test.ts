import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createCallLimit } from "#core/kubernetes/call-limit.ts";
import { clientOf, errorOf, unaborted } from "#test/support/kubernetes-client.ts";
import { type KubernetesServer, startKubernetesServer } from "#test/support/kubernetes-server.ts";

let server: KubernetesServer;

beforeAll(async () => {
  server = await startKubernetesServer();
});
beforeEach(() => {
  server.fault = () => undefined;
  server.reset();
});
afterAll(() => server.stop());

describe("the calls of a client", () => {
  test("at most 16 calls are in flight, or as many as the setting allows", async () => {
    server.fault = () => ({ type: "slow", ms: 100 });
    for (const maxInFlight of [16, 4]) {
      const client = clientOf(server, { callTimeoutMs: 60_000, ...(maxInFlight === 16 ? {} : { maxInFlight }) });
      // The server may still count responses of the client before.
      await expect.poll(() => [server.reset(), server.mostAtOnce][1]).toBe(0);
      await Promise.all(Array.from({ length: 30 }, () => client.version(unaborted())));
      expect(server.calls).toHaveLength(30);
      expect(server.mostAtOnce).toBeGreaterThan(1);
      expect(server.mostAtOnce).toBeLessThanOrEqual(maxInFlight);
      client.close();
    }
  });

  test("queued calls fail at once when the circuit breaker opens", async () => {
    const client = clientOf(server, { maxInFlight: 2, callTimeoutMs: 300, failureThreshold: 2 });
    server.fault = () => ({ type: "slow", ms: 1_000 });
    const errors = await Promise.all(Array.from({ length: 30 }, () => errorOf(client.version(unaborted()))));
    // The first two time out, then the probe, and during the probe one or two others.
    expect(server.calls.length).toBeLessThanOrEqual(5);
    expect(errors.filter(({ message }) => message.includes("calls are stopped until")).length).toBeGreaterThanOrEqual(
      25,
    );
    client.close();
  });
});

describe("a limit", () => {
  /** Call that ends when `end` is called. */
  function controlled() {
    const { promise, resolve } = Promise.withResolvers<void>();
    return { call: () => promise, end: resolve };
  }
  const { signal } = new AbortController();

  test("calls begin in the order of their arrival", async () => {
    const limit = createCallLimit({
      server: "the management cluster",
      maxInFlight: 1,
      maxWaiting: 10,
      maxWaitMs: 1_000,
    });
    const order: number[] = [];
    const run = (number: number) => limit.run(signal, async () => void order.push(number));
    await Promise.all([1, 2, 3, 4].map(run));
    expect(order).toEqual([1, 2, 3, 4]);
    expect([limit.running, limit.waiting]).toEqual([0, 0]);
  });

  test("a failed call lets the next queued call begin", async () => {
    const limit = createCallLimit({
      server: "the management cluster",
      maxInFlight: 1,
      maxWaiting: 10,
      maxWaitMs: 1_000,
    });
    const first = limit.run(signal, () => Promise.reject(new Error("wrong")));
    const second = limit.run(signal, async () => "done");
    await expect(first).rejects.toThrow("wrong");
    expect(await second).toBe("done");
  });

  test("a call fails at once if the queue is full", async () => {
    const limit = createCallLimit({
      server: "the management cluster",
      maxInFlight: 1,
      maxWaiting: 1,
      maxWaitMs: 1_000,
    });
    const first = controlled();
    const running = limit.run(signal, first.call);
    const waiting = limit.run(signal, async () => {});
    const message = "1 calls to the management cluster are in progress and 1 wait; try again later";
    expect(await errorOf(limit.run(signal, async () => {}))).toMatchObject({
      kind: "unavailable",
      isOutage: false,
      message,
    });
    first.end();
    await Promise.all([running, waiting]);
  });

  test("a call that waits too long fails and leaves the queue", async () => {
    const limit = createCallLimit({ server: "the management cluster", maxInFlight: 1, maxWaiting: 1, maxWaitMs: 50 });
    const first = controlled();
    const running = limit.run(signal, first.call);
    expect(await errorOf(limit.run(signal, async () => {}))).toMatchObject({ kind: "unavailable", isOutage: false });
    expect(limit.waiting).toBe(0);
    const next = limit.run(signal, async () => "done");
    first.end();
    expect(await next).toBe("done");
    await running;
  });

  test("an abort ends the wait with the caller's reason, and the call is not made", async () => {
    const limit = createCallLimit({
      server: "the management cluster",
      maxInFlight: 1,
      maxWaiting: 10,
      maxWaitMs: 1_000,
    });
    const first = controlled();
    const running = limit.run(signal, first.call);
    const stop = new AbortController();
    let isMade = false;
    const aborted = limit.run(stop.signal, async () => {
      isMade = true;
    });
    stop.abort(new Error("enough"));
    await expect(aborted).rejects.toThrow("enough");
    first.end();
    await running;
    expect([isMade, limit.running, limit.waiting]).toEqual([false, 0, 0]);
  });

  test("calls of a group at its limit wait, and others overtake them", async () => {
    const limit = createCallLimit({ server: "a", maxInFlight: 3, maxOfGroup: 1, maxWaiting: 10, maxWaitMs: 1_000 });
    const first = controlled();
    const order: string[] = [];
    const running = limit.run(signal, first.call, "slow");
    const waiting = limit.run(signal, async () => void order.push("slow"), "slow");
    await limit.run(signal, async () => void order.push("other"), "other");
    await limit.run(signal, async () => void order.push("read"));
    expect([limit.running, limit.waiting]).toEqual([1, 1]);
    first.end();
    await Promise.all([running, waiting]);
    expect(order).toEqual(["other", "read", "slow"]);
    expect([limit.running, limit.waiting]).toEqual([0, 0]);
  });

  test("calls that wait behind a group at its limit begin when any call ends", async () => {
    const limit = createCallLimit({ server: "a", maxInFlight: 2, maxOfGroup: 1, maxWaiting: 10, maxWaitMs: 1_000 });
    const [slow, other] = [controlled(), controlled()];
    const running = [limit.run(signal, slow.call, "slow"), limit.run(signal, other.call)];
    const order: string[] = [];
    const second = limit.run(signal, async () => void order.push("slow"), "slow");
    const read = limit.run(signal, async () => void order.push("read"));
    other.end();
    await read;
    expect(order).toEqual(["read"]);
    slow.end();
    await Promise.all([...running, second]);
    expect(order).toEqual(["read", "slow"]);
  });
});
