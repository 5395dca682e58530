/** Descriptions of the operations on an organisation and on what it has besides clusters. */

import type { OperationIdOf } from "../api/routes.ts";
import { type Descriptions, READ, UNCHANGED, WRITE } from "./operation.ts";

const environment = {
  description: "The environment.",
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
  listOrganisationEvents: {
    tag: "Organisations",
    summary: "List events of an organisation",
    description:
      "Changes of what the organisation has besides clusters, newest first. A page leaves out events about environments that the caller cannot access, so it can contain fewer events than its size. `Link` contains the next page; the last page has no such link. Requires the role viewer in the organisation.",
    successes: { 200: { description: "A page of events.", headers: ["Link"] } },
    errors: READ,
  },
};
