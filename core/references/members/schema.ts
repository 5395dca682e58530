/** Shapes of members in requests and responses. */

import * as v from "valibot";
import { dateTime, identity, maxCharacters, text, uuid } from "../../shared/schemas.ts";
import type { Environment } from "../../tenancy/environment.ts";
import { kubernetesRoles, type Member } from "../../tenancy/member.ts";
import type { Organisation } from "../../tenancy/organisation.ts";
import { environmentRoles, roleIn, roles } from "../../tenancy/role.ts";
import { Email, MembershipResponse, toMembershipResponse } from "../schema.ts";

/** E-mail address of a member. */
export const emailAddress = v.pipe(text, maxCharacters(254), v.regex(/^[^\s@]+@[^\s@]+$/, "must be an e-mail address"));

const username = v.pipe(text, maxCharacters(100), v.description("Name for people to read; empty for none."));
const kubernetesRole = v.pipe(v.picklist(kubernetesRoles), v.description("Role inside clusters; empty for none."));
const role = v.picklist(roles);
const environmentRole = v.pipe(
  v.picklist(environmentRoles),
  v.description("Role in this environment, instead of the one in the organisation."),
);

/** AddMember of the API documentation. */
export const CreateMember = v.object({
  email: emailAddress,
  kubernetesRole: v.optional(kubernetesRole),
  memberIdentity: v.optional(
    v.pipe(
      uuid,
      v.description("Of a person who already is a user: who was removed, or is a member of another organisation."),
    ),
  ),
  role,
  username: v.optional(username),
});
export type CreateMember = v.InferOutput<typeof CreateMember>;

/** Change of a member. A property that is absent does not change. */
export const UpdateMember = v.object({
  kubernetesRole: v.optional(kubernetesRole),
  role: v.optional(role),
  username: v.optional(username),
});
export type UpdateMember = v.InferOutput<typeof UpdateMember>;

/** Roles of a member that apply in one environment only. A property that is absent does not change. */
export const SetEnvironmentMember = v.object({
  kubernetesRole: v.optional(kubernetesRole),
  role: v.optional(environmentRole),
});
export type SetEnvironmentMember = v.InferOutput<typeof SetEnvironmentMember>;

const EnvironmentRoles = v.object({
  identity: v.pipe(identity, v.description("The environment.")),
  kubernetesRole: v.optional(kubernetesRole),
  role: v.optional(environmentRole),
});

/** Membership of the API documentation, with the roles that apply in one environment only. */
export const MemberResponse = v.object({
  ...MembershipResponse.entries,
  createdAt: dateTime,
  environments: v.pipe(
    v.array(EnvironmentRoles),
    v.description("Environments in which other roles apply, ordered by identity."),
  ),
  modifiedAt: dateTime,
  username: v.optional(v.string()),
});
export type MemberResponse = v.InferOutput<typeof MemberResponse>;

/** Roles of a member in one environment. `isOverridden` if at least one of them is not the one in the organisation. */
export const EnvironmentMemberResponse = v.object({
  email: Email,
  environmentIdentity: identity,
  isOverridden: v.boolean(),
  kubernetesRole,
  memberIdentity: identity,
  role: v.picklist(environmentRoles),
  username: v.optional(v.string()),
});
export type EnvironmentMemberResponse = v.InferOutput<typeof EnvironmentMemberResponse>;

/** Builds the response for a member. */
export function toMemberResponse(organisation: Organisation, member: Member): MemberResponse {
  const { environmentRoles: byEnvironment, environmentKubernetesRoles: inClusters = {} } = member;
  const identities = [...new Set([...Object.keys(byEnvironment), ...Object.keys(inClusters)])].sort();
  return {
    ...toMembershipResponse(organisation, member),
    createdAt: member.createdAt,
    environments: identities.map((each) => ({
      identity: each,
      ...(inClusters[each] === undefined ? {} : { kubernetesRole: inClusters[each] }),
      ...(byEnvironment[each] === undefined ? {} : { role: byEnvironment[each] }),
    })),
    modifiedAt: member.modifiedAt,
    ...(member.username === undefined ? {} : { username: member.username }),
  };
}

/** Builds the response for a member in one environment. */
export function toEnvironmentMemberResponse(
  { identity: environmentIdentity }: Environment,
  member: Member,
): EnvironmentMemberResponse {
  const inClusters = member.environmentKubernetesRoles?.[environmentIdentity];
  return {
    email: { email: member.email },
    environmentIdentity,
    isOverridden: inClusters !== undefined || member.environmentRoles[environmentIdentity] !== undefined,
    kubernetesRole: inClusters ?? member.kubernetesRole,
    memberIdentity: member.user,
    role: roleIn(member, environmentIdentity),
    ...(member.username === undefined ? {} : { username: member.username }),
  };
}

/** Returns the entity tag of a member, without quotes. A user who is added again gets another one. */
export const memberEtag = ({ revision }: Member): string => `${revision}`;
