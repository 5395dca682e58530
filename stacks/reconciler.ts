/// <reference path="../.sst/platform/config.d.ts" />
/** The reconciler: woken by the table's stream, and every minute for what no event woke. */

import { reconcilerGrants } from "../functions/api/grants.ts";
import {
  STREAM_FILTER,
  streamInvocations,
  sweepEvents,
  sweepInvocations,
} from "../functions/reconciler/invocations.ts";
import { createFunction, type Shared } from "./function.ts";

/** What the reconciler's stack depends on. */
export type ReconcilerInputs = Shared;

/** How long what could not be worked on is kept for an operator to see, in seconds: as long as the queue can. */
const DEAD_LETTER_SECONDS = 14 * 24 * 60 * 60;

/** A record of the stream older than this wakes nobody: the schedule has found what it was about. */
const RECORD_SECONDS = 600;

/** Lets the scheduler take a role for schedules of this account only: it is a service that all accounts share. */
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

/** Makes the reconciler. */
export function createReconciler(inputs: ReconcilerInputs) {
  const { stage, settings, table } = inputs;
  const deadLetters = new aws.sqs.Queue("DeadLetters", {
    name: `${$app.name}-${stage.name}-dead-letters`,
    messageRetentionSeconds: DEAD_LETTER_SECONDS,
    sqsManagedSseEnabled: true,
  });
  // Empty unless it is set: not every identity provider asks for one.
  const token = new sst.Secret("OidcInitialAccessToken", "");
  const environment = { OIDC_ISSUER_URL: settings.oidcIssuerUrl, OIDC_INITIAL_ACCESS_TOKEN: token.value };
  const onStream: sst.aws.FunctionPermissionArgs[] = [
    {
      actions: ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"],
      resources: [table.nodes.table.streamArn],
    },
    { actions: ["sqs:SendMessage"], resources: [deadLetters.arn] },
  ];
  // Kept for it, so that requests cannot starve it, nor it them. Stages that come and go take what is left.
  const reserved = (concurrency: number) => (stage.isEphemeral ? {} : { concurrency });

  const onEvents = createFunction("ReconcileStream", {
    ...inputs,
    bundle: "reconcile",
    handler: "stream",
    timeout: "120 seconds",
    grant: reconcilerGrants.ReconcileStream,
    environment,
    permissions: onStream,
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
    once: true,
    ...reserved(sweeps.reservedConcurrency),
  });
  // Not rate(1 minute), which counts from each schedule's creation: sweeps change their shares at the same moment.
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
