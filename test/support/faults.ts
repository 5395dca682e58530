/** Injects behaviour that the embedded engine never has: conflicts, throttling, lost responses, latency. Also counts calls. */

import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { TransactionCanceledException, TransactionInProgressException } from "@aws-sdk/client-dynamodb";
import type { Table } from "#core/table/client.ts";
import { permit } from "./permissions.ts";
import { checkAttributes } from "./stored-attributes.ts";

/** One database call as sent. */
export interface Call {
  /** Such as `BatchGetItem`. */
  operation: string;
  input: Record<string, unknown>;
}

/**
 * Fault of a call: fail before the engine gets it, lose the response after it did, throttle it, or report that an earlier attempt
 * of the same transaction is in progress.
 */
export type Fault = "before" | "after" | "throttle" | "in progress" | undefined;

/**
 * Selects the faults for the test of one of several writes: one of them in turns, or all with `WRITE_FAULTS=all`, as in
 * `npm run test:soak`.
 *
 * @param index of the write
 */
export const faultsOf = (index: number, faults: readonly Fault[]): Fault[] =>
  process.env.WRITE_FAULTS === "all" ? [...faults] : faults.slice(index % faults.length).slice(0, 1);

/** Time range of a call. */
export interface Span extends Call {
  start: number;
  end: number;
}

/** Connection between the server and the engine. */
export interface Wire {
  /** Called for every call. */
  fault: (call: Call) => Fault;
  /** Added to every call. */
  latencyMs: number;
  /** True if transactions with a common item are cancelled, as DynamoDB does. */
  conflicts: boolean;
  /** Every call since the last reset. */
  readonly spans: Span[];
  /** Number of transactions that were cancelled because of others. */
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
 * @param busy keys with a transaction in progress; shared by all writers of one table
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
        checkAttributes(call);
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
 * Runs an action around a table's calls, once by default.
 *
 * @param act action, for which the call waits
 * @param when before the call is sent, or after its response arrived
 * @param isMeant selects calls by their input as JSON; transactions by default
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

/** Calls that are interrupted. */
export interface Interruption {
  when?: "before" | "after";
  times?: number;
  isMeant?: (input: string) => boolean;
}

const isTransaction = (input: string): boolean => input.includes('"TransactItems":');

const CLIENT_TOKEN = /"ClientRequestToken":"[0-9a-f-]{36}"/;

/**
 * Makes the engine execute a repeated transaction again, like an engine that restarted: each attempt gets its own token.
 *
 * @returns the number of attempts of transactions
 */
export function regenerateClientTokens({ client }: Table): { readonly attempts: number } {
  const seen = { attempts: 0 };
  client.middlewareStack.add(
    (next) => async (args) => {
      const request = args.request as HttpRequest;
      const text = textOf(request);
      if (!CLIENT_TOKEN.test(text)) return next(args);
      seen.attempts++;
      request.body = new TextEncoder().encode(text.replace(CLIENT_TOKEN, `"ClientRequestToken":"${randomUUID()}"`));
      return next(args);
    },
    { step: "finalizeRequest", priority: "low", name: "forget" },
  );
  return seen;
}

/** Counts the round trips of a request: the longest chain of calls in which each began after the previous one ended. */
export function roundTripsOf(spans: readonly Span[]): number {
  let roundTrips = 0;
  let end = Number.NEGATIVE_INFINITY;
  for (const span of [...spans].sort((one, other) => one.end - other.end)) {
    if (span.start < end) continue;
    roundTrips++;
    end = span.end;
  }
  return roundTrips;
}
