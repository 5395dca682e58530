/** Decides about writes of members. Pure functions. */

import type { Change } from "../../events/entity.ts";
import type { OrganisationEvent } from "../../events/organisation-events.ts";
import { type Precondition, revisionMismatch } from "../../request/preconditions.ts";
import { type AppError, conflict, invalid, type Problem } from "../../shared/errors.ts";
import { formatValue, type Validated } from "../../shared/validation.ts";
import type { Member } from "../../tenancy/member.ts";
import { MAX_MEMBERS } from "../../tenancy/organisation.ts";
import { type CreateMember, memberEtag, type SetEnvironmentMember, type UpdateMember } from "./schema.ts";

/** Maximum number of environments in which a member has other roles: every request of the member reads them. */
export const MAX_OVERRIDES = 200;

/** Number of admins as read. `counted`: the organisation's counters do not contain it yet, and the next write stores it. */
export interface AdminCount {
  kind: "stored" | "counted";
  admins: number;
}

/** Counters of an organisation that decide about a write of a member. */
export interface Counters {
  members: number;
  admins: AdminCount;
}

/** Change of a membership: `before` is undefined for a new member, `after` for a removed one. */
export interface MemberWrite {
  before: Member | undefined;
  after: Member | undefined;
}

const count = (member: Member | undefined) => (member?.role === "admin" ? 1 : 0);

/** Returns by how much a write changes the number of admins: -1, 0 or 1. */
export const adminsDelta = ({ before, after }: MemberWrite): number => count(after) - count(before);

/**
 * Returns the error for a write after which the organisation would have no admin. A user without a token also
 * counts as an admin, because an operator can create a token for the user. Without an admin, no request could make another user an admin.
 */
export function withoutAdmin(write: MemberWrite, { admins }: AdminCount): AppError | undefined {
  if (adminsDelta(write) >= 0 || admins > 1) return undefined;
  const what = write.after === undefined ? "be removed" : "get another role";
  return conflict(
    "member.last_admin",
    `${formatValue(write.before?.email)} is the last admin of the organisation and cannot ${what}; make another member an admin first.`,
  );
}

/** Values that the server generates for a new member, the same for all attempts. */
export interface GeneratedMember {
  /** Identity of a new user. */
  user: string;
  revision: number;
  /** Id of the change. */
  mutationId: string;
}

/** Request to add a member, and the state that decides about it. */
interface AddState {
  organisation: string;
  body: Validated<CreateMember>;
  /** Problems of the request in addition to those of the body. */
  problems: readonly Problem[];
  /** Membership of the user whom the body names, or of the generated one. */
  present: Member | undefined;
  /** True if another member has the e-mail address. */
  isEmailTaken: boolean;
  counters: Counters;
  generated: GeneratedMember;
  /** RFC 3339. */
  now: string;
}

/** Decision about the addition of a member. `exists`: an earlier attempt of this request wrote it. */
type AddDecision =
  | { kind: "refuse"; error: AppError }
  | { kind: "exists"; member: Member }
  | { kind: "write"; member: Member };

/** Decides about the addition of a member, in the contract's order: problems, conflicts. */
export function decideAdd(state: AddState): AddDecision {
  const { body, problems, present, generated, now, organisation } = state;
  const all = [...problems, ...body.problems];
  if (all.length > 0) return { kind: "refuse", error: invalid(all) };
  // An earlier attempt succeeded, and its response was lost.
  if (present?.writtenBy === generated.mutationId) return { kind: "exists", member: present };
  const { email, memberIdentity = generated.user, role, kubernetesRole = "", username = "" } = body.complete();
  if (present !== undefined) {
    const text = `memberIdentity: the user ${memberIdentity} is already a member of this organisation`;
    return { kind: "refuse", error: conflict("member.exists", text) };
  }
  if (state.isEmailTaken) {
    const text = `email: ${formatValue(email)} is already the address of a member of this organisation`;
    return { kind: "refuse", error: conflict("member.email_taken", text) };
  }
  if (state.counters.members >= MAX_MEMBERS) return { kind: "refuse", error: limitReached() };
  const member: Member = {
    user: memberIdentity,
    organisation,
    email,
    ...(username === "" ? {} : { username }),
    role,
    kubernetesRole,
    environmentRoles: {},
    createdAt: now,
    modifiedAt: now,
    revision: generated.revision,
    writtenBy: generated.mutationId,
  };
  return { kind: "write", member };
}

const limitReached = (): AppError =>
  conflict("organisation.member_limit", `Limit reached: an organisation can have at most ${MAX_MEMBERS} members.`);

/** Request to change or remove a member, and the state that decides about it. */
export interface WriteState {
  member: Member;
  /** Problems of the request in addition to those of a body. */
  problems: readonly Problem[];
  precondition: Precondition | undefined;
}

/** Decision about a change of a member. */
export type ChangeDecision =
  | { kind: "refuse"; error: AppError }
  | { kind: "unchanged" }
  | { kind: "write"; after: Member };

/** Returns the error for a request with problems, or whose precondition does not hold. */
function refusalOf({ member, problems, precondition }: WriteState, more: readonly Problem[]): AppError | undefined {
  const all = [...problems, ...more];
  return all.length > 0 ? invalid(all) : revisionMismatch(precondition, memberEtag(member));
}

/** Returns the decision for a member after a change, which is no change if every value is the present one. */
const decided = (before: Member, after: Member): ChangeDecision =>
  memberEvent({ before, after }).event.changes.length === 0 ? { kind: "unchanged" } : { kind: "write", after };

/** Decides about a change of a member, apart from the rule of the last admin: problems, precondition. */
export function decideUpdate(state: WriteState, body: Validated<UpdateMember>): ChangeDecision {
  const error = refusalOf(state, body.problems);
  if (error !== undefined) return { kind: "refuse", error };
  const { member } = state;
  const { role = member.role, kubernetesRole = member.kubernetesRole, username = member.username } = body.complete();
  const { username: _, ...rest } = member;
  const named = username === undefined || username === "" ? {} : { username };
  return decided(member, { ...rest, ...named, role, kubernetesRole });
}

/** Decides about the removal of a member, apart from the rule of the last admin: problems, precondition. */
export function decideRemove(state: WriteState): { kind: "refuse"; error: AppError } | { kind: "remove" } {
  const error = refusalOf(state, []);
  return error === undefined ? { kind: "remove" } : { kind: "refuse", error };
}

/**
 * Decides about the roles of a member in one environment, in the contract's order: problems, precondition, conflicts.
 *
 * @param environmentIdentity identity of the environment
 */
export function decideOverride(
  state: WriteState,
  body: Validated<SetEnvironmentMember>,
  environmentIdentity: string,
): ChangeDecision {
  const { role, kubernetesRole } = body.value ?? {};
  const isEmpty = body.problems.length === 0 && role === undefined && kubernetesRole === undefined;
  const missing = { path: "", message: "At least one of role and kubernetesRole is required." };
  const error = refusalOf(state, isEmpty ? [missing] : body.problems);
  if (error !== undefined) return { kind: "refuse", error };
  const { member } = state;
  const after = withOverride(member, environmentIdentity, body.complete());
  return overridesOf(after) > MAX_OVERRIDES && overridesOf(after) > overridesOf(member)
    ? { kind: "refuse", error: tooManyOverrides() }
    : decided(member, after);
}

/** Decides about the removal of a member's roles in one environment, in the same order. */
export function decideOverrideRemoval(state: WriteState, environmentIdentity: string): ChangeDecision {
  const error = refusalOf(state, []);
  if (error !== undefined) return { kind: "refuse", error };
  return decided(state.member, withoutOverride(state.member, environmentIdentity));
}

/** Returns a member with other roles in one environment. A role that is undefined does not change. */
export function withOverride(
  member: Member,
  environmentIdentity: string,
  { role, kubernetesRole }: SetEnvironmentMember,
): Member {
  const { environmentRoles, environmentKubernetesRoles = {} } = member;
  return {
    ...member,
    environmentRoles: role === undefined ? environmentRoles : { ...environmentRoles, [environmentIdentity]: role },
    ...(kubernetesRole === undefined
      ? {}
      : { environmentKubernetesRoles: { ...environmentKubernetesRoles, [environmentIdentity]: kubernetesRole } }),
  };
}

/** Returns a member to whom the roles in the organisation apply in an environment. */
export function withoutOverride(member: Member, environmentIdentity: string): Member {
  const { [environmentIdentity]: _role, ...environmentRoles } = member.environmentRoles;
  const { environmentKubernetesRoles, ...rest } = member;
  if (environmentKubernetesRoles === undefined) return { ...rest, environmentRoles };
  const { [environmentIdentity]: _kubernetesRole, ...others } = environmentKubernetesRoles;
  return { ...rest, environmentRoles, environmentKubernetesRoles: others };
}

const overridesOf = ({ environmentRoles, environmentKubernetesRoles = {} }: Member): number =>
  new Set([...Object.keys(environmentRoles), ...Object.keys(environmentKubernetesRoles)]).size;

const tooManyOverrides = (): AppError =>
  conflict(
    "member.override_limit",
    `Limit reached: a member can have other roles in at most ${MAX_OVERRIDES} environments.`,
  );

/** Properties of a member that events contain. */
const SETTINGS = ["email", "username", "role", "kubernetesRole"] as const;

const settingsOf = (member: Member) => Object.fromEntries(SETTINGS.map((name) => [name, member[name]]));

/**
 * Builds the event of a write, and the identity of the environment that it is about, if it changes only roles there.
 *
 * @throws Error if there is neither a member before nor after
 */
export function memberEvent({ before, after }: MemberWrite): {
  event: OrganisationEvent;
  environmentIdentity?: string;
} {
  const user = before?.user ?? after?.user;
  if (user === undefined) throw new Error("a write of no member");
  const path = `members[${user}]` as const;
  if (before === undefined || after === undefined) {
    const from = before && { from: settingsOf(before) };
    const to = after && { to: settingsOf(after) };
    const type = before === undefined ? "member.added" : "member.removed";
    return { event: { type, changes: [{ path, ...from, ...to }] } };
  }
  const changes: Change<`${typeof path}.${string}`>[] = SETTINGS.filter((name) => before[name] !== after[name]).map(
    (name) => ({ path: `${path}.${name}`, from: before[name], to: after[name] }),
  );
  const environments = new Set<string>();
  for (const [name, from, to] of [
    ["role", before.environmentRoles, after.environmentRoles],
    ["kubernetesRole", before.environmentKubernetesRoles ?? {}, after.environmentKubernetesRoles ?? {}],
  ] as const) {
    for (const identity of new Set([...Object.keys(from), ...Object.keys(to)])) {
      if (from[identity] === to[identity]) continue;
      environments.add(identity);
      changes.push({ path: `${path}.environments[${identity}].${name}`, from: from[identity], to: to[identity] });
    }
  }
  const [environmentIdentity] = environments;
  const isAboutOne = environments.size === 1 && changes.every(({ path: at }) => at.startsWith(`${path}.environments[`));
  return {
    event: { type: "member.updated", changes },
    ...(isAboutOne && environmentIdentity !== undefined ? { environmentIdentity } : {}),
  };
}
