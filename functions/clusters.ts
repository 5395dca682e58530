/** The clusters' routes. */

import * as Cluster from "#core/cluster/index.ts";
import { type AppDependencies, createApp, type Route } from "./http/app.ts";
import { lambda } from "./http/lambda.ts";

const ORGANISATION = "/api/v1/orgs/:organisation/clusters";
const ENVIRONMENT = `${ORGANISATION}/:environment`;
const CLUSTER = `${ENVIRONMENT}/:cluster`;

const linksOf = (url: string, links: readonly [rel: string, query: string][]) =>
  links.map(([rel, query]) => `<${url}?${query}>; rel="${rel}"`).join(", ");

/** How each operation on clusters is reached. */
export const clusterRoutes: readonly Route[] = [
  {
    method: "GET",
    path: ORGANISATION,
    async handle({ context, segment, query, url }) {
      const { page, links } = await Cluster.list(context, { organisation: segment("organisation"), query });
      return { body: page, headers: { link: linksOf(url, links) } };
    },
  },
  {
    method: "GET",
    path: ENVIRONMENT,
    async handle({ context, segment, query, url }) {
      const { page, links } = await Cluster.list(context, {
        organisation: segment("organisation"),
        environment: segment("environment"),
        query,
      });
      return { body: page, headers: { link: linksOf(url, links) } };
    },
  },
  {
    method: "POST",
    path: ENVIRONMENT,
    takesBody: true,
    async handle({ context, segment, query, body, url }) {
      const { body: cluster, tag } = await Cluster.create(context, {
        organisation: segment("organisation"),
        environment: segment("environment"),
        query,
        body,
      });
      return { body: cluster, headers: { etag: tag, location: `${url}/${cluster.slug.slugValue}` } };
    },
  },
  {
    method: "GET",
    path: CLUSTER,
    async handle({ context, segment, query }) {
      const { body, tag } = await Cluster.get(context, {
        organisation: segment("organisation"),
        environment: segment("environment"),
        cluster: segment("cluster"),
        query,
      });
      return { body, headers: { etag: tag } };
    },
  },
];

/** Makes the app of this route group. */
export const createClustersApp = (dependencies: AppDependencies) => createApp(dependencies, clusterRoutes);

/** The Lambda of this route group. */
export const handler = lambda(createClustersApp);
