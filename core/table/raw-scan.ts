/** Reads and writes all items of the table in DynamoDB JSON, for backups. Only for the operator's commands. */

import {
  type AttributeValue,
  BatchWriteItemCommand,
  type BatchWriteItemCommandOutput,
  type DynamoDBClient,
  ScanCommand,
  type WriteRequest,
} from "@aws-sdk/client-dynamodb";
import { unavailable } from "../shared/errors.ts";
import { backoff } from "../shared/retry.ts";
import type { Table } from "./client.ts";
import type { WireItem } from "./dynamodb-json.ts";
import { mapErrors } from "./errors.ts";

/** Maximum number of items in one BatchWriteItem. */
export const BATCH_WRITE_ITEMS = 25;

/** Maximum number of retries of unprocessed items of a BatchWriteItem. Then the database counts as overloaded. */
const UNPROCESSED_RETRIES = 12;

// The type of the document client's `send` lacks these commands; it accepts them.
const clientOf = ({ client }: Table): Pick<DynamoDBClient, "send"> => client;

/**
 * Reads every item, strongly consistent, but not as a snapshot of one moment.
 *
 * @param limit maximum number of items
 * @throws AppError unavailable if the database cannot be reached
 */
export async function* scanRaw(table: Table, limit = Number.POSITIVE_INFINITY): AsyncGenerator<WireItem> {
  let start: Record<string, AttributeValue> | undefined;
  let read = 0;
  do {
    const output = await mapErrors(
      clientOf(table).send(
        new ScanCommand({
          TableName: table.name,
          ConsistentRead: true,
          ...(Number.isFinite(limit) ? { Limit: limit - read } : {}),
          ...(start === undefined ? {} : { ExclusiveStartKey: start }),
        }),
      ),
    );
    for (const item of output.Items ?? []) yield item;
    read += output.Items?.length ?? 0;
    start = output.LastEvaluatedKey;
  } while (start !== undefined && read < limit);
}

/**
 * Writes items without conditions, each by itself.
 *
 * @param items at most `BATCH_WRITE_ITEMS`, with different keys
 * @throws AppError unavailable if the database is unreachable or overloaded; some items may be written then
 */
export async function batchWrite(table: Table, items: readonly WireItem[]): Promise<void> {
  let left: WriteRequest[] = items.map((Item) => ({ PutRequest: { Item } }));
  for (let attempt = 0; left.length > 0; attempt++) {
    if (attempt >= UNPROCESSED_RETRIES) throw unavailable("table.throttled", "The database is overloaded. Try again.");
    if (attempt > 0) await backoff(attempt);
    const output: BatchWriteItemCommandOutput = await mapErrors(
      clientOf(table).send(new BatchWriteItemCommand({ RequestItems: { [table.name]: left } })),
    );
    left = output.UnprocessedItems?.[table.name] ?? [];
  }
}
