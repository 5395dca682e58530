/**
 * Deletes the tables of each test file after its tests: the embedded engine needs more time for a new table, the more tables there are,
 * and a run has more than a thousand.
 */

import { DeleteTableCommand, type DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { afterAll } from "vitest";
import type { Table } from "#core/table/client.ts";

const created: Table[] = [];

/** Has a table deleted after the tests of the current file. */
export function deleteAfterFile(table: Table): void {
  created.push(table);
}

afterAll(async () => {
  for (const { name, client } of created.splice(0)) {
    // The type of the document client's `send` lacks this command; it accepts it. A test may have injected faults, or closed the engine.
    const control: Pick<DynamoDBClient, "send" | "destroy"> = client;
    await control.send(new DeleteTableCommand({ TableName: name })).catch(() => {});
    control.destroy();
  }
});
