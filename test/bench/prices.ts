/** What running costs on AWS: list prices, stated traffic, and the formula between them. */

import { sweepInvocations } from "#functions/reconciler/invocations.ts";

/** What one call of something consumes. */
export interface Consumption {
  /** Calls to the database. */
  calls: number;
  /** DynamoDB's read and write units. */
  readUnits: number;
  writeUnits: number;
  /** Calls to KMS. */
  keyRequests: number;
}

/** What the reconciler consumes when it works on a cluster. */
export interface WorkConsumption extends Consumption {
  /** How long it stays with the cluster, waiting for the next step. */
  seconds: number;
}

/**
 * List prices in US dollars, US East (N. Virginia), on demand, without free tiers, written down in November 2026. AWS publishes
 * them at aws.amazon.com/<service>/pricing; docs/cost.md says which of them were looked up.
 */
export const PRICES = {
  /** A million of each. */
  readUnits: 0.125,
  writeUnits: 0.625,
  gatewayRequests: 1.0,
  functionCalls: 0.2,
  scheduledCalls: 1.0,
  keyRequests: 3.0,
  /** A GB-second on arm64. */
  gigabyteSecond: 0.0000133334,
  /** A GB stored for a month, with point-in-time recovery; a GB of logs taken in. */
  storedGigabyte: 0.25 + 0.2,
  loggedGigabyte: 0.5,
  /** A month of each. */
  alarm: 0.1,
  metric: 0.3,
  key: 1.0,
} as const;

/** What is assumed of the functions, which AWS alone could show. */
export const FUNCTIONS = {
  gigabytes: 1,
  /** A request that is answered. */
  requestSeconds: 0.03,
  /** What work on a cluster takes beside its waiting, and what a sweep takes. */
  workSeconds: 0.1,
  sweepSeconds: 0.1,
  /** What a request leaves in the logs, of the gateway and of the function. */
  loggedBytes: 1_500,
} as const;

/** How often each operation is asked for, for each cluster and month: what it is called in the table of operations, and how often. */
export const TRAFFIC: Readonly<Record<string, number>> = {
  // Something looks at each cluster every quarter of an hour, and people page through lists.
  "get a cluster": 3_000,
  "list clusters, 50": 200,
  "list node pools": 200,
  "list events": 30,
  "get the kubeconfig": 60,
  // Changes of every kind, of which a pipeline makes most.
  "change a cluster": 20,
  "change a node pool": 40,
  "get a pool's join configuration": 10,
  // One cluster in ten is made anew each month.
  "create a cluster with a node pool": 0.1,
  "delete a cluster": 0.1,
};

/** What the reconciler does for each cluster and month. */
export const WORK: Readonly<Record<string, number>> = {
  "bring a cluster up": 0.1,
  "take a cluster down": 0.1,
  "follow a change": 60,
  // Every half to whole hour.
  "look at a cluster at rest": 975,
};

/** What there is of a stage whatever its size. */
const FIXED = { alarmMetrics: 34, metrics: 9, minutes: 30 * 24 * 60, sweeps: sweepInvocations(false).count } as const;

/** What a cluster with two node pools and its events takes of the table and its indexes, in bytes. */
const CLUSTER_BYTES = 40_000;

/** A month's price by what it is for, in US dollars. */
export interface Month {
  requests: number;
  work: number;
  storage: number;
  fixed: number;
  total: number;
}

const million = (count: number, price: number) => (count / 1_000_000) * price;

const units = ({ readUnits, writeUnits, keyRequests }: Consumption) =>
  million(readUnits, PRICES.readUnits) +
  million(writeUnits, PRICES.writeUnits) +
  million(keyRequests, PRICES.keyRequests);

const seconds = (count: number) => count * FUNCTIONS.gigabytes * PRICES.gigabyteSecond;

/** What a request costs, with the gateway, the function, its logs and its units. */
export const requestPrice = (consumed: Consumption): number =>
  units(consumed) +
  million(1, PRICES.gatewayRequests + PRICES.functionCalls) +
  seconds(FUNCTIONS.requestSeconds) +
  (FUNCTIONS.loggedBytes / 1e9) * PRICES.loggedGigabyte;

/** What a call of the reconciler for one cluster costs. */
const workPrice = (consumed: WorkConsumption): number =>
  units(consumed) + million(1, PRICES.functionCalls) + seconds(FUNCTIONS.workSeconds + consumed.seconds);

/** @throws Error where it is not there */
function known<Found>(map: ReadonlyMap<string, Found>, name: string): Found {
  const found = map.get(name);
  if (found === undefined) throw new Error(`nothing is known of: ${name}`);
  return found;
}

const sum = (often: Readonly<Record<string, number>>, price: (name: string) => number): number =>
  Object.entries(often).reduce((total, [name, times]) => total + times * price(name), 0);

/**
 * Prices a month.
 *
 * @param asked consumption of every operation, by name
 * @param worked of every kind of work
 * @throws Error where something that the traffic names is not there
 */
export function monthOf(
  clusters: number,
  asked: ReadonlyMap<string, Consumption>,
  worked: ReadonlyMap<string, WorkConsumption>,
): Month {
  const requests = clusters * sum(TRAFFIC, (name) => requestPrice(known(asked, name)));
  const work = clusters * sum(WORK, (name) => workPrice(known(worked, name)));
  const storage = ((clusters * CLUSTER_BYTES) / 1e9) * PRICES.storedGigabyte;
  const sweep = million(1, PRICES.functionCalls + PRICES.scheduledCalls) + seconds(FUNCTIONS.sweepSeconds);
  const fixed =
    FIXED.minutes * (units(known(worked, SWEEP)) + FIXED.sweeps * sweep) +
    FIXED.alarmMetrics * PRICES.alarm +
    FIXED.metrics * PRICES.metric +
    PRICES.key;
  return { requests, work, storage, fixed, total: requests + work + storage + fixed };
}

/** What the stage itself does each minute, whatever its size: all of its sweeps together. */
export const SWEEP = "sweep for what is due";
