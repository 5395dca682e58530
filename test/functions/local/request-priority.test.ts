import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import type { ConcurrencyLimit } from "#functions/local/concurrency-limit.ts";
import { limitIterations, limitWrites, RequestCounter } from "#functions/local/request-priority.ts";

const LIMITS = { idle: 3, busy: 1 };

/** Times that do not pass in a test. */
const REQUEST_LIMITS = { lingerMs: 0, requestMs: 600_000 };
const ITERATION_MS = 600_000;

/** Queue with a counter that sees the requests of another thread. */
function queueOf(limits = LIMITS, iterationMs = ITERATION_MS) {
  const requests = new RequestCounter(REQUEST_LIMITS);
  const seen = new RequestCounter(REQUEST_LIMITS, requests.memory);
  return { requests, seen, queue: limitIterations(seen, limits, iterationMs) };
}

/** Iterations that run until they are ended. */
function iterationsOf(queue: ConcurrencyLimit) {
  const running: { name: string; end: () => void }[] = [];
  const begin = (name: string) =>
    queue.run(() => {
      const { promise, resolve } = Promise.withResolvers<void>();
      running.push({ name, end: resolve });
      return promise;
    });
  const end = (name: string) => {
    const position = running.findIndex((each) => each.name === name);
    running.splice(position, 1)[0]?.end();
  };
  return { begin, end, names: () => running.map(({ name }) => name) };
}

const settled = () => sleep(5);

test("without requests, iterations run up to the limit, and a later one starts when one ends", async () => {
  const { begin, end, names } = iterationsOf(queueOf().queue);
  const all = ["a", "b", "c", "d"].map(begin);
  await settled();
  expect(names()).toEqual(["a", "b", "c"]);
  end("b");
  await all[1];
  await settled();
  expect(names()).toEqual(["a", "c", "d"]);
});

test("beside a request one iteration runs at a time, in the order of arrival, and after the request several start when one ends", async () => {
  const { requests, seen, queue } = queueOf();
  const { begin, end, names } = iterationsOf(queue);
  const endFirst = requests.begin();
  const endSecond = requests.begin();
  const all = ["a", "b", "c", "d", "e"].map(begin);
  await settled();
  expect(names()).toEqual(["a"]);
  endFirst();
  endFirst();
  await settled();
  end("a");
  await all[0];
  await settled();
  expect(names()).toEqual(["b"]);
  endSecond();
  await expect.poll(() => seen.isBusy).toBe(false);
  end("b");
  await expect.poll(names).toEqual(["c", "d", "e"]);
});

test("an iteration that arrives after a request starts those that waited beside it first", async () => {
  const { requests, seen, queue } = queueOf();
  const { begin, names } = iterationsOf(queue);
  const endRequest = requests.begin();
  for (const name of ["a", "b"]) void begin(name);
  endRequest();
  await expect.poll(() => seen.isBusy).toBe(false);
  void begin("c");
  await expect.poll(names).toEqual(["a", "b", "c"]);
});

test("a failed iteration makes room for the next one", async () => {
  const { queue } = queueOf({ ...LIMITS, idle: 1 });
  const { begin, names } = iterationsOf(queue);
  const failed = queue.run(() => Promise.reject(new Error("no")));
  void begin("a");
  await expect(failed).rejects.toThrow("no");
  await expect.poll(names).toEqual(["a"]);
});

test("a request that waits for a status does not take priority for its whole duration", async () => {
  const requests = new RequestCounter({ ...REQUEST_LIMITS, requestMs: 1 });
  requests.begin();
  expect(requests.isBusy).toBe(true);
  await expect.poll(() => requests.isBusy).toBe(false);
});

test("an iteration that takes long does not keep the others waiting", async () => {
  const { requests, queue } = queueOf(LIMITS, 1);
  const { begin, end, names } = iterationsOf(queue);
  requests.begin();
  const all = ["a", "b", "c"].map(begin);
  await expect.poll(names).toEqual(["a", "b", "c"]);
  end("a");
  await all[0];
  // Its turn had ended before, and ends once.
  void queue.run(() => Promise.resolve());
  expect(names()).toEqual(["b", "c"]);
});

test("writing requests above the limit wait in the order of arrival, but not for one that takes long", async () => {
  const { begin, end, names } = iterationsOf(limitWrites(2, 600_000));
  const all = ["a", "b", "c", "d"].map(begin);
  await settled();
  expect(names()).toEqual(["a", "b"]);
  end("b");
  await all[1];
  await settled();
  expect(names()).toEqual(["a", "c"]);

  const slow = iterationsOf(limitWrites(1, 1));
  for (const name of ["a", "b"]) void slow.begin(name);
  await expect.poll(slow.names).toEqual(["a", "b"]);
});
