import { expect, test } from "vitest";
import { describeFailure, neverSucceeded, type Report, run } from "#test/fuzz/run.ts";
import { acloud, committed, type OpenApi } from "#test/support/contract.ts";
import { makeWorld } from "#test/support/world.ts";

const SEED = 20_261_124;

/** `FUZZ_REQUESTS` sets more requests. Six hundred take some seconds. */
const REQUESTS = Number(process.env.FUZZ_REQUESTS ?? 600);
const LIMIT_MS = 60_000 + REQUESTS * 60;

async function fuzz(requests: number, document: OpenApi, attempts = 0): Promise<Report> {
  return await run(await makeWorld(), { seed: SEED, requests, lanes: 2, document, attempts });
}

test("every random request returns a documented response, and every operation can succeed", {
  timeout: LIMIT_MS,
}, async () => {
  // Few requests may miss an operation, so it gets more of its own.
  const report = await fuzz(REQUESTS, committed, 60);
  expect(report.failures.slice(0, 5).map((failure) => describeFailure(failure, SEED, REQUESTS))).toEqual([]);
  expect(neverSucceeded(report)).toEqual([]);
});

test("every random request in the published clients' dialect returns a response of its document", {
  timeout: LIMIT_MS,
}, async () => {
  const report = await fuzz(REQUESTS, acloud);
  expect(report.failures.slice(0, 5).map((failure) => describeFailure(failure, SEED, REQUESTS))).toEqual([]);
  // The operations are those of the documented dialect, so here it is sufficient that most of them succeed.
  expect(neverSucceeded(report).length).toBeLessThan(report.statuses.size / 4);
});

test("an undocumented response is reported", async () => {
  const document = structuredClone(committed);
  for (const operation of Object.values(document.paths).flatMap((each) => Object.values(each))) {
    delete operation.responses[400];
  }
  const { failures } = await fuzz(60, document);
  expect(failures.length).toBeGreaterThan(0);
  expect(failures.filter(({ problem }) => !problem.includes("has no documented 400"))).toEqual([]);
});
