/// <reference path="../.sst/platform/config.d.ts" />
/** Reconciler: started by the table's stream, and every minute for clusters without an event. */

import { reconcilerGrants } from "../functions/api/grants.ts";
import {
  STREAM_FILTER,
  streamInvocations,
  sweepEvents,
  sweepInvocations,
} from "../functions/reconciler/invocations.ts";
import { createFunction, type Shared } from "./function.ts";
import { createKubeconfig } from "./kubeconfig.ts";

/** Inputs of the reconciler's stack. */
type ReconcilerInputs = Shared;

/** Retention of dead letters, in seconds: the maximum of SQS. */
const DEAD_LETTER_SECONDS = 14 * 24 * 60 * 60;

/** Maximum age of a stream record, in seconds. Older ones are dropped, because the schedule finds their clusters. */
const RECORD_SECONDS = 600;

/** Lets the scheduler assume a role only for schedules of this account, because all accounts share the scheduler. */
function trustOwnSchedules(args: aws.iam.RoleArgs): undefined {
  args.assumeRolePolicy = {
    Version: "2012-10-17",
    Statement: [
      {
        Action: "sts:AssumeRole",
        Effect: "Allow",
        Principal: { Service: "scheduler.amazonaws.com" },
        Condition: { StringEquals: { "aws:SourceAccount": aws.getCallerIdentityOutput({}).accountId } },
      },
    ],
  };
}

/** Creates the reconciler's functions, their triggers and the queue for dead letters. */
export function createReconciler(inputs: ReconcilerInputs) {
  const { stage, settings, table } = inputs;
  const deadLetters = new aws.sqs.Queue("DeadLetters", {
    name: `${$app.name}-${stage.name}-dead-letters`,
    messageRetentionSeconds: DEAD_LETTER_SECONDS,
    sqsManagedSseEnabled: true,
  });
  // Empty unless set: some identity providers require no token.
  const token = new sst.Secret("OidcInitialAccessToken", "");
  const kubeconfig = createKubeconfig(inputs);
  const environment = {
    OIDC_ISSUER_URL: settings.oidcIssuerUrl,
    OIDC_INITIAL_ACCESS_TOKEN: token.value,
    ...kubeconfig?.environment,
  };
  const onStream: sst.aws.FunctionPermissionArgs[] = [
    {
      actions: ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"],
      resources: [table.nodes.table.streamArn],
    },
    { actions: ["sqs:SendMessage"], resources: [deadLetters.arn] },
  ];
  // Reserved, so that requests and the reconciler cannot use up each other's concurrency. Ephemeral stages reserve nothing.
  const reserved = (concurrency: number) => (stage.isEphemeral ? {} : { concurrency });

  const onEvents = createFunction("ReconcileStream", {
    ...inputs,
    bundle: "reconcile",
    handler: "stream",
    timeout: "120 seconds",
    grant: reconcilerGrants.ReconcileStream,
    environment,
    permissions: [...onStream, ...(kubeconfig?.permissions ?? [])],
    ...reserved(streamInvocations.reservedConcurrency),
  });
  table.subscribe("Reconcile", onEvents.arn, {
    filters: [STREAM_FILTER],
    transform: {
      eventSourceMapping(args) {
        args.startingPosition = "TRIM_HORIZON";
        args.batchSize = 100;
        args.maximumBatchingWindowInSeconds = 1;
        args.parallelizationFactor = streamInvocations.parallelizationFactor;
        args.functionResponseTypes = ["ReportBatchItemFailures"];
        args.bisectBatchOnFunctionError = true;
        args.maximumRetryAttempts = 5;
        args.maximumRecordAgeInSeconds = RECORD_SECONDS;
        args.destinationConfig = { onFailure: { destinationArn: deadLetters.arn } };
        return undefined;
      },
    },
  });

  const sweeps = sweepInvocations(stage.isEphemeral);
  const onSchedule = createFunction("ReconcileSchedule", {
    ...inputs,
    bundle: "reconcile",
    handler: "schedule",
    timeout: "120 seconds",
    grant: reconcilerGrants.ReconcileSchedule,
    environment,
    permissions: kubeconfig?.permissions ?? [],
    once: true,
    ...reserved(sweeps.reservedConcurrency),
  });
  // Not rate(1 minute), which starts at the creation of each schedule: all sweeps must change their shares at the same time.
  const everyMinute = {
    function: onSchedule,
    schedule: "cron(* * * * ? *)",
    retries: 0,
    dlq: deadLetters.arn,
    transform: { role: trustOwnSchedules },
  } as const;
  for (const event of sweepEvents(sweeps.count)) new sst.aws.CronV2(`Sweep${event.index}`, { ...everyMinute, event });
  return { deadLetters, functions: { ReconcileStream: onEvents, ReconcileSchedule: onSchedule } };
}
