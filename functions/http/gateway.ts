/** Events of an HTTP API in API Gateway, payload version 2, as requests; and responses as it takes them. */

import { MinimalResponse, PlainHeaders, PlainRequest } from "./minimal-fetch.ts";

/** As much of an event as is read. */
export interface GatewayEvent {
  /** The path, decoded; with the stage in front of it where that is not `$default`. */
  rawPath: string;
  /** The query as it was sent, without the question mark. */
  rawQueryString: string;
  cookies?: string[];
  /** By names in lower case; values of the same name are joined with commas. */
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

/** What API Gateway makes an answer of. */
export interface GatewayResult {
  statusCode: number;
  headers: Record<string, string>;
  body: string;
  isBase64Encoded: boolean;
}

/** The stage as it stands in front of paths; empty where it does not. */
function stageIn({ rawPath, requestContext: { stage } }: GatewayEvent): string {
  const prefix = `/${stage}`;
  return stage !== "$default" && (rawPath === prefix || rawPath.startsWith(`${prefix}/`)) ? prefix : "";
}

/** What precedes the API's paths in what a client asked for. */
export const baseUrlOf = (event: GatewayEvent): string => `https://${event.requestContext.domainName}${stageIn(event)}`;

/**
 * Makes a request of an event. API Gateway has decoded the path, so that a `#`, a `%` or a space stands in it as itself; what
 * was `%2F` cannot be told from a slash any more.
 */
export function requestOf(event: GatewayEvent): PlainRequest {
  const { rawPath, rawQueryString, cookies, headers = {}, body, isBase64Encoded, requestContext } = event;
  const path = rawPath.slice(stageIn(event).length).toWellFormed().split("/").map(encodeURIComponent).join("/");
  const given = Object.entries(headers).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const],
  );
  return new PlainRequest(
    `https://${requestContext.domainName}${path}${rawQueryString === "" ? "" : `?${rawQueryString}`}`,
    {
      method: requestContext.http.method,
      headers: new PlainHeaders(cookies === undefined ? given : [...given, ["cookie", cookies.join("; ")]]),
      body: body === undefined ? undefined : Buffer.from(body, isBase64Encoded ? "base64" : "utf8"),
    },
  );
}

/** Makes what API Gateway takes of a response; bytes that are not text go as base64. */
export async function resultOf(response: Response | MinimalResponse): Promise<GatewayResult> {
  const bytes =
    response instanceof MinimalResponse ? (response.body ?? Buffer.of()) : Buffer.from(await response.arrayBuffer());
  const isBase64Encoded = response.headers.has("content-encoding");
  return {
    statusCode: response.status,
    headers: Object.fromEntries(response.headers),
    body: bytes.toString(isBase64Encoded ? "base64" : "utf8"),
    isBase64Encoded,
  };
}
