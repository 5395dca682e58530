/** Creates the table on an own engine. On AWS the stack creates it. */

import { setTimeout as sleep } from "node:timers/promises";
import {
  CreateTableCommand,
  DescribeTableCommand,
  type DynamoDBClient,
  DynamoDBServiceException,
  type GlobalSecondaryIndexDescription,
  ResourceInUseException,
  ResourceNotFoundException,
  UpdateTableCommand,
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

const keySchema = (hash: string, range: string) => [
  { AttributeName: hash, KeyType: "HASH" as const },
  { AttributeName: range, KeyType: "RANGE" as const },
];

const { partitionKey, sortKey, ttl } = tableDefinition;

/** Declarations of the key attributes of the table and its indexes. */
const attributeDefinitions = [
  ...new Set([partitionKey, sortKey, ...indexes.flatMap(([, index]) => [index.partitionKey, index.sortKey])]),
].map((name) => ({ AttributeName: name, AttributeType: "S" as const }));

/** Definitions of the indexes as the engine reads them. */
const indexDefinitions = indexes.map(([name, index]) => ({
  IndexName: name,
  KeySchema: keySchema(index.partitionKey, index.sortKey),
  Projection: { ProjectionType: "INCLUDE" as const, NonKeyAttributes: [...index.include] },
}));

/** Client with the commands that the type of the document client's `send` lacks; it accepts them. */
type ControlClient = Pick<DynamoDBClient, "send">;

/**
 * Creates the table with its indexes and time to live. If it exists, adds the indexes that it lacks: an older release created it.
 *
 * It has no stream: with one, the embedded engine reads all its stream records at every write (docs/decisions/local-engine.md).
 *
 * @param table table on an engine that allows its creation
 * @throws the error of the engine
 */
export async function createTable(table: Table): Promise<void> {
  const client: ControlClient = table.client;
  try {
    await client.send(
      new CreateTableCommand({
        TableName: table.name,
        BillingMode: "PAY_PER_REQUEST",
        AttributeDefinitions: attributeDefinitions,
        KeySchema: keySchema(partitionKey, sortKey),
        GlobalSecondaryIndexes: indexDefinitions,
      }),
    );
  } catch (error) {
    if (!(error instanceof ResourceInUseException)) throw error;
    return await addMissingIndexes(client, table.name);
  }
  await waitUntilActive(client, table.name);
  await client.send(
    new UpdateTimeToLiveCommand({
      TableName: table.name,
      TimeToLiveSpecification: { AttributeName: ttl, Enabled: true },
    }),
  );
}

/** Adds the indexes that a table lacks, one after the other, as DynamoDB requires. */
async function addMissingIndexes(client: ControlClient, name: string): Promise<void> {
  for (const definition of indexDefinitions) {
    const isPresent = async () =>
      (await waitUntilActive(client, name)).some(({ IndexName }) => IndexName === definition.IndexName);
    if (await isPresent()) continue;
    try {
      await client.send(
        new UpdateTableCommand({
          TableName: name,
          AttributeDefinitions: attributeDefinitions,
          GlobalSecondaryIndexUpdates: [{ Create: definition }],
        }),
      );
    } catch (error) {
      // Another process adds it at the same time, or the first response was lost.
      if (!(await isPresent())) throw error;
    }
    await waitUntilActive(client, name);
  }
}

/** Waits until a table and its indexes, which this or another process is creating, are ready. @returns the indexes */
async function waitUntilActive(client: ControlClient, name: string): Promise<GlobalSecondaryIndexDescription[]> {
  const deadline = deadlineIn(CREATION_TIMEOUT_MS);
  for (;;) {
    const { Table: described } = await client.send(new DescribeTableCommand({ TableName: name }));
    const present = described?.GlobalSecondaryIndexes ?? [];
    const states = [described?.TableStatus, ...present.map(({ IndexStatus }) => IndexStatus)];
    if (!states.some((state) => state === "CREATING" || state === "UPDATING")) return present;
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
