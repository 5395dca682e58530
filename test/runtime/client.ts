/** Sends a request like a client: over a socket to the local server, and as the event that API Gateway makes of it. */

import { request as send } from "node:http";
import type { GatewayResult } from "#functions/http/gateway.ts";

/** HTTP request. */
export interface ClientRequest {
  method: string;
  /** As in the request line, with the query. */
  target: string;
  /** In sending order; a name can be repeated. */
  headers?: readonly (readonly [name: string, value: string])[];
  body?: string | Buffer;
  /** True if API Gateway passes the body as base64, as it does for content that is not text. */
  isBase64Encoded?: boolean;
  /** Stage that it is sent to. */
  stage?: string;
}

/** Response, as far as both transports return it. */
export interface ClientAnswer {
  status: number;
  /** By name, without connection headers. */
  headers: Record<string, string>;
  /** In base64, so that comparisons are exact. */
  body: string;
}

/** Host name that both sides use. */
export const HOST = "api.example.test";

/** Headers that the connection adds. */
const CONNECTION = new Set(["connection", "content-length", "date", "keep-alive", "transfer-encoding"]);

const sorted = (headers: Iterable<readonly [string, string]>) =>
  Object.fromEntries(
    [...headers].filter(([name]) => !CONNECTION.has(name)).sort(([one], [other]) => (one < other ? -1 : 1)),
  );

/** Sends a request to the local server. */
export function sendTo(port: number, { method, target, headers = [], body }: ClientRequest): Promise<ClientAnswer> {
  return new Promise((resolve, reject) => {
    const sent = [
      ["Host", HOST],
      ...headers,
      ...(body === undefined ? [] : [["Content-Length", `${Buffer.byteLength(body)}`]]),
    ];
    const outgoing = send(
      { port, method, path: target, headers: sent.flat(), setDefaultHeaders: false, agent: false },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => {
          const pairs = Object.entries(response.headers).map(([name, value]) => [name, String(value)] as const);
          resolve({
            status: response.statusCode ?? 0,
            headers: sorted(pairs),
            body: Buffer.concat(chunks).toString("base64"),
          });
        });
      },
    );
    outgoing.on("error", (error) => reject(new Error(`${method} ${target}: ${error.message}`)));
    outgoing.end(body);
  });
}

/**
 * Builds the event like API Gateway: the decoded path after its stage, the query as sent, lower-case names, joined values of one
 * name, and separate cookies.
 */
export function eventOf({
  method,
  target,
  headers = [],
  body,
  isBase64Encoded = false,
  stage = "$default",
}: ClientRequest) {
  const [path = "", rawQueryString = ""] = target.split(/\?(.*)/s);
  const rawPath = `${stage === "$default" ? "" : `/${stage}`}${decodeURIComponent(path)}`;
  const joined = new Map<string, string>([["host", HOST]]);
  const cookies: string[] = [];
  for (const [given, value] of headers) {
    const name = given.toLowerCase();
    if (name === "cookie") cookies.push(...value.split("; "));
    else joined.set(name, joined.has(name) ? `${joined.get(name)},${value}` : value);
  }
  if (body !== undefined) joined.set("content-length", `${Buffer.byteLength(body)}`);
  const parameters = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(rawQueryString)) {
    parameters.set(name, parameters.has(name) ? `${parameters.get(name)},${value}` : value);
  }
  return {
    version: "2.0",
    routeKey: "$default",
    rawPath,
    rawQueryString,
    ...(cookies.length === 0 ? {} : { cookies }),
    headers: Object.fromEntries(joined),
    ...(parameters.size === 0 ? {} : { queryStringParameters: Object.fromEntries(parameters) }),
    requestContext: {
      accountId: "123456789012",
      apiId: "a1b2c3d4e5",
      domainName: HOST,
      domainPrefix: "api",
      http: { method, path: rawPath, protocol: "HTTP/1.1", sourceIp: "127.0.0.1", userAgent: "test" },
      requestId: "JKJaXmPLvHcESHA=",
      routeKey: "$default",
      stage,
      time: "27/Nov/2026:10:00:00 +0000",
      timeEpoch: 1_795_773_600_000,
    },
    ...(body === undefined ? {} : { body: Buffer.from(body).toString(isBase64Encoded ? "base64" : "utf8") }),
    isBase64Encoded,
  };
}

/** Builds the response that API Gateway makes of a function's result. */
export function answerOf({ statusCode, headers, body, isBase64Encoded }: GatewayResult): ClientAnswer {
  return {
    status: statusCode,
    headers: sorted(Object.entries(headers)),
    body: Buffer.from(body, isBase64Encoded ? "base64" : "utf8").toString("base64"),
  };
}
