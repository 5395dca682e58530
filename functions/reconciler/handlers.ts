/** The reconciler as Lambda functions: on the table's stream, and on schedules for what no event woke. */

import * as v from "valibot";
import { createIdentityProvider } from "#core/cluster-access/identity-provider.ts";
import type { PrerequisiteServices } from "#core/cluster-access/prerequisites.ts";
import type { Services } from "#core/context.ts";
import { MAX_INLINE_MS, type ReconcilerServices } from "#core/provisioning/reconcile.ts";
import { type DueItem, findDue, reconcileAll, shardsOf } from "#core/provisioning/work-queue.ts";
import { createKmsKeyring } from "#core/secrets/kms-keyring.ts";
import { Meter } from "#core/table/capacity-meter.ts";
import { clusterIdentityOf, DUE_SHARDS, dueShards } from "#core/table/keys.ts";
import { type Config, readConfig, requireVariable } from "#functions/runtime/config.ts";
import { createLogger, errorFields, type Logger } from "../runtime/log.ts";
import { FAILURES_METRIC, LATENESS_METRIC, metricFields, RECONCILED_METRIC } from "../runtime/metrics.ts";
import { servicesFrom } from "../runtime/services.ts";
import { reconcilerFrom } from "./services.ts";

/** What of a record of a DynamoDB stream matters here. */
export interface StreamRecord {
  dynamodb?: { SequenceNumber?: string; NewImage?: Record<string, { S?: string }> };
}

/** What a stream's function answers: the records to be sent again. */
export interface BatchAnswer {
  batchItemFailures: { itemIdentifier: string }[];
}

/** Clusters worked on at a time by one function: a whole batch of the stream, for most of the time they are waited for. */
const CONCURRENCY = 100;

/** How long an invocation on the stream begins with clusters, in milliseconds. Each may then take `MAX_INLINE_MS` and the step under way. */
const STREAM_BEGINNING_MS = 30_000;

/** How long a sweep begins with clusters, in milliseconds: most of its minute. No record waits for it. */
export const SWEEP_BEGINNING_MS = 50_000;

/** What is counted of a call. */
interface Tally {
  /** Clusters that were worked on, and those of them that failed. */
  worked: number;
  failed: number;
  /** How long whoever waited longest had been due when the call began; undefined where nobody looked. */
  lateSeconds?: number;
}

/** What one call works with. */
interface Work {
  services: ReconcilerServices;
  log: Logger;
  tally?: Tally;
}

/**
 * Works on clusters until it is too late to begin with another, and logs what failed.
 *
 * @param endAt when that is, in milliseconds since the epoch
 * @returns how many were begun, and the identities of those that failed
 */
async function workUntil(endAt: number, { services, log, tally }: Work, identities: readonly string[]) {
  const hasTime = () => services.clock().getTime() < endAt;
  const worked = await reconcileAll(services, identities, CONCURRENCY, MAX_INLINE_MS, hasTime);
  const failed = worked.filter((each) => "error" in each);
  if (tally !== undefined) {
    tally.worked += worked.length;
    tally.failed += failed.length;
  }
  for (const { identity, error } of failed) {
    log.warn("reconciling failed; the cluster stays due", { clusterIdentity: identity, ...errorFields(error) });
  }
  return { begun: worked.length, failed: failed.map(({ identity }) => identity) };
}

/**
 * The cluster that a record asks to work on: its pointer was written, says that it is due, and nobody has it. What is due later is
 * left to the schedule, and what is leased to whoever has it, who looks at the pointer once more before letting go: both are
 * mostly the reconciler's own marks. What was removed, by us or by its time to live, asks for nothing.
 */
function clusterIn({ dynamodb }: StreamRecord, now: number): string | undefined {
  const { pk, sk, dueAt, leaseUntil } = dynamodb?.NewImage ?? {};
  const isDue = dueAt?.S !== undefined && Date.parse(dueAt.S) <= now;
  const isLeased = leaseUntil?.S !== undefined && Date.parse(leaseUntil.S) > now;
  return isDue && !isLeased ? clusterIdentityOf({ pk: pk?.S ?? "", sk: sk?.S ?? "" }) : undefined;
}

/**
 * Works on clusters whose pointers say that they are due now. Those for which there is no time stay due, for the schedule.
 *
 * @returns the first record of each cluster that failed, to be sent again
 */
export async function onStream(work: Work, records: readonly StreamRecord[]): Promise<BatchAnswer> {
  const now = work.services.clock().getTime();
  const sequenceOf = new Map<string, string>();
  for (const record of records) {
    const identity = clusterIn(record, now);
    if (identity === undefined || sequenceOf.has(identity)) continue;
    sequenceOf.set(identity, record.dynamodb?.SequenceNumber ?? "");
  }
  const { failed } = await workUntil(now + STREAM_BEGINNING_MS, work, [...sequenceOf.keys()]);
  return { batchItemFailures: failed.map((identity) => ({ itemIdentifier: sequenceOf.get(identity) ?? "" })) };
}

/** How late a cluster is, in seconds; nobody is not late. */
const latenessOf = (due: DueItem | undefined, now: Date): number =>
  due === undefined ? 0 : Math.max(0, (now.getTime() - Date.parse(due.dueAt)) / 1_000);

const Sweep = v.union([
  v.pipe(
    v.object({
      index: v.pipe(v.number(), v.integer(), v.minValue(0)),
      count: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(DUE_SHARDS)),
      scheduledAt: v.pipe(v.string(), v.isoTimestamp()),
    }),
    v.check(({ index, count }) => index < count),
  ),
  v.strictObject({}),
]);

/** Which partitions of the due index a sweep looks in. @throws Error where the event is not a `SweepEvent` or empty */
function shardsIn(event: unknown): readonly string[] {
  const parsed = v.safeParse(Sweep, event);
  if (!parsed.success) {
    throw new Error(
      `The sweep's event is ${JSON.stringify(event)}. It must have index (0 to count - 1), count (1 to ${DUE_SHARDS}) and scheduledAt (RFC 3339), or be {} for a sweep of everything.`,
    );
  }
  const sweep = parsed.output;
  return "index" in sweep ? shardsOf(sweep, new Date(sweep.scheduledAt)) : dueShards;
}

/**
 * Works on everything that is due in the sweep's share of the due index, until nothing is or it is too late to begin.
 *
 * @param event a `SweepEvent`, or `{}` for a sweep of all shares
 * @returns how many were worked on
 * @throws Error where the event is neither
 */
export async function onSchedule(work: Work, event: unknown): Promise<{ worked: number }> {
  const shards = shardsIn(event);
  const endAt = work.services.clock().getTime() + SWEEP_BEGINNING_MS;
  let worked = 0;
  const seen = new Set<string>();
  while (work.services.clock().getTime() < endAt) {
    const found = await findDue(work.services, undefined, shards);
    if (work.tally !== undefined) work.tally.lateSeconds ??= latenessOf(found[0], work.services.clock());
    const due = found.flatMap(({ identity }) => (seen.has(identity) ? [] : [identity]));
    if (due.length === 0) break;
    // Each once: what is due again at once is the next minute's.
    for (const identity of due) seen.add(identity);
    worked += (await workUntil(endAt, work, due)).begun;
  }
  return { worked };
}

/** What a handler may be given instead of what the environment says. */
type Given = Partial<
  Services & Pick<ReconcilerServices, "sleep"> & Pick<PrerequisiteServices, "keyring" | "identityProvider">
>;

/** A Lambda handler of the reconciler. */
export interface WorkHandler<Event, Answer> {
  (event: Event, context: { awsRequestId?: string }): Promise<Answer>;
  /** The same handler with services of one's own, such as a clock that is moved by hand. */
  with(given: Given): WorkHandler<Event, Answer>;
}

/** Makes the handler of what wakes the reconciler. What all calls share is made with the first. */
function handlerOf<Event, Answer>(
  source: string,
  run: (work: Work, event: Event) => Promise<Answer>,
  given: Given = {},
): WorkHandler<Event, Answer> {
  let made: Made | undefined;
  const handler = async (event: Event, { awsRequestId }: { awsRequestId?: string }) => {
    const started = performance.now();
    const coldStart = made === undefined;
    made ??= fromEnvironment(given);
    const { config, log, own } = made;
    const meter = new Meter();
    const services = { ...made.services, table: made.services.table.metered(meter) };
    const tally: Tally = { worked: 0, failed: 0 };
    try {
      return await run({ services: reconcilerFrom(config, services, own, given), log, tally }, event);
    } finally {
      const milliseconds = Math.round(performance.now() - started);
      const metrics = metricFields(
        config.STAGE,
        {
          [RECONCILED_METRIC]: [tally.worked, "Count"],
          [FAILURES_METRIC]: [tally.failed, "Count"],
          ...(tally.lateSeconds === undefined ? {} : { [LATENESS_METRIC]: [tally.lateSeconds, "Seconds"] }),
          ReadUnits: [meter.readUnits, "Count"],
          WriteUnits: [meter.writeUnits, "Count"],
        },
        services.clock().getTime(),
      );
      log.metric("reconciled", { source, lambdaRequestId: awsRequestId, milliseconds, coldStart, ...metrics });
    }
  };
  return Object.assign(handler, { with: (more: Given) => handlerOf(source, run, more) });
}

/** What all calls share. */
interface Made {
  config: Config;
  services: Services;
  own: Omit<PrerequisiteServices, "table" | "clock">;
  log: Logger;
}

function fromEnvironment({ keyring, identityProvider: provider, ...given }: Given): Made {
  const config = readConfig(process.env);
  const services = { ...servicesFrom(config, config.DYNAMODB_ENDPOINT), ...given };
  const log = createLogger(config.LOG_LEVEL);
  const own = {
    keyring: keyring ?? createKmsKeyring(requireVariable(config, "KMS_KEY_ID")),
    identityProvider:
      provider ?? createIdentityProvider(requireVariable(config, "OIDC_ISSUER_URL"), config.OIDC_INITIAL_ACCESS_TOKEN),
    warn: log.warn,
  };
  return { config, services, own, log };
}

/** The Lambda on the table's stream. */
export const stream = handlerOf("stream", (work, { Records }: { Records: StreamRecord[] }) => onStream(work, Records));

/** The Lambda on the schedules. */
export const schedule = handlerOf("schedule", (work, event: unknown) => onSchedule(work, event));
