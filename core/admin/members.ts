/** Members of an organisation and their roles. */

import * as v from "valibot";
import type { Services } from "../context.ts";
import { invalid, notFound, type Problem } from "../shared/errors.ts";
import { deadlineIn } from "../shared/retry.ts";
import { maxCharacters, text, uuid } from "../shared/schemas.ts";
import { validate } from "../shared/validation.ts";
import { MEMBER_PREFIX, memberKey, organisationKey, totalKey, userOrganisationKey } from "../table/keys.ts";
import { commit, retryOnConflict, Transaction } from "../table/transaction.ts";
import { type Member, memberEntity, userOrganisationEntity } from "../tenancy/member.ts";
import { organisationNotFound } from "../tenancy/organisation.ts";
import { environmentRoles, roles } from "../tenancy/role.ts";
import { getEnvironment } from "./environments.ts";
import { requireOrganisation, showOrganisation } from "./organisations.ts";

/** Request to create or change a membership. */
const SetMember = v.object({
  email: v.pipe(text, maxCharacters(254), v.regex(/^[^\s@]+@[^\s@]+$/, "must be an e-mail address")),
  /** For a person who already is a user in another organisation. */
  user: v.optional(uuid),
  /** Required for a new member. */
  role: v.optional(v.picklist(roles)),
  kubernetesRole: v.optional(v.picklist(["cluster-admin", "edit", "view", ""])),
  /** Slug of an environment, and the role that applies only there; `inherit` removes the override. */
  environment: v.optional(text),
  environmentRole: v.optional(v.picklist([...environmentRoles, "inherit"])),
});
type SetMember = v.InferOutput<typeof SetMember>;

/** Lists the members of an organisation. @throws AppError not found */
export async function listMembers(services: Services, organisation: string): Promise<Member[]> {
  await requireOrganisation(services, organisation);
  const items = await services.table.query({ pk: organisationKey(organisation).pk, prefix: MEMBER_PREFIX });
  return items.map((item): Member => memberEntity.read(item));
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
 * @throws AppError invalid; not found for organisation or environment; unavailable as `retryOnConflict`
 */
export async function setMember(services: Services, organisation: string, input: unknown): Promise<Member> {
  const validated = validate(SetMember, input);
  if (validated.problems.length > 0) throw invalid(validated.problems);
  const request = validated.complete();
  if ((request.environment === undefined) !== (request.environmentRole === undefined)) {
    throw invalid([{ path: "environment", message: "must be sent together with environmentRole" }]);
  }
  const environment =
    request.environment === undefined ? undefined : await getEnvironment(services, organisation, request.environment);
  const newUser = services.ids.identity();
  return await retryOnConflict(deadlineIn(services.writeTimeoutMs), async (deadline) => {
    // Read the count before the list: a member who is added after the list was read raises the count.
    const { total } = await showOrganisation(services, organisation);
    const members = await listMembers(services, organisation);
    const given = { organisation, environment: environment?.identity, newUser, now: services.clock().toISOString() };
    const decision = decideMember(members, request, given);
    if (decision.kind === "refuse") throw invalid(decision.problems);
    const { present, member } = decision;
    const transaction = memberTransaction(member, present, total.members);
    const failures = await commit(services.table, transaction, deadline);
    if (failures.some(({ label }) => label === "organisation")) throw organisationNotFound(organisation);
    return failures.length === 0 ? member : undefined;
  });
}

/** Values of a membership that its request does not contain. */
interface MemberContext {
  organisation: string;
  /** Identity of the request's environment. */
  environment: string | undefined;
  /** User of a new member who is no user yet. */
  newUser: string;
  /** RFC 3339. */
  now: string;
}

/** Decision about a change of a membership. `present` is undefined for a new member. */
type MemberDecision =
  | { kind: "refuse"; problems: readonly Problem[] }
  | { kind: "write"; present: Member | undefined; member: Member };

/** Decides about a change of a membership. @param members all members of the organisation */
function decideMember(members: readonly Member[], request: SetMember, context: MemberContext): MemberDecision {
  const hasEmail = ({ email }: Member) => email.toLowerCase() === request.email.toLowerCase();
  const present = members.find((each) => (request.user === undefined ? hasEmail(each) : each.user === request.user));
  const emailOwner = members.find((each) => each.user !== present?.user && hasEmail(each));
  const role = request.role ?? present?.role;
  const problems: Problem[] = [];
  if (emailOwner !== undefined) {
    problems.push({ path: "email", message: `is already used by another member, ${emailOwner.user}` });
  }
  if (role === undefined) problems.push({ path: "role", message: `is required: one of ${roles.join(", ")}` });
  if (role === undefined || problems.length > 0) return { kind: "refuse", problems };
  return { kind: "write", present, member: nextMember(present, { ...request, role }, context) };
}

/** Builds a member after a change. @param present undefined for a new member */
function nextMember(
  present: Member | undefined,
  request: SetMember & Pick<Member, "role">,
  { organisation, environment, newUser, now }: MemberContext,
): Member {
  const { environmentRole } = request;
  const overrides = { ...present?.environmentRoles };
  if (environment !== undefined) {
    if (environmentRole === undefined || environmentRole === "inherit") delete overrides[environment];
    else overrides[environment] = environmentRole;
  }
  return {
    user: present?.user ?? request.user ?? newUser,
    organisation,
    email: request.email,
    role: request.role,
    kubernetesRole: request.kubernetesRole ?? present?.kubernetesRole ?? "",
    environmentRoles: overrides,
    createdAt: present?.createdAt ?? now,
    modifiedAt: now,
    revision: (present?.revision ?? 0) + 1,
  };
}

/**
 * Builds the transaction that writes a member.
 *
 * @param present the member as read; undefined for a new member
 * @param count number of members as read, before the list of members
 */
function memberTransaction(member: Member, present: Member | undefined, count: number): Transaction {
  const { user, organisation } = member;
  const item = memberEntity.write(memberKey(organisation, user), member);
  const transaction = new Transaction()
    .check("organisation", organisationKey(organisation), { condition: "attribute_exists(#pk)" })
    .put("user-organisation", userOrganisationEntity.write(userOrganisationKey(user, organisation), { organisation }));
  if (present !== undefined) {
    const unchanged = { condition: "#revision = :revision", values: { ":revision": present.revision } };
    return transaction.put("member", item, unchanged);
  }
  // If two requests add the same address at once, the second fails here and reads again.
  return transaction.create("member", item).update("total", totalKey(organisation), "ADD #members :one", {
    condition: "#members = :members",
    values: { ":one": 1, ":members": count },
  });
}
