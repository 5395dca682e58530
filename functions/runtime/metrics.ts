/** Metrics in CloudWatch's embedded metric format: numbers inside of a log line, taken out of it by CloudWatch. */

import type { LogFields } from "./log.ts";

/** CloudWatch's namespace of them. */
export const METRICS_NAMESPACE = "AmeClusters";

/** What a metric counts in. */
type Unit = "Count" | "Milliseconds" | "Seconds";

/** How long it took to answer a request, but for those that asked to wait. */
export const LATENCY_METRIC = "Latency";

/** How long the cluster that waits longest has been due, at each sweep. */
export const LATENESS_METRIC = "OldestDue";

/** The number of clusters that an invocation worked on. */
export const RECONCILED_METRIC = "Reconciled";

/** The number of clusters that an invocation worked on and failed with. */
export const FAILURES_METRIC = "ReconcileFailures";

/**
 * Makes the fields that turn a log line into metrics. They have one dimension, the stage: each further one would multiply
 * what CloudWatch charges, and the line says everything else.
 *
 * @param metrics by name
 * @param at milliseconds since the epoch
 */
export function metricFields(
  stage: string,
  metrics: Readonly<Record<string, readonly [value: number, unit: Unit]>>,
  at: number,
): LogFields {
  return {
    _aws: {
      Timestamp: at,
      CloudWatchMetrics: [
        {
          Namespace: METRICS_NAMESPACE,
          Dimensions: [["Stage"]],
          Metrics: Object.entries(metrics).map(([Name, [, Unit]]) => ({ Name, Unit })),
        },
      ],
    },
    Stage: stage,
    ...Object.fromEntries(Object.entries(metrics).map(([name, [value]]) => [name, value])),
  };
}
