/** Thread that sends the same GET again and again, one at a time, and reports the response times. */

import { setTimeout as sleep } from "node:timers/promises";
import { parentPort, workerData } from "node:worker_threads";

/** Task of the thread. It ends at the first message, which it answers with the response times in milliseconds. */
export interface Reader {
  url: string;
  token: string;
  /** Pause between two requests, in milliseconds. */
  pauseMs: number;
}

/** Number of first requests that are not counted: they open the connection and load code. */
const WARM_UP = 5;

const { url, token, pauseMs } = workerData as Reader;
const times: number[] = [];
let isEnded = false;
parentPort?.once("message", () => {
  isEnded = true;
});
while (!isEnded) {
  const start = performance.now();
  const response = await fetch(url, { headers: { authorization: `Token ${token}` } });
  const text = await response.text();
  // A busy server refuses a request that waited for too long. It counts with its time.
  if (!response.ok && response.status !== 503) throw new Error(`GET ${url}: ${response.status} ${text}`);
  times.push(performance.now() - start);
  await sleep(pauseMs);
}
parentPort?.postMessage(times.slice(WARM_UP));
