/** The routes to what a cluster's creation needs to know: all of them read only. */

import type { PageWithLinks } from "#core/listing/in-memory-page.ts";
import * as Cloud from "#core/references/cloud.ts";
import { getEnvironment, listEnvironments, listEnvironmentTypes } from "#core/references/environments.ts";
import { getMaintenanceSchedule, listMaintenanceSchedules } from "#core/references/maintenance-schedules.ts";
import { getOrganisation, listMemberships } from "#core/references/memberships.ts";
import { type ApiRequest, type AppDependencies, createApp, type Route } from "../http/app.ts";
import { lambda } from "../http/lambda.ts";
import { linkHeader } from "../http/links.ts";

const ORGANISATION = "/api/v1/orgs/:organisation";
const ACCOUNTS = `${ORGANISATION}/cloud-accounts`;
const PROVIDERS = `${ORGANISATION}/cloud-providers`;
const REGIONS = `${PROVIDERS}/:provider/regions`;
const SCHEDULES = "/api/v1/organisations/:organisation/maintenance-schedule";

const inOrganisation = ({ segment, query }: ApiRequest) => ({ organisation: segment("organisation"), query });
const ofAccount = (request: ApiRequest) => ({ ...inOrganisation(request), account: request.segment("account") });
const ofProvider = (request: ApiRequest) => ({ ...inOrganisation(request), provider: request.segment("provider") });

/** A route that answers what an operation reads. */
const one = (path: string, read: (request: ApiRequest) => Promise<unknown>): Route => ({
  method: "GET",
  path,
  async handle(request) {
    return { body: await read(request) };
  },
});

/** A route that answers a page, and links to those around it. */
const page = (path: string, list: (request: ApiRequest) => Promise<PageWithLinks<unknown>>): Route => ({
  method: "GET",
  path,
  async handle(request) {
    const { page: body, links } = await list(request);
    return { body, headers: { link: linkHeader(request.url, links) } };
  },
});

/** How everything a creation refers to is reached. */
export const referenceRoutes: readonly Route[] = [
  page("/api/v1/memberships", (request) => listMemberships(request.context, request)),
  one("/api/v1/organisations/:organisation", (request) => getOrganisation(request.context, inOrganisation(request))),
  one(SCHEDULES, (request) => listMaintenanceSchedules(request.context, inOrganisation(request))),
  one(`${SCHEDULES}/:schedule`, (request) =>
    getMaintenanceSchedule(request.context, { ...inOrganisation(request), schedule: request.segment("schedule") }),
  ),
  page(`${ORGANISATION}/environments`, (request) => listEnvironments(request.context, inOrganisation(request))),
  one(`${ORGANISATION}/environments/:environment`, (request) =>
    getEnvironment(request.context, { ...inOrganisation(request), environment: request.segment("environment") }),
  ),
  one("/api/v1/environments/types", (request) => listEnvironmentTypes(request.context, request)),
  page(ACCOUNTS, (request) => Cloud.listCloudAccounts(request.context, inOrganisation(request))),
  one(`${ACCOUNTS}/:account`, (request) => Cloud.getCloudAccount(request.context, ofAccount(request))),
  page(`${ACCOUNTS}/:account/credentials`, (request) =>
    Cloud.listCloudCredentials(request.context, ofAccount(request)),
  ),
  page(`${ORGANISATION}/cloud-profiles`, (request) =>
    Cloud.listCloudProfiles(request.context, inOrganisation(request)),
  ),
  page(PROVIDERS, (request) => Cloud.listCloudProviders(request.context, inOrganisation(request))),
  page(REGIONS, (request) => Cloud.listRegions(request.context, ofProvider(request))),
  page(`${REGIONS}/:region/availability-zones`, (request) =>
    Cloud.listAvailabilityZones(request.context, { ...ofProvider(request), region: request.segment("region") }),
  ),
  page("/api/v1/cloud-providers/:provider/nodetypes", (request) =>
    Cloud.listNodeTypes(request.context, { provider: request.segment("provider"), query: request.query }),
  ),
  page(`${ORGANISATION}/update-channels`, (request) =>
    Cloud.listUpdateChannels(request.context, inOrganisation(request)),
  ),
  one("/api/v1/cluster-versions", (request) => Cloud.listClusterVersions(request.context, request)),
];

/** Makes the app of this route group. */
export const createReferencesApp = (dependencies: AppDependencies) => createApp(dependencies, referenceRoutes);

/** The Lambda of this route group. */
export const handler = lambda(createReferencesApp);
