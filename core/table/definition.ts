/** Definition of the table for the local server, the tests and the AWS stack. Imports nothing. */

/** Index of pending work: sparse, contains the pointers that are due. */
export const DUE_INDEX = "due-index";

/**
 * List index, for other orders and filters: sparse, contains a short text of each cluster. An organisation's rows are in several
 * partitions.
 */
export const LIST_INDEX = "list-index";

/** List index of older releases. Contains the clusters that no migration has rewritten. */
export const PREVIOUS_LIST_INDEX = "slim-index";

/** Attributes in a row of the list index of older releases besides the keys. */
export const PREVIOUS_LIST_ATTRIBUTES = [
  "identity",
  "name",
  "status",
  "version",
  "region",
  "cloudProvider",
  "createdAt",
  "modifiedAt",
  "maintenanceScheduleIdentity",
  "environmentIdentity",
  "revision",
] as const;

/** Name of an index. */
export type IndexName = typeof DUE_INDEX | typeof LIST_INDEX | typeof PREVIOUS_LIST_INDEX;

/** Key attributes and indexes. Only clusters have `listPk`, and in older versions `slimSk`, so the list indexes are sparse. */
export const tableDefinition = {
  partitionKey: "pk",
  sortKey: "sk",
  ttl: "ttl",
  indexes: {
    [DUE_INDEX]: { partitionKey: "duePk", sortKey: "dueAt", include: ["organisation", "path"] },
    [LIST_INDEX]: { partitionKey: "listPk", sortKey: "sk", include: ["row"] },
    [PREVIOUS_LIST_INDEX]: { partitionKey: "pk", sortKey: "slimSk", include: PREVIOUS_LIST_ATTRIBUTES },
  },
} as const;
