/** Converts items to lines of DynamoDB JSON, which preserves the type of every attribute. */

import type { AttributeValue } from "@aws-sdk/client-dynamodb";
import { unmarshall } from "@aws-sdk/util-dynamodb";
import { isObject } from "../shared/json.ts";
import { compareNames, compareText } from "../shared/order.ts";
import type { RawItem } from "./entity.ts";

/** Item in DynamoDB JSON. */
export type WireItem = Record<string, AttributeValue>;

/** Sorts maps by name, so that equal items are equal lines. */
const withSortedKeys = <From, To>(map: Readonly<Record<string, From>>, convert: (value: From) => To) =>
  Object.fromEntries(
    Object.entries(map)
      .sort(compareNames)
      .map(([name, value]) => [name, convert(value)]),
  );

/** @throws Error for a type that DynamoDB does not have */
function toJson(value: AttributeValue): unknown {
  if (value.M !== undefined) return { M: withSortedKeys(value.M, toJson) };
  if (value.L !== undefined) return { L: value.L.map(toJson) };
  if (value.B !== undefined) return { B: Buffer.from(value.B).toString("base64") };
  if (value.BS !== undefined)
    return { BS: value.BS.map((each) => Buffer.from(each).toString("base64")).sort(compareText) };
  if (value.SS !== undefined) return { SS: value.SS.toSorted(compareText) };
  if (value.NS !== undefined) return { NS: value.NS.toSorted(compareText) };
  const { S, N, BOOL, NULL } = value;
  const [scalar] = Object.entries({ S, N, BOOL, NULL }).filter(([, each]) => each !== undefined);
  if (scalar === undefined) throw new Error("an attribute of an unknown type");
  return Object.fromEntries([scalar]);
}

const isText = (value: unknown): value is string => typeof value === "string";
const isTexts = (value: unknown): value is string[] => Array.isArray(value) && value.every(isText);

/** @throws Error for a value that is not DynamoDB JSON */
function fromJson(json: unknown): AttributeValue {
  const [entry, ...more] = isObject(json) ? Object.entries(json) : [];
  if (entry !== undefined && more.length === 0) {
    const [type, value] = entry;
    if ((type === "S" || type === "N") && isText(value)) return type === "S" ? { S: value } : { N: value };
    if (type === "B" && isText(value)) return { B: Buffer.from(value, "base64") };
    if (type === "BOOL" && typeof value === "boolean") return { BOOL: value };
    if (type === "NULL" && value === true) return { NULL: value };
    if ((type === "SS" || type === "NS") && isTexts(value)) return type === "SS" ? { SS: value } : { NS: value };
    if (type === "BS" && isTexts(value)) return { BS: value.map((each) => Buffer.from(each, "base64")) };
    if (type === "L" && Array.isArray(value)) return { L: value.map(fromJson) };
    if (type === "M" && isObject(value)) return { M: withSortedKeys(value, fromJson) };
  }
  throw new Error("not DynamoDB JSON");
}

/** Encodes an item as one line without a line break. Equal items are equal lines. */
export const encodeItem = (item: WireItem): string => JSON.stringify({ Item: withSortedKeys(item, toJson) });

/**
 * Decodes a line of `encodeItem`.
 *
 * @throws Error for any other text
 */
export function decodeItem(line: string): WireItem {
  const parsed: unknown = JSON.parse(line);
  if (!isObject(parsed) || !isObject(parsed.Item)) throw new Error("not an item");
  const item = withSortedKeys(parsed.Item, fromJson);
  if (item.pk?.S === undefined || item.sk?.S === undefined) throw new Error("an item without a key");
  return item;
}

/** Converts an item to plain JavaScript values. */
export const unmarshallItem = (item: WireItem): RawItem => unmarshall(item) as RawItem;
