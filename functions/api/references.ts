/** Handlers of the operations that read what a cluster refers to. */

import type { PageWithLinks } from "#core/listing/in-memory-page.ts";
import * as Cloud from "#core/references/cloud.ts";
import { getEnvironment, listEnvironments, listEnvironmentTypes } from "#core/references/environments.ts";
import { getMaintenanceSchedule, listMaintenanceSchedules } from "#core/references/maintenance-schedules.ts";
import { getOrganisation, listMemberships } from "#core/references/memberships.ts";
import { type ApiRequest, type AppDependencies, createApp, type Route } from "../http/app.ts";
import { lambda } from "../http/lambda.ts";
import { linkHeader } from "../http/links.ts";
import { type Handlers, type OperationIdOf, routesWith } from "./routes.ts";

const inOrganisation = ({ segment, query }: ApiRequest) => ({ organisation: segment("organisation"), query });
const ofAccount = (request: ApiRequest) => ({ ...inOrganisation(request), account: request.segment("account") });
const ofProvider = (request: ApiRequest) => ({ ...inOrganisation(request), provider: request.segment("provider") });

type Handler = Route["handle"];

/** Returns a handler that responds with what an operation reads. */
const one =
  (read: (request: ApiRequest) => Promise<unknown>): Handler =>
  async (request) => ({ body: await read(request) });

/** Returns a handler that responds with a page, and links to those around it. */
const page =
  (list: (request: ApiRequest) => Promise<PageWithLinks<unknown>>): Handler =>
  async (request) => {
    const { page: body, links } = await list(request);
    return { body, headers: { link: linkHeader(request.url, links) } };
  };

const handlers: Handlers<OperationIdOf<"References">> = {
  listMemberships: page((request) => listMemberships(request.context, request)),
  getOrganisation: one((request) => getOrganisation(request.context, inOrganisation(request))),
  listEnvironments: page((request) => listEnvironments(request.context, inOrganisation(request))),
  getEnvironment: one((request) =>
    getEnvironment(request.context, { ...inOrganisation(request), environment: request.segment("environment") }),
  ),
  listEnvironmentTypes: one((request) => listEnvironmentTypes(request.context, request)),
  listCloudAccounts: page((request) => Cloud.listCloudAccounts(request.context, inOrganisation(request))),
  getCloudAccount: one((request) => Cloud.getCloudAccount(request.context, ofAccount(request))),
  listCloudCredentials: page((request) => Cloud.listCloudCredentials(request.context, ofAccount(request))),
  listCloudProfiles: page((request) => Cloud.listCloudProfiles(request.context, inOrganisation(request))),
  listCloudProviders: page((request) => Cloud.listCloudProviders(request.context, inOrganisation(request))),
  listRegions: page((request) => Cloud.listRegions(request.context, ofProvider(request))),
  listAvailabilityZones: page((request) =>
    Cloud.listAvailabilityZones(request.context, { ...ofProvider(request), region: request.segment("region") }),
  ),
  listNodeTypes: page((request) =>
    Cloud.listNodeTypes(request.context, { provider: request.segment("provider"), query: request.query }),
  ),
  listUpdateChannels: page((request) => Cloud.listUpdateChannels(request.context, inOrganisation(request))),
  listClusterVersions: one((request) => Cloud.listClusterVersions(request.context, request)),
  listMaintenanceSchedules: one((request) => listMaintenanceSchedules(request.context, inOrganisation(request))),
  getMaintenanceSchedule: one((request) =>
    getMaintenanceSchedule(request.context, { ...inOrganisation(request), schedule: request.segment("schedule") }),
  ),
};

/** Routes of the operations that read what a cluster refers to. */
export const referenceRoutes = routesWith(handlers);

/** Makes the app of this route group. */
export const createReferencesApp = (dependencies: AppDependencies) => createApp(dependencies, referenceRoutes);

/** The Lambda of this route group. */
export const handler = lambda(createReferencesApp);
