/**
 * Dialects of the API: each has a prefix of its paths, and for each operation a decoder of requests and an encoder of results.
 * docs/decisions/dialects.md explains how to add one.
 */

import type { Context } from "#core/context.ts";
import type { ApiRequest, HandlerResponse, Route } from "../http/app.ts";
import type { ErrorBody } from "../http/errors.ts";
import { type OperationId, type RouteRow, routes, routesWith } from "./routes.ts";

/** Operation of `core/`: takes a parsed input and returns a domain result. */
type Operation = (context: Context, input: never) => Promise<unknown>;

/** Operations by their ids in the table of routes. */
export type Operations = Readonly<Partial<Record<OperationId, Operation>>>;

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
  /** Changes the body of a successful response; absent for no change. @param schema its schema in the table of routes */
  readonly renderBody?: (schema: SuccessSchema, body: unknown) => unknown;
  /** Changes the body of an error; absent for no change. */
  readonly renderError?: (body: ErrorBody) => ErrorBody;
}

/** Schema of a successful response in the table of routes. */
export type SuccessSchema = RouteRow["success"];

/** Body of a request or a response: a JSON object that was not validated. */
export type JsonObject = Readonly<Record<string, unknown>>;

/**
 * Changes the elements in the body of a response: the elements of a list or of a page, or the body itself.
 *
 * @param schema schema of the body in the table of routes
 * @param render changes one element. `name`: its schema, `Page` for the envelope of a page
 */
export function renderElements(
  schema: SuccessSchema,
  body: unknown,
  render: (name: string, element: JsonObject) => JsonObject,
): unknown {
  if (schema === undefined || typeof body !== "object" || body === null) return body;
  if (schema.endsWith("[]")) {
    const name = schema.slice(0, -"[]".length);
    return name === "string" ? body : (body as JsonObject[]).map((element) => render(name, element));
  }
  if (!schema.startsWith(PAGE)) return render(schema, body as JsonObject);
  const name = schema.slice(PAGE.length);
  const { content, ...envelope } = body as JsonObject & { content: JsonObject[] };
  return { content: content.map((element) => render(name, element)), ...render(PAGE, envelope) };
}

/** Prefix of the schemas of pages, and the name of their envelope. */
const PAGE = "Page";

/** Returns the routes of operations in dialects. */
export const dialectRoutes = <Of extends Operations>(
  operations: Of,
  ...dialects: readonly Dialect<Of>[]
): readonly Route[] => dialects.flatMap((dialect) => routesIn(operations, dialect));

function routesIn<Of extends Operations>(operations: Of, dialect: Dialect<Of>): readonly Route[] {
  const { prefix, renderBody, renderError } = dialect;
  const handlerOf = <Id extends keyof Of>(id: Id, operation: Operation): Route["handle"] => {
    const decode = dialect.decode[id];
    const encode = dialect.encode[id];
    const { success }: RouteRow = routes[id as OperationId];
    return async (request) => {
      const input = decode(request);
      const result = await operation(request.context, input as never);
      const response = encode(result as ResultOf<Of[Id]>, request, input);
      if (response.body === undefined || renderBody === undefined) return response;
      return { ...response, body: renderBody(success, response.body) };
    };
  };
  const handlers = Object.entries(operations).map(([id, operation]) => [id, handlerOf(id as keyof Of, operation)]);
  return routesWith(Object.fromEntries(handlers), prefix).map((route) => ({ ...route, renderError }));
}
