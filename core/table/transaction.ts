/** Writing: one transaction of conditional operations, one operation an item, failures as domain results. */

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

/** DynamoDB takes at most this many operations in one transaction. */
export const TRANSACTION_OPERATIONS = 100;

/** A condition in DynamoDB's language, with what the placeholders of it and of an update stand for. */
export interface Expression {
  condition?: string;
  /** `#name` stands for the attribute `name`, unless it is given here. */
  names?: Readonly<Record<string, string>>;
  values?: Readonly<Record<string, unknown>>;
}

/** A condition that did not hold. `present` is the item as it was then, if there was one. */
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

/** DynamoDB reserves some 570 words, `clusters` among them, so every attribute is named through a placeholder. */
function placeholders(text: string, names: Readonly<Record<string, string>>): Record<string, string> {
  const used = text.match(/#[A-Za-z0-9]+/g) ?? [];
  return Object.fromEntries(used.map((placeholder) => [placeholder, names[placeholder] ?? placeholder.slice(1)]));
}

function shared(table: string, { condition, names = {}, values }: Expression, update = "") {
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
 * A transaction being put together: a map from key to one operation, because DynamoDB refuses two on one item.
 * Each operation has a label, by which a failed condition is recognised.
 */
export class Transaction {
  readonly #operations = new Map<string, Operation>();

  /** How many items it touches. */
  get size(): number {
    return this.#operations.size;
  }

  /** The operations in the order they were added. */
  get operations(): readonly Operation[] {
    return [...this.#operations.values()];
  }

  /** Writes a whole item. */
  put(label: string, item: RawItem, expression: Expression = {}): this {
    return this.#add(label, item, (table) => ({ Put: { ...shared(table, expression), Item: { ...item } } }));
  }

  /** Writes a whole item where there is none yet. */
  create(label: string, item: RawItem): this {
    return this.put(label, item, { condition: "attribute_not_exists(#pk)" });
  }

  /** Changes attributes of an item. Without a condition DynamoDB makes the item where there is none. */
  update(label: string, key: Key, update: string, expression: Expression = {}): this {
    return this.#add(label, key, (table) => ({
      Update: { ...shared(table, expression, update), Key: withoutUndefined(key), UpdateExpression: update },
    }));
  }

  /** Removes an item. */
  delete(label: string, key: Key, expression: Expression = {}): this {
    return this.#add(label, key, (table) => ({ Delete: { ...shared(table, expression), Key: withoutUndefined(key) } }));
  }

  /** Holds the transaction to a condition on an item that it does not change. */
  check(label: string, key: Key, expression: Expression & { condition: string }): this {
    return this.#add(label, key, (table) => ({
      ConditionCheck: {
        ...shared(table, expression),
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
 * Commits a transaction: all of it or nothing.
 *
 * Writers of this process on the same items take turns; conflicts with other processes are tried again with jitter until the
 * deadline. The client token is one for the whole call, so that a commit whose answer was lost is recognised by the database
 * when it is sent again. What is written is told to `table.commits`.
 *
 * @returns the conditions that did not hold; empty means that everything is written
 * @throws AppError unavailable when others kept writing until the deadline, or the database cannot be reached. Its message says
 *   whether the transaction was not made or its outcome is unknown; in both cases it is all or nothing
 */
export async function commit(table: Table, transaction: Transaction, deadline: Deadline): Promise<Failure[]> {
  const keys = transaction.operations.map(({ key }) => key);
  const taken = await table.turns.runExclusive(keys.map(keyText), deadline, () => send(table, transaction, deadline));
  if (taken === undefined) throw writeTimedOut();
  if (taken.done.length === 0) table.commits.notify(keys);
  return taken.done;
}

/** Says that the outcome of a write is unknown, and what to do about it. */
const OUTCOME_UNKNOWN = "It is not known whether this write was made: read the current state before you try again.";

/**
 * Builds the error for a write that met other writes until the deadline.
 *
 * @param options.isUnknown whether a sending of the write may have succeeded without its answer being received
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
      table.meter?.wrote(ConsumedCapacity);
      return [];
    } catch (error) {
      if (error instanceof TransactionCanceledException) {
        const failures = conditionsFailed(operations, error);
        if (failures.length > 0) return failures;
      }
      if (!isContention(error)) throw toUnavailable(error, OUTCOME_UNKNOWN);
      // A sending that the SDK repeated may have arrived after all, and so may one that is in progress.
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
    // lib-dynamodb leaves the items of cancellation reasons in DynamoDB's own notation.
    return [{ label, key, present: reason.Item === undefined ? undefined : (unmarshall(reason.Item) as RawItem) }];
  });
}

const CONTENTION = new Set(["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"]);

function isContention(error: unknown): boolean {
  // The first sending of this very transaction is still under way: its answer was lost, its outcome is not known yet.
  if (error instanceof TransactionInProgressException) return true;
  if (!(error instanceof TransactionCanceledException)) return false;
  const codes = (error.CancellationReasons ?? []).map((reason) => reason.Code ?? "None");
  return codes.some((code) => CONTENTION.has(code)) && codes.every((code) => code === "None" || CONTENTION.has(code));
}
