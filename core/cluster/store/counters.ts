/** Updates all counters of clusters: totals of environment and organisation, and use of accounts and schedules. */

import { environmentKey, type Key, keyText, totalKey, usageKey } from "../../table/keys.ts";
import type { Expression, Transaction } from "../../table/transaction.ts";
import { MAX_CLUSTERS } from "../../tenancy/organisation.ts";
import { usageEntity } from "../../tenancy/references-entity.ts";
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

/** Lists the counters of a cluster. A deleting cluster counts only in `heldClusters` of its environment. */
function countsOf(cluster: Cluster): Delta[] {
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
  const used = { account: cluster.cloudAccountIdentity, schedule: cluster.maintenanceScheduleIdentity };
  for (const [label, identity] of Object.entries(used)) {
    if (identity === undefined) continue;
    deltas.push({
      label,
      key: usageKey(organisation, identity),
      by: { clusters: live },
      whenAdding: { condition: "#entity = :entity", values: { ":entity": usageEntity.name } },
    });
  }
  return deltas;
}

/**
 * Adds the counter updates of a change to a transaction, as commutative increments. If a counter is raised, its item must exist.
 * The conditions have the labels `environment`, `total` (the organisation's limit), `account` and `schedule`.
 *
 * @param before undefined for a new cluster
 * @param after undefined for a removed cluster
 */
export function applyCounters(transaction: Transaction, before: Cluster | undefined, after: Cluster | undefined): void {
  const deltas = new Map<string, Delta>();
  const add = (each: Delta, sign: number) => {
    const at = keyText(each.key);
    const delta = deltas.get(at) ?? { ...each, by: {} };
    for (const [name, amount] of Object.entries(each.by)) delta.by[name] = (delta.by[name] ?? 0) + sign * amount;
    deltas.set(at, delta);
  };
  for (const each of before === undefined ? [] : countsOf(before)) add(each, -1);
  for (const each of after === undefined ? [] : countsOf(after)) add(each, 1);
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
