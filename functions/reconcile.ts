/** The reconciler as Lambda functions: on the table's stream, and on a schedule for what no event woke. */

import { readConfig, required } from "#core/config.ts";
import { identityProvider } from "#core/configuration/identity-provider.ts";
import { findDue, type Worked, workOn } from "#core/provisioning/due.ts";
import { CARRY_MS, type ReconcilerServices } from "#core/provisioning/reconcile.ts";
import { kmsKeyring } from "#core/secrets/kms-keyring.ts";
import { clusterOfPointer } from "#core/table/keys.ts";
import { createLogger, errorFields, type Logger } from "./log.ts";
import { reconcilerFrom } from "./reconciler.ts";
import { servicesFrom } from "./services.ts";

/** What of a record of a DynamoDB stream matters here. */
export interface StreamRecord {
  dynamodb?: { SequenceNumber?: string; NewImage?: Record<string, { S?: string }> };
}

/** What a stream's function answers: the records to be sent again. */
export interface BatchAnswer {
  batchItemFailures: { itemIdentifier: string }[];
}

/** Clusters worked on at a time by one function. */
const CONCURRENCY = 10;

/** What is left of a schedule's minute for the step under way, in milliseconds. */
const SCHEDULE_MS = 50_000;

interface Work {
  services: ReconcilerServices;
  log: Logger;
}

let made: Work | undefined;

function fromEnvironment(): Work {
  if (made === undefined) {
    const config = readConfig(process.env);
    const services = servicesFrom(config, config.DYNAMODB_ENDPOINT);
    const log = createLogger(config.LOG_LEVEL);
    const own = {
      keyring: kmsKeyring(required(config, "KMS_KEY_ID")),
      identityProvider: identityProvider(required(config, "OIDC_ISSUER_URL"), config.OIDC_INITIAL_ACCESS_TOKEN),
      warn: log.warn,
    };
    made = { services: reconcilerFrom(config, services, own), log };
  }
  return made;
}

/** Logs what failed. @returns the identities of those */
function failedOf(worked: readonly Worked[], log: Logger): Set<string> {
  const failed = new Set<string>();
  for (const each of worked) {
    if (!("error" in each)) continue;
    failed.add(each.identity);
    log.warn("reconciling failed; the cluster stays due", { cluster: each.identity, ...errorFields(each.error) });
  }
  return failed;
}

/**
 * Works on clusters whose pointers say that they are due now. What is due later is left to the schedule: those are the
 * reconciler's own marks.
 *
 * @returns the first record of each cluster that failed, to be sent again
 */
export async function onStream({ services, log }: Work, records: readonly StreamRecord[]): Promise<BatchAnswer> {
  const sequenceOf = new Map<string, string>();
  for (const { dynamodb } of records) {
    const { pk, sk, dueAt } = dynamodb?.NewImage ?? {};
    const isDue = dueAt?.S !== undefined && Date.parse(dueAt.S) <= services.clock().getTime();
    const identity = clusterOfPointer({ pk: pk?.S ?? "", sk: sk?.S ?? "" });
    if (identity === undefined || !isDue) continue;
    if (!sequenceOf.has(identity)) sequenceOf.set(identity, dynamodb?.SequenceNumber ?? "");
  }
  const failed = failedOf(await workOn(services, [...sequenceOf.keys()], CONCURRENCY), log);
  return { batchItemFailures: [...failed].map((identity) => ({ itemIdentifier: sequenceOf.get(identity) ?? "" })) };
}

/** Works on everything that is due, until nothing is or the time is up. @returns how many were worked on */
export async function onSchedule({ services, log }: Work): Promise<{ worked: number }> {
  const end = services.clock().getTime() + SCHEDULE_MS - CARRY_MS;
  let worked = 0;
  const seen = new Set<string>();
  while (services.clock().getTime() < end) {
    const due = (await findDue(services)).map(({ identity }) => identity).filter((identity) => !seen.has(identity));
    if (due.length === 0) break;
    // Each once: what is due again at once is the next minute's.
    for (const identity of due) seen.add(identity);
    failedOf(await workOn(services, due, CONCURRENCY), log);
    worked += due.length;
  }
  return { worked };
}

/** The Lambda on the table's stream. */
export const stream = (event: { Records: StreamRecord[] }): Promise<BatchAnswer> =>
  onStream(fromEnvironment(), event.Records);

/** The Lambda on a schedule. */
export const schedule = (): Promise<{ worked: number }> => onSchedule(fromEnvironment());
