/** Changes stored items in the database, because no operation can make such a change. */

import { PutCommand } from "@aws-sdk/lib-dynamodb";
import { parseJson } from "#core/shared/json.ts";
import type { Table } from "#core/table/client.ts";
import { DOCUMENT } from "#core/table/entity.ts";
import { type Key, keyText } from "#core/table/keys.ts";

/**
 * Sets one property of a stored item, whether it is an attribute or in the document.
 *
 * @param path names from the item to the property
 * @throws Error if the item or an object on the path is missing
 */
export async function overwrite(table: Table, key: Key, path: readonly string[], value: unknown): Promise<void> {
  const item = (await table.get([key])).get(keyText(key));
  if (item === undefined) throw new Error(`${keyText(key)} not found`);
  const { [DOCUMENT]: text, ...attributes } = item;
  const document = text === undefined ? undefined : parseJson<Record<string, unknown>>(String(text));
  const [first = "", ...rest] = path;
  let name = first;
  let holder: Record<string, unknown> =
    document !== undefined && !Object.hasOwn(attributes, first) ? document : attributes;
  for (const next of rest) {
    holder = holder[name] as Record<string, unknown>;
    if (holder === undefined) throw new Error(`${keyText(key)} has no ${name}`);
    name = next;
  }
  holder[name] = value;
  const whole = { ...attributes, ...(document === undefined ? {} : { [DOCUMENT]: JSON.stringify(document) }) };
  await table.client.send(new PutCommand({ TableName: table.name, Item: whole }));
}
