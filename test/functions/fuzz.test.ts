import { expect, test } from "vitest";
import { describeFailure, neverSucceeded, type Report, run } from "#test/fuzz/run.ts";
import { acloud, committed, type OpenApi } from "#test/support/contract.ts";
import { makeWorld } from "#test/support/world.ts";

const SEED = 20_261_124;

async function fuzz(requests: number, document: OpenApi): Promise<Report> {
  return await run(await makeWorld(), { seed: SEED, requests, lanes: 2, document });
}

test("every random request returns a documented response, and every operation can succeed", {
  timeout: 150_000,
}, async () => {
  const requests = 2_400;
  const report = await fuzz(requests, committed);
  expect(report.failures.slice(0, 5).map((failure) => describeFailure(failure, SEED, requests))).toEqual([]);
  expect(neverSucceeded(report)).toEqual([]);
});

test("every random request in the published clients' dialect returns a response of its document", {
  timeout: 150_000,
}, async () => {
  const requests = 1_500;
  const report = await fuzz(requests, acloud);
  expect(report.failures.slice(0, 5).map((failure) => describeFailure(failure, SEED, requests))).toEqual([]);
  // The operations are those of the documented dialect, so here it is sufficient that most of them succeed.
  expect(neverSucceeded(report).length).toBeLessThan(10);
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
