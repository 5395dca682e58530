/** Permissions of functions on the table and the key. */

import { DUE_INDEX, type IndexName } from "#core/table/definition.ts";

/** An action on the table in IAM's words, without the service. */
type TableAction = "BatchGetItem" | "Query" | "PutItem" | "UpdateItem" | "DeleteItem" | "ConditionCheckItem";

/** An action on the key in IAM's words, without the service. */
type KeyAction = "Decrypt" | "GenerateDataKey";

/** Permissions on the table and the key. */
export interface Grant {
  /** Actions on the table itself. A transaction needs the action of each of its operations. */
  table: readonly TableAction[];
  /** Indexes that may be queried. */
  indexes: readonly IndexName[];
  /** Actions on the key that encrypts the data keys of clusters; absent for functions that read no secrets. */
  key?: readonly KeyAction[];
}

const RECONCILES = [
  "BatchGetItem",
  "Query",
  "PutItem",
  "UpdateItem",
  "DeleteItem",
  "ConditionCheckItem",
] as const satisfies readonly TableAction[];

/** Permissions of the reconciler's functions, by their names in the stack. */
export const reconcilerGrants = {
  ReconcileStream: { table: RECONCILES, indexes: [], key: ["Decrypt", "GenerateDataKey"] },
  ReconcileSchedule: { table: RECONCILES, indexes: [DUE_INDEX], key: ["Decrypt", "GenerateDataKey"] },
} as const satisfies Record<string, Grant>;
