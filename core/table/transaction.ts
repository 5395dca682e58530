/** Writes: transactions of conditional operations, one for each item. Failed conditions are results, not errors. */

import { randomUUID } from "node:crypto";
import { TransactionCanceledException, TransactionInProgressException } from "@aws-sdk/client-dynamodb";
import { TransactWriteCommand, type TransactWriteCommandInput } from "@aws-sdk/lib-dynamodb";
import { unmarshall } from "@aws-sdk/util-dynamodb";
import { type AppError, unavailable } from "../shared/errors.ts";
import { backoff, type Deadline } from "../shared/retry.ts";
import { type Table, withCapacity } from "./client.ts";
import type { RawItem } from "./entity.ts";
import { attemptsOf, toUnavailable } from "./errors.ts";
import { type Key, keyText } from "./keys.ts";

/** Maximum number of operations in one transaction. */
export const TRANSACTION_OPERATIONS = 100;

/** Condition in DynamoDB's expression syntax, with the values of its placeholders and of those of an update. */
export interface Expression {
  condition?: string;
  /** Placeholders `#name` stand for the attribute `name`, unless listed here. */
  names?: Readonly<Record<string, string>>;
  values?: Readonly<Record<string, unknown>>;
}

/** Failed condition. `present` is the item at that time; undefined if it did not exist. */
export interface Failure {
  readonly label: string;
  readonly key: Key;
  readonly present: RawItem | undefined;
}

type Write = NonNullable<TransactWriteCommandInput["TransactItems"]>[number];

interface Operation {
  label: string;
  key: Key;
  write: (table: string) => Write;
}

/** Collects placeholders. Every attribute has one, because DynamoDB reserves some 570 words, such as `clusters`. */
function placeholders(text: string, names: Readonly<Record<string, string>>): Record<string, string> {
  const used = text.match(/#[A-Za-z0-9]+/g) ?? [];
  return Object.fromEntries(used.map((placeholder) => [placeholder, names[placeholder] ?? placeholder.slice(1)]));
}

/** Builds the part of a write that all operations have. @param update update expression */
export function buildCommonInput(table: string, { condition, names = {}, values }: Expression, update = "") {
  const used = placeholders(`${condition ?? ""} ${update}`, names);
  return {
    TableName: table,
    ...(condition === undefined ? {} : { ConditionExpression: condition }),
    ...(Object.keys(used).length === 0 ? {} : { ExpressionAttributeNames: used }),
    ...(values === undefined ? {} : { ExpressionAttributeValues: { ...values } }),
    ReturnValuesOnConditionCheckFailure: "ALL_OLD" as const,
  };
}

const withoutUndefined = (key: Key) => ({ pk: key.pk, sk: key.sk });

/**
 * Transaction under construction: one operation for each key, because DynamoDB refuses two on one item. Each operation has a label,
 * which identifies a failed condition.
 */
export class Transaction {
  readonly #operations = new Map<string, Operation>();

  /** Number of items. */
  get size(): number {
    return this.#operations.size;
  }

  /** Operations in the order of their addition. */
  get operations(): readonly Operation[] {
    return [...this.#operations.values()];
  }

  /** Writes a whole item. */
  put(label: string, item: RawItem, expression: Expression = {}): this {
    return this.#add(label, item, (table) => ({ Put: { ...buildCommonInput(table, expression), Item: { ...item } } }));
  }

  /** Writes a whole item on condition that it does not exist. */
  create(label: string, item: RawItem): this {
    return this.put(label, item, { condition: "attribute_not_exists(#pk)" });
  }

  /** Updates attributes of an item. Without a condition, DynamoDB creates a missing item. */
  update(label: string, key: Key, update: string, expression: Expression = {}): this {
    return this.#add(label, key, (table) => ({
      Update: { ...buildCommonInput(table, expression, update), Key: withoutUndefined(key), UpdateExpression: update },
    }));
  }

  /** Deletes an item. */
  delete(label: string, key: Key, expression: Expression = {}): this {
    return this.#add(label, key, (table) => ({
      Delete: { ...buildCommonInput(table, expression), Key: withoutUndefined(key) },
    }));
  }

  /** Adds a condition on an item that the transaction does not change. */
  check(label: string, key: Key, expression: Expression & { condition: string }): this {
    return this.#add(label, key, (table) => ({
      ConditionCheck: {
        ...buildCommonInput(table, expression),
        ConditionExpression: expression.condition,
        Key: withoutUndefined(key),
      },
    }));
  }

  #add(label: string, key: Key, write: Operation["write"]): this {
    const text = keyText(key);
    const other = this.#operations.get(text);
    if (other !== undefined) throw new Error(`${label} and ${other.label} are two operations on ${text}`);
    this.#operations.set(text, { label, key: withoutUndefined(key), write });
    return this;
  }
}

/**
 * Commits a transaction, completely or not at all.
 *
 * Writers of this process on the same items run one after the other. Conflicts with other processes are retried with jitter until the
 * deadline. All attempts have the same client token, so the database recognises a commit whose response was lost. Notifies
 * `table.commits`.
 *
 * @returns the failed conditions; empty if the transaction was committed
 * @throws AppError unavailable if others kept writing until the deadline, or the database cannot be reached. Its message says
 *   whether the transaction was not made or its outcome is unknown
 */
export async function commit(table: Table, transaction: Transaction, deadline: Deadline): Promise<Failure[]> {
  const keys = transaction.operations.map(({ key }) => key);
  const exclusive = await table.mutex.runExclusive(keys.map(keyText), deadline, () =>
    send(table, transaction, deadline),
  );
  if (exclusive === undefined) throw writeTimedOut();
  if (exclusive.result.length === 0) table.commits.notify(keys);
  return exclusive.result;
}

/** Advice for a write whose outcome is unknown. */
const OUTCOME_UNKNOWN = "The outcome of this write is unknown: read the current state before you try again.";

/**
 * Builds the error for a write that conflicted with other writes until the deadline.
 *
 * @param options.isUnknown true if an attempt may have succeeded and its response was lost
 */
export const writeTimedOut = ({ isUnknown = false } = {}): AppError =>
  unavailable(
    "table.contended",
    `Other requests kept writing to the same data. ${isUnknown ? OUTCOME_UNKNOWN : "This write was not made; try again."}`,
  );

/**
 * Retries a read and write with backoff until it succeeds or the deadline expires.
 *
 * @param attempt reads everything again; returns undefined after a concurrent change
 * @throws AppError unavailable at the deadline
 */
export async function retryOnConflict<T>(
  deadline: Deadline,
  attempt: (deadline: Deadline) => Promise<T | undefined>,
): Promise<T> {
  for (let number = 1; ; number++) {
    const result = await attempt(deadline);
    if (result !== undefined) return result;
    if (deadline.expired()) throw writeTimedOut();
    await backoff(number, deadline);
  }
}

async function send(table: Table, transaction: Transaction, deadline: Deadline): Promise<Failure[]> {
  const { operations } = transaction;
  if (operations.length > TRANSACTION_OPERATIONS) {
    throw new RangeError(`a transaction of ${operations.length} operations`);
  }
  const input: TransactWriteCommandInput = {
    TransactItems: operations.map(({ write }) => write(table.name)),
    ClientRequestToken: randomUUID(),
    ...withCapacity(table.meter),
  };
  let isUnknown = false;
  for (let attempt = 1; ; attempt++) {
    try {
      const { ConsumedCapacity } = await table.client.send(new TransactWriteCommand(input));
      table.meter?.countWrite(ConsumedCapacity);
      return [];
    } catch (error) {
      if (error instanceof TransactionCanceledException) {
        const failures = conditionsFailed(operations, error);
        if (failures.length > 0) return failures;
      }
      if (!isContention(error)) throw toUnavailable(error, OUTCOME_UNKNOWN);
      // An attempt that the SDK repeated may have succeeded, and so may one that is in progress.
      isUnknown ||= error instanceof TransactionInProgressException || attemptsOf(error) > 1;
      if (deadline.expired()) throw writeTimedOut({ isUnknown });
      await backoff(attempt, deadline);
    }
  }
}

function conditionsFailed(operations: readonly Operation[], error: TransactionCanceledException): Failure[] {
  const reasons = error.CancellationReasons ?? [];
  return operations.flatMap(({ label, key }, position) => {
    const reason = reasons[position];
    if (reason?.Code !== "ConditionalCheckFailed") return [];
    // lib-dynamodb leaves the items of cancellation reasons in DynamoDB JSON.
    return [{ label, key, present: reason.Item === undefined ? undefined : (unmarshall(reason.Item) as RawItem) }];
  });
}

const CONTENTION = new Set(["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"]);

function isContention(error: unknown): boolean {
  // The first attempt of this transaction is still in progress: its response was lost, and its outcome is unknown.
  if (error instanceof TransactionInProgressException) return true;
  if (!(error instanceof TransactionCanceledException)) return false;
  const codes = (error.CancellationReasons ?? []).map((reason) => reason.Code ?? "None");
  return codes.some((code) => CONTENTION.has(code)) && codes.every((code) => code === "None" || CONTENTION.has(code));
}
