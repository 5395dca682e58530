/** Clock and identities that are the same on both sides of a comparison, in any process. */

import type { IdGenerator } from "#core/context.ts";

/** Clock and ids of one request or event. */
export interface Given {
  /** Advances only during a sleep. */
  clock: () => Date;
  ids: IdGenerator;
  sleep: (ms: number) => Promise<void>;
}

/**
 * Builds the clock and ids of a request.
 *
 * @param number of the request, which determines everything
 * @param start time of the first request, in milliseconds since the epoch
 */
export function givenFor(number: number, start: number): Given {
  let now = start + number * 1_000;
  let generated = number * 1_000;
  return {
    clock: () => new Date(now),
    async sleep(ms) {
      now += ms;
    },
    ids: {
      identity: () => `00000000-0000-4000-8000-${(++generated).toString(16).padStart(12, "0")}`,
      number: () => ++generated,
      ulid: (at) => `${at.toString(32).toUpperCase().padStart(10, "0")}${(++generated).toString().padStart(16, "0")}`,
    },
  };
}

/**
 * Builds the same for a process that handles sequential requests: each request gets the next values.
 *
 * @param start time of the first request, in milliseconds since the epoch
 * @param first its number
 */
export function movingGiven(start: number, first = 0): Given & { next(): void } {
  let number = first;
  let present = givenFor(number, start);
  return {
    next() {
      present = givenFor(++number, start);
    },
    clock: () => present.clock(),
    sleep: (ms) => present.sleep(ms),
    ids: {
      identity: () => present.ids.identity(),
      number: () => present.ids.number(),
      ulid: (at) => present.ids.ulid(at),
    },
  };
}
