/** Requests and responses of the operations on clusters in `/api/v1`. */

import * as Cluster from "#core/cluster/operations/index.ts";
import { sortable } from "#core/cluster/operations/search.ts";
import { parseCreate } from "#core/cluster/rules/create.ts";
import { parseUpdate } from "#core/cluster/rules/update.ts";
import { clusterStatuses } from "#core/cluster/schema.ts";
import type { ApiRequest } from "../../http/app.ts";
import { etagHeader } from "../../http/errors.ts";
import { ifMatch, notModifiedOr } from "../../http/preconditions.ts";
import { flag, type Parameter, parseQuery } from "../../http/query.ts";
import type { clusterOperations } from "../clusters.ts";
import type { Dialect } from "../dialect.ts";
import { API_PREFIX } from "../routes.ts";
import { renderDocumented } from "./documented.ts";
import { encodeEvents, eventOptions } from "./events.ts";
import { encodePage, parsePageQuery } from "./page.ts";
import {
  anyText,
  clusterOf,
  environmentOf,
  manifestOptions,
  noOptions,
  organisationOf,
  writeOptions,
} from "./request.ts";
import { encodeWrite } from "./write-result.ts";

type ClusterStatus = (typeof clusterStatuses)[number];

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Builds the parser of a filter that has only some values. @param find returns undefined for another value */
const filter = <T>(find: (text: string) => T | undefined, error: string): Parameter<T | undefined> => ({
  defaultValue: undefined,
  parse(text) {
    const value = find(text);
    return text === "" || value !== undefined ? { value } : { error };
  },
});

/** Parsers of the filters of a list. */
export const filters = {
  maintenanceSchedule: filter((text) => (UUID.test(text) ? text.toLowerCase() : undefined), "must be a uuid"),
  status: filter<ClusterStatus>(
    (text) => clusterStatuses.find((status) => status === text),
    `must be one of ${clusterStatuses.join(", ")}`,
  ),
  cloudProvider: anyText,
  region: anyText,
  version: anyText,
  name: anyText,
};

const LIST_PARAMETERS = { "show-compute": flag, includeDetails: flag, ...filters };

function listOptions(request: ApiRequest) {
  const { value, ...found } = parsePageQuery(request, LIST_PARAMETERS, sortable);
  const { page, "show-compute": showCompute, includeDetails, ...filters } = value;
  return { options: { value: { page, showCompute, includeDetails, filters: filters }, ...found } };
}

/** Statuses by their value of `waitFor`. */
const AWAITED: ReadonlyMap<string, ClusterStatus> = new Map(
  clusterStatuses.map((status) => [`status:${status}`, status]),
);

/** Values of `waitFor`. */
export const awaitable: readonly string[] = [...AWAITED.keys()];

const waitFor: Parameter<ClusterStatus | undefined> = {
  defaultValue: undefined,
  parse(text) {
    const value = AWAITED.get(text);
    return value === undefined ? { error: `must be one of ${awaitable.join(", ")}` } : { value };
  },
};

function getOptions({ query }: ApiRequest) {
  const { value, ...found } = parseQuery(query, { "show-compute": flag, includeDetails: flag, waitFor });
  const { "show-compute": showCompute, includeDetails, waitFor: awaitedStatus } = value;
  return { options: { value: { showCompute, includeDetails, awaitedStatus }, ...found } };
}

/** Operations on clusters in `/api/v1`. */
export const clusterDialect: Dialect<typeof clusterOperations> = {
  prefix: API_PREFIX,
  renderBody: renderDocumented,
  decode: {
    listOrganisationClusters: (request) => ({ ...organisationOf(request), ...listOptions(request) }),
    listEnvironmentClusters: (request) => ({ ...environmentOf(request), ...listOptions(request) }),
    createCluster: (request) => ({
      ...environmentOf(request),
      ...manifestOptions(request),
      body: parseCreate(request.body),
    }),
    getCluster: (request) => ({ ...clusterOf(request), ...getOptions(request), signal: request.signal }),
    updateCluster: (request) => ({
      ...clusterOf(request),
      ...manifestOptions(request),
      ...ifMatch(request),
      body: parseUpdate(request.body),
    }),
    moveCluster: (request) => ({
      ...organisationOf(request),
      cluster: request.segment("cluster"),
      ...writeOptions(request),
      ...ifMatch(request),
      body: Cluster.parseMove(request.body),
    }),
    updatePrometheusRulesInheritance: (request) => ({
      ...clusterOf(request),
      ...writeOptions(request),
      body: Cluster.parsePrometheusRules(request.body),
    }),
    undeleteCluster: (request) => ({
      ...clusterOf(request),
      ...writeOptions(request),
      body: Cluster.parseUndelete(request.body),
    }),
    getClusterUpgrades: (request) => ({ ...clusterOf(request), ...noOptions(request) }),
    listClusterEvents: (request) => ({ ...clusterOf(request), ...eventOptions(request) }),
  },
  encode: {
    listOrganisationClusters: encodePage(LIST_PARAMETERS),
    listEnvironmentClusters: encodePage(LIST_PARAMETERS),
    createCluster: (result, { url }) => encodeWrite(result, ({ slug }) => ({ location: `${url}/${slug.slugValue}` })),
    getCluster: ({ body, etag, details }, request) =>
      details ? { body, headers: etagHeader(etag) } : notModifiedOr(request, body, etag),
    updateCluster: (result) => encodeWrite(result),
    moveCluster: (result) => encodeWrite(result),
    updatePrometheusRulesInheritance: (result) => encodeWrite(result),
    undeleteCluster: (result) => encodeWrite(result),
    getClusterUpgrades: (body) => ({ body }),
    listClusterEvents: encodeEvents,
  },
};
