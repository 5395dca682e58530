/** The whole table as it goes over the wire, to keep and to bring back. For the operator's commands alone. */

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

/** DynamoDB takes at most this many items in one BatchWriteItem. */
export const BATCH_WRITE_ITEMS = 25;

/** How often what a BatchWriteItem left over is sent again, before the database counts as overloaded. */
const UNPROCESSED_RETRIES = 12;

// The document client's own send has other commands in its types; the client below is the same.
const clientOf = ({ client }: Table): Pick<DynamoDBClient, "send"> => client;

/**
 * Reads every item, strongly consistent each, but not all of one moment.
 *
 * @param limit how many items are enough
 * @throws AppError unavailable where the database cannot be reached
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
 * Writes items over whatever is there, each by itself.
 *
 * @param items of different keys, at most `BATCH_WRITE_ITEMS`
 * @throws AppError unavailable where the database cannot be reached or refuses for load; some may be written then
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
