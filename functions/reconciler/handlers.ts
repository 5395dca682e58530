/** Lambda functions of the reconciler: one on the table's stream, and one on schedules, which finds all other due clusters. */

import * as v from "valibot";
import { createIdentityProvider } from "#core/cluster-access/identity-provider.ts";
import type { PrerequisiteServices } from "#core/cluster-access/prerequisites.ts";
import type { Services } from "#core/context.ts";
import type { Provisioner } from "#core/provisioning/provisioner.ts";
import { MAX_INLINE_MS } from "#core/provisioning/reconcile.ts";
import type { ReconcilerServices } from "#core/provisioning/services.ts";
import { type DueItem, findDue, reconcileAll, shardsOf } from "#core/provisioning/work-queue.ts";
import { createKmsKeyring } from "#core/secrets/kms-keyring.ts";
import { createSecretReader } from "#core/secrets/secrets-manager.ts";
import { Meter } from "#core/table/capacity-meter.ts";
import { clusterIdentityOf, DUE_SHARDS, dueShards } from "#core/table/keys.ts";
import { type Config, readConfig, requireVariable } from "#functions/runtime/config.ts";
import { createLogger, errorFields, type Logger } from "../runtime/log.ts";
import { FAILURES_METRIC, LATENESS_METRIC, metricFields, RECONCILED_METRIC } from "../runtime/metrics.ts";
import { servicesFrom } from "../runtime/services.ts";
import { logOutages } from "./log-outages.ts";
import { reconcilerFrom, sharedProvisionerFrom } from "./services.ts";

/** Used part of a record of a DynamoDB stream. */
export interface StreamRecord {
  dynamodb?: { SequenceNumber?: string; NewImage?: Record<string, { S?: string }> };
}

/** Response of the stream's function: the records to retry. */
interface BatchResponse {
  batchItemFailures: { itemIdentifier: string }[];
}

/** Number of clusters that one invocation reconciles at a time: a whole batch of the stream, because most of the time is waiting. */
const CONCURRENCY = 100;

/**
 * Time during which an invocation on the stream starts clusters, in milliseconds. Each may then take `MAX_INLINE_MS` and the rest
 * of its step.
 */
const STREAM_START_MS = 30_000;

/** Time during which a sweep starts clusters, in milliseconds: most of its minute, because no record waits for it. */
export const SWEEP_START_MS = 50_000;

/** Counts of one invocation, for its metrics. */
interface Tally {
  /** Number of clusters that were reconciled, and of those that failed. */
  reconciled: number;
  failed: number;
  /** Delay of the longest overdue cluster at the start of a sweep, in seconds; undefined for the stream. */
  lateSeconds?: number;
}

/** Services and counts of one invocation. */
interface Work {
  services: ReconcilerServices;
  log: Logger;
  tally?: Tally;
}

/**
 * Reconciles clusters, and logs failures. Clusters that are not started by a time stay due.
 *
 * @param endAt that time, in milliseconds since the epoch
 * @returns the number of started clusters, and the identities of those that failed
 */
async function reconcileUntil(endAt: number, { services, log, tally }: Work, identities: readonly string[]) {
  const hasTime = () => services.clock().getTime() < endAt;
  const results = await reconcileAll(services, identities, CONCURRENCY, MAX_INLINE_MS, hasTime);
  const failed = results.filter((each) => "error" in each);
  if (tally !== undefined) {
    tally.reconciled += results.length;
    tally.failed += failed.length;
  }
  for (const { identity, error } of failed) {
    log.warn("reconciling failed; the cluster stays due", { clusterIdentity: identity, ...errorFields(error) });
  }
  return { started: results.length, failed: failed.map(({ identity }) => identity) };
}

/**
 * Returns the identity of a cluster whose pointer was written, and which is due and not leased. The schedule finds a cluster that
 * is due later. The worker with the lease detects a request before it releases the lease. A deleted pointer requests nothing.
 */
function dueClusterOf({ dynamodb }: StreamRecord, now: number): string | undefined {
  const { pk, sk, dueAt, leaseUntil } = dynamodb?.NewImage ?? {};
  const isDue = dueAt?.S !== undefined && Date.parse(dueAt.S) <= now;
  const isLeased = leaseUntil?.S !== undefined && Date.parse(leaseUntil.S) > now;
  return isDue && !isLeased ? clusterIdentityOf({ pk: pk?.S ?? "", sk: sk?.S ?? "" }) : undefined;
}

/**
 * Reconciles the due clusters of a batch of records. Clusters for which the time is too short stay due for the schedule.
 *
 * @returns the first record of each cluster that failed, to retry
 */
export async function onStream(work: Work, records: readonly StreamRecord[]): Promise<BatchResponse> {
  const now = work.services.clock().getTime();
  const sequenceOf = new Map<string, string>();
  for (const record of records) {
    const identity = dueClusterOf(record, now);
    if (identity === undefined || sequenceOf.has(identity)) continue;
    sequenceOf.set(identity, record.dynamodb?.SequenceNumber ?? "");
  }
  const { failed } = await reconcileUntil(now + STREAM_START_MS, work, [...sequenceOf.keys()]);
  return { batchItemFailures: failed.map((identity) => ({ itemIdentifier: sequenceOf.get(identity) ?? "" })) };
}

/** Returns the delay of a due cluster, in seconds; 0 if there is none. */
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

/** Returns the partitions of the due index that a sweep reads. @throws Error if the event is neither a `SweepEvent` nor empty */
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
 * Reconciles all due clusters in the sweep's share of the due index, until none is left or the time is used up.
 *
 * @param event `SweepEvent`, or `{}` for a sweep of all shares
 * @returns the number of reconciled clusters
 * @throws Error if the event is neither
 */
export async function onSchedule(work: Work, event: unknown): Promise<{ worked: number }> {
  const shards = shardsIn(event);
  const endAt = work.services.clock().getTime() + SWEEP_START_MS;
  let worked = 0;
  const seen = new Set<string>();
  while (work.services.clock().getTime() < endAt) {
    const found = await findDue(work.services, undefined, shards);
    if (work.tally !== undefined) work.tally.lateSeconds ??= latenessOf(found[0], work.services.clock());
    const due = found.flatMap(({ identity }) => (seen.has(identity) ? [] : [identity]));
    if (due.length === 0) break;
    // Each cluster once: the sweep of the next minute reconciles those that are due again.
    for (const identity of due) seen.add(identity);
    worked += (await reconcileUntil(endAt, work, due)).started;
  }
  return { worked };
}

/** Replacements for services from the environment, for tests. */
type Overrides = Partial<
  Services & Pick<ReconcilerServices, "sleep"> & Pick<PrerequisiteServices, "keyring" | "identityProvider">
>;

/** Lambda handler of the reconciler. */
interface WorkHandler<Event, Output> {
  (event: Event, context: { awsRequestId?: string }): Promise<Output>;
  /** Returns the same handler with other services, such as a clock that is advanced explicitly. */
  with(overrides: Overrides): WorkHandler<Event, Output>;
}

/** Creates a handler. Its first invocation creates what all invocations share. */
function createHandler<Event, Output>(
  source: string,
  run: (work: Work, event: Event) => Promise<Output>,
  overrides: Overrides = {},
): WorkHandler<Event, Output> {
  let shared: Shared | undefined;
  const handler = async (event: Event, { awsRequestId }: { awsRequestId?: string }) => {
    const started = performance.now();
    const coldStart = shared === undefined;
    shared ??= await fromEnvironment(overrides);
    const { config, log, own, provisioner } = shared;
    const meter = new Meter();
    const services = { ...shared.services, table: shared.services.table.metered(meter) };
    const tally: Tally = { reconciled: 0, failed: 0 };
    try {
      const reconciler = reconcilerFrom(config, services, own, { ...overrides, shared: provisioner });
      return await run({ services: reconciler, log, tally }, event);
    } finally {
      const milliseconds = Math.round(performance.now() - started);
      const metrics = metricFields(
        config.STAGE,
        {
          [RECONCILED_METRIC]: [tally.reconciled, "Count"],
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
  return Object.assign(handler, { with: (more: Overrides) => createHandler(source, run, more) });
}

/** State that all invocations share. */
interface Shared {
  config: Config;
  services: Services;
  own: Omit<PrerequisiteServices, "table" | "clock" | "provisioner">;
  /** Undefined if each invocation creates its own. */
  provisioner: Provisioner | undefined;
  log: Logger;
}

async function fromEnvironment({ keyring, identityProvider: provider, ...overrides }: Overrides): Promise<Shared> {
  const config = readConfig(process.env, ["CLUSTER_API_KUBECONFIG_SECRET", "CLUSTER_API_KUBECONFIG_VERSION"]);
  const services = { ...servicesFrom(config, config.DYNAMODB_ENDPOINT), ...overrides };
  const log = createLogger(config.LOG_LEVEL);
  const own = {
    keyring: keyring ?? createKmsKeyring(requireVariable(config, "KMS_KEY_ID")),
    identityProvider:
      provider ?? createIdentityProvider(requireVariable(config, "OIDC_ISSUER_URL"), config.OIDC_INITIAL_ACCESS_TOKEN),
    warn: log.warn,
  };
  const { CLUSTER_API_KUBECONFIG_SECRET: secret = "", CLUSTER_API_KUBECONFIG_VERSION: version = "" } = config;
  const provisioner = await sharedProvisionerFrom(config, services, own, {
    readKubeconfig: createSecretReader(secret, version),
    // A function has neither files nor commands of the operator.
    clientOptions: { isEmbedded: true, onOutage: logOutages(log) },
  });
  return { config, services, own, provisioner, log };
}

/** Lambda handler on the table's stream. */
export const stream = createHandler("stream", (work, { Records }: { Records: StreamRecord[] }) =>
  onStream(work, Records),
);

/** Lambda handler on the schedules. */
export const schedule = createHandler("schedule", (work, event: unknown) => onSchedule(work, event));
