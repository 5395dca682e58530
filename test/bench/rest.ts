/** Measures the checks of idle clusters, many in parallel in one invocation, as in a sweep. Writes docs/performance.md. */

import { randomUUID } from "node:crypto";
import type { Services } from "#core/context.ts";
import { Meter } from "#core/table/capacity-meter.ts";
import { createTable } from "#core/table/create.ts";
import { startEngine } from "#functions/local/engine.ts";
import { onSchedule } from "#functions/reconciler/handlers.ts";
import { reconcilerFrom } from "#functions/reconciler/services.ts";
import { readConfig } from "#functions/runtime/config.ts";
import { createLogger } from "#functions/runtime/log.ts";
import { worldOn } from "#test/support/world.ts";
import { formatCapacityTable } from "./capacity.ts";
import { describeMachine, formatRow, formatTable, writeBetween } from "./document.ts";

const CLUSTERS = 300;
const ROUNDS = 7;

const middle = (numbers: readonly number[]): number =>
  [...numbers].sort((one, other) => one - other)[Math.floor(numbers.length / 2)] ?? Number.NaN;

/** Measures `ROUNDS` sweeps over `CLUSTERS` clusters that are due for their resync, and writes the medians. */
export async function measureRest(): Promise<void> {
  const engine = await startEngine();
  try {
    let now = Date.now();
    const world = worldOn(`rest-${randomUUID()}`, { endpoint: engine.endpoint, clock: () => new Date(now) }, new Set());
    await createTable(world.table);
    const tenant = await world.tenant();
    for (let number = 0; number < CLUSTERS; number++) {
      const nodePools = ["web", "jobs"].map((name) => ({ name, nodeSize: "t3.medium" }));
      const body = tenant.creation({ name: `c${number}`, nodePools });
      const { status, text } = await world.send("POST", tenant.path("production"), { token: tenant.admin, body });
      if (status >= 300) throw new Error(text);
    }
    const issuer = "https://issuer.example.test";
    const register = async (name: string) => ({
      ...{ clientId: name, clientSecret: "x".repeat(43) },
      ...{ registrationUri: `${issuer}/register/x`, registrationAccessToken: "x".repeat(43) },
    });
    const sleep = async (ms: number) => {
      now += ms;
    };
    const identityProvider = { issuer, register, remove: async () => true };
    const own = { keyring: world.keyring, identityProvider, warn: () => {} };
    const sweep = (services: Services) =>
      onSchedule(
        { services: reconcilerFrom(readConfig({}), services, own, { sleep }), log: createLogger("error") },
        {},
      );
    // The clock advances with every wait, until all clusters are idle.
    for (let minute = 0; minute < 60; minute++) {
      await sweep(world.services);
      now += 60_000;
    }
    const rounds: { worked: number; cpu: number; wall: number; calls: number; reads: number; writes: number }[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      now += 60 * 60_000;
      const meter = new Meter();
      world.wire.spans.length = 0;
      const cpu = process.cpuUsage();
      const start = performance.now();
      const { worked } = await sweep({ ...world.services, table: world.services.table.metered(meter) });
      const wall = performance.now() - start;
      const { user, system } = process.cpuUsage(cpu);
      if (worked !== CLUSTERS) throw new Error(`${worked} of ${CLUSTERS} clusters were due`);
      const per = (amount: number) => amount / CLUSTERS;
      rounds.push({
        ...{ worked, cpu: per((user + system) / 1_000), wall: per(wall), calls: per(world.wire.spans.length) },
        ...{ reads: per(meter.readUnits), writes: per(meter.writeUnits) },
      });
    }
    const median = (name: keyof (typeof rounds)[number]) => middle(rounds.map((each) => each[name]));
    const look = [median("cpu"), median("wall"), median("calls"), median("reads"), median("writes")];
    const [cpu = 0, wall = 0, calls = 0, reads = 0, writes = 0] = look.map((amount) => Number(amount.toFixed(1)));
    writeBetween(
      "docs/performance.md",
      "rest",
      [
        `Measured on ${describeMachine()}: ${CLUSTERS} clusters with two node pools that are due`,
        `for their resync, in one sweep, at most 100 at a time; median of ${ROUNDS} sweeps, divided by the clusters. The CPU time is that of`,
        "the worker, without the engine.",
        "",
        formatTable(
          ["check of an idle cluster", "amount"],
          [
            formatRow("CPU time, ms", cpu),
            formatRow("elapsed time with the engine on the same two cores, ms", wall),
            formatRow("database calls", calls),
            formatRow("read units", reads),
            formatRow("write units", writes),
          ],
        ),
        "",
        formatCapacityTable({ cpuMs: cpu, readUnits: reads, writeUnits: writes }),
      ].join("\n"),
    );
  } finally {
    await engine.stop();
  }
}
