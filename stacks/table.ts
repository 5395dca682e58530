/// <reference path="../.sst/platform/config.d.ts" />
/** Table, created from the same definition as the local one. */

import { tableDefinition } from "../core/table/definition.ts";
import type { Stage } from "./stage.ts";

/** Inputs of the table's stack. */
interface TableInputs {
  stage: Stage;
}

/**
 * Creates the table: on demand, with its stream, time to live, point-in-time recovery and indexes. In a permanent stage it can be
 * deleted only after its deletion protection was switched off.
 */
export function createTable({ stage }: TableInputs) {
  const { partitionKey, sortKey, ttl, indexes } = tableDefinition;
  const keys = [
    partitionKey,
    sortKey,
    ...Object.values(indexes).flatMap((index) => [index.partitionKey, index.sortKey]),
  ];
  return new sst.aws.Dynamo("Table", {
    fields: Object.fromEntries(keys.map((name) => [name, "string" as const])),
    primaryIndex: { hashKey: partitionKey, rangeKey: sortKey },
    globalIndexes: Object.fromEntries(
      Object.entries(indexes).map(([name, index]) => [
        name,
        { hashKey: index.partitionKey, rangeKey: index.sortKey, projection: [...index.include] },
      ]),
    ),
    stream: "new-image",
    ttl,
    deletionProtection: !stage.isEphemeral,
  });
}
