/** Descriptions of the operations that read what a cluster refers to, and of the service's own operations. */

import { type OperationIdOf, routes } from "../api/routes.ts";
import { type Description, type Descriptions, READ, READ_ALL } from "./operation.ts";

type ReferenceId = OperationIdOf<"References">;

/** Texts of a read: summary, description, and description of the response. */
type Texts = readonly [summary: string, description: string, response: string];

const TEXTS: Readonly<Record<ReferenceId, Texts>> = {
  listMemberships: [
    "List memberships",
    "Organisations of which the caller is a member, with the caller's role in each.",
    "A page.",
  ],
  getOrganisation: ["Get organisation", "An organisation of which the caller is a member.", "The organisation."],
  listEnvironmentTypes: ["List environment types", "Types of environments.", "The names of the types."],
  listCloudProfiles: ["List cloud profiles", "Profiles from which cloud accounts are created.", "A page."],
  listCloudProviders: ["List cloud providers", "All cloud providers.", "A page."],
  listRegions: ["List regions", "The regions of a cloud provider.", "A page."],
  listAvailabilityZones: ["List availability zones", "The availability zones of a region.", "A page."],
  listNodeTypes: ["List node types", "Types of nodes of a cloud provider, with cores and MB.", "A page."],
  listClusterVersions: [
    "List cluster versions",
    "Versions with which clusters can be created, oldest first.",
    "The versions.",
  ],
  listUpdateChannels: ["List update channels", "Update channels, by their version.", "A page."],
};

function describe(id: ReferenceId, [summary, description, response]: Texts): Description {
  const { path, success } = routes[id];
  return {
    tag: "References",
    summary,
    description,
    successes: {
      200: { description: response, headers: success.startsWith("Page") ? ["Link"] : [] },
    },
    errors: path.includes("{") ? READ : READ_ALL,
  };
}

/** Descriptions of the operations that read what a cluster refers to. */
export const referenceDescriptions = Object.fromEntries(
  Object.entries(TEXTS).map(([id, texts]) => [id, describe(id as ReferenceId, texts)]),
) as Descriptions<ReferenceId>;

const service = {
  tag: "Service",
} as const;

const healthy = { description: "The service is available." } as const;

/** Operations on the service itself. */
export const serviceDescriptions: Descriptions<OperationIdOf<"Health" | "Default">> = {
  getHealth: {
    ...service,
    summary: "Check liveness",
    description: "Returns 200 while the process runs; does not use the database.",
    successes: { 200: healthy },
    errors: [500],
  },
  getReadiness: {
    ...service,
    summary: "Check readiness",
    description: "Returns 200 if the database responds.",
    successes: { 200: healthy },
    errors: [500, 503],
  },
  getOpenApi: {
    ...service,
    summary: "Get this document",
    description: "This OpenAPI document.",
    successes: {
      200: {
        description: "The document.",
        headers: ["ETag"],
      },
      304: { description: "Not modified.", headers: ["ETag"] },
    },
    errors: [],
  },
};
