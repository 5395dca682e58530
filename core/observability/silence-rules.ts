/** Decides about silences, as Alertmanager does. Pure functions. */

import type { Representation } from "../request/idempotency.ts";
import { type Precondition, revisionMismatch } from "../request/preconditions.ts";
import { type AppError, conflict, invalid, notFound, type Problem } from "../shared/errors.ts";
import { DAY_MS, ttlAfter } from "../shared/time.ts";
import { elementPath, formatValue, type Validated } from "../shared/validation.ts";
import type { Silence, Silences } from "./entity.ts";
import { readExpression } from "./regular-expression.ts";
import { type CreateSilence, type SilenceResponse, type SilenceState, silenceStates } from "./schema.ts";

/** Maximum number of silences of a tenant that have not expired, and of those that are kept. */
export const MAX_SILENCES = 100;

/** Maximum size of a silence as JSON, in bytes: all silences of a tenant are one item, of at most 400 KB. */
export const MAX_SILENCE_BYTES = 3_072;

/** Retention of expired silences, in days: the default of Alertmanager. */
export const RETENTION_DAYS = 5;

/** Returns the state of a silence. */
export const stateOf = ({ startsAt, endsAt }: Pick<Silence, "startsAt" | "endsAt">, now: Date): SilenceState => {
  if (Date.parse(endsAt) <= now.getTime()) return "expired";
  return Date.parse(startsAt) > now.getTime() ? "pending" : "active";
};

/** Time after which a silence is not shown any more, in milliseconds. */
const goneAt = ({ endsAt }: Silence) => Date.parse(endsAt) + RETENTION_DAYS * DAY_MS;

/**
 * Returns the silences that are shown: active ones, pending ones, expired ones; within a state those that end first come first.
 *
 * @param stored item of the tenant, if there is one
 */
export function silencesAt(stored: Pick<Silences, "silences"> | undefined, now: Date): Silence[] {
  const rank = (silence: Silence) => silenceStates.indexOf(stateOf(silence, now));
  return (stored?.silences ?? [])
    .filter((silence) => goneAt(silence) > now.getTime())
    .sort((one, other) => rank(one) - rank(other) || Date.parse(one.endsAt) - Date.parse(other.endsAt));
}

/** Builds the response for a silence. */
export const toSilenceResponse = (silence: Silence, now: Date): SilenceResponse => ({
  comment: silence.comment,
  createdBy: silence.createdBy,
  endsAt: silence.endsAt,
  id: silence.id,
  matchers: silence.matchers.map(({ isEqual, isRegex, name, value }) => ({ isEqual, isRegex, name, value })),
  startsAt: silence.startsAt,
  status: { state: stateOf(silence, now) },
});

const silenceEtag = ({ revision, id }: Silence): string => `${revision}-${id.slice(0, 8)}`;

/** Builds the representation of a silence. */
export const representSilence = (silence: Silence, now: Date): Representation<SilenceResponse> => ({
  kind: "representation",
  body: toSilenceResponse(silence, now),
  etag: silenceEtag(silence),
});

/** Builds the item with a tenant's silences. @param revision revision of the item as read; 0 for none */
export const silencesItem = (silences: readonly Silence[], revision: number): Silences => ({
  silences: [...silences],
  revision: revision + 1,
  ttl: Math.max(...silences.map((silence) => ttlAfter(new Date(goneAt(silence)), 0))),
});

/** Finds problems across the properties of a new silence. */
function silenceProblems({ value }: Validated<CreateSilence>, now: Date): Problem[] {
  const problems: Problem[] = [];
  let matchEmpty = 0;
  const matchers = value?.matchers ?? [];
  for (const [index, matcher] of matchers.entries()) {
    if (matcher?.value === undefined) continue;
    const { isRegex = false, isEqual = true } = matcher;
    const expression = isRegex ? readExpression(matcher.value) : { matchesEmpty: matcher.value === "" };
    if (typeof expression === "string") {
      const path = `${elementPath("matchers", index)}.value`;
      problems.push({
        path,
        message: `${formatValue(matcher.value)} is not allowed: must be a regular expression of RE2; it ${expression}`,
      });
    } else if (expression.matchesEmpty === isEqual) matchEmpty++;
  }
  if (matchers.length > 0 && matchEmpty === matchers.length) {
    const message = "at least one matcher must not match an empty label, or else the silence would match every alert";
    problems.push({ path: "matchers", message });
  }
  return [...problems, ...timeProblems(value, now)];
}

function timeProblems(value: Validated<CreateSilence>["value"], now: Date): Problem[] {
  if (value?.endsAt === undefined) return [];
  const end = Date.parse(value.endsAt);
  const refuse = (text: string) => [
    { path: "endsAt", message: `${formatValue(value.endsAt)} is not allowed: ${text}` },
  ];
  // Clients of Go send the zero time for a time that was not set.
  if (value.endsAt.startsWith("0001-01-01T00:00:00")) return refuse("the zero time means that no end was set");
  if (end <= now.getTime()) return refuse(`must be after the present time, ${now.toISOString()}`);
  if (value.startsAt !== undefined && end <= Date.parse(value.startsAt)) {
    return refuse(`must be after startsAt, ${formatValue(value.startsAt)}`);
  }
  return [];
}

/** Request to create a silence, and the state that decides about it. */
interface CreateState {
  body: Validated<CreateSilence>;
  /** Problems of the request in addition to those of the body. */
  problems: readonly Problem[];
  /** Silences of the tenant, if it has any. */
  stored: Silences | undefined;
  /** Id of the new silence, the same for all attempts: an own write is recognised by it. */
  id: string;
  /** Email of the user. */
  createdBy: string;
  now: Date;
}

/** Decision about the creation of a silence, with the silences to store. `exists`: an earlier attempt of this request wrote it. */
type CreateDecision =
  | { kind: "refuse"; error: AppError }
  | { kind: "exists"; silence: Silence }
  | { kind: "write"; silence: Silence; silences: readonly Silence[] };

/** Decides about the creation of a silence, in the contract's order: problems, conflicts. */
export function decideCreate({ body, problems, stored, id, createdBy, now }: CreateState): CreateDecision {
  const all = [...problems, ...body.problems, ...silenceProblems(body, now)];
  if (all.length > 0) return { kind: "refuse", error: invalid(all) };
  const shown = silencesAt(stored, now);
  // An earlier attempt succeeded, and its response was lost.
  const own = shown.find((silence) => silence.id === id);
  if (own !== undefined) return { kind: "exists", silence: own };
  const { comment, endsAt, matchers, startsAt } = body.complete();
  const silence: Silence = {
    id,
    matchers: matchers.map(({ isEqual = true, isRegex = false, name, value }) => ({ name, value, isRegex, isEqual })),
    startsAt: new Date(Math.max(now.getTime(), startsAt === undefined ? 0 : Date.parse(startsAt))).toISOString(),
    endsAt: new Date(endsAt).toISOString(),
    createdBy,
    comment,
    revision: 1,
    writtenBy: id,
  };
  const bytes = Buffer.byteLength(JSON.stringify(silence));
  if (bytes > MAX_SILENCE_BYTES) {
    const message = `The silence is ${bytes} bytes as JSON in UTF-8, more than ${MAX_SILENCE_BYTES}; use fewer or shorter matchers or a shorter comment.`;
    return { kind: "refuse", error: invalid([{ path: "", message }]) };
  }
  const unexpired = shown.filter((each) => stateOf(each, now) !== "expired");
  if (unexpired.length >= MAX_SILENCES) {
    const text = `Limit reached: an observability tenant can have at most ${MAX_SILENCES} silences that have not expired; expire some first.`;
    return { kind: "refuse", error: conflict("observability_tenant.silence_limit", text) };
  }
  // The new silence displaces the expired ones that ended first.
  const room = MAX_SILENCES - 1 - unexpired.length;
  const expired = room === 0 ? [] : shown.slice(unexpired.length).slice(-room);
  return { kind: "write", silence, silences: [...unexpired, ...expired, silence] };
}

/** Request to expire a silence, and the state that decides about it. */
interface ExpireState {
  /** Id in the path, as sent. */
  id: string;
  /** Slug of the tenant. */
  tenant: string;
  /** Problems of the request. */
  problems: readonly Problem[];
  stored: Silences | undefined;
  precondition: Precondition | undefined;
  /** Id of the change, the same for all attempts: an own write is recognised by it. */
  mutationId: string;
  now: Date;
}

/** Decision about the end of a silence, with the silences to store. */
type ExpireDecision =
  | { kind: "refuse"; error: AppError }
  | { kind: "unchanged"; silence: Silence }
  | { kind: "write"; before: Silence; silence: Silence; silences: readonly Silence[] };

/** Decides about the end of a silence, in the contract's order: missing, problems, precondition. One that has expired does not change. */
export function decideExpire(state: ExpireState): ExpireDecision {
  const { now, mutationId } = state;
  const id = state.id.toLowerCase();
  const shown = silencesAt(state.stored, now);
  const before = shown.find((each) => each.id === id);
  if (before === undefined) {
    const text = `There is no silence ${formatValue(state.id)} in observability tenant "${state.tenant}".`;
    return { kind: "refuse", error: notFound("silence.missing", text) };
  }
  // An earlier attempt succeeded, and its response was lost.
  if (before.writtenBy === mutationId) return { kind: "unchanged", silence: before };
  if (state.problems.length > 0) return { kind: "refuse", error: invalid(state.problems) };
  const mismatch = revisionMismatch(state.precondition, silenceEtag(before));
  if (mismatch !== undefined) return { kind: "refuse", error: mismatch };
  if (stateOf(before, now) === "expired") return { kind: "unchanged", silence: before };
  const endsAt = now.toISOString();
  // A pending silence never begins.
  const startsAt = stateOf(before, now) === "pending" ? endsAt : before.startsAt;
  const silence = { ...before, startsAt, endsAt, revision: before.revision + 1, writtenBy: mutationId };
  return { kind: "write", before, silence, silences: shown.map((each) => (each === before ? silence : each)) };
}
