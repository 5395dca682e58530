/**
 * The dialect of the published clients under `/acloud/api/v1`. It is the documented dialect with the differences of the tables in
 * this folder: `requests.ts`, `responses.ts` and `rules.ts`.
 */

import { MAX_PAGE_SIZE, type PageOptions } from "#core/listing/page.ts";
import type { Parsed } from "#core/shared/validation.ts";
import type { ApiRequest } from "../../http/app.ts";
import type { ErrorBody } from "../../http/errors.ts";
import { parsePageable } from "../../http/pageable.ts";
import { type Dialect, type Operations, renderElements } from "../dialect.ts";
import { ACLOUD_PREFIX, type OperationId, type RouteRow, routes } from "../routes.ts";
import { normaliseBody } from "./requests.ts";
import { renderElement } from "./responses.ts";

/** Page size if a request has none: the clients never send one, and give up after 102 pages. */
export const DEFAULT_PAGE_SIZE = MAX_PAGE_SIZE;

/** Maximum number of problems in the message of an error: the clients show nothing else. */
export const MESSAGE_PROBLEMS = 5;

/** Builds the body of an error whose message contains the first problems. */
export function foldDetails({ message, details }: ErrorBody): ErrorBody {
  if (details.length < 2) return { message, details };
  const others = details.length - MESSAGE_PROBLEMS;
  const first = details.slice(0, MESSAGE_PROBLEMS).join("; ");
  return { message: others > 0 ? `${first} (and ${others} more)` : first, details };
}

/** Returns a request with another body. The signal stays a getter, because the server makes one only for a request that asks. */
const withBody = (request: ApiRequest, body: unknown): ApiRequest => ({
  context: request.context,
  segment: request.segment,
  query: request.query,
  header: request.header,
  body,
  url: request.url,
  get signal() {
    return request.signal;
  },
});

/** Applies the default page size of this dialect to the decoded input of a list. */
function withPageSize(input: unknown, { query }: ApiRequest): unknown {
  const { options, ...rest } = input as { options: Parsed<PageOptions> };
  const { pageSize } = parsePageable(query.pairs, [], DEFAULT_PAGE_SIZE).value;
  const page = { ...options.value.page, pageSize };
  return { ...rest, options: { ...options, value: { ...options.value, page } } };
}

type Decode = (request: ApiRequest) => unknown;

/**
 * Builds this dialect for the operations of one route group.
 *
 * @param documented documented dialect of the group
 * @param decoders decoders for bodies with properties that the documented parser does not read
 */
export function acloudDialect<Of extends Operations>(
  documented: Dialect<Of>,
  decoders: Partial<Dialect<Of>["decode"]> = {},
): Dialect<Of> {
  const decode = Object.entries<Decode>({ ...documented.decode, ...decoders }).map(([id, own]): [string, Decode] => {
    const { body, success }: RouteRow = routes[id as OperationId];
    const read: Decode =
      body === undefined ? own : (request) => own(withBody(request, normaliseBody(body, request.body)));
    return [id, success?.startsWith("Page") === true ? (request) => withPageSize(read(request), request) : read];
  });
  return {
    prefix: ACLOUD_PREFIX,
    decode: Object.fromEntries(decode) as Dialect<Of>["decode"],
    encode: documented.encode,
    renderBody: (schema, body) => renderElements(schema, body, renderElement),
    renderError: foldDetails,
  };
}
