/** Descriptions of the operations that read what a cluster refers to, and of those on the service itself. */

import { type OperationIdOf, routes } from "../api/routes.ts";
import { type Description, type Descriptions, READ, READ_ALL } from "./operation.ts";

type ReferenceId = OperationIdOf<"References">;

/** Texts of a read: summary, description, and what the response is. */
type Texts = readonly [summary: string, description: string, response: string];

const TEXTS: Readonly<Record<ReferenceId, Texts>> = {
  listMemberships: [
    "List memberships",
    "The organisations the caller is a member of, and the role in each.",
    "A page.",
  ],
  getOrganisation: ["Get organisation", "An organisation the caller is a member of.", "The organisation."],
  listEnvironments: [
    "List environments",
    "The environments in the caller's sight, by slug. Their totals are always shown.",
    "A page.",
  ],
  getEnvironment: ["Get environment", "One environment.", "The environment."],
  listEnvironmentTypes: ["List environment types", "The kinds of environment there are.", "Their names."],
  listCloudAccounts: [
    "List cloud accounts",
    "The organisation's accounts with cloud providers, oldest first.",
    "A page.",
  ],
  getCloudAccount: ["Get cloud account", "One cloud account.", "The cloud account."],
  listCloudCredentials: [
    "List cloud credentials",
    "The credentials of a cloud account, oldest first; never their secrets.",
    "A page.",
  ],
  listCloudProfiles: ["List cloud profiles", "What cloud accounts can be made from.", "A page."],
  listCloudProviders: ["List cloud providers", "The cloud providers there are.", "A page."],
  listRegions: ["List regions", "The regions of a cloud provider.", "A page."],
  listAvailabilityZones: ["List availability zones", "The availability zones of a region.", "A page."],
  listNodeTypes: ["List node types", "What nodes a cloud provider has: cores and MB.", "A page."],
  listClusterVersions: [
    "List cluster versions",
    "The versions clusters can be made with, oldest first.",
    "The versions.",
  ],
  listUpdateChannels: ["List update channels", "The update channels, by the version they lead to.", "A page."],
  listMaintenanceSchedules: [
    "List maintenance schedules",
    "The organisation's maintenance schedules, oldest first.",
    "The schedules.",
  ],
  getMaintenanceSchedule: ["Get maintenance schedule", "One maintenance schedule.", "The schedule."],
};

function describe(id: ReferenceId, [summary, description, response]: Texts): Description {
  const { path, success } = routes[id];
  return {
    tag: "References",
    summary,
    description,
    successes: {
      200: { description: response, headers: success.startsWith("Page") ? ["Link", "Content-Encoding", "Vary"] : [] },
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

const healthy = { description: "It is." } as const;

/** Operations on the service itself. */
export const serviceDescriptions: Descriptions<OperationIdOf<"Health" | "Default">> = {
  getHealth: {
    ...service,
    summary: "Is the server there",
    description: "Asks nothing but the process itself.",
    successes: { 200: healthy },
    errors: [500],
  },
  getReadiness: {
    ...service,
    summary: "Can the server serve",
    description: "Asks the database.",
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
      304: { description: "It is as the caller knows it.", headers: ["ETag"] },
    },
    errors: [],
  },
};
