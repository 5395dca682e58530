/** What the embedded engine never does by itself: conflicts, throttling, lost answers, latency. And counting calls. */

import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { TransactionCanceledException, TransactionInProgressException } from "@aws-sdk/client-dynamodb";
import type { Table } from "#core/table/client.ts";
import { permit } from "./permissions.ts";

/** One call to the database as it goes over the wire. */
export interface Call {
  /** Such as `BatchGetItem`. */
  operation: string;
  input: Record<string, unknown>;
}

/**
 * What to do to a call: fail it before it reaches the engine, lose the answer after it did, refuse it for load, or say that
 * an earlier sending of the same transaction is in progress.
 */
export type Fault = "before" | "after" | "throttle" | "in progress" | undefined;

/** When a call was under way. */
export interface Span extends Call {
  start: number;
  end: number;
}

/** Stands between the server and the engine. */
export interface Wire {
  /** Asked for every call. */
  fault: (call: Call) => Fault;
  /** Added to every call. */
  latencyMs: number;
  /** Whether transactions that overlap in an item are cancelled, as DynamoDB does. */
  conflicts: boolean;
  /** Every call since it was emptied last. */
  readonly spans: Span[];
  /** How many transactions were cancelled because of others. */
  conflicted: number;
}

interface HttpRequest {
  headers: Record<string, string>;
  body?: unknown;
}

const textOf = ({ body }: HttpRequest): string =>
  typeof body === "string" ? body : new TextDecoder().decode(body as Uint8Array);

function callOf(request: HttpRequest): Call {
  const target = Object.entries(request.headers).find(([name]) => name.toLowerCase() === "x-amz-target")?.[1] ?? "";
  const text = textOf(request);
  return { operation: target.split(".")[1] ?? "", input: JSON.parse(text === "" ? "{}" : text) };
}

type Write = Record<string, { Key?: Record<string, unknown>; Item?: Record<string, unknown> }>;

function keysOf(call: Call): string[] {
  const writes = (call.input.TransactItems ?? []) as Write[];
  return writes.map((write) => {
    const [operation] = Object.values(write);
    const { pk, sk } = operation?.Key ?? operation?.Item ?? {};
    return JSON.stringify([pk, sk]);
  });
}

const named = (name: string, message: string) => Object.assign(new Error(message), { name });

/**
 * Puts a wire between a table's client and the engine. The SDK's own retries happen outside of it.
 *
 * @param busy keys with a transaction under way; shared by all who write to one table
 */
export function tap(table: Table, busy = new Set<string>()): Wire {
  const wire: Wire = { fault: () => undefined, latencyMs: 0, conflicts: false, spans: [], conflicted: 0 };
  table.client.middlewareStack.add(
    (next) => async (args) => {
      const call = callOf(args.request as HttpRequest);
      const span: Span = { ...call, start: performance.now(), end: 0 };
      wire.spans.push(span);
      const fault = wire.fault(call);
      const keys = wire.conflicts && call.operation === "TransactWriteItems" ? keysOf(call) : [];
      try {
        permit(call, table.name);
        if (fault === "before") throw named("TimeoutError", "injected: the call never arrived");
        if (fault === "throttle") throw named("ThrottlingException", "injected: too many calls");
        if (fault === "in progress") {
          throw new TransactionInProgressException({ $metadata: {}, message: "injected: it is in progress" });
        }
        if (keys.some((key) => busy.has(key))) {
          wire.conflicted++;
          throw new TransactionCanceledException({
            $metadata: {},
            message: "injected: another transaction is under way",
            CancellationReasons: keys.map((key) => ({ Code: busy.has(key) ? "TransactionConflict" : "None" })),
          });
        }
        for (const key of keys) busy.add(key);
        try {
          if (wire.latencyMs > 0) await sleep(wire.latencyMs);
          const output = await next(args);
          if (fault === "after") throw named("TimeoutError", "injected: the answer was lost");
          return output;
        } finally {
          for (const key of keys) busy.delete(key);
        }
      } finally {
        span.end = performance.now();
      }
    },
    { step: "finalizeRequest", priority: "low", name: "wire" },
  );
  return wire;
}

/**
 * Has something happen around a table's calls, once unless said otherwise.
 *
 * @param act what happens, while the call waits
 * @param when before the call is sent, or after its answer came
 * @param isMeant tells the calls from others by their input as JSON; transactions unless it is given
 */
export function interrupt(
  { client }: Table,
  act: () => Promise<void>,
  { when = "before", times = 1, isMeant = isTransaction }: Interruption = {},
): void {
  let left = times;
  client.middlewareStack.add(
    (next) => async (args) => {
      const meant = left > 0 && isMeant(JSON.stringify(args.input));
      if (meant) left--;
      if (meant && when === "before") await act();
      const output = await next(args);
      if (meant && when === "after") await act();
      return output;
    },
    { step: "initialize", name: "interrupt" },
  );
}

/** Which calls are interrupted. */
export interface Interruption {
  when?: "before" | "after";
  times?: number;
  isMeant?: (input: string) => boolean;
}

const isTransaction = (input: string): boolean => input.includes('"TransactItems":');

const CLIENT_TOKEN = /"ClientRequestToken":"[0-9a-f-]{36}"/;

/**
 * Has the engine take a transaction that is sent again for a new one, as one that restarted in between does: each sending
 * gets a token of its own.
 *
 * @returns how many sendings of transactions there were
 */
export function forgetTransactions({ client }: Table): { readonly sendings: number } {
  const seen = { sendings: 0 };
  client.middlewareStack.add(
    (next) => async (args) => {
      const request = args.request as HttpRequest;
      const text = textOf(request);
      if (!CLIENT_TOKEN.test(text)) return next(args);
      seen.sendings++;
      request.body = new TextEncoder().encode(text.replace(CLIENT_TOKEN, `"ClientRequestToken":"${randomUUID()}"`));
      return next(args);
    },
    { step: "finalizeRequest", priority: "low", name: "forget" },
  );
  return seen;
}

/**
 * How many calls one after the other a request waited for: the longest chain in which each began only after the one before
 * had ended.
 */
export function waitsOf(spans: readonly Span[]): number {
  let waits = 0;
  let end = Number.NEGATIVE_INFINITY;
  for (const span of [...spans].sort((one, other) => one.end - other.end)) {
    if (span.start < end) continue;
    waits++;
    end = span.end;
  }
  return waits;
}
