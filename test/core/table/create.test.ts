import { randomUUID } from "node:crypto";
import { CreateTableCommand, DescribeTableCommand } from "@aws-sdk/client-dynamodb";
import { PutCommand } from "@aws-sdk/lib-dynamodb";
import { describe, expect, inject, test } from "vitest";
import type { Table } from "#core/table/client.ts";
import { createTable } from "#core/table/create.ts";
import { LIST_INDEX, PREVIOUS_LIST_INDEX, tableDefinition } from "#core/table/definition.ts";
import { type World, worldOn } from "#test/support/world.ts";

const newWorld = (): World => worldOn(`test-${randomUUID()}`, { endpoint: inject("endpoint") }, new Set());

/** Creates the table of the release before `list-index`. */
async function createPreviousTable({ client, name }: Table): Promise<void> {
  const names = ["pk", "sk", "slimSk", "duePk", "dueAt"];
  const schema = (hash: string, range: string) => [
    { AttributeName: hash, KeyType: "HASH" as const },
    { AttributeName: range, KeyType: "RANGE" as const },
  ];
  const keysOnly = { ProjectionType: "KEYS_ONLY" as const };
  await client.send(
    new CreateTableCommand({
      TableName: name,
      BillingMode: "PAY_PER_REQUEST",
      AttributeDefinitions: names.map((each) => ({ AttributeName: each, AttributeType: "S" as const })),
      KeySchema: schema("pk", "sk"),
      GlobalSecondaryIndexes: [
        { IndexName: "due-index", KeySchema: schema("duePk", "dueAt"), Projection: keysOnly },
        { IndexName: "slim-index", KeySchema: schema("pk", "slimSk"), Projection: keysOnly },
      ],
    }) as never,
  );
}

const indexesOf = async ({ client, name }: Table): Promise<(string | undefined)[]> => {
  const { Table: described } = (await client.send(new DescribeTableCommand({ TableName: name }) as never)) as {
    Table?: { GlobalSecondaryIndexes?: { IndexName?: string }[] };
  };
  return (described?.GlobalSecondaryIndexes ?? []).map(({ IndexName }) => IndexName).sort();
};

const ALL = Object.keys(tableDefinition.indexes).sort();

describe("the creation of a table", () => {
  test("a table of an older release gets the indexes that it lacks, with the items that it has", async () => {
    const { table } = newWorld();
    await createPreviousTable(table);
    const item = { pk: "ORG#org", sk: "CLUSTER#live#shop", slimSk: "CLUSTER#live#shop", listPk: "org#0", row: "text" };
    await table.client.send(new PutCommand({ TableName: table.name, Item: item }));
    await createTable(table);
    expect(await indexesOf(table)).toEqual(ALL);
    const { slimSk: _, ...row } = item;
    expect(await table.query({ pk: "org#0", prefix: "CLUSTER#", index: LIST_INDEX })).toEqual([row]);
    expect(await table.query({ pk: "ORG#org", prefix: "CLUSTER#", index: PREVIOUS_LIST_INDEX })).toHaveLength(1);
  });

  test("several processes can create a table, or add its indexes, at the same time", async () => {
    for (const prepare of [async () => {}, createPreviousTable]) {
      const { table } = newWorld();
      await prepare(table);
      await Promise.all([createTable(table), createTable(table), createTable(table)]);
      expect(await indexesOf(table)).toEqual(ALL);
    }
  });

  test("the error of an engine that refuses to add an index is thrown", async () => {
    const world = newWorld();
    await createPreviousTable(world.table);
    world.table.client.middlewareStack.add(
      (next, { commandName }) =>
        async (args) => {
          if (commandName === "UpdateTableCommand") throw new Error("indexes cannot be added");
          return next(args);
        },
      { step: "initialize" },
    );
    await expect(createTable(world.table)).rejects.toThrow("indexes cannot be added");
  });
});
