/** Roles and their permissions. Pure functions. */

import type { Member } from "./member.ts";

/** Roles of the API documentation. A billing-admin can read the organisation but no clusters. */
export const roles = ["viewer", "developer", "admin", "billing-admin"] as const;
export type Role = (typeof roles)[number];

/** Roles that a user can have in one environment: another role, or none. */
export const environmentRoles = [...roles, "none"] as const;
export type EnvironmentRole = (typeof environmentRoles)[number];

/** Role that an operation requires. Every higher role includes it. */
export type RequiredRole = "viewer" | "developer" | "admin";

const RANK: Record<EnvironmentRole, number> = { none: 0, "billing-admin": 0, viewer: 1, developer: 2, admin: 3 };

/** Returns whether a role includes the required one. */
export const satisfies = (role: EnvironmentRole, required: RequiredRole): boolean => RANK[role] >= RANK[required];

/**
 * Returns the role of a member in an environment: the role in the organisation, unless the environment overrides it.
 *
 * @param environmentIdentity key of the overrides, so a new environment that reuses a name inherits none
 */
export function roleIn(member: Member, environmentIdentity: string): EnvironmentRole {
  return member.environmentRoles[environmentIdentity] ?? member.role;
}

/**
 * Returns whether a member may list the organisation's clusters. Only a billing-admin without another role in any environment
 * may not; a member with `none` in every environment gets an empty list.
 */
export function canList(member: Member): boolean {
  if (satisfies(member.role, "viewer")) return true;
  return Object.values(member.environmentRoles).some((role) => satisfies(role, "viewer"));
}
