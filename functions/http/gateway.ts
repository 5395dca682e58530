/** Converts events of an HTTP API in API Gateway, payload version 2, to requests, and responses to its results. */

import type { Hono } from "hono";
import { MinimalHeaders, MinimalRequest, MinimalResponse } from "./minimal-fetch.ts";

/** Event of API Gateway: the members that are read. */
export interface GatewayEvent {
  /** Decoded path; it begins with the stage unless that is `$default`. */
  rawPath: string;
  /** Query as sent, without the question mark. */
  rawQueryString: string;
  cookies?: string[];
  /** Headers by names in lower case; values of the same name are joined with commas. */
  headers?: Record<string, string | undefined>;
  body?: string;
  isBase64Encoded: boolean;
  requestContext: {
    domainName: string;
    requestId: string;
    stage: string;
    http: { method: string; sourceIp: string };
  };
}

/** Result from which API Gateway makes a response. */
export interface GatewayResult {
  statusCode: number;
  headers: Record<string, string>;
  body: string;
  isBase64Encoded: boolean;
}

/** Returns the prefix that the stage adds to paths; empty for none. */
function stageIn({ rawPath, requestContext: { stage } }: GatewayEvent): string {
  const prefix = `/${stage}`;
  return stage !== "$default" && (rawPath === prefix || rawPath.startsWith(`${prefix}/`)) ? prefix : "";
}

/** Returns the URL before the API's paths, as the client sent it. */
export const baseUrlOf = (event: GatewayEvent): string => `https://${event.requestContext.domainName}${stageIn(event)}`;

/**
 * Makes a request of an event. API Gateway has decoded the path: it can contain `#`, `%` and spaces, and `%2F` has become a
 * slash.
 */
export function requestOf(event: GatewayEvent): MinimalRequest {
  const { rawPath, rawQueryString, cookies, headers = {}, body, isBase64Encoded, requestContext } = event;
  const path = rawPath.slice(stageIn(event).length).toWellFormed().split("/").map(encodeURIComponent).join("/");
  const given = Object.entries(headers).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const],
  );
  return new MinimalRequest(
    `https://${requestContext.domainName}${path}${rawQueryString === "" ? "" : `?${rawQueryString}`}`,
    {
      method: requestContext.http.method,
      headers: new MinimalHeaders(cookies === undefined ? given : [...given, ["cookie", cookies.join("; ")]]),
      body: body === undefined ? undefined : Buffer.from(body, isBase64Encoded ? "base64" : "utf8"),
    },
  );
}

/** Runs an app for an event. @param bindings values for the app's handlers */
export async function fetchFrom(
  app: Hono,
  event: GatewayEvent,
  bindings: { event: GatewayEvent },
): Promise<GatewayResult> {
  // An app reads only members that a minimal request has.
  return resultOf(await app.fetch(requestOf(event) as unknown as Request, bindings));
}

/** Makes the result of a response; compressed bytes are encoded as base64. */
export async function resultOf(response: Response | MinimalResponse): Promise<GatewayResult> {
  const isBase64Encoded = response.headers.has("content-encoding");
  return {
    statusCode: response.status,
    headers: Object.fromEntries(response.headers),
    body: textOf(await bodyOf(response), isBase64Encoded),
    isBase64Encoded,
  };
}

const bodyOf = async (response: Response | MinimalResponse): Promise<string | Buffer> =>
  response instanceof MinimalResponse ? (response.body ?? "") : Buffer.from(await response.arrayBuffer());

/** Returns a body as the result has it. Plain text is passed on without a copy. */
function textOf(body: string | Buffer, isBase64Encoded: boolean): string {
  if (isBase64Encoded) return Buffer.from(body).toString("base64");
  return typeof body === "string" ? body : body.toString();
}
