/** Number of idle clusters that one stage keeps up with: the arithmetic of docs/performance.md. */

import { RESYNC_MS } from "#core/provisioning/reconcile.ts";
import { DUE_SHARDS } from "#core/table/keys.ts";
import { SWEEP_START_MS } from "#functions/reconciler/handlers.ts";
import { sweepInvocations } from "#functions/reconciler/invocations.ts";
import { row, table } from "./document.ts";

/** Cost of one look at an idle cluster. */
export interface Look {
  /** CPU time, in milliseconds. */
  cpuMs: number;
  readUnits: number;
  writeUnits: number;
}

/** Memory of a function, and the memory for which AWS gives a whole CPU, in MB. */
const FUNCTION_MB = 1_024;
const PROCESSOR_MB = 1_769;

/** Number of clusters in the table of docs/performance.md. */
const CLUSTERS = 1_000_000;

/** Write units of the due index for a look: the row is deleted under the old due time and written under the new one. */
const INDEX_WRITES = 2;

/** Figures of a stage with the given number of idle clusters. */
export function capacityOf({ cpuMs, readUnits, writeUnits }: Look, clusters = CLUSTERS) {
  const sweeps = sweepInvocations(false).count;
  // Due after half to a whole interval, evenly distributed.
  const resyncSeconds = (RESYNC_MS * 0.75) / 1_000;
  const looksPerSecond = clusters / resyncSeconds;
  const sweepPerSecond = 1_000 / (cpuMs / (FUNCTION_MB / PROCESSOR_MB));
  const sweepPerMinute = sweepPerSecond * (SWEEP_START_MS / 1_000);
  return {
    looksPerSecond,
    sweepPerSecond,
    sweepPerMinute,
    sweeps,
    /** Number of idle clusters that all sweeps together keep up with. */
    atMost: (sweepPerMinute * sweeps * resyncSeconds) / 60,
    atMostWithAllShards: (sweepPerMinute * DUE_SHARDS * resyncSeconds) / 60,
    readUnitsPerSecond: looksPerSecond * readUnits,
    writeUnitsPerSecond: looksPerSecond * writeUnits,
    indexWritesPerShard: (looksPerSecond * INDEX_WRITES) / DUE_SHARDS,
    isUsed: looksPerSecond / ((sweepPerMinute * sweeps) / 60),
    catchUpMinutes: clusters / (sweepPerMinute * sweeps),
  };
}

const whole = (value: number) => Math.round(value).toLocaleString("en");

/** Formats the arithmetic as a table. */
export function capacityTable(look: Look): string {
  const capacity = capacityOf(look);
  const { sweeps, isUsed } = capacity;
  return table(
    [`${CLUSTERS.toLocaleString("en")} clusters at rest`, "amount", "from"],
    [
      row("looks, a second", whole(capacity.looksPerSecond), "clusters / 45 minutes"),
      row(
        "one sweep, looks a second",
        whole(capacity.sweepPerSecond),
        "1,000 ms / (processor's time / (1,024 / 1,769))",
      ),
      row("one sweep, looks a minute", whole(capacity.sweepPerMinute), "begun within 50 s of it"),
      row(`${sweeps} sweeps, looks a minute`, whole(capacity.sweepPerMinute * sweeps), `${sweeps} × one`),
      row("of which are used", `${whole(isUsed * 100)} %`, "60 × looks a second / looks a minute"),
      row(`clusters that ${sweeps} sweeps keep up with`, whole(capacity.atMost), "looks a minute × 45 minutes"),
      row(
        `clusters that ${DUE_SHARDS} sweeps keep up with`,
        whole(capacity.atMostWithAllShards),
        "one sweep a partition",
      ),
      row(
        "minutes until all are looked at, if all are due at once",
        whole(capacity.catchUpMinutes),
        "clusters / looks a minute",
      ),
      row("read units, a second", whole(capacity.readUnitsPerSecond), "looks × read units"),
      row("write units, a second", whole(capacity.writeUnitsPerSecond), "looks × write units"),
      row(
        "write units of one partition of the due index, a second",
        whole(capacity.indexWritesPerShard),
        `looks × 2 / ${DUE_SHARDS}`,
      ),
    ],
  );
}
