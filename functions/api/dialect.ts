/**
 * Dialects of the API: each has a prefix of its paths, and for each operation a decoder of requests and an encoder of results.
 * docs/decisions/dialects.md explains how to add one.
 */

import type { Context } from "#core/context.ts";
import type { ApiRequest, HandlerResponse, Route } from "../http/app.ts";
import { type OperationId, routesWith } from "./routes.ts";

/** Operation of `core/`: takes a parsed input and returns a domain result. */
type Operation = (context: Context, input: never) => Promise<unknown>;

/** Operations by their ids in the table of routes. */
type Operations = Readonly<Partial<Record<OperationId, Operation>>>;

type InputOf<Of> = Of extends (context: Context, input: infer Input) => unknown ? Input : never;
type ResultOf<Of> = Of extends (context: Context, input: never) => Promise<infer Result> ? Result : never;

/** One spelling of the API, for the operations of one route group. */
export interface Dialect<Of extends Operations> {
  /** Prefix of the paths in the table of routes. */
  readonly prefix: string;
  /** Parse requests. Problems of a request are part of the input, because operations report them only after authorization. */
  readonly decode: { readonly [Id in keyof Of]: (request: ApiRequest) => InputOf<Of[Id]> };
  /** Build responses from the results of operations. */
  readonly encode: {
    readonly [Id in keyof Of]: (
      result: ResultOf<Of[Id]>,
      request: ApiRequest,
      input: InputOf<Of[Id]>,
    ) => HandlerResponse;
  };
}

/** Returns the routes of operations in a dialect. */
export function dialectRoutes<Of extends Operations>(operations: Of, dialect: Dialect<Of>): readonly Route[] {
  const handlerOf = <Id extends keyof Of>(id: Id, operation: Operation): Route["handle"] => {
    const decode = dialect.decode[id];
    const encode = dialect.encode[id];
    return async (request) => {
      const input = decode(request);
      const result = await operation(request.context, input as never);
      return encode(result as ResultOf<Of[Id]>, request, input);
    };
  };
  const handlers = Object.entries(operations).map(([id, operation]) => [id, handlerOf(id as keyof Of, operation)]);
  return routesWith(Object.fromEntries(handlers), dialect.prefix);
}
