/** The table's shape, shared by the local server, the tests and the stack that makes it on AWS. Imports nothing. */

/** The index of pending work: sparse, over pointers that carry a due mark. */
export const DUE_INDEX = "due-index";

/** The index for other orders and filters: sparse, over clusters, with a few attributes each. */
export const LIST_INDEX = "slim-index";

/** What a row of the slim index carries beside the keys; with them and all names about 350 bytes. */
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

/** Key attributes and indexes. `slimSk` repeats `sk` on clusters only, which is what makes that index sparse. */
export const tableDefinition = {
  partitionKey: "pk",
  sortKey: "sk",
  ttl: "ttl",
  indexes: {
    [DUE_INDEX]: { partitionKey: "duePk", sortKey: "dueAt", include: ["organisation", "path"] },
    [LIST_INDEX]: { partitionKey: "pk", sortKey: "slimSk", include: LIST_ATTRIBUTES },
  },
} as const;
