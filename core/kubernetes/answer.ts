/** Reads answers of a Kubernetes API server. */

import * as v from "valibot";
import { KIND_NOT_SERVED, KubernetesError, type KubernetesErrorKind, noAnswer } from "./errors.ts";

/** Answer to one request. */
export interface Answer {
  status: number;
  /** Delay that the header Retry-After asks for, in milliseconds. */
  retryAfterMs: number | undefined;
  body: string;
}

/** Maximum length of a server's message in an error, in characters. Messages of schema validation list whole enumerations. */
const MAX_MESSAGE_LENGTH = 2_000;

const Status = v.object({
  kind: v.literal("Status"),
  message: v.optional(v.string(), ""),
  reason: v.optional(v.string(), ""),
  details: v.optional(v.object({ name: v.optional(v.string()), retryAfterSeconds: v.optional(v.number()) }), {}),
});
type Status = v.InferOutput<typeof Status>;

/**
 * Beginnings of messages with which the server answers 500 although it will refuse the same request again: server-side apply of an unknown
 * field, of a value of a wrong type or of a set with a duplicate, and a creation with a resourceVersion.
 */
const REFUSED_500 = /^(failed to (create typed|convert new object|prune fields)|resourceVersion should not be set)\b/;

/** Messages of failures that concern one kind of object, whose webhook does not answer. The server itself works. */
const WEBHOOK = /failed calling webhook|conversion webhook for .* failed/;

/**
 * Returns the JSON of an answer.
 *
 * @param call method and path, for errors
 * @param secrets texts that no error may contain
 * @throws KubernetesError unless the answer is a success with a JSON object
 */
export function readAnswer(call: string, answer: Answer, secrets: readonly string[] = []): Record<string, unknown> {
  const json = parseJson(answer.body);
  if (answer.status >= 200 && answer.status < 300) {
    if (json === undefined) throw noAnswer(call, "the answer is not a JSON object", { status: answer.status });
    return json;
  }
  throw errorOf(call, answer, json, secrets);
}

function errorOf(
  call: string,
  { status, retryAfterMs, body }: Answer,
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
    return noAnswer(call, `unexpected answer with status ${status}`, { status });
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
  // Without a name, the server does not know the kind. That must not look like a deleted object.
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
