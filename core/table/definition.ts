/** Definition of the table for the local server, the tests and the AWS stack. Imports nothing. */

/** Index of pending work: sparse, contains the pointers that are due. */
export const DUE_INDEX = "due-index";

/** List index, for other orders and filters: sparse, contains a few attributes of each cluster. */
export const LIST_INDEX = "slim-index";

/** Attributes in a row of the list index besides the keys; about 350 bytes with keys and attribute names. */
export const LIST_ATTRIBUTES = [
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

/** Key attributes and indexes. Only clusters have `slimSk`, a copy of `sk`, so the list index is sparse. */
export const tableDefinition = {
  partitionKey: "pk",
  sortKey: "sk",
  ttl: "ttl",
  indexes: {
    [DUE_INDEX]: { partitionKey: "duePk", sortKey: "dueAt", include: ["organisation", "path"] },
    [LIST_INDEX]: { partitionKey: "pk", sortKey: "slimSk", include: LIST_ATTRIBUTES },
  },
} as const;
