/// <reference path="../.sst/platform/config.d.ts" />
/** How every function is made: what it runs on, what it may do, and where its logs go. */

import type { Grant } from "../functions/api/grants.ts";
import { type BundleName, type bundles, codeOf } from "../functions/build/bundles.ts";
import type { Settings } from "./settings.ts";
import type { Stage } from "./stage.ts";

/** What all functions are made with. */
export interface Shared {
  stage: Stage;
  settings: Settings;
  table: sst.aws.Dynamo;
  key: aws.kms.Key;
}

/** What is a function's own. */
export interface FunctionInputs<Name extends BundleName = BundleName> extends Shared {
  bundle: Name;
  /** What of the bundle is called. */
  handler: (typeof bundles)[Name]["handlers"][number];
  timeout: `${number} seconds`;
  /** What it does with the data; absent for one that does nothing. */
  grant?: Grant;
  environment?: Record<string, $util.Input<string>>;
  permissions?: sst.aws.FunctionPermissionArgs[];
  /** How many of it may run at a time, which are then kept for it. */
  concurrency?: number;
  /** For one that is called on a schedule: what does not run within a minute never does, for the next call brings another. */
  once?: boolean;
}

/** What a function may do with the table and the key, and with nothing else. */
function permissionsFor({ table, key }: Shared, grant: Grant): sst.aws.FunctionPermissionArgs[] {
  const onTable = { actions: grant.table.map((action) => `dynamodb:${action}`), resources: [table.arn] };
  const onIndexes = {
    actions: ["dynamodb:Query"],
    resources: grant.indexes.map((index) => $interpolate`${table.arn}/index/${index}`),
  };
  const onKey = {
    actions: (grant.key ?? []).map((action) => `kms:${action}`),
    resources: [key.arn],
    // Only what was encrypted for a cluster of this table.
    conditions: [{ test: "StringEquals", variable: "kms:EncryptionContext:table", values: [table.name] }],
  };
  return [onTable, ...(grant.indexes.length === 0 ? [] : [onIndexes]), ...(grant.key === undefined ? [] : [onKey])];
}

/** Makes a function. */
export function createFunction<Name extends BundleName>(name: string, inputs: FunctionInputs<Name>) {
  const { stage, settings, table, key, grant, permissions = [], concurrency, once = false } = inputs;
  const isKept = stage.kind === "production";
  const logs = new aws.cloudwatch.LogGroup(
    `${name}Logs`,
    { name: `/aws/lambda/${$app.name}/${stage.name}/${name}`, retentionInDays: stage.logDays },
    { retainOnDelete: isKept },
  );
  return new sst.aws.Function(name, {
    ...codeOf(inputs.bundle, inputs.handler, $dev),
    runtime: "nodejs24.x",
    architecture: "arm64",
    memory: "1024 MB",
    timeout: inputs.timeout,
    // An empty variable is an unset one.
    environment: $output({
      ...settings.passedOn,
      STAGE: stage.name,
      TABLE_NAME: table.name,
      ...(grant?.key === undefined ? {} : { KMS_KEY_ID: key.arn }),
      ...inputs.environment,
    }).apply((variables) => Object.fromEntries(Object.entries(variables).filter(([, value]) => value !== ""))),
    permissions: [
      ...(grant === undefined ? [] : permissionsFor(inputs, grant)),
      ...permissions,
      { actions: ["logs:CreateLogStream", "logs:PutLogEvents"], resources: [$interpolate`${logs.arn}:*`] },
    ],
    logging: { format: "json", logGroup: logs.name },
    ...(concurrency === undefined ? {} : { concurrency: { reserved: concurrency } }),
    ...(once ? { retries: 0 } : {}),
    transform: {
      role(args) {
        // SST lets everybody in the account take a function's role, and gives it the logs of all functions.
        args.assumeRolePolicy = aws.iam.assumeRolePolicyForPrincipal({ Service: "lambda.amazonaws.com" });
        args.managedPolicyArns = [];
        return undefined;
      },
      eventInvokeConfig(args) {
        // What is turned away for want of concurrency is no retry, and would come for six hours.
        args.maximumEventAgeInSeconds = 60;
        return undefined;
      },
    },
  });
}
