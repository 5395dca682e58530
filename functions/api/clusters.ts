/** The clusters' routes. */

import * as Cluster from "#core/cluster/operations/index.ts";
import { type ApiRequest, type AppDependencies, createApp, type Route } from "../http/app.ts";
import { lambda } from "../http/lambda.ts";
import { linkHeader } from "../http/links.ts";
import { etagHeader, ifMatch, notModifiedOr } from "../http/preconditions.ts";

const ORGANISATION = "/api/v1/orgs/:organisation/clusters";
const ENVIRONMENT = `${ORGANISATION}/:environment`;
const CLUSTER = `${ENVIRONMENT}/:cluster`;

const inOrganisation = ({ segment, query }: ApiRequest) => ({ organisation: segment("organisation"), query });
const inEnvironment = (request: ApiRequest) => ({
  ...inOrganisation(request),
  environment: request.segment("environment"),
});
const ofCluster = (request: ApiRequest) => ({ ...inEnvironment(request), cluster: request.segment("cluster") });

/** How each operation on clusters is reached. */
export const clusterRoutes: readonly Route[] = [
  {
    method: "GET",
    path: ORGANISATION,
    async handle(request) {
      const { page, links } = await Cluster.list(request.context, inOrganisation(request));
      return { body: page, headers: { link: linkHeader(request.url, links) } };
    },
  },
  {
    method: "GET",
    path: ENVIRONMENT,
    async handle(request) {
      const { page, links } = await Cluster.list(request.context, inEnvironment(request));
      return { body: page, headers: { link: linkHeader(request.url, links) } };
    },
  },
  {
    method: "POST",
    path: ENVIRONMENT,
    takesBody: true,
    async handle(request) {
      const { body, etag } = await Cluster.create(request.context, { ...inEnvironment(request), body: request.body });
      const location = etag === "" ? {} : { location: `${request.url}/${body.slug.slugValue}` };
      return { body, headers: { ...etagHeader(etag), ...location } };
    },
  },
  {
    method: "GET",
    path: CLUSTER,
    async handle(request) {
      const { body, etag, details } = await Cluster.get(request.context, {
        ...ofCluster(request),
        signal: request.signal,
      });
      return details ? { body, headers: { etag } } : notModifiedOr(request, body, etag);
    },
  },
  {
    method: "GET",
    path: `${CLUSTER}/events`,
    async handle(request) {
      const { page, links } = await Cluster.listEvents(request.context, ofCluster(request));
      return { body: page, headers: { link: linkHeader(request.url, links) } };
    },
  },
  {
    method: "PATCH",
    path: CLUSTER,
    takesBody: true,
    async handle(request) {
      const { body, etag } = await Cluster.update(request.context, {
        ...ofCluster(request),
        ...ifMatch(request),
        body: request.body,
      });
      return { body, headers: etagHeader(etag) };
    },
  },
  {
    method: "POST",
    path: `${ORGANISATION}/:cluster/move`,
    takesBody: true,
    async handle(request) {
      const { body, etag } = await Cluster.move(request.context, {
        ...inOrganisation(request),
        ...ifMatch(request),
        cluster: request.segment("cluster"),
        body: request.body,
      });
      return { body, headers: etagHeader(etag) };
    },
  },
  {
    method: "POST",
    path: `${CLUSTER}/prometheus-rules-inheritance`,
    takesBody: true,
    async handle(request) {
      const { body, etag } = await Cluster.updatePrometheusRules(request.context, {
        ...ofCluster(request),
        body: request.body,
      });
      return { body, headers: etagHeader(etag) };
    },
  },
  {
    method: "POST",
    path: `${CLUSTER}/undelete`,
    takesBody: "optional",
    async handle(request) {
      const { body, etag } = await Cluster.undelete(request.context, { ...ofCluster(request), body: request.body });
      return { body, headers: etagHeader(etag) };
    },
  },
];

/** Makes the app of this route group. */
export const createClustersApp = (dependencies: AppDependencies) => createApp(dependencies, clusterRoutes);

/** The Lambda of this route group. */
export const handler = lambda(createClustersApp);
