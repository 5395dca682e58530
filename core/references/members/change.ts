/** Changes and removes members, and their roles in single environments. */

import { authorize, environmentNotFound } from "../../access/authorize.ts";
import type { Context, WriteOptions } from "../../context.ts";
import { requesterOf } from "../../events/event-log.ts";
import { storeResponse, storeResponseOnly } from "../../request/idempotency.ts";
import type { Precondition } from "../../request/preconditions.ts";
import { type Consequence, readWriteOptions, runWrite, type WriteResult } from "../../request/write.ts";
import { notFound } from "../../shared/errors.ts";
import type { Deadline } from "../../shared/retry.ts";
import { type Parsed, type Validated, validate } from "../../shared/validation.ts";
import { totalKey } from "../../table/keys.ts";
import { commit } from "../../table/transaction.ts";
import type { Environment } from "../../tenancy/environment.ts";
import { type Member, memberEntity } from "../../tenancy/member.ts";
import { totalEntity } from "../../tenancy/organisation.ts";
import { memberKeysIn, memberNotFound, representMember } from "./represent.ts";
import {
  adminsDelta,
  type ChangeDecision,
  decideOverride,
  decideOverrideRemoval,
  decideRemove,
  decideUpdate,
  memberEvent,
  type WriteState,
  withoutAdmin,
} from "./rules.ts";
import { type MemberResponse, SetEnvironmentMember, UpdateMember } from "./schema.ts";
import { countAdmins, memberTransaction, readMembers } from "./store.ts";

/** Parses the body of a change. @param body as sent */
export const parseUpdate = (body: unknown): Validated<UpdateMember> => validate(UpdateMember, body);

/** Parses the body with the roles in one environment. @param body as sent */
export const parseOverride = (body: unknown): Validated<SetEnvironmentMember> => validate(SetEnvironmentMember, body);

/** Request that writes one member. */
interface WriteInput {
  organisation: string;
  memberIdentity: string;
  options: Parsed<WriteOptions>;
  precondition?: Precondition;
}

/** Request that writes the roles of one member in one environment. */
interface OverrideInput extends WriteInput {
  environment: string;
}

type Decision = ChangeDecision | { kind: "remove" };

/** Decides about a write. @param environment environment of the path, if the path has one */
type Decide = (state: WriteState, environment: Environment | undefined) => Decision;

/**
 * Changes the roles or the name of a member. Two database round trips, one if nothing changes.
 *
 * @throws AppError as `authorize`; not found; invalid with every problem; preconditionFailed; conflict for the last admin
 */
export const update = (
  context: Context,
  input: WriteInput & { body: Validated<UpdateMember> },
): Promise<WriteResult<MemberResponse>> =>
  write(context, input, input.body.unknown, (state) => decideUpdate(state, input.body));

/**
 * Removes a member. The next request of the user is refused. Two database round trips.
 *
 * @throws AppError as `authorize`; not found; preconditionFailed; conflict for the last admin
 */
export const remove = (context: Context, input: WriteInput): Promise<WriteResult<MemberResponse>> =>
  write(context, input, [], decideRemove);

/**
 * Sets the roles of a member that apply in one environment instead of those in the organisation. Two database round trips, one if
 * nothing changes. The caller needs the role admin in the organisation: an admin whose role in the environment is another one must be
 * able to change it.
 *
 * @throws AppError as `authorize`; not found; invalid with every problem; preconditionFailed; conflict for the limit
 */
export const setOverride = (
  context: Context,
  input: OverrideInput & { body: Validated<SetEnvironmentMember> },
): Promise<WriteResult<MemberResponse>> =>
  write(context, input, input.body.unknown, (state, environment) =>
    decideOverride(state, input.body, environment?.identity ?? ""),
  );

/**
 * Removes the roles of a member in one environment, so that those in the organisation apply there. Two database round trips.
 *
 * @throws AppError as `authorize`; not found, also if the member has no other role there; preconditionFailed
 */
export const removeOverride = (context: Context, input: OverrideInput): Promise<WriteResult<MemberResponse>> =>
  write(context, input, [], (state, environment) => {
    const decision = decideOverrideRemoval(state, environment?.identity ?? "");
    if (decision.kind !== "unchanged") return decision;
    const text = `The member has no other role in environment "${input.environment}".`;
    return { kind: "refuse", error: notFound("member.override_missing", text) };
  });

/** Runs a write. @param unknown unknown properties of the body */
async function write(
  context: Context,
  input: WriteInput & { environment?: string },
  unknown: readonly string[],
  decide: Decide,
): Promise<WriteResult<MemberResponse>> {
  // One id for all attempts, so that an attempt recognises the write of an earlier one.
  const mutationId = context.ids.identity();
  return await runWrite(context, (deadline) => attempt(context, input, { unknown, decide, mutationId }, deadline));
}

/** Makes one attempt. @returns undefined after a concurrent change: then everything must be read again */
async function attempt(
  context: Context,
  { organisation: slug, environment, memberIdentity, options, precondition }: WriteInput & { environment?: string },
  { unknown, decide, mutationId }: { unknown: readonly string[]; decide: Decide; mutationId: string },
  deadline: Deadline,
): Promise<WriteResult<MemberResponse> | undefined> {
  const memberKeys = () => memberKeysIn(slug, memberIdentity);
  const authorized = await authorize<undefined, MemberResponse>(context, {
    path: { organisation: slug, ...(environment === undefined ? {} : { environment }) },
    organisationRole: "admin",
    keys: () => [totalKey(slug), ...memberKeys()],
  });
  const { actor, organisation, replay } = authorized;
  if (replay !== undefined) return replay;
  if (environment !== undefined && authorized.environment === undefined) throw environmentNotFound(environment, slug);
  const [item] = memberKeys().map((key) => authorized.prefetched(key));
  if (item === undefined) throw memberNotFound(memberIdentity, slug);
  const { pk: _, sk: _sk, ...before } = memberEntity.read(item);
  // An earlier attempt succeeded, and its response was lost.
  if (before.writtenBy === mutationId) return representMember(organisation, before);
  const { dryRun, problems } = readWriteOptions(context, options, unknown);
  const decision = decide({ member: before, problems, precondition }, authorized.environment);
  if (decision.kind === "refuse") throw decision.error;
  if (decision.kind === "unchanged") {
    const present = representMember(organisation, before);
    if (dryRun) return { kind: "dryRun", body: present.body, consequences: [] };
    return (await storeResponseOnly(context, actor, present, deadline)) ? present : undefined;
  }
  const now = context.clock().toISOString();
  const after: Member | undefined =
    decision.kind === "remove"
      ? undefined
      : { ...decision.after, modifiedAt: now, writtenBy: mutationId, revision: before.revision + 1 };
  const change = { before, after };
  const total = authorized.prefetched(totalKey(slug));
  if (total === undefined) throw new Error(`organisation ${slug} has no totals`);
  const counters = totalEntity.read(total);
  // The counters of an earlier release do not contain the admins: the first write counts them once.
  const isCounted = counters.admins !== undefined || (adminsDelta(change) === 0 && after !== undefined);
  const admins = countAdmins(counters, isCounted ? [] : await readMembers(context, slug));
  const refused = withoutAdmin(change, admins);
  if (refused !== undefined) throw refused;
  const response = representMember(organisation, after ?? before);
  if (dryRun) {
    const body = after === undefined ? {} : response.body;
    return { kind: "dryRun", body, consequences: after === undefined ? [] : consequencesOf(before, after) };
  }
  const source = { organisation: slug, at: now, requester: requesterOf(context, actor) };
  const transaction = memberTransaction(context, change, admins, source);
  storeResponse(context, transaction, actor, response);
  const failures = await commit(context.table, transaction, deadline);
  if (failures.length === 0) return response;
  // An attempt whose response was lost has removed the member, or another request.
  const isGone = failures.some(({ label, present }) => label === "member" && present === undefined);
  // After another failure, the data that was read is out of date: the next read determines the response.
  return after === undefined && isGone ? response : undefined;
}

/** Lists the changed properties, for a dry run. */
function consequencesOf(before: Member, after: Member): Consequence[] {
  const prefix = `members[${before.user}].`;
  const { changes } = memberEvent({ before, after }).event;
  return changes.map(({ path }) => ({ property: path.slice(prefix.length), effect: "inPlace", nodePools: [] }));
}
