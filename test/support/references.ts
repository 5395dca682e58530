/** Changes the references of an organisation in the database, because no operation changes or removes them yet. */

import { UpdateCommand } from "@aws-sdk/lib-dynamodb";
import type { Table } from "#core/table/client.ts";
import { organisationKey, referencesKey } from "#core/table/keys.ts";

/**
 * Sets a value within the references of an organisation, and raises their revision as every write of them does.
 *
 * @param path names of the attribute and of what is inside it
 */
export async function changeReferences(
  { client, name: TableName }: Table,
  organisation: string,
  path: readonly string[],
  value: unknown,
): Promise<void> {
  const { Attributes } = await client.send(
    new UpdateCommand({
      TableName,
      Key: referencesKey(organisation),
      UpdateExpression: `SET ${path.map((_, position) => `#p${position}`).join(".")} = :value ADD #revision :one`,
      ConditionExpression: "attribute_exists(pk)",
      ExpressionAttributeNames: {
        "#revision": "revision",
        ...Object.fromEntries(path.map((each, position) => [`#p${position}`, each])),
      },
      ExpressionAttributeValues: { ":value": value, ":one": 1 },
      ReturnValues: "UPDATED_NEW",
    }),
  );
  await client.send(
    new UpdateCommand({
      TableName,
      Key: organisationKey(organisation),
      UpdateExpression: "SET referencesRevision = :revision",
      ConditionExpression: "attribute_exists(pk)",
      ExpressionAttributeValues: { ":revision": Attributes?.revision },
    }),
  );
}
