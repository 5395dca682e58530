/** Converts the results of writes to responses. */

import type { DryRun, WriteResult } from "#core/request/write.ts";
import type { HandlerResponse } from "../../http/app.ts";
import { etagHeader } from "../../http/errors.ts";

/**
 * Builds the response to a write: the representation with its entity tag, or the result of a dry run without one.
 *
 * @param headersOf builds more headers for a representation
 */
export const encodeWrite = <Body>(
  result: WriteResult<Body>,
  headersOf: (body: Body) => Record<string, string> = () => ({}),
): HandlerResponse =>
  result.kind === "dryRun"
    ? { body: { ...result.body, consequences: result.consequences, ...manifestsOf(result) } }
    : { body: result.body, headers: { ...etagHeader(result.etag), ...headersOf(result.body) } };

const manifestsOf = ({ manifests }: DryRun<unknown>) => (manifests === undefined ? {} : { manifests });

/** Builds the response to a removal: no content, or the consequences of a dry run. */
export const encodeRemoval = (result: WriteResult<unknown>): HandlerResponse =>
  result.kind === "dryRun" ? { body: { consequences: result.consequences } } : { status: 204 };
