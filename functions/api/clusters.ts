/** Handlers of the operations on clusters. */

import * as Cluster from "#core/cluster/operations/index.ts";
import { upgrades } from "#core/cluster/operations/upgrades.ts";
import { type ApiRequest, type AppDependencies, createApp } from "../http/app.ts";
import { lambda } from "../http/lambda.ts";
import { linkHeader } from "../http/links.ts";
import { etagHeader, ifMatch, notModifiedOr } from "../http/preconditions.ts";
import { type Handlers, type OperationIdOf, routesWith } from "./routes.ts";

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
    const { body, etag } = await Cluster.create(request.context, { ...inEnvironment(request), body: request.body });
    const location = etag === "" ? {} : { location: `${request.url}/${body.slug.slugValue}` };
    return { body, headers: { ...etagHeader(etag), ...location } };
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
    const { body, etag } = await Cluster.update(request.context, {
      ...ofCluster(request),
      ...ifMatch(request),
      body: request.body,
    });
    return { body, headers: etagHeader(etag) };
  },
  async moveCluster(request) {
    const { body, etag } = await Cluster.move(request.context, {
      ...inOrganisation(request),
      ...ifMatch(request),
      cluster: request.segment("cluster"),
      body: request.body,
    });
    return { body, headers: etagHeader(etag) };
  },
  async updatePrometheusRulesInheritance(request) {
    const { body, etag } = await Cluster.updatePrometheusRules(request.context, {
      ...ofCluster(request),
      body: request.body,
    });
    return { body, headers: etagHeader(etag) };
  },
  async undeleteCluster(request) {
    const { body, etag } = await Cluster.undelete(request.context, { ...ofCluster(request), body: request.body });
    return { body, headers: etagHeader(etag) };
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
