/** Faults of the test server. */

/** Request as received, without its credentials. */
export interface Call {
  /** Position since the start or the last reset, from 0. */
  index: number;
  method: string;
  /** Path without its query. */
  path: string;
  query: URLSearchParams;
  body: string;
  /** Number of the connection, from 0. */
  connection: number;
  /** Common name of the client's certificate; undefined without one. */
  certificateName: string | undefined;
  /** Status of the response; undefined until it is sent, and without one. */
  status: number | undefined;
}

/**
 * Fault of one request:
 *
 * - `before`: the connection ends, and nothing happens
 * - `after`: the connection ends after the effect
 * - `late`: the effect and the response come late, even if the client has gone: after a time, or after work of the test
 * - `slow`: the response comes late, the effect does not
 * - `throttle`: 429, with Retry-After if `seconds` is given
 * - `status`: another status, with a message of the API server, or with text that is not from it if `text` is given
 * - `broken`: after the effect, a response that is not JSON
 * - `half`: after the effect, the first half of the response
 */
export type Fault =
  | { type: "before" | "after" | "broken" | "half" }
  | { type: "late" | "slow"; ms: number }
  | { type: "late"; until: Promise<unknown> }
  | { type: "throttle"; seconds?: number }
  | { type: "status"; status: number; reason?: string; message?: string; text?: string };

/** Returns the response of a fault with a status of its own; undefined for the others. */
export function responseOfFault(
  fault: Fault | undefined,
): { status: number; headers: Record<string, string>; body: string } | undefined {
  if (fault?.type === "throttle") {
    const headers = fault.seconds === undefined ? {} : { "retry-after": String(fault.seconds) };
    return { status: 429, headers, body: bodyOf(429, "TooManyRequests", "Too many requests, please try again later.") };
  }
  if (fault?.type !== "status") return undefined;
  const { status, reason, message = "injected", text } = fault;
  return { status, headers: {}, body: text ?? bodyOf(status, reason, message) };
}

const bodyOf = (status: number, reason: string | undefined, message: string): string =>
  JSON.stringify({ kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure", message, reason, code: status });
