/** Update of a single item that also reads it: one call, and half the write units of a transaction. */

import { ConditionalCheckFailedException, TransactionConflictException } from "@aws-sdk/client-dynamodb";
import { UpdateCommand } from "@aws-sdk/lib-dynamodb";
import { unmarshall } from "@aws-sdk/util-dynamodb";
import { backoff, type Deadline } from "../shared/retry.ts";
import { type Table, withCapacity } from "./client.ts";
import type { RawItem } from "./entity.ts";
import { toUnavailable } from "./errors.ts";
import { type Key, keyText } from "./keys.ts";
import { buildCommonInput, type Expression, writeTimedOut } from "./transaction.ts";

/** Result of an update: the item as stored after it, or as present when the condition failed (undefined if there is none). */
export type Updated =
  | { readonly isUpdated: true; readonly item: RawItem }
  | { readonly isUpdated: false; readonly item: RawItem | undefined };

/**
 * Updates one item under a condition and returns it. It has no client token, so an update whose response was lost is executed again
 * by the SDK: the caller has to recognise its own update in the item if the condition then fails. Listeners of the table's commits
 * are not notified.
 *
 * @throws AppError unavailable if others kept writing until the deadline, or the database cannot be reached
 */
export async function updateItem(
  table: Table,
  key: Key,
  update: string,
  expression: Expression & { condition: string },
  deadline: Deadline,
): Promise<Updated> {
  const result = await table.mutex.runExclusive([keyText(key)], deadline, () =>
    send(table, key, update, expression, deadline),
  );
  if (result === undefined) throw writeTimedOut();
  return result.result;
}

async function send(
  table: Table,
  key: Key,
  update: string,
  expression: Expression & { condition: string },
  deadline: Deadline,
): Promise<Updated> {
  const command = new UpdateCommand({
    ...buildCommonInput(table.name, expression, update),
    Key: { pk: key.pk, sk: key.sk },
    UpdateExpression: update,
    ReturnValues: "ALL_NEW",
    ...withCapacity(table.meter),
  });
  for (let attempt = 1; ; attempt++) {
    try {
      const { Attributes, ConsumedCapacity } = await table.client.send(command);
      table.meter?.countWrite([ConsumedCapacity]);
      return { isUpdated: true, item: Attributes as RawItem };
    } catch (error) {
      if (error instanceof ConditionalCheckFailedException) {
        // lib-dynamodb leaves the item of an exception in DynamoDB JSON.
        return { isUpdated: false, item: error.Item === undefined ? undefined : (unmarshall(error.Item) as RawItem) };
      }
      if (!(error instanceof TransactionConflictException)) throw toUnavailable(error);
      if (deadline.expired()) throw writeTimedOut();
      await backoff(attempt, deadline);
    }
  }
}
