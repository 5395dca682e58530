/**
 * Writes the record of the management cluster. Apart from management-cluster.ts, because that is loaded with `import()`: a module of the SDK
 * that it imported would be in the reconciler's bundle whole.
 */

import { deadlineIn } from "../../shared/retry.ts";
import type { Table } from "../../table/client.ts";
import { managementClusterKey } from "../../table/keys.ts";
import { commit, type Expression, Transaction } from "../../table/transaction.ts";
import { type ManagementClusters, managementClusterEntity } from "./management-cluster.ts";

/** Records a management cluster, on condition that the record is as read. @returns false if it has changed */
export async function recordManagementCluster(
  { table, clock }: { table: Table; clock: () => Date },
  { present, recorded }: ManagementClusters,
): Promise<boolean> {
  const asRead: Expression =
    recorded === undefined
      ? { condition: "attribute_not_exists(#pk)" }
      : { condition: "#uid = :recorded", values: { ":recorded": recorded } };
  const item = managementClusterEntity.write(managementClusterKey, { uid: present, recordedAt: clock().toISOString() });
  const transaction = new Transaction().put("management-cluster", item, asRead);
  return (await commit(table, transaction, deadlineIn())).length === 0;
}
