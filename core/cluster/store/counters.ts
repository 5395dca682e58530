/** Updates all counters of clusters: totals of environment and organisation, and use of accounts and schedules. */

import { environmentKey, type Key, keyText, totalKey, usageKey } from "../../table/keys.ts";
import type { Expression, Transaction } from "../../table/transaction.ts";
import { MAX_CLUSTERS } from "../../tenancy/organisation.ts";
import { type Usage, usageEntity } from "../../tenancy/references-entity.ts";
import type { Cluster } from "../entity.ts";
import { isDeleting } from "../rules/transitions.ts";

/** Change of the counters in one item. */
interface Delta {
  label: string;
  key: Key;
  by: Record<string, number>;
  /** Condition that applies if something is added. */
  whenAdding: Expression;
}

/** Lists the counters of a cluster. A deleting cluster counts only in `heldClusters` of its environment, and for its account. */
function countsOf(cluster: Cluster, needsCredentials: boolean): Delta[] {
  const { organisation, environment, environmentIdentity, cpu, memory } = cluster;
  const live = isDeleting(cluster) ? 0 : 1;
  const deltas: Delta[] = [
    {
      label: "environment",
      key: environmentKey(organisation, environment),
      by: { heldClusters: 1, totalClusters: live, totalCpu: live * cpu, totalMemory: live * memory },
      whenAdding: {
        condition: "#identity = :identity AND attribute_not_exists(#deletedAt)",
        values: { ":identity": environmentIdentity },
      },
    },
    {
      label: "total",
      key: totalKey(organisation),
      by: { clusters: live, cpu: live * cpu, memory: live * memory },
      whenAdding: {},
    },
  ];
  const exists = "#entity = :entity";
  const values = { ":entity": usageEntity.name };
  deltas.push({
    label: "account",
    key: usageKey(organisation, cluster.cloudAccountIdentity),
    by: accountUsage(cluster),
    whenAdding: {
      condition: needsCredentials ? `${exists} AND attribute_not_exists(#lacksCredentials)` : exists,
      values,
    },
  });
  const { maintenanceScheduleIdentity: schedule } = cluster;
  if (schedule !== undefined) {
    const key = usageKey(organisation, schedule);
    deltas.push({ label: "schedule", key, by: { clusters: live }, whenAdding: { condition: exists, values } });
  }
  return deltas;
}

/** Returns what a cluster counts for its cloud account: until its deletion is complete, because that needs the account. */
export function accountUsage(cluster: Pick<Cluster, "status" | "desiredStatus" | "holdsAccount">): Usage {
  if (!isDeleting(cluster)) return { clusters: 1, deletingClusters: 0 };
  const held = cluster.holdsAccount === true ? 1 : 0;
  return { clusters: held, deletingClusters: held };
}

/**
 * Adds the counter updates of a change to a transaction, as commutative increments. If a counter is raised, its item must exist.
 * The conditions have the labels `environment`, `total` (the organisation's limit), `account` and `schedule`.
 *
 * @param before undefined for a new cluster
 * @param after undefined for a removed cluster
 * @param options `needsCredentials`: true if a new cluster cannot be built without credentials of its account
 */
export function applyCounters(
  transaction: Transaction,
  before: Cluster | undefined,
  after: Cluster | undefined,
  { needsCredentials = false }: { needsCredentials?: boolean } = {},
): void {
  const deltas = new Map<string, Delta>();
  const add = (each: Delta, sign: number) => {
    const at = keyText(each.key);
    const delta = deltas.get(at) ?? { ...each, by: {} };
    for (const [name, amount] of Object.entries(each.by)) delta.by[name] = (delta.by[name] ?? 0) + sign * amount;
    deltas.set(at, delta);
  };
  for (const each of before === undefined ? [] : countsOf(before, needsCredentials)) add(each, -1);
  for (const each of after === undefined ? [] : countsOf(after, needsCredentials)) add(each, 1);
  for (const { label, key, by, whenAdding } of deltas.values()) {
    const changed = Object.entries(by).filter(([, amount]) => amount !== 0);
    if (changed.length === 0) continue;
    const update = `ADD ${changed.map(([name]) => `#${name} :${name}`).join(", ")}`;
    const values = Object.fromEntries(changed.map(([name, amount]) => [`:${name}`, amount]));
    const isOneMore = (by.clusters ?? 0) > 0 || (by.heldClusters ?? 0) > 0;
    const condition = label === "total" && isOneMore ? LIMIT : isOneMore ? whenAdding : {};
    transaction.update(label, key, update, { ...condition, values: { ...condition.values, ...values } });
  }
}

const LIMIT: Expression = { condition: "#clusters < :most", values: { ":most": MAX_CLUSTERS } };
