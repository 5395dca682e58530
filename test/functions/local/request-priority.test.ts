import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { type PriorityLimits, RequestPriority } from "#functions/local/request-priority.ts";

/** Limits without a time that passes in a test. */
const LIMITS: PriorityLimits = { idle: 3, busy: 1, lingerMs: 0, requestMs: 600_000, iterationMs: 600_000 };

/** Iterations that run until they are ended. */
function iterationsOf(priority: RequestPriority) {
  const running: { name: string; end: () => void }[] = [];
  const begin = (name: string) =>
    priority.run(() => {
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
  const { begin, end, names } = iterationsOf(new RequestPriority(LIMITS));
  const all = ["a", "b", "c", "d"].map(begin);
  await settled();
  expect(names()).toEqual(["a", "b", "c"]);
  end("b");
  await all[1];
  await settled();
  expect(names()).toEqual(["a", "c", "d"]);
});

test("beside a request one iteration runs at a time, in the order of arrival, and the others start at the end of the request", async () => {
  const priority = new RequestPriority(LIMITS);
  const { begin, end, names } = iterationsOf(priority);
  const endFirst = priority.beginRequest();
  const endSecond = priority.beginRequest();
  const all = ["a", "b", "c", "d"].map(begin);
  await settled();
  expect(names()).toEqual(["a"]);
  end("a");
  await all[0];
  await settled();
  expect(names()).toEqual(["b"]);
  endFirst();
  endFirst();
  await settled();
  expect(names()).toEqual(["b"]);
  endSecond();
  await expect.poll(names).toEqual(["b", "c", "d"]);
});

test("a failed iteration makes room for the next one", async () => {
  const priority = new RequestPriority({ ...LIMITS, idle: 1 });
  const { begin, names } = iterationsOf(priority);
  const failed = priority.run(() => Promise.reject(new Error("no")));
  void begin("a");
  await expect(failed).rejects.toThrow("no");
  await expect.poll(names).toEqual(["a"]);
});

test("a request that waits for a status does not take priority for its whole duration", async () => {
  const priority = new RequestPriority({ ...LIMITS, requestMs: 1 });
  const { begin, names } = iterationsOf(priority);
  priority.beginRequest();
  for (const name of ["a", "b"]) void begin(name);
  await expect.poll(names).toEqual(["a", "b"]);
});

test("an iteration that takes long does not keep the others waiting", async () => {
  const priority = new RequestPriority({ ...LIMITS, iterationMs: 1 });
  const { begin, end, names } = iterationsOf(priority);
  priority.beginRequest();
  const all = ["a", "b", "c"].map(begin);
  await expect.poll(names).toEqual(["a", "b", "c"]);
  end("a");
  await all[0];
  // Its turn had ended before, and ends once.
  void priority.run(() => Promise.resolve());
  expect(names()).toEqual(["b", "c"]);
});
