/** Metrics in CloudWatch's embedded metric format: CloudWatch extracts the numbers from a log line. */

import type { LogFields } from "./log.ts";

/** CloudWatch namespace of the metrics. */
export const METRICS_NAMESPACE = "AmeClusters";

/** Unit of a metric. */
type Unit = "Count" | "Milliseconds" | "Seconds";

/** Duration of a request, except for requests that asked to wait. */
export const LATENCY_METRIC = "Latency";

/** Age of the oldest due cluster at each sweep. */
export const LATENESS_METRIC = "OldestDue";

/** Number of clusters that an invocation reconciled. */
export const RECONCILED_METRIC = "Reconciled";

/** Number of clusters whose reconciliation failed in an invocation. */
export const FAILURES_METRIC = "ReconcileFailures";

/**
 * Builds the fields that make a log line contain metrics. The stage is the only dimension, because CloudWatch charges for each
 * combination of dimensions, and the line contains everything else.
 *
 * @param metrics values by name
 * @param at time, in milliseconds since the epoch
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
