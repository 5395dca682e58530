/** Creates the table on an own engine. On AWS the stack creates it. */

import { setTimeout as sleep } from "node:timers/promises";
import {
  CreateTableCommand,
  DescribeTableCommand,
  type DynamoDBClient,
  DynamoDBServiceException,
  ResourceInUseException,
  ResourceNotFoundException,
  UpdateTimeToLiveCommand,
} from "@aws-sdk/client-dynamodb";
import { TransactWriteCommand } from "@aws-sdk/lib-dynamodb";
import { deadlineIn } from "../shared/retry.ts";
import type { Table } from "./client.ts";
import { tableDefinition } from "./definition.ts";

/** Maximum time for the creation of the table, and interval of the checks, in milliseconds. */
const CREATION_TIMEOUT_MS = 120_000;
const CREATION_POLL_MS = 500;

const indexes = Object.entries(tableDefinition.indexes);

/**
 * Creates the table with its indexes and time to live, unless it exists.
 *
 * It has no stream: with one, the embedded engine reads all its stream records at every write (docs/decisions/local-engine.md).
 *
 * @param table table on an engine that allows its creation
 * @throws the error of the engine
 */
export async function createTable(table: Table): Promise<void> {
  const { partitionKey, sortKey, ttl } = tableDefinition;
  const attributes = new Set([
    partitionKey,
    sortKey,
    ...indexes.flatMap(([, index]) => [index.partitionKey, index.sortKey]),
  ]);
  const schema = (hash: string, range: string) => [
    { AttributeName: hash, KeyType: "HASH" as const },
    { AttributeName: range, KeyType: "RANGE" as const },
  ];
  // The type of the document client's `send` lacks the control plane commands; it accepts them.
  const client: Pick<DynamoDBClient, "send"> = table.client;
  try {
    await client.send(
      new CreateTableCommand({
        TableName: table.name,
        BillingMode: "PAY_PER_REQUEST",
        AttributeDefinitions: [...attributes].map((name) => ({ AttributeName: name, AttributeType: "S" })),
        KeySchema: schema(partitionKey, sortKey),
        GlobalSecondaryIndexes: indexes.map(([name, index]) => ({
          IndexName: name,
          KeySchema: schema(index.partitionKey, index.sortKey),
          Projection: { ProjectionType: "INCLUDE", NonKeyAttributes: [...index.include] },
        })),
      }),
    );
  } catch (error) {
    if (!(error instanceof ResourceInUseException)) throw error;
    return await waitUntilActive(client, table.name);
  }
  await waitUntilActive(client, table.name);
  await client.send(
    new UpdateTimeToLiveCommand({
      TableName: table.name,
      TimeToLiveSpecification: { AttributeName: ttl, Enabled: true },
    }),
  );
}

/** Waits until a table that this or another process is creating is ready. */
async function waitUntilActive(client: Pick<DynamoDBClient, "send">, name: string): Promise<void> {
  const deadline = deadlineIn(CREATION_TIMEOUT_MS);
  for (;;) {
    const { Table: described } = await client.send(new DescribeTableCommand({ TableName: name }));
    if (described?.TableStatus !== "CREATING") return;
    if (deadline.expired()) throw new Error(`the table "${name}" is not ready after ${CREATION_TIMEOUT_MS / 1_000} s`);
    await sleep(CREATION_POLL_MS);
  }
}

const PROBE = { pk: "PROBE", sk: "PROBE" };

/**
 * Checks that the table exists, if this process may not create it. Changes nothing.
 *
 * @throws Error with the name of the missing table; AppError unavailable if the database cannot be reached
 */
export async function requireTable(table: Table): Promise<void> {
  try {
    await table.get([PROBE]);
  } catch (error) {
    if (!(error instanceof ResourceNotFoundException)) throw error;
    throw new Error(`the table "${table.name}" does not exist in this account and region`, { cause: error });
  }
}

/**
 * Checks that the engine supports transactions, which every write needs. Changes nothing.
 *
 * @throws Error with the engine's response if it does not support them
 */
export async function requireTransactions(table: Table): Promise<void> {
  try {
    await table.client.send(
      new TransactWriteCommand({
        TransactItems: [
          { ConditionCheck: { TableName: table.name, Key: PROBE, ConditionExpression: "attribute_not_exists(pk)" } },
        ],
      }),
    );
  } catch (error) {
    if (error instanceof DynamoDBServiceException) {
      throw new Error(
        `This engine does not support TransactWriteItems (${error.name}: ${error.message}). Use an engine that supports it, or unset DYNAMODB_ENDPOINT for the embedded engine.`,
        { cause: error },
      );
    }
    throw error;
  }
}
