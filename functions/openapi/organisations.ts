/** Descriptions of the operations on an organisation and on what it has besides clusters. */

import type { OperationIdOf } from "../api/routes.ts";
import { type Descriptions, READ, READ_ALL, UNCHANGED, WRITE } from "./operation.ts";

const environment = {
  description: "The environment.",
  headers: ["ETag"],
} as const;

const member = {
  description: "The member.",
  headers: ["ETag"],
} as const;

const schedule = {
  description: "The schedule.",
  headers: ["ETag"],
} as const;

/** Descriptions of the operations on an organisation and on what it has besides clusters. */
export const organisationDescriptions: Descriptions<OperationIdOf<"Organisations">> = {
  listEnvironments: {
    tag: "Organisations",
    summary: "List environments",
    description: "Environments that the caller can access, by slug. Their totals are always shown.",
    successes: { 200: { description: "A page.", headers: ["Link"] } },
    errors: READ,
  },
  createEnvironment: {
    tag: "Organisations",
    summary: "Create environment",
    description:
      "Creates an environment. Its slug follows from its name. Every problem is reported at once. Requires the role developer in the organisation.",
    successes: {
      200: {
        ...environment,
        description: "The new environment.",
        headers: ["ETag", "Location", "Idempotency-Replayed"],
      },
    },
    errors: WRITE,
  },
  getEnvironment: {
    tag: "Organisations",
    summary: "Get environment",
    description: "One environment. Its totals are always shown, and its entity tag changes with them.",
    successes: { 200: environment, 304: UNCHANGED },
    errors: READ,
  },
  updateEnvironment: {
    tag: "Organisations",
    summary: "Update environment",
    description:
      "Changes the properties in the body: all of them or none. Another name does not change the slug. A change of the totals alone does not fail `If-Match`. Requires the role developer in the environment.",
    successes: { 200: { ...environment, description: "The changed environment." } },
    errors: [...READ, 412, 413, 415, 422],
  },
  deleteEnvironment: {
    tag: "Organisations",
    summary: "Delete environment",
    description:
      "Deletes an environment without clusters. If it contains only clusters that are being deleted, it is hidden at once together with them, and its slug can be used again when they are removed. Requires the role developer in the environment.",
    successes: {
      200: { description: "Result of a dry run.", schema: "DryRunResponse" },
      204: { description: "The environment is deleted or hidden." },
    },
    errors: [...READ, 409, 412, 422],
  },
  listEnvironmentMembers: {
    tag: "Organisations",
    summary: "List members of an environment",
    description:
      "All members of the organisation by e-mail address, with the roles that they have in this environment. Requires the role viewer in the environment.",
    successes: { 200: { description: "A page.", headers: ["Link"] } },
    errors: READ,
  },
  setEnvironmentMember: {
    tag: "Organisations",
    summary: "Set roles of a member in an environment",
    description:
      "Sets the roles that a member has in this environment instead of those in the organisation: higher or lower ones, or `none`. A property that is absent does not change. `If-Match` takes the entity tag of the member. Requires the role admin in the organisation.",
    successes: { 200: { description: "The member.", headers: ["ETag", "Idempotency-Replayed"] } },
    errors: [...READ, 409, 412, 413, 415, 422],
  },
  deleteEnvironmentMember: {
    tag: "Organisations",
    summary: "Remove roles of a member in an environment",
    description:
      "Removes the roles that a member has only in this environment, so that those in the organisation apply. Returns 404 if there are none. Requires the role admin in the organisation.",
    successes: {
      200: { description: "Result of a dry run.", schema: "DryRunResponse" },
      204: { description: "The roles in the organisation apply." },
    },
    errors: [...READ, 412, 422],
  },
  getOwnMembership: {
    tag: "Organisations",
    summary: "Get own membership",
    description: "The caller's own membership in the organisation. Every role may read it.",
    successes: { 200: member, 304: UNCHANGED },
    errors: READ,
  },
  listMembers: {
    tag: "Organisations",
    summary: "List members",
    description: "Members of the organisation by e-mail address. Requires the role viewer in the organisation.",
    successes: { 200: { description: "A page.", headers: ["Link"] } },
    errors: READ,
  },
  createMember: {
    tag: "Organisations",
    summary: "Add member",
    description:
      "Adds a member: a new user, or the user whom `memberIdentity` names. An e-mail address belongs to one member, without regard to case. The new member has no token yet. Requires the role admin in the organisation.",
    successes: {
      200: { ...member, description: "The new member.", headers: ["ETag", "Location", "Idempotency-Replayed"] },
    },
    errors: WRITE,
  },
  getMember: {
    tag: "Organisations",
    summary: "Get member",
    description:
      "One member. A user who is removed and added again has another entity tag. Requires the role viewer in the organisation.",
    successes: { 200: member, 304: UNCHANGED },
    errors: READ,
  },
  updateMember: {
    tag: "Organisations",
    summary: "Update member",
    description:
      "Changes the properties in the body: all of them or none. The last admin of the organisation keeps the role. Requires the role admin in the organisation.",
    successes: { 200: { ...member, description: "The changed member." } },
    errors: [...READ, 409, 412, 413, 415, 422],
  },
  deleteMember: {
    tag: "Organisations",
    summary: "Remove member",
    description:
      "Removes a member, but not the last admin. The next request of the user in this organisation is refused. The user's tokens stay, because the user may be a member of other organisations. Requires the role admin in the organisation.",
    successes: {
      200: { description: "Result of a dry run.", schema: "DryRunResponse" },
      204: { description: "The member is removed." },
    },
    errors: [...READ, 409, 412, 422],
  },
  listTokens: {
    tag: "Organisations",
    summary: "List own tokens",
    description:
      "Personal access tokens of the caller, by the time of their creation, including expired ones. The tokens themselves are not shown.",
    successes: { 200: { description: "A page.", headers: ["Link"] } },
    errors: READ_ALL,
  },
  createToken: {
    tag: "Organisations",
    summary: "Create own token",
    description:
      "Creates a personal access token of the caller, with the same rights. The response contains the token, which is shown only once: a repetition with the same `Idempotency-Key` gets a 409. A user can have at most 50 tokens; expired ones count until they are deleted.",
    successes: { 200: { description: "The new token.", headers: ["Cache-Control", "Location"] } },
    errors: [...READ_ALL, 409, 413, 415, 422],
  },
  deleteToken: {
    tag: "Organisations",
    summary: "Delete own token",
    description:
      "Revokes a token of the caller, which can be the token of this request. The next request with it is refused.",
    successes: {
      200: { description: "Result of a dry run.", schema: "DryRunResponse" },
      204: { description: "The token is revoked." },
    },
    errors: READ,
  },
  listMaintenanceSchedules: {
    tag: "Organisations",
    summary: "List maintenance schedules",
    description: "The organisation's maintenance schedules, oldest first.",
    successes: { 200: { description: "The schedules." } },
    errors: READ,
  },
  createMaintenanceSchedule: {
    tag: "Organisations",
    summary: "Create maintenance schedule",
    description:
      "Creates a maintenance schedule. Days and times are stored and returned as sent. Every problem is reported at once. Requires the role admin in the organisation.",
    successes: {
      200: { description: "The new schedule.", headers: ["ETag", "Location", "Idempotency-Replayed"] },
    },
    errors: WRITE,
  },
  getMaintenanceSchedule: {
    tag: "Organisations",
    summary: "Get maintenance schedule",
    description: "One maintenance schedule, with the number of clusters that use it and are not being deleted.",
    successes: { 200: schedule, 304: UNCHANGED },
    errors: READ,
  },
  updateMaintenanceSchedule: {
    tag: "Organisations",
    summary: "Update maintenance schedule",
    description:
      "Changes the properties in the body: all of them or none. `windows` replaces all windows. Requires the role admin in the organisation.",
    successes: { 200: { ...schedule, description: "The changed schedule." } },
    errors: [...WRITE, 412],
  },
  deleteMaintenanceSchedule: {
    tag: "Organisations",
    summary: "Delete maintenance schedule",
    description:
      "Deletes a maintenance schedule. It is refused while a cluster that is not being deleted uses the schedule. Requires the role admin in the organisation.",
    successes: {
      200: { description: "Result of a dry run.", schema: "DryRunResponse" },
      204: { description: "The schedule is deleted." },
    },
    errors: [...READ, 409, 412, 422],
  },
  listOrganisationEvents: {
    tag: "Organisations",
    summary: "List events of an organisation",
    description:
      "Changes of what the organisation has besides clusters, newest first. A page leaves out events about environments that the caller cannot access, so it can contain fewer events than its size. `Link` contains the next page; the last page has no such link. Requires the role viewer in the organisation.",
    successes: { 200: { description: "A page of events.", headers: ["Link"] } },
    errors: READ,
  },
};
