/** DynamoDB client of the project. Only this folder imports the AWS SDK for DynamoDB. */

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
import { type IndexName, tableDefinition } from "./definition.ts";
import type { RawItem } from "./entity.ts";
import { mapErrors } from "./errors.ts";
import { KeyedMutex } from "./keyed-mutex.ts";
import { type Key, keyText } from "./keys.ts";

/** Maximum number of keys in one BatchGetItem. */
export const BATCH_GET_KEYS = 100;

/**
 * Maximum number of items in one page of an unbounded Query or Scan. DynamoDB ends a page after 1 MB, which is fewer items unless they
 * are smaller than 210 bytes. Ranges of the list index, whose rows can be smaller, contain fewer. The embedded engine reads the rest of the range before it cuts a page of 1 MB from it: without a limit,
 * the time for a range grows with the square of its items.
 */
const PAGE_ITEMS = 5_000;

/** Maximum number of retries of unprocessed keys of a BatchGetItem. Then the database counts as overloaded. */
const UNPROCESSED_RETRIES = 10;

/** Range of one partition. `from` and `to` are inclusive bounds of the sort key. */
interface Range {
  pk: string;
  from?: string;
  to?: string;
  prefix?: string;
  /** Reads from the end. */
  backward?: boolean;
  /** Maximum number of items; absent for all. */
  limit?: number;
  /** Reads only the keys. */
  keysOnly?: boolean;
  /** Names of the attributes to read besides the keys; absent for all. */
  attributes?: readonly string[];
  /** Index to read instead of the table; its rows may be seconds old. */
  index?: IndexName;
}

/** Table with its read operations. Writes go through `commit` in transaction.ts. */
export interface Table {
  readonly name: string;
  readonly client: DynamoDBDocumentClient;
  /** Serialises the writers of this process by key. */
  readonly mutex: KeyedMutex;
  /** Listeners for the commits of this process. */
  readonly commits: CommitListeners;
  /** Counts the consumed capacity of its calls; undefined if it is not counted. */
  readonly meter: Meter | undefined;
  /** Returns the same table with the same client and a capacity meter. */
  metered(meter: Meter): Table;
  /**
   * Reads items by key, strongly consistent, in one round trip (more than 100 keys in parallel).
   *
   * @param keys may repeat; at most a few hundred
   * @returns the existing items by `keyText` of their keys
   * @throws AppError unavailable if the database is unreachable or overloaded
   */
  get(keys: readonly Key[]): Promise<Map<string, RawItem>>;
  /**
   * Reads a range of one partition, strongly consistent, in key order.
   *
   * @throws AppError unavailable as `get`
   */
  query(range: Range): Promise<RawItem[]>;
  /** Reads every item of the table. Only for the operator's commands: no request and no reconciler may call it. */
  scan(): AsyncGenerator<RawItem>;
}

/** Options of a table's client. */
interface TableOptions {
  name: string;
  /** URL of another engine than DynamoDB on AWS. */
  endpoint?: string | undefined;
  /** Client options, such as credentials and region. */
  client?: DynamoDBClientConfig;
  /** Timeout of one attempt of a call, and of a pause in its response, in milliseconds; default one second. */
  requestTimeoutMs?: number;
}

/** Default timeout of one attempt, in milliseconds. Every call is small. */
const REQUEST_TIMEOUT_MS = 1_000;

/**
 * Opens the table. Sends nothing until the first call.
 *
 * A hanging call is retried within the request: four attempts with their backoff take some 4 s, so that the two round trips of an
 * operation take about the 8 s of WRITE_TIMEOUT_MS at most.
 */
export function openTable({
  name,
  endpoint,
  client: more,
  requestTimeoutMs = REQUEST_TIMEOUT_MS,
}: TableOptions): Table {
  const base = new DynamoDBClient({
    maxAttempts: 4,
    requestHandler: {
      connectionTimeout: requestTimeoutMs,
      requestTimeout: requestTimeoutMs,
      throwOnRequestTimeout: true,
      // requestTimeout covers only the time until the headers of the response.
      socketTimeout: requestTimeoutMs,
      httpAgent: { maxSockets: 256, keepAlive: true },
      httpsAgent: { maxSockets: 256, keepAlive: true },
    },
    ...(endpoint === undefined ? {} : { endpoint }),
    ...more,
  });
  // It formats every request and response for a log that is not used: a fifth of the time of a page of a hundred clusters.
  base.middlewareStack.remove("loggerMiddleware");
  const client = DynamoDBDocumentClient.from(base, { marshallOptions: { removeUndefinedValues: true } });
  return createTableOf({ client, name, mutex: new KeyedMutex(), commits: new CommitListeners(), meter: undefined });
}

type Connection = Pick<Table, "client" | "name" | "mutex" | "commits" | "meter">;

const createTableOf = (connection: Connection): Table => ({
  ...connection,
  metered: (meter) => createTableOf({ ...connection, meter }),
  get: (keys) => batchGet(connection, keys),
  query: (range) => queryAll(connection, range),
  scan: () => scanAll(connection),
});

/** Requests the consumed capacity of a call if it is counted. */
export const withCapacity = (meter: Meter | undefined) =>
  meter === undefined ? {} : { ReturnConsumedCapacity: "TOTAL" as const };

async function batchGet({ client, name: table, meter }: Connection, keys: readonly Key[]) {
  const uniqueKeys = [...new Map(keys.map((key) => [keyText(key), { pk: key.pk, sk: key.sk }])).values()];
  const batches: Key[][] = [];
  for (let start = 0; start < uniqueKeys.length; start += BATCH_GET_KEYS) {
    batches.push(uniqueKeys.slice(start, start + BATCH_GET_KEYS));
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
        meter?.countRead(output.ConsumedCapacity);
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

/** Builds the projection of a read. @param attributes names of the attributes besides the keys; undefined for all attributes */
function projection(attributes: readonly string[] | undefined) {
  if (attributes === undefined) return {};
  return {
    ProjectionExpression: ["pk", "sk", ...attributes.map((name) => `#${name}`)].join(", "),
    ...(attributes.length === 0
      ? {}
      : { ExpressionAttributeNames: Object.fromEntries(attributes.map((name) => [`#${name}`, name])) }),
  };
}

async function queryAll({ client, name: table, meter }: Connection, range: Range): Promise<RawItem[]> {
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
          ...projection(range.keysOnly === true ? [] : range.attributes),
          ...(start === undefined ? {} : { ExclusiveStartKey: start }),
          ...withCapacity(meter),
        }),
      ),
    );
    meter?.countRead([output.ConsumedCapacity]);
    items.push(...((output.Items ?? []) as RawItem[]));
    start = output.LastEvaluatedKey;
  } while (start !== undefined && (range.limit === undefined || items.length < range.limit));
  return items;
}

async function* scanAll({ client, name: table }: Connection): AsyncGenerator<RawItem> {
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
