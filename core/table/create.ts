/** Making the table on an engine of one's own. On AWS the stack makes it. */

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

/** How long an engine may take to make the table, and how often it is asked, in milliseconds. */
const CREATION_TIMEOUT_MS = 120_000;
const CREATION_POLL_MS = 500;

const indexes = Object.entries(tableDefinition.indexes);

/**
 * Makes the table with its indexes and time to live, unless it is there already.
 *
 * It has no stream: with one, the embedded engine looks at every record it holds on every write
 * (docs/decisions/local-engine.md).
 *
 * @param table on an engine where this may be done
 * @throws what the engine answers, where it cannot
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
  // The document client's own send has no control plane commands in its types; the engine is the same.
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

/** Waits for a table that this process or another one has just asked for. */
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
 * Proves that the table is there, where it is not for us to make it. Changes nothing.
 *
 * @throws Error that names the table where there is none; AppError unavailable where the database cannot be reached
 */
export async function requireTable(table: Table): Promise<void> {
  try {
    await table.get([PROBE]);
  } catch (error) {
    if (!(error instanceof ResourceNotFoundException)) throw error;
    throw new Error(`there is no table "${table.name}" in this account and region`, { cause: error });
  }
}

/**
 * Proves that the engine has transactions, without which nothing here is safe. Changes nothing.
 *
 * @throws Error that names the engine's answer where it has none
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
        `This engine does not do TransactWriteItems (${error.name}: ${error.message}). Use one that does, or leave DYNAMODB_ENDPOINT unset for the embedded engine.`,
        { cause: error },
      );
    }
    throw error;
  }
}
