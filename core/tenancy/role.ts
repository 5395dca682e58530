/** Roles and what they reach. Pure rules. */

import type { Member } from "./member.ts";

/** The documentation's roles. billing-admin sees the organisation and no clusters. */
export const roles = ["viewer", "developer", "admin", "billing-admin"] as const;
export type Role = (typeof roles)[number];

/** What an environment may say of a user: another role, or none at all. */
export const environmentRoles = [...roles, "none"] as const;
export type EnvironmentRole = (typeof environmentRoles)[number];

/** What an operation needs: everything a role may, the roles above it may too. */
export type RequiredRole = "viewer" | "developer" | "admin";

const RANK: Record<EnvironmentRole, number> = { none: 0, "billing-admin": 0, viewer: 1, developer: 2, admin: 3 };

/** Whether a role is enough. */
export const satisfies = (role: EnvironmentRole, right: RequiredRole): boolean => RANK[role] >= RANK[right];

/**
 * The role that holds in an environment: the organisation's, unless the environment gives the user another.
 *
 * @param environmentIdentity overrides hang on the identity, so a new environment of an old name inherits none
 */
export function roleIn(member: Member, environmentIdentity: string): EnvironmentRole {
  return member.environmentRoles[environmentIdentity] ?? member.role;
}

/**
 * Whether a member may list the organisation's clusters at all. Everyone may but a billing-admin to whom no environment
 * gives more; a member with `none` everywhere gets an empty list.
 */
export function canList(member: Member): boolean {
  if (satisfies(member.role, "viewer")) return true;
  return Object.values(member.environmentRoles).some((role) => satisfies(role, "viewer"));
}
