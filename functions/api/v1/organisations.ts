/** Requests and responses of the operations in `/api/v1` on an organisation and on what it has besides clusters. */

import * as Environment from "#core/references/environments/index.ts";
import { ifMatch, notModifiedOr } from "../../http/preconditions.ts";
import { flag, parseQuery } from "../../http/query.ts";
import type { Dialect } from "../dialect.ts";
import type { organisationOperations } from "../organisations.ts";
import { API_PREFIX } from "../routes.ts";
import { encodeEvents, eventOptions } from "./events.ts";
import { encodePage, parsePageQuery } from "./page.ts";
import { environmentOf, organisationOf, writeOptions } from "./request.ts";
import { encodeRemoval, encodeWrite } from "./write-result.ts";

/** Parameters that clients send; the totals are stored with the environment and always shown. */
const ENVIRONMENT_PARAMETERS = { "show-compute": flag };

/** Operations in `/api/v1` on an organisation and on what it has besides clusters. */
export const organisationDialect: Dialect<typeof organisationOperations> = {
  prefix: API_PREFIX,
  decode: {
    listEnvironments: (request) => ({
      ...organisationOf(request),
      options: parsePageQuery(request, ENVIRONMENT_PARAMETERS),
    }),
    createEnvironment: (request) => ({
      ...organisationOf(request),
      ...writeOptions(request),
      body: Environment.parseCreate(request.body),
    }),
    getEnvironment: (request) => ({
      ...environmentOf(request),
      options: parseQuery(request.query, ENVIRONMENT_PARAMETERS),
    }),
    updateEnvironment: (request) => ({
      ...environmentOf(request),
      ...writeOptions(request),
      ...ifMatch(request),
      body: Environment.parseUpdate(request.body),
    }),
    deleteEnvironment: (request) => ({ ...environmentOf(request), ...writeOptions(request), ...ifMatch(request) }),
    listOrganisationEvents: (request) => ({ ...organisationOf(request), ...eventOptions(request) }),
  },
  encode: {
    listEnvironments: encodePage(ENVIRONMENT_PARAMETERS),
    createEnvironment: (result, { url }) =>
      encodeWrite(result, ({ slug }) => ({ location: `${url}/${slug.slugValue}` })),
    getEnvironment: ({ body, etag }, request) => notModifiedOr(request, body, etag),
    updateEnvironment: (result) => encodeWrite(result),
    deleteEnvironment: encodeRemoval,
    listOrganisationEvents: encodeEvents,
  },
};
