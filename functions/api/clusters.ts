/** Handlers of the operations on clusters. */

import * as Cluster from "#core/cluster/operations/index.ts";
import { upgrades } from "#core/cluster/operations/upgrades.ts";
import { type ApiRequest, type AppDependencies, createApp } from "../http/app.ts";
import { lambda } from "../http/lambda.ts";
import { linkHeader } from "../http/links.ts";
import { ifMatch, notModifiedOr } from "../http/preconditions.ts";
import { type Handlers, type OperationIdOf, routesWith } from "./routes.ts";
import { writeResponse } from "./write-response.ts";

const inOrganisation = ({ segment, query }: ApiRequest) => ({ organisation: segment("organisation"), query });
const inEnvironment = (request: ApiRequest) => ({
  ...inOrganisation(request),
  environment: request.segment("environment"),
});
const ofCluster = (request: ApiRequest) => ({ ...inEnvironment(request), cluster: request.segment("cluster") });

const handlers: Handlers<OperationIdOf<"Clusters">> = {
  async listOrganisationClusters(request) {
    const { page, links } = await Cluster.list(request.context, inOrganisation(request));
    return { body: page, headers: { link: linkHeader(request.url, links) } };
  },
  async listEnvironmentClusters(request) {
    const { page, links } = await Cluster.list(request.context, inEnvironment(request));
    return { body: page, headers: { link: linkHeader(request.url, links) } };
  },
  async createCluster(request) {
    const result = await Cluster.create(request.context, { ...inEnvironment(request), body: request.body });
    return writeResponse(result, ({ slug }) => ({ location: `${request.url}/${slug.slugValue}` }));
  },
  async getCluster(request) {
    const { body, etag, details } = await Cluster.get(request.context, {
      ...ofCluster(request),
      signal: request.signal,
    });
    return details ? { body, headers: { etag } } : notModifiedOr(request, body, etag);
  },
  async listClusterEvents(request) {
    const { page, links } = await Cluster.listEvents(request.context, ofCluster(request));
    return { body: page, headers: { link: linkHeader(request.url, links) } };
  },
  async updateCluster(request) {
    const input = { ...ofCluster(request), ...ifMatch(request), body: request.body };
    return writeResponse(await Cluster.update(request.context, input));
  },
  async moveCluster(request) {
    const input = { ...inOrganisation(request), ...ifMatch(request), cluster: request.segment("cluster") };
    return writeResponse(await Cluster.move(request.context, { ...input, body: request.body }));
  },
  async updatePrometheusRulesInheritance(request) {
    const input = { ...ofCluster(request), body: request.body };
    return writeResponse(await Cluster.updatePrometheusRules(request.context, input));
  },
  async undeleteCluster(request) {
    return writeResponse(await Cluster.undelete(request.context, { ...ofCluster(request), body: request.body }));
  },
  async getClusterUpgrades(request) {
    return { body: await upgrades(request.context, ofCluster(request)) };
  },
};

/** Routes of the operations on clusters. */
export const clusterRoutes = routesWith(handlers);

/** Makes the app of this route group. */
export const createClustersApp = (dependencies: AppDependencies) => createApp(dependencies, clusterRoutes);

/** The Lambda of this route group. */
export const handler = lambda(createClustersApp);
