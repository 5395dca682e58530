/** Members of an organisation and their roles. */

import * as v from "valibot";
import type { Services } from "../context.ts";
import { invalid, notFound } from "../shared/errors.ts";
import { deadlineIn } from "../shared/retry.ts";
import { maxCharacters, text, uuid } from "../shared/schemas.ts";
import { validate } from "../shared/validation.ts";
import { MEMBER_PREFIX, memberKey, organisationKey, totalKey, userOrganisationKey } from "../table/keys.ts";
import { commit, Transaction, writeTimedOut } from "../table/transaction.ts";
import { type Member, memberEntity, userOrganisationEntity } from "../tenancy/member.ts";
import { organisationNotFound } from "../tenancy/organisation.ts";
import { environmentRoles, roles } from "../tenancy/role.ts";
import { getEnvironment } from "./environments.ts";
import { requireOrganisation, showOrganisation } from "./organisations.ts";

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
export async function memberByEmail(services: Services, organisation: string, email: string): Promise<Member> {
  const wanted = email.toLowerCase();
  const member = (await listMembers(services, organisation)).find((each) => each.email.toLowerCase() === wanted);
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
 * @throws AppError invalid; not found for organisation or environment
 */
export async function setMember(services: Services, organisation: string, input: unknown): Promise<Member> {
  const checked = validate(SetMember, input);
  if (checked.problems.length > 0) throw invalid(checked.problems);
  const wish = checked.complete();
  if ((wish.environment === undefined) !== (wish.environmentRole === undefined)) {
    throw invalid([{ path: "environment", message: "must be sent together with environmentRole" }]);
  }
  const environment =
    wish.environment === undefined ? undefined : await getEnvironment(services, organisation, wish.environment);
  const deadline = deadlineIn(services.writeTimeoutMs);
  for (; !deadline.expired(); ) {
    // Read the count before the list: a member who is added after the list was read raises the count.
    const { total } = await showOrganisation(services, organisation);
    const members = await listMembers(services, organisation);
    const present = members.find(({ email, user }) =>
      wish.user === undefined ? email.toLowerCase() === wish.email.toLowerCase() : user === wish.user,
    );
    const other = members.find(
      (each) => each.user !== present?.user && each.email.toLowerCase() === wish.email.toLowerCase(),
    );
    if (other !== undefined)
      throw invalid([{ path: "email", message: `is already used by another member, ${other.user}` }]);
    const role = wish.role ?? present?.role;
    if (role === undefined) throw invalid([{ path: "role", message: `is required: one of ${roles.join(", ")}` }]);
    const now = services.clock().toISOString();
    const overrides = { ...present?.environmentRoles };
    if (environment !== undefined) {
      if (wish.environmentRole === undefined || wish.environmentRole === "inherit")
        delete overrides[environment.identity];
      else overrides[environment.identity] = wish.environmentRole;
    }
    const member: Member = {
      user: present?.user ?? wish.user ?? services.ids.identity(),
      organisation,
      email: wish.email,
      role,
      kubernetesRole: wish.kubernetesRole ?? present?.kubernetesRole ?? "",
      environmentRoles: overrides,
      createdAt: present?.createdAt ?? now,
      modifiedAt: now,
      revision: (present?.revision ?? 0) + 1,
    };
    const item = memberEntity.write(memberKey(organisation, member.user), member);
    const transaction = new Transaction()
      .check("organisation", organisationKey(organisation), { condition: "attribute_exists(#pk)" })
      .put(
        "user-organisation",
        userOrganisationEntity.write(userOrganisationKey(member.user, organisation), { organisation }),
      );
    if (present === undefined) {
      // If two requests add the same address at once, the second fails here and reads again.
      transaction.create("member", item).update("total", totalKey(organisation), "ADD #members :one", {
        condition: "#members = :members",
        values: { ":one": 1, ":members": total.members },
      });
    } else {
      transaction.put("member", item, {
        condition: "#revision = :revision",
        values: { ":revision": present.revision },
      });
    }
    const failures = await commit(services.table, transaction, deadline);
    if (failures.length === 0) return member;
    if (failures.some(({ label }) => label === "organisation")) throw organisationNotFound(organisation);
  }
  throw writeTimedOut();
}
