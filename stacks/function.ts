/// <reference path="../.sst/platform/config.d.ts" />
/** Creates functions: their runtime, permissions and logs. */

import type { Grant } from "../functions/api/grants.ts";
import { type BundleName, type bundles, codeOf } from "../functions/build/bundles.ts";
import type { Settings } from "./settings.ts";
import type { Stage } from "./stage.ts";

/** Inputs that all functions share. */
export interface Shared {
  stage: Stage;
  settings: Settings;
  table: sst.aws.Dynamo;
  key: aws.kms.Key;
}

/** Inputs of one function. */
interface FunctionInputs<Name extends BundleName = BundleName> extends Shared {
  bundle: Name;
  /** Export of the bundle that Lambda calls. */
  handler: (typeof bundles)[Name]["handlers"][number];
  timeout: `${number} seconds`;
  /** Access to the data; absent for a function without access. */
  grant?: Grant;
  environment?: Record<string, $util.Input<string>>;
  permissions?: sst.aws.FunctionPermissionArgs[];
  /** Number of concurrent executions, as a limit and as a reservation. */
  concurrency?: number;
  /** True for a function of a schedule: an invocation that does not start within a minute is dropped, because the next one follows. */
  once?: boolean;
}

/** Builds the permissions for the table and the key. */
function permissionsFor({ table, key }: Shared, grant: Grant): sst.aws.FunctionPermissionArgs[] {
  const onTable = { actions: grant.table.map((action) => `dynamodb:${action}`), resources: [table.arn] };
  const onIndexes = {
    actions: ["dynamodb:Query"],
    resources: grant.indexes.map((index) => $interpolate`${table.arn}/index/${index}`),
  };
  const onKey = {
    actions: (grant.key ?? []).map((action) => `kms:${action}`),
    resources: [key.arn],
    // Only data keys of this table's clusters.
    conditions: [{ test: "StringEquals", variable: "kms:EncryptionContext:table", values: [table.name] }],
  };
  return [onTable, ...(grant.indexes.length === 0 ? [] : [onIndexes]), ...(grant.key === undefined ? [] : [onKey])];
}

/** Creates a function with its log group. */
export function createFunction<Name extends BundleName>(name: string, inputs: FunctionInputs<Name>) {
  const { stage, settings, table, key, grant, permissions = [], concurrency, once = false } = inputs;
  const isProduction = stage.kind === "production";
  const logs = new aws.cloudwatch.LogGroup(
    `${name}Logs`,
    { name: `/aws/lambda/${$app.name}/${stage.name}/${name}`, retentionInDays: stage.logDays },
    { retainOnDelete: isProduction },
  );
  return new sst.aws.Function(name, {
    ...codeOf(inputs.bundle, inputs.handler, $dev),
    runtime: "nodejs24.x",
    architecture: "arm64",
    memory: "1024 MB",
    timeout: inputs.timeout,
    // An empty variable counts as unset.
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
        // SST lets every principal of the account assume a function's role, and allows access to the logs of all functions.
        args.assumeRolePolicy = aws.iam.assumeRolePolicyForPrincipal({ Service: "lambda.amazonaws.com" });
        args.managedPolicyArns = [];
        return undefined;
      },
      eventInvokeConfig(args) {
        // Throttled invocations are not counted as retries, and Lambda would repeat them for six hours.
        args.maximumEventAgeInSeconds = 60;
        return undefined;
      },
    },
  });
}
