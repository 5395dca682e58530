/** A request as a client sends it: over a socket to the local server, and as the event that API Gateway makes of it. */

import { request as send } from "node:http";
import type { GatewayResult } from "#functions/http/gateway.ts";

/** A request. */
export interface ClientRequest {
  method: string;
  /** As it stands in the request's first line, with the query. */
  target: string;
  /** In the order they are sent; a name may come more than once. */
  headers?: readonly (readonly [name: string, value: string])[];
  body?: string | Buffer;
  /** Whether API Gateway hands the body on as base64, as it does with what it does not take for text. */
  isBase64Encoded?: boolean;
  /** The stage it is sent to. */
  stage?: string;
}

/** An answer as far as both transports give it. */
export interface ClientAnswer {
  status: number;
  /** By name; without what belongs to the connection. */
  headers: Record<string, string>;
  /** In base64, so that a difference is one of bytes. */
  body: string;
}

/** The host that both sides believe to be. */
export const HOST = "api.example.test";

/** What a connection adds. */
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
 * Makes the event, as API Gateway does: the path decoded and behind its stage, the query as it was sent, names in lower case,
 * values of one name joined, cookies apart.
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

/** The answer that API Gateway makes of a function's result. */
export function answerOf({ statusCode, headers, body, isBase64Encoded }: GatewayResult): ClientAnswer {
  return {
    status: statusCode,
    headers: sorted(Object.entries(headers)),
    body: Buffer.from(body, isBase64Encoded ? "base64" : "utf8").toString("base64"),
  };
}
