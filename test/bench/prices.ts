/** Cost of operation on AWS: list prices, stated traffic, and the formula between them. */

import { sweepInvocations } from "#functions/reconciler/invocations.ts";

/** Consumption of one operation. */
export interface Consumption {
  /** Database calls. */
  calls: number;
  /** DynamoDB's read and write units. */
  readUnits: number;
  writeUnits: number;
  /** KMS calls. */
  keyRequests: number;
}

/** Consumption of the reconciler for one cluster. */
export interface WorkConsumption extends Consumption {
  /** Duration of the reconciler's work on the cluster, including waits for the next step. */
  seconds: number;
}

/**
 * List prices in US dollars, US East (N. Virginia), on demand, without free tiers, recorded in November 2026. AWS publishes them
 * at aws.amazon.com/<service>/pricing; docs/cost.md says which of them were looked up.
 */
export const PRICES = {
  /** Per million. */
  readUnits: 0.125,
  writeUnits: 0.625,
  gatewayRequests: 1.0,
  functionCalls: 0.2,
  scheduledCalls: 1.0,
  keyRequests: 3.0,
  /** Per GB-second on arm64. */
  gigabyteSecond: 0.0000133334,
  /** Per GB stored for a month, with point-in-time recovery; per GB of ingested logs. */
  storedGigabyte: 0.25 + 0.2,
  loggedGigabyte: 0.5,
  /** Per month. */
  alarm: 0.1,
  metric: 0.3,
  key: 1.0,
} as const;

/** Assumptions about the functions, which only AWS could measure. */
export const FUNCTIONS = {
  gigabytes: 1,
  /** Duration of a request. */
  requestSeconds: 0.03,
  /** Duration of work on a cluster without its waits, and of a sweep. */
  workSeconds: 0.1,
  sweepSeconds: 0.1,
  /** Size of a request's logs, of the gateway and of the function. */
  loggedBytes: 1_500,
} as const;

/** Number of calls of each operation per cluster and month, by the operation's name in the table. */
export const TRAFFIC: Readonly<Record<string, number>> = {
  // A client polls each cluster every quarter of an hour, and people page through lists.
  "get a cluster": 3_000,
  "list clusters, 50": 200,
  "list node pools": 200,
  "list events": 30,
  "get the kubeconfig": 60,
  // Changes of every kind, most of them by a pipeline.
  "change a cluster": 20,
  "change a node pool": 40,
  "get a pool's join configuration": 10,
  // One cluster in ten is recreated each month.
  "create a cluster with a node pool": 0.1,
  "delete a cluster": 0.1,
};

/** Work of the reconciler per cluster and month. */
export const WORK: Readonly<Record<string, number>> = {
  "provision a cluster": 0.1,
  "remove a deleted cluster": 0.1,
  "apply a change": 60,
  // Every half to whole hour.
  "check an idle cluster": 975,
};

/** Fixed parts of a stage of any size. */
const FIXED = { alarmMetrics: 34, metrics: 9, minutes: 30 * 24 * 60, sweeps: sweepInvocations(false).count } as const;

/** Size of a cluster with two node pools and its events in the table and its indexes, in bytes. */
const CLUSTER_BYTES = 40_000;

/** Price of a month by category, in US dollars. */
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

/** Returns the cost of a request, with the gateway, the function, its logs and its units. */
export const calculateRequestPrice = (consumed: Consumption): number =>
  units(consumed) +
  million(1, PRICES.gatewayRequests + PRICES.functionCalls) +
  seconds(FUNCTIONS.requestSeconds) +
  (FUNCTIONS.loggedBytes / 1e9) * PRICES.loggedGigabyte;

/** Returns the cost of a call of the reconciler for one cluster. */
const workPrice = (consumed: WorkConsumption): number =>
  units(consumed) + million(1, PRICES.functionCalls) + seconds(FUNCTIONS.workSeconds + consumed.seconds);

/** @throws Error if it is missing */
function known<Found>(map: ReadonlyMap<string, Found>, name: string): Found {
  const found = map.get(name);
  if (found === undefined) throw new Error(`no measurement of: ${name}`);
  return found;
}

const sum = (often: Readonly<Record<string, number>>, price: (name: string) => number): number =>
  Object.entries(often).reduce((total, [name, times]) => total + times * price(name), 0);

/**
 * Calculates the price of a month.
 *
 * @param asked consumption of every operation, by name
 * @param worked consumption of every kind of work
 * @throws Error if the traffic names an unknown operation
 */
export function calculateMonth(
  clusters: number,
  asked: ReadonlyMap<string, Consumption>,
  worked: ReadonlyMap<string, WorkConsumption>,
): Month {
  const requests = clusters * sum(TRAFFIC, (name) => calculateRequestPrice(known(asked, name)));
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

/** Work of a stage of any size in each minute: all of its sweeps together. */
export const SWEEP = "sweep for due clusters";
