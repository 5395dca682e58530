/// <reference path="../.sst/platform/config.d.ts" />
/** What wakes an operator. docs/operations.md says of each alarm what it means and what to do. */

import { tableDefinition } from "../core/table/definition.ts";
import {
  FAILURES_METRIC,
  LATENCY_METRIC,
  LATENESS_METRIC,
  METRICS_NAMESPACE,
  RECONCILED_METRIC,
} from "../functions/runtime/metrics.ts";
import type { Settings } from "./settings.ts";
import type { Stage } from "./stage.ts";

/** What the alarms' stack depends on. */
export interface AlarmInputs {
  stage: Stage;
  settings: Settings;
  api: sst.aws.ApiGatewayV2;
  table: sst.aws.Dynamo;
  deadLetters: aws.sqs.Queue;
  /** Every function by its name. */
  functions: Readonly<Record<string, sst.aws.Function>>;
  /** The one on the stream. */
  onStream: sst.aws.Function;
  /** The one that is called asynchronously, by the schedule. */
  onSchedule: sst.aws.Function;
}

type Dimensions = Record<string, $util.Input<string>>;

/** When a metric is too much. */
interface Watched {
  description: string;
  threshold: number;
  /** How many of the last periods have to be beyond it. */
  of: [beyond: number, periods: number];
  /** What it means that there is none; by default that all is well. */
  missing?: "breaching" | "notBreaching";
}

const FIVE_MINUTES = 300;

/** Makes the alarms, all of which go to one topic. */
export function createAlarms(inputs: AlarmInputs) {
  const { stage, settings, api, table, deadLetters, functions, onStream, onSchedule } = inputs;
  const prefix = `${$app.name}-${stage.name}`;
  const topic = new aws.sns.Topic("Alarms", { name: `${prefix}-alarms` });
  if (settings.alarmEmail !== undefined) {
    new aws.sns.TopicSubscription("AlarmEmail", {
      topic: topic.arn,
      protocol: "email",
      endpoint: settings.alarmEmail,
    });
  }

  const alarm = (
    name: string,
    { description, threshold, of: [beyond, periods], missing = "notBreaching" }: Watched,
    metric: Partial<aws.cloudwatch.MetricAlarmArgs>,
  ) =>
    new aws.cloudwatch.MetricAlarm(name, {
      name: `${prefix}-${name}`,
      alarmDescription: `${description} (docs/operations.md)`,
      comparisonOperator: "GreaterThanThreshold",
      threshold,
      evaluationPeriods: periods,
      datapointsToAlarm: beyond,
      treatMissingData: missing,
      alarmActions: [topic.arn],
      okActions: [topic.arn],
      ...metric,
    });
  const one = (
    namespace: string,
    metricName: string,
    dimensions: Dimensions,
    statistic: string,
    period = FIVE_MINUTES,
  ) => ({
    namespace,
    metricName,
    dimensions,
    period,
    ...(/^p\d/.test(statistic) ? { extendedStatistic: statistic } : { statistic }),
  });
  const math = (expression: string, namespace: string, metrics: Record<string, [name: string, of: Dimensions]>) => ({
    metricQueries: [
      { id: "watched", expression, returnData: true },
      ...Object.entries(metrics).map(([id, [metricName, dimensions]]) => ({
        id,
        metric: { namespace, metricName, dimensions, period: FIVE_MINUTES, stat: "Sum" },
      })),
    ],
  });

  alarm(
    "ServerErrors",
    { description: "More than one request in a hundred is answered 5xx.", threshold: 1, of: [2, 3] },
    math("IF(requests > 0, 100 * errors / requests, 0)", "AWS/ApiGateway", {
      errors: ["5xx", { ApiId: api.nodes.api.id }],
      requests: ["Count", { ApiId: api.nodes.api.id }],
    }),
  );
  // An HTTP API has no metric of its own 429s: they are counted in its access log, where no integration answered.
  const turnedAway = { name: "GatewayThrottled", namespace: `${METRICS_NAMESPACE}/${stage.name}` };
  new aws.cloudwatch.LogMetricFilter("GatewayThrottledCount", {
    name: `${prefix}-GatewayThrottled`,
    logGroupName: api.nodes.logGroup.name,
    pattern: '{ ($.status = 429) && ($.integrationStatus = "-") }',
    metricTransformation: { ...turnedAway, value: "1" },
  });
  alarm(
    "GatewayThrottled",
    { description: "The gateway answered requests with 429.", threshold: 0, of: [2, 3] },
    one(turnedAway.namespace, turnedAway.name, {}, "Sum"),
  );
  alarm(
    "SlowAnswers",
    { description: "One request in a hundred takes more than 2 s.", threshold: 2_000, of: [3, 3] },
    one(METRICS_NAMESPACE, LATENCY_METRIC, { Stage: stage.name }, "p99"),
  );
  for (const [name, { name: FunctionName }] of Object.entries(functions)) {
    alarm(
      `${name}Throttled`,
      { description: `Calls of the function ${name} were turned away.`, threshold: 0, of: [1, 1] },
      one("AWS/Lambda", "Throttles", { FunctionName }, "Sum"),
    );
    // Handlers answer for what they expect: this is a crash, a timeout, a lack of memory or a failed start.
    alarm(
      `${name}Errors`,
      { description: `Calls of the function ${name} ended without an answer.`, threshold: 0, of: [1, 1] },
      one("AWS/Lambda", "Errors", { FunctionName }, "Sum"),
    );
  }
  alarm(
    "SweepsDropped",
    { description: "Sweeps were given up before they began.", threshold: 0, of: [2, 3] },
    one("AWS/Lambda", "AsyncEventsDropped", { FunctionName: onSchedule.name }, "Sum"),
  );
  // Metrics of the table do not include its indexes.
  const parts: Dimensions[] = [
    {},
    ...Object.keys(tableDefinition.indexes).map((GlobalSecondaryIndexName) => ({ GlobalSecondaryIndexName })),
  ];
  const throttleEvents = parts.flatMap((part, index): [string, [string, Dimensions]][] => [
    [`reads${index}`, ["ReadThrottleEvents", { TableName: table.name, ...part }]],
    [`writes${index}`, ["WriteThrottleEvents", { TableName: table.name, ...part }]],
  ]);
  alarm(
    "TableThrottled",
    { description: "Calls to the table or to one of its indexes were turned away.", threshold: 0, of: [2, 3] },
    math(
      throttleEvents.map(([id]) => `FILL(${id}, 0)`).join(" + "),
      "AWS/DynamoDB",
      Object.fromEntries(throttleEvents),
    ),
  );
  alarm(
    "ReconcileFailing",
    { description: "More than half of the attempts to reconcile a cluster fail.", threshold: 50, of: [3, 3] },
    math("IF(attempts > 0, 100 * failures / attempts, 0)", METRICS_NAMESPACE, {
      failures: [FAILURES_METRIC, { Stage: stage.name }],
      attempts: [RECONCILED_METRIC, { Stage: stage.name }],
    }),
  );
  alarm(
    "StreamBehind",
    { description: "The reconciler hears of changes more than a minute late.", threshold: 60_000, of: [2, 3] },
    one("AWS/Lambda", "IteratorAge", { FunctionName: onStream.name }, "Maximum"),
  );
  alarm(
    "DeadLetters",
    { description: "There is something the reconciler gave up on.", threshold: 0, of: [1, 1] },
    one("AWS/SQS", "ApproximateNumberOfMessagesVisible", { QueueName: deadLetters.name }, "Maximum"),
  );
  alarm(
    "ClustersOverdue",
    {
      description: "A cluster has waited more than five minutes to be worked on, or nobody looks.",
      threshold: FIVE_MINUTES,
      of: [3, 5],
      missing: "breaching",
    },
    one(METRICS_NAMESPACE, LATENESS_METRIC, { Stage: stage.name }, "Maximum", 60),
  );
  return topic;
}
