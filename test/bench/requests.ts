/**
 * Measures operations of the API in one process: the app as a function on AWS runs it, from the event to the result, and beside it, in
 * the same run, reads with the bare client.
 */

import { BatchGetItemCommand, type DynamoDBClient, QueryCommand } from "@aws-sdk/client-dynamodb";
import type { Services } from "#core/context.ts";
import type { Route } from "#functions/http/app.ts";
import { createApp } from "#functions/http/app.ts";
import { baseUrlOf, fetchFrom, type GatewayEvent } from "#functions/http/gateway.ts";
import { MinimalResponse } from "#functions/http/minimal-fetch.ts";
import { createLogger } from "#functions/runtime/log.ts";
import { eventOf } from "#test/runtime/client.ts";
import type { Span } from "#test/support/faults.ts";

/** Number of measured requests of each kind. */
export const ROUNDS = 200;

/** Requests in a row of one kind, whose processor time is measured together, because garbage is collected only now and then. */
const BLOCK = 10;

/** Requests before the measurement, until the code is compiled. */
const WARM_UP = 50;

const quantile = (numbers: readonly number[], at: number): number => {
  const sorted = numbers.toSorted((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * at))] ?? Number.NaN;
};
/** Formats milliseconds. */
export const ms = (value: number) => value.toFixed(2);

/** Measured durations, in milliseconds: elapsed time of each request, and processor time of a request in each block. */
export class Times {
  readonly wall: number[] = [];
  readonly cpu: number[] = [];

  /** Median of the elapsed time. */
  get p50(): number {
    return quantile(this.wall, 0.5);
  }

  /** Median of the processor time of this process. The engine is another process, whose time is not included. */
  get cpuP50(): number {
    return quantile(this.cpu, 0.5);
  }

  /** Elapsed times as in the tables. */
  get formatted(): string {
    return `${ms(this.p50)} / ${ms(quantile(this.wall, 0.95))}`;
  }
}

/** A kind of request that is measured: sends the request of a round. */
export type Side = (round: number) => Promise<unknown>;

/** Sends requests of every kind in turn, in blocks, so that other load affects all of them equally. */
export async function measureInTurn<Name extends string>(sides: Record<Name, Side>): Promise<Record<Name, Times>> {
  const names = Object.keys(sides) as Name[];
  const times = Object.fromEntries(names.map((name) => [name, new Times()])) as Record<Name, Times>;
  let round = 0;
  for (const name of names) for (let warm = 0; warm < WARM_UP; warm++) await sides[name](++round);
  for (let block = 0; block < ROUNDS / BLOCK; block++) {
    for (const name of names) {
      const before = process.cpuUsage();
      for (let request = 0; request < BLOCK; request++) {
        const start = performance.now();
        await sides[name](++round);
        times[name].wall.push(performance.now() - start);
      }
      const { user, system } = process.cpuUsage(before);
      times[name].cpu.push((user + system) / 1_000 / BLOCK);
    }
  }
  return times;
}

/** Request to the app. */
export interface SentRequest {
  method: string;
  path: string;
  token: string;
  body?: unknown;
}

/** Returns a function that sends requests to an app as API Gateway does, and returns the text of the response. */
export function createFunction(
  services: Services,
  routes: readonly Route[],
): (request: SentRequest) => Promise<string> {
  const app = createApp(
    {
      services,
      // The line is written, but not output.
      log: createLogger("info", () => {}),
      config: { TRUSTED_PROXIES: [], CORS_ORIGINS: [] },
      peerAddress: () => "127.0.0.1",
      baseUrl: (c) => baseUrlOf((c.env as { event: GatewayEvent }).event),
      respond: (body, init) => new MinimalResponse(body, init) as unknown as Response,
    },
    routes,
  );
  return async ({ method, path, token, body }) => {
    const headers = [["authorization", `Token ${token}`] as const, ["content-type", "application/json"] as const];
    const sent = body === undefined ? {} : { body: JSON.stringify(body) };
    const event = eventOf({ method, target: path, headers, ...sent }) as GatewayEvent;
    const result = await fetchFrom(app, event, { event });
    if (result.statusCode >= 300) throw new Error(`${method} ${path}: ${result.body}`);
    return result.body;
  };
}

/** Groups recorded calls into the waves in which they were sent. */
export function wavesOf(spans: readonly Span[]): Span[][] {
  const waves: Span[][] = [];
  let end = Number.NEGATIVE_INFINITY;
  for (const span of [...spans].sort((one, other) => one.start - other.start)) {
    if (span.start >= end || waves.length === 0) waves.push([]);
    waves.at(-1)?.push(span);
    end = Math.max(...(waves.at(-1) ?? []).map((each) => each.end));
  }
  return waves;
}

/** Sends recorded reads again with the bare client, wave after wave. */
export async function sendRaw(client: DynamoDBClient, waves: readonly Span[][]): Promise<void> {
  for (const wave of waves) {
    await Promise.all(
      wave.map(({ operation, input }) => {
        if (operation === "Query") return client.send(new QueryCommand(input as never));
        if (operation === "BatchGetItem") return client.send(new BatchGetItemCommand(input as never));
        throw new Error(`${operation} is not a read`);
      }),
    );
  }
}
