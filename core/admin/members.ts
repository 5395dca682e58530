/** Members of an organisation and their roles. */

import * as v from "valibot";
import type { Services } from "../context.ts";
import {
  type AdminCount,
  type MemberWrite,
  withOverride,
  withoutAdmin,
  withoutOverride,
} from "../references/members/rules.ts";
import { emailAddress } from "../references/members/schema.ts";
import { countAdmins, memberTransaction, readMembers } from "../references/members/store.ts";
import { type AppError, invalid, notFound, type Problem } from "../shared/errors.ts";
import { deadlineIn } from "../shared/retry.ts";
import { text, uuid } from "../shared/schemas.ts";
import { validate } from "../shared/validation.ts";
import { keyText, memberEmailKey } from "../table/keys.ts";
import { commit, retryOnConflict } from "../table/transaction.ts";
import { emailHash, kubernetesRoles, type Member, memberEmailEntity } from "../tenancy/member.ts";
import { environmentRoles, roles } from "../tenancy/role.ts";
import { getEnvironment } from "./environments.ts";
import { requireOrganisation, showOrganisation } from "./organisations.ts";

/** Request to create or change a membership. */
const SetMember = v.object({
  email: emailAddress,
  /** For a person who already is a user in another organisation. */
  user: v.optional(uuid),
  /** Required for a new member. */
  role: v.optional(v.picklist(roles)),
  kubernetesRole: v.optional(v.picklist(kubernetesRoles)),
  /** Slug of an environment, and the role that applies only there; `inherit` removes the override. */
  environment: v.optional(text),
  environmentRole: v.optional(v.picklist([...environmentRoles, "inherit"])),
});
type SetMember = v.InferOutput<typeof SetMember>;

/** Lists the members of an organisation. @throws AppError not found */
export async function listMembers(services: Services, organisation: string): Promise<Member[]> {
  await requireOrganisation(services, organisation);
  return await readMembers(services, organisation);
}

/**
 * Finds a member by e-mail address, case-insensitively.
 *
 * @throws AppError not found
 */
export async function findMemberByEmail(services: Services, organisation: string, email: string): Promise<Member> {
  const members = await listMembers(services, organisation);
  const member = members.find((each) => each.email.toLowerCase() === email.toLowerCase());
  if (member === undefined) {
    throw notFound("member.missing", `There is no member ${JSON.stringify(email)} in organisation "${organisation}".`);
  }
  return member;
}

/**
 * Creates or changes a membership: the role in the organisation, or a role that applies only in one environment.
 *
 * @param organisation slug of the organisation
 * @param input email, user (uuid of a user of another organisation), role, kubernetesRole, environment with environmentRole
 * @throws AppError invalid; not found for organisation or environment; conflict for the last admin; unavailable as `retryOnConflict`
 */
export async function setMember(services: Services, organisation: string, input: unknown): Promise<Member> {
  const validated = validate(SetMember, input);
  if (validated.problems.length > 0) throw invalid(validated.problems);
  const request = validated.complete();
  if ((request.environment === undefined) !== (request.environmentRole === undefined)) {
    throw invalid([{ path: "environment", message: "must be given together with a role in it" }]);
  }
  const environment =
    request.environment === undefined ? undefined : await getEnvironment(services, organisation, request.environment);
  const { ids } = services;
  const generated = { user: ids.identity(), revision: ids.number(), mutationId: ids.identity() };
  return await retryOnConflict(deadlineIn(services.writeTimeoutMs), async (deadline) => {
    const { total } = await showOrganisation(services, organisation);
    const members = await readMembers(services, organisation);
    const now = services.clock().toISOString();
    const link = await readAddress(services, organisation, request.email);
    const given = { organisation, environment: environment?.identity, link, admins: countAdmins(total, members), now };
    const decision = decideMember(members, request, { ...given, generated });
    if (decision.kind === "refuse") throw decision.error;
    if (decision.kind === "exists") return decision.member;
    const { write, member } = decision;
    const source = { organisation, at: now, requester: undefined };
    const failures = await commit(services.table, memberTransaction(services, write, given.admins, source), deadline);
    return failures.length === 0 ? member : undefined;
  });
}

/** Returns the user who has an e-mail address. @returns undefined also for a member that an earlier release added */
async function readAddress({ table }: Services, organisation: string, email: string): Promise<string | undefined> {
  const key = memberEmailKey(organisation, emailHash(email));
  const item = (await table.get([key])).get(keyText(key));
  return item && memberEmailEntity.read(item).user;
}

/** Values of a membership that its request does not contain. */
interface MemberContext {
  organisation: string;
  /** Identity of the request's environment. */
  environment: string | undefined;
  /** User who has the request's e-mail address, by the link from it. */
  link: string | undefined;
  admins: AdminCount;
  /** Values of a new member, and the id of the change. */
  generated: { user: string; revision: number; mutationId: string };
  /** RFC 3339. */
  now: string;
}

/** Decision about a change of a membership. `exists`: an earlier attempt of this change wrote it. */
type MemberDecision =
  | { kind: "refuse"; error: AppError }
  | { kind: "exists"; member: Member }
  | { kind: "write"; write: MemberWrite; member: Member };

/** Decides about a change of a membership. @param members all members of the organisation */
function decideMember(members: readonly Member[], request: SetMember, context: MemberContext): MemberDecision {
  const hasEmail = ({ email }: Member) => email.toLowerCase() === request.email.toLowerCase();
  const before = members.find((each) => (request.user === undefined ? hasEmail(each) : each.user === request.user));
  if (before?.writtenBy === context.generated.mutationId) return { kind: "exists", member: before };
  const { link } = context;
  const owner = members.find((each) => each.user !== before?.user && hasEmail(each))?.user ?? link;
  const role = request.role ?? before?.role;
  const problems: Problem[] = [];
  if (owner !== undefined && owner !== before?.user) {
    problems.push({ path: "email", message: `is already used by another member, ${owner}` });
  }
  if (role === undefined) problems.push({ path: "role", message: `is required: one of ${roles.join(", ")}` });
  if (role === undefined || problems.length > 0) return { kind: "refuse", error: invalid(problems) };
  const member = nextMember(before, { ...request, role }, context);
  const write = { before, after: member };
  const error = withoutAdmin(write, context.admins);
  return error === undefined ? { kind: "write", write, member } : { kind: "refuse", error };
}

/** Builds a member after a change. @param before undefined for a new member */
function nextMember(
  before: Member | undefined,
  request: SetMember & Pick<Member, "role">,
  { organisation, environment, generated, now }: MemberContext,
): Member {
  const { environmentRole: role } = request;
  const member: Member = {
    ...before,
    user: before?.user ?? request.user ?? generated.user,
    organisation,
    email: request.email,
    role: request.role,
    kubernetesRole: request.kubernetesRole ?? before?.kubernetesRole ?? "",
    environmentRoles: before?.environmentRoles ?? {},
    createdAt: before?.createdAt ?? now,
    modifiedAt: now,
    revision: before === undefined ? generated.revision : before.revision + 1,
    writtenBy: generated.mutationId,
  };
  if (environment === undefined || role === undefined) return member;
  return role === "inherit" ? withoutOverride(member, environment) : withOverride(member, environment, { role });
}
