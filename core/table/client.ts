/** The one DynamoDB client. Only this folder imports the AWS SDK for data. */

import { DynamoDBClient, type DynamoDBClientConfig } from "@aws-sdk/client-dynamodb";
import {
  BatchGetCommand,
  type BatchGetCommandOutput,
  DynamoDBDocumentClient,
  QueryCommand,
  type QueryCommandInput,
  ScanCommand,
} from "@aws-sdk/lib-dynamodb";
import { unavailable } from "../shared/errors.ts";
import { backoff } from "../shared/retry.ts";
import type { Meter } from "./capacity-meter.ts";
import { CommitListeners } from "./commit-listeners.ts";
import { type DUE_INDEX, type LIST_INDEX, tableDefinition } from "./definition.ts";
import type { RawItem } from "./entity.ts";
import { mapErrors } from "./errors.ts";
import { KeyedMutex } from "./keyed-mutex.ts";
import { type Key, keyText } from "./keys.ts";

/** DynamoDB takes at most this many keys in one BatchGetItem. */
export const BATCH_GET_KEYS = 100;

/**
 * Items that one page of an unbounded Query or Scan holds, at most. DynamoDB ends a page after 1 MB, which is fewer items unless they
 * are smaller than 210 bytes. The embedded engine reads all that is left of the range before it cuts a page of 1 MB from it: without a
 * limit the time for a range grows with the square of its items.
 */
const PAGE_ITEMS = 5_000;

/** How often what a BatchGetItem left over is asked for again, before the database counts as overloaded. */
const UNPROCESSED_RETRIES = 10;

/** What is asked of one partition. `from` and `to` are inclusive bounds of the sort key. */
export interface Range {
  pk: string;
  from?: string;
  to?: string;
  prefix?: string;
  /** Read from the end. */
  backward?: boolean;
  /** Stop after this many items; absent reads all of them. */
  limit?: number;
  /** Give the keys alone. */
  keysOnly?: boolean;
  /** Read this index instead, whose rows may lag by seconds. */
  index?: typeof LIST_INDEX | typeof DUE_INDEX;
}

/** The table and how to read it. Writes go through `commit` in transact.ts. */
export interface Table {
  readonly name: string;
  readonly client: DynamoDBDocumentClient;
  /** Turns of this process's writers, by the text of their keys. */
  readonly turns: KeyedMutex;
  /** What this process wrote, for whoever listens. */
  readonly commits: CommitListeners;
  /** What counts what its calls consume; undefined where nobody asks. */
  readonly meter: Meter | undefined;
  /** The same table through the same client, whose calls are counted. */
  metered(meter: Meter): Table;
  /**
   * Reads items by key, strongly consistent, in one wait (more than 100 keys side by side).
   *
   * @param keys may repeat; at most a few hundred
   * @returns the items that exist, under `keyText` of their keys
   * @throws AppError unavailable where the database cannot be reached or refuses for load
   */
  get(keys: readonly Key[]): Promise<Map<string, RawItem>>;
  /**
   * Reads a range of one partition, strongly consistent, in key order.
   *
   * @throws AppError unavailable as `get`
   */
  query(range: Range): Promise<RawItem[]>;
  /** Reads every item of the table. For the operator's commands alone: no request and no reconciler may call it. */
  scan(): AsyncGenerator<RawItem>;
}

/** Where the table is and how to reach it. */
export interface TableOptions {
  name: string;
  /** Another engine than AWS's own. */
  endpoint?: string | undefined;
  /** Overrides for the client, credentials and region among them. */
  client?: DynamoDBClientConfig;
  /** How long one sending of a call may take, and how long its answer may pause, in milliseconds; a second unless given. */
  sendingMs?: number;
}

/** Every call is small. */
const REQUEST_TIMEOUT_MS = 1_000;

/**
 * Opens the table. Nothing is sent until the first call.
 *
 * A call that hangs is worth other tries within the request: four with their pauses take some 4 s, so that the two waits of
 * an operation stay about within the 8 s that writers wait for each other (PATIENCE_MS).
 */
export function openTable({ name, endpoint, client: more, sendingMs = REQUEST_TIMEOUT_MS }: TableOptions): Table {
  const base = new DynamoDBClient({
    maxAttempts: 4,
    requestHandler: {
      connectionTimeout: sendingMs,
      requestTimeout: sendingMs,
      throwOnRequestTimeout: true,
      // The request's own timeout ends with the headers of the answer.
      socketTimeout: sendingMs,
      httpAgent: { maxSockets: 256, keepAlive: true },
      httpsAgent: { maxSockets: 256, keepAlive: true },
    },
    ...(endpoint === undefined ? {} : { endpoint }),
    ...more,
  });
  // It walks through everything that is sent and answered, to make it fit for a log that nobody keeps: a fifth of the time
  // that a page of a hundred clusters takes.
  base.middlewareStack.remove("loggerMiddleware");
  const client = DynamoDBDocumentClient.from(base, { marshallOptions: { removeUndefinedValues: true } });
  return tableOf({ client, name, turns: new KeyedMutex(), commits: new CommitListeners(), meter: undefined });
}

type Connected = Pick<Table, "client" | "name" | "turns" | "commits" | "meter">;

const tableOf = (reached: Connected): Table => ({
  ...reached,
  metered: (meter) => tableOf({ ...reached, meter }),
  get: (keys) => batchGet(reached, keys),
  query: (range) => queryAll(reached, range),
  scan: () => scanAll(reached),
});

/** Asks for what a call consumed, where that is counted. */
export const withCapacity = (meter: Meter | undefined) =>
  meter === undefined ? {} : { ReturnConsumedCapacity: "TOTAL" as const };

async function batchGet({ client, name: table, meter }: Connected, keys: readonly Key[]) {
  const wanted = [...new Map(keys.map((key) => [keyText(key), { pk: key.pk, sk: key.sk }])).values()];
  const batches: Key[][] = [];
  for (let start = 0; start < wanted.length; start += BATCH_GET_KEYS) {
    batches.push(wanted.slice(start, start + BATCH_GET_KEYS));
  }
  const found = new Map<string, RawItem>();
  await Promise.all(
    batches.map(async (batch) => {
      let left: Record<string, unknown>[] = batch.map((key) => ({ ...key }));
      for (let attempt = 0; left.length > 0; attempt++) {
        if (attempt >= UNPROCESSED_RETRIES)
          throw unavailable("table.throttled", "The database is overloaded. Try again.");
        if (attempt > 0) await backoff(attempt);
        const output: BatchGetCommandOutput = await mapErrors(
          client.send(
            new BatchGetCommand({
              RequestItems: { [table]: { Keys: left, ConsistentRead: true } },
              ...withCapacity(meter),
            }),
          ),
        );
        meter?.read(output.ConsumedCapacity);
        for (const item of output.Responses?.[table] ?? []) {
          found.set(keyText(item as RawItem), item as RawItem);
        }
        left = output.UnprocessedKeys?.[table]?.Keys ?? [];
      }
    }),
  );
  return found;
}

function keyCondition(range: Range): Pick<QueryCommandInput, "KeyConditionExpression" | "ExpressionAttributeValues"> {
  const { pk, from, to, prefix, index } = range;
  const { partitionKey, sortKey: sk } = index === undefined ? tableDefinition : tableDefinition.indexes[index];
  if (prefix !== undefined) {
    return {
      KeyConditionExpression: `${partitionKey} = :pk AND begins_with(${sk}, :prefix)`,
      ExpressionAttributeValues: { ":pk": pk, ":prefix": prefix },
    };
  }
  if (from !== undefined && to !== undefined) {
    return {
      KeyConditionExpression: `${partitionKey} = :pk AND ${sk} BETWEEN :from AND :to`,
      ExpressionAttributeValues: { ":pk": pk, ":from": from, ":to": to },
    };
  }
  throw new RangeError("a range needs a prefix, or both bounds");
}

async function queryAll({ client, name: table, meter }: Connected, range: Range): Promise<RawItem[]> {
  const items: RawItem[] = [];
  let start: Record<string, unknown> | undefined;
  do {
    const rest = range.limit === undefined ? PAGE_ITEMS : range.limit - items.length;
    const output = await mapErrors(
      client.send(
        new QueryCommand({
          TableName: table,
          ...(range.index === undefined ? { ConsistentRead: true } : { IndexName: range.index }),
          ...keyCondition(range),
          ScanIndexForward: range.backward !== true,
          Limit: rest,
          ...(range.keysOnly === true ? { ProjectionExpression: "pk, sk" } : {}),
          ...(start === undefined ? {} : { ExclusiveStartKey: start }),
          ...withCapacity(meter),
        }),
      ),
    );
    meter?.read([output.ConsumedCapacity]);
    items.push(...((output.Items ?? []) as RawItem[]));
    start = output.LastEvaluatedKey;
  } while (start !== undefined && (range.limit === undefined || items.length < range.limit));
  return items;
}

async function* scanAll({ client, name: table }: Connected): AsyncGenerator<RawItem> {
  let start: Record<string, unknown> | undefined;
  do {
    const output = await mapErrors(
      client.send(
        new ScanCommand({
          TableName: table,
          ConsistentRead: true,
          Limit: PAGE_ITEMS,
          ...(start === undefined ? {} : { ExclusiveStartKey: start }),
        }),
      ),
    );
    for (const item of output.Items ?? []) yield item as RawItem;
    start = output.LastEvaluatedKey;
  } while (start !== undefined);
}
