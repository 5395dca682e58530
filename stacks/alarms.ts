/// <reference path="../.sst/platform/config.d.ts" />
/** Alarms for operators. docs/operations.md explains each alarm and its actions. */

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

/** Inputs of the alarms' stack. */
interface AlarmInputs {
  stage: Stage;
  settings: Settings;
  api: sst.aws.ApiGatewayV2;
  table: sst.aws.Dynamo;
  deadLetters: aws.sqs.Queue;
  /** All functions by name. */
  functions: Readonly<Record<string, sst.aws.Function>>;
  /** Function of the stream. */
  onStream: sst.aws.Function;
  /** Function of the schedule, which is invoked asynchronously. */
  onSchedule: sst.aws.Function;
}

type Dimensions = Record<string, $util.Input<string>>;

/** Condition of an alarm. */
interface AlarmCondition {
  description: string;
  threshold: number;
  /** Number of the last periods that must exceed the threshold. */
  of: [beyond: number, periods: number];
  /** Meaning of missing data; by default that there is no problem. */
  missing?: "breaching" | "notBreaching";
}

const FIVE_MINUTES = 300;

/** Creates the alarms, which all notify one topic. */
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
    { description, threshold, of: [beyond, periods], missing = "notBreaching" }: AlarmCondition,
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
    { description: "More than one request in a hundred gets a 5xx response.", threshold: 1, of: [2, 3] },
    math("IF(requests > 0, 100 * errors / requests, 0)", "AWS/ApiGateway", {
      errors: ["5xx", { ApiId: api.nodes.api.id }],
      requests: ["Count", { ApiId: api.nodes.api.id }],
    }),
  );
  // An HTTP API has no metric for its own 429 responses: they are counted in its access log, as responses without an integration.
  const throttled = { name: "GatewayThrottled", namespace: `${METRICS_NAMESPACE}/${stage.name}` };
  new aws.cloudwatch.LogMetricFilter("GatewayThrottledCount", {
    name: `${prefix}-GatewayThrottled`,
    logGroupName: api.nodes.logGroup.name,
    pattern: '{ ($.status = 429) && ($.integrationStatus = "-") }',
    metricTransformation: { ...throttled, value: "1" },
  });
  alarm(
    "GatewayThrottled",
    { description: "The gateway responded with 429.", threshold: 0, of: [2, 3] },
    one(throttled.namespace, throttled.name, {}, "Sum"),
  );
  alarm(
    "SlowResponses",
    { description: "One request in a hundred takes more than 2 s.", threshold: 2_000, of: [3, 3] },
    one(METRICS_NAMESPACE, LATENCY_METRIC, { Stage: stage.name }, "p99"),
  );
  for (const [name, { name: FunctionName }] of Object.entries(functions)) {
    alarm(
      `${name}Throttled`,
      { description: `Invocations of the function ${name} were throttled.`, threshold: 0, of: [1, 1] },
      one("AWS/Lambda", "Throttles", { FunctionName }, "Sum"),
    );
    // Handlers handle expected errors, so this is a crash, a timeout, a lack of memory or a failed start.
    alarm(
      `${name}Errors`,
      { description: `Invocations of the function ${name} failed without a response.`, threshold: 0, of: [1, 1] },
      one("AWS/Lambda", "Errors", { FunctionName }, "Sum"),
    );
  }
  alarm(
    "SweepsDropped",
    { description: "Sweeps were dropped before they started.", threshold: 0, of: [2, 3] },
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
    { description: "Calls to the table or to one of its indexes were throttled.", threshold: 0, of: [2, 3] },
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
    { description: "The reconciler receives changes more than a minute late.", threshold: 60_000, of: [2, 3] },
    one("AWS/Lambda", "IteratorAge", { FunctionName: onStream.name }, "Maximum"),
  );
  alarm(
    "DeadLetters",
    { description: "The reconciler has given up on a change or a sweep.", threshold: 0, of: [1, 1] },
    one("AWS/SQS", "ApproximateNumberOfMessagesVisible", { QueueName: deadLetters.name }, "Maximum"),
  );
  alarm(
    "ClustersOverdue",
    {
      description: "A cluster has been due for more than five minutes, or there are no sweeps.",
      threshold: FIVE_MINUTES,
      of: [3, 5],
      missing: "breaching",
    },
    one(METRICS_NAMESPACE, LATENESS_METRIC, { Stage: stage.name }, "Maximum", 60),
  );
  return topic;
}
