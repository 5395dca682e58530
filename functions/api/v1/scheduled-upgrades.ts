/** Requests and responses of the operations on scheduled upgrades in `/api/v1`. */

import { parseRequestUpgrade } from "#core/cluster/operations/request-upgrade.ts";
import { upgradeStatuses } from "#core/cluster/upgrade-schema.ts";
import type { ApiRequest } from "../../http/app.ts";
import { ifMatch, notModifiedOr } from "../../http/preconditions.ts";
import type { Parameter } from "../../http/query.ts";
import type { Dialect } from "../dialect.ts";
import { API_PREFIX } from "../routes.ts";
import type { scheduledUpgradeOperations } from "../scheduled-upgrades.ts";
import { encodePage, parsePageQuery } from "./page.ts";
import { noOptions, organisationOf, writeOptions } from "./request.ts";
import { encodeWrite } from "./write-result.ts";

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/**
 * Builds the parser of a filter with a list of values: separated by commas, and empty for no filter.
 *
 * @param find returns undefined for a value that is not allowed
 */
const listFilter = <T>(find: (text: string) => T | undefined, error: string): Parameter<T[] | undefined> => ({
  defaultValue: undefined,
  parse(text) {
    if (text === "") return { value: undefined };
    const values = text.split(",").map((each) => find(each.trim()));
    const known = values.filter((value) => value !== undefined);
    return known.length === values.length ? { value: known } : { error };
  },
});

const UPGRADE_FILTERS = {
  clusterIdentities: listFilter(
    (text) => (UUID.test(text) ? text.toLowerCase() : undefined),
    "must be uuids, separated by commas",
  ),
  statuses: listFilter(
    (text) => upgradeStatuses.find((status) => status === text),
    `must be some of ${upgradeStatuses.join(", ")}, separated by commas`,
  ),
};

const upgradeOf = (request: ApiRequest) => ({ ...organisationOf(request), upgrade: request.segment("upgrade") });

/** Operations on scheduled upgrades in `/api/v1`. */
export const scheduledUpgradeDialect: Dialect<typeof scheduledUpgradeOperations> = {
  prefix: API_PREFIX,
  decode: {
    listScheduledClusterUpgrades: (request) => ({
      ...organisationOf(request),
      options: parsePageQuery(request, UPGRADE_FILTERS),
    }),
    requestScheduledClusterUpgrade: (request) => ({
      ...organisationOf(request),
      ...writeOptions(request),
      body: parseRequestUpgrade(request.body),
    }),
    getScheduledClusterUpgrade: (request) => ({ ...upgradeOf(request), ...noOptions(request) }),
    cancelScheduledClusterUpgrade: (request) => ({
      ...upgradeOf(request),
      ...writeOptions(request),
      ...ifMatch(request),
    }),
  },
  encode: {
    listScheduledClusterUpgrades: encodePage(UPGRADE_FILTERS),
    requestScheduledClusterUpgrade: (result, { url }) =>
      encodeWrite(result, ({ identity }) => ({ location: `${url}/${identity}` })),
    getScheduledClusterUpgrade: ({ body, etag }, request) => notModifiedOr(request, body, etag),
    cancelScheduledClusterUpgrade: (result) => encodeWrite(result),
  },
};
