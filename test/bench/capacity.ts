/** Calculates how many idle clusters one stage can check: the calculation of docs/performance.md. */

import { RESYNC_MS } from "#core/provisioning/services.ts";
import { DUE_SHARDS } from "#core/table/keys.ts";
import { SWEEP_START_MS } from "#functions/reconciler/handlers.ts";
import { sweepInvocations } from "#functions/reconciler/invocations.ts";
import { formatRow, formatTable } from "./document.ts";

/** Cost of one check of an idle cluster. */
export interface CheckCost {
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

/** Write units of the due index for a check: the row is deleted under the old due time and written under the new one. */
const INDEX_WRITES = 2;

/** Calculates the figures of a stage with the given number of idle clusters. */
export function calculateCapacity({ cpuMs, readUnits, writeUnits }: CheckCost, clusters = CLUSTERS) {
  const sweeps = sweepInvocations(false).count;
  // Due after half to a whole interval, evenly distributed.
  const resyncSeconds = (RESYNC_MS * 0.75) / 1_000;
  const checksPerSecond = clusters / resyncSeconds;
  const sweepPerSecond = 1_000 / (cpuMs / (FUNCTION_MB / PROCESSOR_MB));
  const sweepPerMinute = sweepPerSecond * (SWEEP_START_MS / 1_000);
  return {
    checksPerSecond,
    sweepPerSecond,
    sweepPerMinute,
    sweeps,
    /** Maximum number of idle clusters for all sweeps together. */
    atMost: (sweepPerMinute * sweeps * resyncSeconds) / 60,
    atMostWithAllShards: (sweepPerMinute * DUE_SHARDS * resyncSeconds) / 60,
    readUnitsPerSecond: checksPerSecond * readUnits,
    writeUnitsPerSecond: checksPerSecond * writeUnits,
    indexWritesPerShard: (checksPerSecond * INDEX_WRITES) / DUE_SHARDS,
    isUsed: checksPerSecond / ((sweepPerMinute * sweeps) / 60),
    catchUpMinutes: clusters / (sweepPerMinute * sweeps),
  };
}

const whole = (value: number) => Math.round(value).toLocaleString("en");

/** Formats the calculation as a table. */
export function formatCapacityTable(check: CheckCost): string {
  const capacity = calculateCapacity(check);
  const { sweeps, isUsed } = capacity;
  return formatTable(
    [`${CLUSTERS.toLocaleString("en")} idle clusters`, "amount", "calculation"],
    [
      formatRow("checks per second", whole(capacity.checksPerSecond), "clusters / 45 minutes"),
      formatRow(
        "one sweep, checks per second",
        whole(capacity.sweepPerSecond),
        "1,000 ms / (CPU time / (1,024 / 1,769))",
      ),
      formatRow("one sweep, checks per minute", whole(capacity.sweepPerMinute), "started within 50 s"),
      formatRow(`${sweeps} sweeps, checks per minute`, whole(capacity.sweepPerMinute * sweeps), `${sweeps} × one`),
      formatRow("used", `${whole(isUsed * 100)} %`, "60 × checks per second / checks per minute"),
      formatRow(
        `maximum number of clusters for ${sweeps} sweeps`,
        whole(capacity.atMost),
        "checks per minute × 45 minutes",
      ),
      formatRow(
        `maximum number of clusters for ${DUE_SHARDS} sweeps`,
        whole(capacity.atMostWithAllShards),
        "one sweep per partition",
      ),
      formatRow(
        "minutes until all are checked, if all are due at once",
        whole(capacity.catchUpMinutes),
        "clusters / checks per minute",
      ),
      formatRow("read units per second", whole(capacity.readUnitsPerSecond), "checks × read units"),
      formatRow("write units per second", whole(capacity.writeUnitsPerSecond), "checks × write units"),
      formatRow(
        "write units of one partition of the due index, per second",
        whole(capacity.indexWritesPerShard),
        `checks × 2 / ${DUE_SHARDS}`,
      ),
    ],
  );
}
