/** Expectations of the stacks, listed separately so that each planted fault can be compared with each. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { tableDefinition } from "#core/table/definition.ts";
import { type Grant, reconcilerGrants } from "#functions/api/grants.ts";
import { type RouteGroup, routeGroups } from "#functions/api/route-groups.ts";
import { STREAM_FILTER, streamInvocations } from "#functions/reconciler/invocations.ts";
import { ACCOUNT, arnOf, REGION } from "./graph.ts";
import type { Json, Statement, View } from "./view.ts";

/** Stage that an expectation is checked against. */
export interface Expected {
  stage: string;
  kind: "production" | "shared" | "branch" | "personal";
  dev: boolean;
  /** True if the stage builds clusters with Cluster API. */
  hasRealClusters?: boolean;
}

/** One expectation. */
export type Expectation = (view: View, expected: Expected) => void;

const groups: [string, RouteGroup][] = Object.entries(routeGroups);
const grants: Record<string, Grant> = {
  ...Object.fromEntries(groups.map(([name, { grant }]) => [name, grant])),
  ...reconcilerGrants,
};
const API_FUNCTIONS = [...groups.map(([name]) => name), "Default"];
const FUNCTIONS = [...Object.keys(grants), "Default"].sort();

/** A lasting stage has 16 sweeps, an ephemeral one has one. */
const sweepNames = (expected: Expected) =>
  Array.from({ length: isEphemeral(expected) ? 1 : 16 }, (_, index) => `Sweep${index}`);

const isEphemeral = ({ kind }: Expected) => kind === "branch" || kind === "personal";
const logDays = ({ kind }: Expected) => ({ production: 365, shared: 30, branch: 7, personal: 7 })[kind];

const statement = (actions: string[], resources: string[], Condition?: Statement["Condition"]) => ({
  Action: actions,
  Resource: resources,
  Effect: "Allow",
  ...(Condition === undefined ? {} : { Condition }),
});

const KEY_ARN = `arn:aws:kms:${REGION}:${ACCOUNT}:key/Key`;

/** Returns the policy statements of a grant. */
function grantStatements({ arn, name }: View["table"], { table, indexes, key }: Grant) {
  const onTable = statement(
    table.map((action) => `dynamodb:${action}`),
    [arn],
  );
  const onIndexes = statement(
    ["dynamodb:Query"],
    indexes.map((index) => `${arn}/index/${index}`),
  );
  const onKey = statement(
    (key ?? []).map((action) => `kms:${action}`),
    [KEY_ARN],
    [{ test: "StringEquals", variable: "kms:EncryptionContext:table", values: [name] }],
  );
  return [onTable, ...(indexes.length === 0 ? [] : [onIndexes]), ...(key === undefined ? [] : [onKey])];
}

const logStatement = (stage: string, name: string) =>
  statement(
    ["logs:CreateLogStream", "logs:PutLogEvents"],
    [`arn:aws:logs:${REGION}:${ACCOUNT}:log-group:/aws/lambda/ame-clusters/${stage}/${name}:*`],
  );

const deadLettersOf = (stage: string) => `arn:aws:sqs:${REGION}:${ACCOUNT}:ame-clusters-${stage}-dead-letters`;

/** Permissions that `sst dev` adds to every function, which needs them to reach the developer's machine. */
const LIVE = [
  statement(["appsync:*"], ["*"]),
  statement(["s3:*"], ["arn:aws:s3:::asset-bucket", "arn:aws:s3:::asset-bucket/*"]),
];

/** Permissions of the reconciler for the kubeconfig of the management cluster. */
const kubeconfigStatements = (stage: string) => [
  statement(["secretsmanager:GetSecretValue"], [secretArn(`ame-clusters-${stage}-management-kubeconfig`)]),
];

const secretArn = (name: string) => arnOf("aws:secretsmanager/secret:Secret", name);

/** Permissions that a function needs to read the stream. */
const streamStatements = ({ table }: View, stage: string) => [
  statement(
    ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"],
    [`${table.arn}/stream/2026-01-01T00:00:00.000`],
  ),
  statement(["sqs:SendMessage"], [deadLettersOf(stage)]),
];

const fieldsOf = (format: string): Json => JSON.parse(format.replaceAll(/:\$context\.[a-zA-Z.]+/g, ":1"));

/** All expectations, by name. */
export const expectations = {
  "every path is routed to its function, and no other path is"({ routes }) {
    const expected = groups.flatMap(([name, { paths }]) => paths.map((path) => [`ANY ${path}`, name]));
    expect(routes).toEqual({ ...Object.fromEntries(expected), $default: "Default" });
  },

  "routes use one variable name per position, because the gateway rejects others"({ routes }) {
    const names = new Map<string, Set<string>>();
    for (const route of Object.keys(routes).filter((key) => key !== "$default")) {
      let parent = "";
      for (const part of route.replace(/^\S+ /, "").split("/")) {
        const [, variable] = /^\{(.*)\}$/.exec(part) ?? [];
        if (variable !== undefined) names.set(parent, (names.get(parent) ?? new Set()).add(variable));
        // Variables of any name are the same position.
        parent += `/${variable === undefined ? part : "{}"}`;
      }
    }
    expect(names.size).toBeGreaterThan(8);
    expect([...names].filter(([, { size }]) => size > 1)).toEqual([]);
  },

  "functions receive events in payload version 2"({ all }) {
    const integrations = all("aws:apigatewayv2/integration:Integration");
    expect(integrations.length).toBeGreaterThan(20);
    for (const { inputs } of integrations) {
      expect(inputs).toMatchObject({ integrationType: "AWS_PROXY", payloadFormatVersion: "2.0" });
    }
  },

  "functions run on Node 24 and arm64, with explicit memory"({ functions }, { dev }) {
    expect(Object.keys(functions).sort()).toEqual(FUNCTIONS);
    for (const { inputs } of Object.values(functions)) {
      expect(inputs).toMatchObject(
        // In `sst dev` it is a bridge to the developer's machine.
        dev
          ? { runtime: "provided.al2023", memorySize: 1024 }
          : { runtime: "nodejs24.x", architectures: ["arm64"], memorySize: 1024 },
      );
    }
  },

  "the timeout of API functions is shorter than the gateway's"({ functions }) {
    for (const name of API_FUNCTIONS) expect(functions[name]?.inputs.timeout, name).toBeLessThan(30);
  },

  "each function has exactly the permissions that its code uses"(view, { stage, dev, hasRealClusters }) {
    for (const [name, { policy }] of Object.entries(view.functions)) {
      expect(policy, name).toEqual([
        ...(grants[name] === undefined ? [] : grantStatements(view.table, grants[name])),
        ...(name === "ReconcileStream" ? streamStatements(view, stage) : []),
        ...(hasRealClusters && name in reconcilerGrants ? kubeconfigStatements(stage) : []),
        logStatement(stage, name),
        ...(dev ? LIVE : []),
      ]);
    }
  },

  "only the intended service can assume a role"({ all, functions }, expected) {
    const trusted = (service: string) => [
      expect.objectContaining({ Action: "sts:AssumeRole", Effect: "Allow", Principal: { Service: service } }),
    ];
    for (const [name, { role }] of Object.entries(functions)) {
      expect(role.assumeRolePolicy.Statement, name).toEqual(trusted("lambda.amazonaws.com"));
      expect(role.managedPolicyArns, name).toEqual([]);
    }
    const others = all("aws:iam/role:Role").filter(({ inputs }) =>
      Object.values(functions).every(({ role }) => role !== inputs),
    );
    expect(others.map(({ name, inputs }) => [name, (inputs as Json).assumeRolePolicy.Statement])).toEqual([
      ...sweepNames(expected).map((name) => [`${name}Role`, trusted("scheduler.amazonaws.com")]),
    ]);
  },

  "the scheduler can assume its roles only for schedules of this account"({ all }) {
    const trusts = all("aws:iam/role:Role")
      .flatMap(({ inputs }) => (inputs as Json).assumeRolePolicy.Statement)
      .filter(({ Principal }: Json) => Principal.Service === "scheduler.amazonaws.com");
    expect(trusts.length).toBeGreaterThan(0);
    for (const { Condition } of trusts) {
      expect(Condition).toEqual({ StringEquals: { "aws:SourceAccount": ACCOUNT } });
    }
  },

  "functions get their settings, and only the reconciler gets the token"({ functions, table }, { stage }) {
    for (const [name, { inputs }] of Object.entries(functions)) {
      const { variables } = inputs.environment;
      expect(variables, name).toMatchObject({
        TABLE_NAME: table.name,
        STAGE: stage,
        CORS_ORIGINS: "https://console.example.test",
      });
      const isReconciler = name in reconcilerGrants;
      expect(variables.OIDC_INITIAL_ACCESS_TOKEN, name).toBe(isReconciler ? "initial-access-token" : undefined);
      expect(variables.OIDC_ISSUER_URL, name).toBe(isReconciler ? "https://issuer.example.test" : undefined);
      expect(variables.KMS_KEY_ID, name).toBe(grants[name]?.key === undefined ? undefined : KEY_ARN);
    }
  },

  "only the reconciler of a stage with real clusters finds the kubeconfig, in a secret with its value"(
    { all, one, functions },
    { stage, hasRealClusters = false },
  ) {
    const secrets = all("aws:secretsmanager/secret:Secret");
    expect(secrets).toHaveLength(hasRealClusters ? 1 : 0);
    for (const [name, { inputs }] of Object.entries(functions)) {
      const { variables } = inputs.environment;
      const reads = hasRealClusters && name in reconcilerGrants;
      expect(variables.PROVISIONER, name).toBe(hasRealClusters ? "cluster-api" : "simulated");
      expect(variables.CLUSTER_API_KUBECONFIG_SECRET, name).toBe(
        reads ? secretArn(`ame-clusters-${stage}-management-kubeconfig`) : undefined,
      );
      expect(variables.CLUSTER_API_KUBECONFIG_VERSION, name).toBe(reads ? "version-1" : undefined);
      expect(JSON.stringify(variables), name).not.toContain("kubeconfig of the management cluster");
    }
    if (!hasRealClusters) return;
    const { secretString } = one("aws:secretsmanager/secretVersion:SecretVersion", "ManagementKubeconfigValue").inputs;
    expect(secretString).toBe("kubeconfig of the management cluster");
  },

  "logs are JSON, with the retention of the stage"({ all, functions }, expected) {
    for (const [name, { inputs }] of Object.entries(functions)) {
      const logGroup = `/aws/lambda/ame-clusters/${expected.stage}/${name}`;
      expect(inputs.loggingConfig, name).toEqual({ logFormat: "JSON", logGroup });
    }
    const logs = all("aws:cloudwatch/logGroup:LogGroup");
    expect(logs).toHaveLength(FUNCTIONS.length + 1);
    for (const { name, inputs } of logs) expect(inputs.retentionInDays, name).toBe(logDays(expected));
  },

  "the table has the keys, indexes and time to live of its definition"({ one }) {
    const { partitionKey, sortKey, ttl, indexes } = tableDefinition;
    const { inputs } = one("aws:dynamodb/table:Table", "TableTable");
    expect(inputs).toMatchObject({
      hashKey: partitionKey,
      rangeKey: sortKey,
      ttl: { attributeName: ttl, enabled: true },
      billingMode: "PAY_PER_REQUEST",
      streamEnabled: true,
      streamViewType: "NEW_IMAGE",
      pointInTimeRecovery: { enabled: true },
    });
    const keys: string[] = [partitionKey, sortKey];
    for (const index of Object.values(indexes)) {
      // Keys are in every index. DynamoDB refuses a key that is listed again.
      const included: readonly string[] = index.include;
      expect(included.filter((name) => [...keys, index.partitionKey, index.sortKey].includes(name))).toEqual([]);
    }
    expect(inputs.globalSecondaryIndexes).toEqual(
      Object.entries(indexes).map(([name, index]) => ({
        name,
        hashKey: index.partitionKey,
        rangeKey: index.sortKey,
        projectionType: "INCLUDE",
        nonKeyAttributes: [...index.include],
      })),
    );
  },

  "data of a lasting stage are protected against mistakes"({ graph, one, all }, expected) {
    const isProduction = expected.kind === "production";
    expect(graph.app).toMatchObject({ protect: isProduction, removal: isProduction ? "retain" : "remove" });
    const table = one("aws:dynamodb/table:Table", "TableTable");
    expect(table.inputs.deletionProtectionEnabled).toBe(!isEphemeral(expected));
    expect(table.retainOnDelete).toBe(isProduction);
    const key = one("aws:kms/key:Key", "Key");
    expect([key.protect, key.retainOnDelete]).toEqual([isProduction, isProduction]);
    for (const { retainOnDelete } of all("aws:cloudwatch/logGroup:LogGroup").filter(({ name }) => /Logs$/.test(name))) {
      expect(retainOnDelete).toBe(isProduction);
    }
  },

  "the key is multi-Region, which cannot be changed later"({ one }) {
    expect(one("aws:kms/key:Key", "Key").inputs.multiRegion).toBe(true);
  },

  "the key is rotated every year"({ one }, { stage }) {
    expect(one("aws:kms/key:Key", "Key").inputs.enableKeyRotation).toBe(true);
    expect(one("aws:kms/alias:Alias", "KeyAlias").inputs.name).toBe(`alias/ame-clusters-${stage}`);
  },

  "the gateway limits requests, and leaves CORS to the functions"({ one }) {
    const { defaultRouteSettings } = one("aws:apigatewayv2/stage:Stage", "ApiStage").inputs;
    expect(defaultRouteSettings).toEqual({ throttlingRateLimit: 500, throttlingBurstLimit: 1000 });
    expect(one("aws:apigatewayv2/api:Api", "ApiApi").inputs).not.toHaveProperty("corsConfiguration");
  },

  "every request is logged as JSON with its id, without text of the caller"({ one }) {
    const { format } = one("aws:apigatewayv2/stage:Stage", "ApiStage").inputs.accessLogSettings;
    expect(fieldsOf(format)).toMatchObject({ requestId: "$context.requestId", status: 1, routeKey: expect.anything() });
    expect(format).not.toMatch(/userAgent|\$context\.path|error\.message/);
  },

  "the stream triggers the reconciler for pointers with work, with limited retries"({ one, functions }, { stage }) {
    const mapping = one(
      "aws:lambda/eventSourceMapping:EventSourceMapping",
      "TableSubscriberReconcileEventSourceMapping",
    );
    const { filterCriteria, ...inputs } = mapping.inputs;
    expect(inputs).toMatchObject({
      eventSourceArn: expect.stringContaining("/stream/"),
      functionName: functions.ReconcileStream?.arn,
      startingPosition: "TRIM_HORIZON",
      batchSize: 100,
      maximumBatchingWindowInSeconds: 1,
      parallelizationFactor: streamInvocations.parallelizationFactor,
      functionResponseTypes: ["ReportBatchItemFailures"],
      bisectBatchOnFunctionError: true,
      maximumRetryAttempts: 5,
      maximumRecordAgeInSeconds: 600,
      destinationConfig: { onFailure: { destinationArn: deadLettersOf(stage) } },
    });
    expect(filterCriteria.filters.map(({ pattern }: Json) => JSON.parse(pattern))).toEqual([STREAM_FILTER]);
  },

  "schedules sweep every share every minute, and calls do not queue up"({ one, all, functions }, expected) {
    const invocations = all("aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig");
    expect(invocations.map(({ inputs }) => inputs)).toEqual([
      {
        functionName: functions.ReconcileSchedule?.inputs.name,
        maximumRetryAttempts: 0,
        maximumEventAgeInSeconds: 60,
      },
    ]);
    expect(functions.ReconcileSchedule?.inputs.timeout).toBeLessThanOrEqual(120);
    const names = sweepNames(expected);
    expect(all("aws:scheduler/schedule:Schedule")).toHaveLength(names.length);
    for (const [index, name] of names.entries()) {
      const { target, ...inputs } = one("aws:scheduler/schedule:Schedule", `${name}Schedule`).inputs;
      // Shares rotate by the minute: all schedules change at the same moment.
      expect(inputs).toMatchObject({ scheduleExpression: "cron(* * * * ? *)", state: "ENABLED" });
      expect(target).toMatchObject({
        arn: functions.ReconcileSchedule?.arn,
        retryPolicy: { maximumRetryAttempts: 0 },
        deadLetterConfig: { arn: deadLettersOf(expected.stage) },
      });
      const event = { index, count: names.length, scheduledAt: "<aws.scheduler.scheduled-time>" };
      expect(JSON.parse(target.input)).toEqual(event);
    }
  },

  "the reconciler of a lasting stage has reserved concurrency"({ one, functions }, expected) {
    const reserved = FUNCTIONS.map((name) => [name, functions[name]?.inputs.reservedConcurrentExecutions]);
    const shares: Record<string, number> = isEphemeral(expected)
      ? {}
      : { ReconcileStream: streamInvocations.reservedConcurrency, ReconcileSchedule: 2 * sweepNames(expected).length };
    expect(reserved).toEqual(FUNCTIONS.map((name) => [name, shares[name]]));
    const { parallelizationFactor } = one(
      "aws:lambda/eventSourceMapping:EventSourceMapping",
      "TableSubscriberReconcileEventSourceMapping",
    ).inputs;
    // A new on-demand table has four partitions, each with a shard of the stream.
    if (shares.ReconcileStream) expect(shares.ReconcileStream).toBeGreaterThanOrEqual(4 * parallelizationFactor);
  },

  "all alarms of a lasting stage notify the operator through one topic"(view, expected) {
    const { all, one, functions, table } = view;
    const alarms = new Map(
      all("aws:cloudwatch/metricAlarm:MetricAlarm").map(({ name, inputs }) => [name, inputs as Json]),
    );
    if (isEphemeral(expected)) return expect([alarms.size, all("aws:sns/topic:Topic").length]).toEqual([0, 0]);
    const topic = arnOf("aws:sns/topic:Topic", String(one("aws:sns/topic:Topic", "Alarms").inputs.name));
    expect(one("aws:sns/topicSubscription:TopicSubscription", "AlarmEmail").inputs).toEqual({
      topic,
      protocol: "email",
      endpoint: "operator@example.test",
    });
    const ofFunctions = FUNCTIONS.flatMap((name) => [`${name}Throttled`, `${name}Errors`]);
    const others = [
      ...["ServerErrors", "SlowResponses", "GatewayThrottled", "TableThrottled", "StreamBehind", "SweepsDropped"],
      ...["DeadLetters", "ReconcileFailing", "ClustersOverdue"],
    ];
    expect([...alarms.keys()].sort()).toEqual([...ofFunctions, ...others].sort());
    for (const [name, inputs] of alarms) {
      expect(inputs, name).toMatchObject({
        alarmActions: [topic],
        okActions: [topic],
        name: expect.stringContaining(expected.stage),
      });
    }
    const nameOf = (name: string) => functions[name]?.inputs.name;
    for (const name of FUNCTIONS) {
      const dimensions = { FunctionName: nameOf(name) };
      expect(alarms.get(`${name}Throttled`)).toMatchObject({
        metricName: "Throttles",
        dimensions,
        statistic: "Sum",
        threshold: 0,
      });
      expect(alarms.get(`${name}Errors`)).toMatchObject({
        metricName: "Errors",
        dimensions,
        statistic: "Sum",
        threshold: 0,
      });
    }
    // Only this one is called asynchronously.
    expect(alarms.get("SweepsDropped")).toMatchObject({
      metricName: "AsyncEventsDropped",
      dimensions: { FunctionName: nameOf("ReconcileSchedule") },
      threshold: 0,
    });
    // An HTTP API has no metric of its own 429s, so its access log is counted.
    const counted = one("aws:cloudwatch/logMetricFilter:LogMetricFilter", "GatewayThrottledCount").inputs;
    const accessLog = one("aws:cloudwatch/logGroup:LogGroup", "ApiAccessLog").inputs;
    expect([counted.logGroupName, counted.pattern]).toEqual([
      accessLog.name,
      '{ ($.status = 429) && ($.integrationStatus = "-") }',
    ]);
    const { name: metricName, namespace } = counted.metricTransformation;
    expect(namespace).toContain(expected.stage);
    expect(alarms.get("GatewayThrottled")).toMatchObject({ metricName, namespace, statistic: "Sum", threshold: 0 });
    expect(alarms.get("SlowResponses")).toMatchObject({
      namespace: "AmeClusters",
      metricName: "Latency",
      dimensions: { Stage: expected.stage },
      extendedStatistic: "p99",
      threshold: 2_000,
    });
    expect(alarms.get("StreamBehind")).toMatchObject({
      metricName: "IteratorAge",
      dimensions: { FunctionName: nameOf("ReconcileStream") },
      threshold: 60_000,
    });
    expect(alarms.get("DeadLetters")).toMatchObject({
      metricName: "ApproximateNumberOfMessagesVisible",
      dimensions: { QueueName: `ame-clusters-${expected.stage}-dead-letters` },
      threshold: 0,
    });
    // If no function runs, there is no metric, and that must raise an alarm, too.
    expect(alarms.get("ClustersOverdue")).toMatchObject({
      namespace: "AmeClusters",
      metricName: "OldestDue",
      dimensions: { Stage: expected.stage },
      threshold: 300,
      treatMissingData: "breaching",
    });
    const [rate, ...sums] = alarms.get("ServerErrors").metricQueries;
    expect(rate).toMatchObject({ expression: expect.stringContaining("100 * errors / requests"), returnData: true });
    expect(sums.map(({ id, metric }: Json) => [id, metric.metricName, metric.dimensions])).toEqual([
      ["errors", "5xx", { ApiId: "ApiApi-id" }],
      ["requests", "Count", { ApiId: "ApiApi-id" }],
    ]);
    // Metrics of the table do not include its indexes.
    const [sum, ...events] = alarms.get("TableThrottled").metricQueries;
    const parts = [{}, ...Object.keys(tableDefinition.indexes).map((name) => ({ GlobalSecondaryIndexName: name }))];
    expect(events.map(({ metric }: Json) => [metric.metricName, metric.dimensions])).toEqual(
      parts.flatMap((part) => [
        ["ReadThrottleEvents", { TableName: table.name, ...part }],
        ["WriteThrottleEvents", { TableName: table.name, ...part }],
      ]),
    );
    expect(sum.expression).toBe(events.map(({ id }: Json) => `FILL(${id}, 0)`).join(" + "));
    const [share, ...outcomes] = alarms.get("ReconcileFailing").metricQueries;
    expect(share.expression).toContain("100 * failures / attempts");
    expect(outcomes.map(({ id, metric }: Json) => [id, metric.metricName, metric.dimensions])).toEqual([
      ["failures", "ReconcileFailures", { Stage: expected.stage }],
      ["attempts", "Reconciled", { Stage: expected.stage }],
    ]);
    // CloudWatch accepts 10 metrics in an alarm of an expression.
    for (const { metricQueries = [] } of alarms.values()) expect(metricQueries.length).toBeLessThanOrEqual(10);
  },

  "dead letters are stored for two weeks"({ one }) {
    expect(one("aws:sqs/queue:Queue", "DeadLetters").inputs).toMatchObject({
      messageRetentionSeconds: 14 * 24 * 60 * 60,
      sqsManagedSseEnabled: true,
    });
  },

  "the operator's command finds table and key within sst shell"({ one, table }) {
    expect(one("sst:sst:LinkRef", "TableLinkRef").inputs.properties).toEqual({ name: table.name });
    expect(one("sst:sst:LinkRef", "SecretsKeyLinkRef").inputs.properties).toEqual({ arn: KEY_ARN });
  },

  "docs/stages.md gives the deployment roles every service that the stacks use"({ graph }) {
    const text = readFileSync(join(import.meta.dirname, "../../docs/stages.md"), "utf8");
    const policies = [...text.matchAll(/```json\n(.*?)```/gs)].map(([, json = ""]) => JSON.parse(json));
    const { Statement } = policies.find((each) => each.Statement !== undefined);
    const actions = Statement.flatMap(({ Action }: Json) => Action) as string[];
    // Pulumi modules whose name differs from the service's name in IAM.
    const services: Record<string, string> = { apigatewayv2: "apigateway" };
    const used = graph.resources.flatMap(({ type }) => {
      const [, module = "", kind = ""] = /^aws:(\w+)\/(\w+):/.exec(type) ?? [];
      if (module === "") return [];
      return [/^log(Group|MetricFilter)$/.test(kind) ? "logs" : (services[module] ?? module)];
    });
    expect(new Set(used).size).toBeGreaterThan(6);
    const granted = new Set(actions.map((action) => action.split(":")[0]));
    expect([...new Set(used)].filter((service) => !granted.has(service))).toEqual([]);
  },

  "names of a stage's resources contain the stage's name"({ graph }, { stage }) {
    const named = graph.resources.filter(({ type, inputs }) => /^aws:/.test(type) && typeof inputs.name === "string");
    expect(named.length).toBeGreaterThan(20);
    const strange = named.filter(({ inputs }) => !String(inputs.name).includes(stage));
    expect(strange.map(({ name }) => name)).toEqual(["ApiStage"]);
  },

  "only a branch's stage has an expiry tag"({ graph }, { kind }) {
    const { tags } = (graph.app as Json).providers.aws.defaultTags;
    if (kind !== "branch") return expect(tags).toEqual({});
    expect(tags).toEqual({ expires: expect.stringMatching(/^\d{4}-\d\d-\d\d$/) });
    const days = (Date.parse(tags.expires) - Date.now()) / 86_400_000;
    expect(days).toBeGreaterThan(5.9);
    expect(days).toBeLessThanOrEqual(7);
  },
} as const satisfies Record<string, Expectation>;
