/** Parses the responses of a Kubernetes API server. */

import * as v from "valibot";
import { KIND_NOT_SERVED, KubernetesError, type KubernetesErrorKind, unavailableError } from "./errors.ts";

/** Response to one request. */
export interface HttpResponse {
  status: number;
  /** Delay of the header Retry-After, in milliseconds; undefined without the header. */
  retryAfterMs: number | undefined;
  body: string;
}

/** Maximum length of a server's message in an error, in characters. Schema validation can list a whole enumeration. */
const MAX_MESSAGE_LENGTH = 2_000;

const Status = v.object({
  kind: v.literal("Status"),
  message: v.optional(v.string(), ""),
  reason: v.optional(v.string(), ""),
  details: v.optional(v.object({ name: v.optional(v.string()), retryAfterSeconds: v.optional(v.number()) }), {}),
});
type Status = v.InferOutput<typeof Status>;

/**
 * Beginnings of messages that the server sends with status 500 although it will refuse the same request again: server-side apply of an
 * unknown field, of a value of a wrong type or of a set with a duplicate, and a creation with a resourceVersion.
 */
const REFUSED_500 = /^(failed to (create typed|convert new object|prune fields)|resourceVersion should not be set)\b/;

/** Messages of failures of one kind's webhook. The server itself works. */
const WEBHOOK = /failed calling webhook|conversion webhook for .* failed/;

/**
 * Returns the JSON of a response.
 *
 * @param call method and path, for errors
 * @param secrets texts that no error may contain
 * @throws KubernetesError unless the response is a success with a JSON object
 */
export function parseResponse(
  call: string,
  response: HttpResponse,
  secrets: readonly string[] = [],
): Record<string, unknown> {
  const json = parseJson(response.body);
  if (response.status >= 200 && response.status < 300) {
    if (json === undefined)
      throw unavailableError(call, "the response is not a JSON object", { status: response.status });
    return json;
  }
  throw errorOf(call, response, json, secrets);
}

function errorOf(
  call: string,
  { status, retryAfterMs, body }: HttpResponse,
  json: Record<string, unknown> | undefined,
  secrets: readonly string[],
): KubernetesError {
  const parsed = v.safeParse(Status, json);
  if (!parsed.success) {
    // A path without an API, such as that of a CRD that is not installed, has no Status.
    if (status === 404 && body.startsWith("404 page not found")) {
      return new KubernetesError("refused", `${call}: the API server does not serve this kind in this version`, {
        status,
        reason: KIND_NOT_SERVED,
      });
    }
    if (status === 429) return new KubernetesError("throttled", `${call}: too many requests`, { status, retryAfterMs });
    if (status === 401)
      return new KubernetesError("unauthorized", `${call}: the credentials are not accepted`, { status });
    return unavailableError(call, `unexpected response with status ${status}`, { status });
  }
  const { message, reason, details } = parsed.output;
  const kind = kindOf(status, parsed.output);
  const text = withoutSecrets(message, secrets);
  const short = text.length > MAX_MESSAGE_LENGTH ? `${text.slice(0, MAX_MESSAGE_LENGTH).toWellFormed()}…` : text;
  const seconds = details.retryAfterSeconds;
  return new KubernetesError(kind, `${call}: ${status} ${reason === "" ? "" : `${reason}: `}${short}`, {
    status,
    reason: status === 404 && kind === "refused" ? KIND_NOT_SERVED : reason === "" ? undefined : reason,
    retryAfterMs: retryAfterMs ?? (seconds === undefined ? undefined : seconds * 1_000),
    isOutage: kind === "unavailable" && !WEBHOOK.test(message),
  });
}

function kindOf(status: number, { message, reason, details }: Status): KubernetesErrorKind {
  if (status === 401) return "unauthorized";
  // A 404 without a name means that the server does not know the kind. It must not look like a deleted object.
  if (status === 404) return reason === "NotFound" && details.name !== undefined ? "not-found" : "refused";
  if (status === 409) return reason === "AlreadyExists" ? "already-exists" : "conflict";
  if (status === 429) return "throttled";
  if (status === 500 && REFUSED_500.test(message)) return "refused";
  return status >= 400 && status < 500 ? "refused" : "unavailable";
}

/** Replaces secrets in a text. The server may repeat parts of a request in its message. */
function withoutSecrets(text: string, secrets: readonly string[]): string {
  let result = text;
  for (const secret of secrets.toSorted((one, other) => other.length - one.length))
    if (secret.length >= 4) result = result.replaceAll(secret, "[redacted]");
  return result;
}

function parseJson(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}
