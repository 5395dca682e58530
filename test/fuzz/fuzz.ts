/**
 * `npm run fuzz [-- --requests N] [-- --seed N] [-- --round N] [-- --acloud]`: sends requests generated from the OpenAPI document, or from that
 * of the published clients' dialect, to the app on an embedded engine. Exits with 1 if a response does not match the document, or an operation never succeeded.
 */

import { randomInt, randomUUID } from "node:crypto";
import { parseArgs } from "node:util";
import { createTable } from "#core/table/create.ts";
import { startEngine } from "#functions/local/engine.ts";
import { acloud, committed } from "#test/support/contract.ts";
import { worldOn } from "#test/support/world.ts";
import { describeFailure, neverSucceeded, run, tableOf } from "./run.ts";

const SHOWN = 20;

const say = (text: string) => process.stderr.write(`${text}\n`);

function wholeNumber(name: string, text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new Error(`--${name} must be a whole number, not ${JSON.stringify(text)}`);
  return Number(text);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      requests: { type: "string", default: "100000" },
      seed: { type: "string" },
      round: { type: "string" },
      acloud: { type: "boolean" },
    },
  });
  const requests = wholeNumber("requests", values.requests);
  const seed = values.seed === undefined ? randomInt(1_000_000_000) : wholeNumber("seed", values.seed);
  const round = values.round === undefined ? undefined : wholeNumber("round", values.round);
  const engine = await startEngine();
  try {
    const world = worldOn(`fuzz-${randomUUID()}`, { endpoint: engine.endpoint }, new Set());
    await createTable(world.table);
    say(`${requests} requests, seed ${seed}`);
    const started = performance.now();
    const onProgress = (sent: number, failed: number) => {
      const seconds = (performance.now() - started) / 1_000;
      say(`  ${sent} sent, ${failed} failed, ${Math.round(sent / seconds)} a second`);
    };
    const document = values.acloud === true ? acloud : committed;
    const report = await run(world, { seed, requests, round, lanes: 2, onProgress, document });
    const never = round === undefined ? neverSucceeded(report) : [];
    process.stdout.write(`${tableOf(report)}\n`);
    say(`The slowest took ${Math.round(report.slowest.milliseconds)} ms: ${report.slowest.of}`);
    for (const failure of report.failures.slice(0, SHOWN)) say(`\n${describeFailure(failure, seed, requests)}`);
    if (never.length > 0) say(`Never succeeded: ${never.join(", ")}`);
    say(`${report.sent} sent with seed ${seed}, ${report.failures.length} failed`);
    if (report.failures.length > 0 || never.length > 0) process.exitCode = 1;
  } finally {
    await engine.stop();
  }
}

await main();
