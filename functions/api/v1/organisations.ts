/** Requests and responses of the operations in `/api/v1` on an organisation and on what it has besides clusters. */

import * as Environment from "#core/references/environments/index.ts";
import * as MaintenanceSchedule from "#core/references/maintenance-schedules/index.ts";
import * as Member from "#core/references/members/index.ts";
import * as Token from "#core/references/tokens/index.ts";
import type { ApiRequest, HandlerResponse } from "../../http/app.ts";
import { ifMatch, notModifiedOr } from "../../http/preconditions.ts";
import { flag, parseQuery } from "../../http/query.ts";
import type { Dialect } from "../dialect.ts";
import type { organisationOperations } from "../organisations.ts";
import { API_PREFIX } from "../routes.ts";
import { encodeEvents, eventOptions } from "./events.ts";
import { encodePage, parsePageQuery } from "./page.ts";
import { environmentOf, noOptions, organisationOf, pageOptions, writeOptions } from "./request.ts";
import { encodeRemoval, encodeWrite } from "./write-result.ts";

/** Parameters that clients send; the totals are stored with the environment and always shown. */
const ENVIRONMENT_PARAMETERS = { "show-compute": flag };

const memberOf = (request: ApiRequest) => ({ ...organisationOf(request), memberIdentity: request.segment("member") });

/** Builds the response that contains a new token, which no cache may store. */
const encodeToken = (result: Awaited<ReturnType<typeof Token.create>>, { url }: ApiRequest): HandlerResponse =>
  result.kind === "dryRun"
    ? { body: { ...result.body, consequences: result.consequences }, headers: { "cache-control": "no-store" } }
    : { body: result.body, headers: { "cache-control": "no-store", location: `${url}/${result.body.identity}` } };
const scheduleOf = (request: ApiRequest) => ({ ...organisationOf(request), schedule: request.segment("schedule") });

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
    listEnvironmentMembers: (request) => ({ ...environmentOf(request), ...pageOptions(request) }),
    setEnvironmentMember: (request) => ({
      ...environmentOf(request),
      ...memberOf(request),
      ...writeOptions(request),
      ...ifMatch(request),
      body: Member.parseOverride(request.body),
    }),
    deleteEnvironmentMember: (request) => ({
      ...environmentOf(request),
      ...memberOf(request),
      ...writeOptions(request),
      ...ifMatch(request),
    }),
    getOwnMembership: (request) => ({ ...organisationOf(request), ...noOptions(request) }),
    listMembers: (request) => ({ ...organisationOf(request), ...pageOptions(request) }),
    createMember: (request) => ({
      ...organisationOf(request),
      ...writeOptions(request),
      body: Member.parseCreate(request.body),
    }),
    getMember: (request) => ({ ...memberOf(request), ...noOptions(request) }),
    updateMember: (request) => ({
      ...memberOf(request),
      ...writeOptions(request),
      ...ifMatch(request),
      body: Member.parseUpdate(request.body),
    }),
    deleteMember: (request) => ({ ...memberOf(request), ...writeOptions(request), ...ifMatch(request) }),
    listTokens: pageOptions,
    createToken: (request) => ({ ...writeOptions(request), body: Token.parseCreate(request.body) }),
    deleteToken: (request) => ({ token: request.segment("token"), ...writeOptions(request) }),
    listMaintenanceSchedules: (request) => ({ ...organisationOf(request), ...noOptions(request) }),
    createMaintenanceSchedule: (request) => ({
      ...organisationOf(request),
      ...writeOptions(request),
      body: MaintenanceSchedule.parseCreate(request.body),
    }),
    getMaintenanceSchedule: (request) => ({ ...scheduleOf(request), ...noOptions(request) }),
    updateMaintenanceSchedule: (request) => ({
      ...scheduleOf(request),
      ...writeOptions(request),
      ...ifMatch(request),
      body: MaintenanceSchedule.parseUpdate(request.body),
    }),
    deleteMaintenanceSchedule: (request) => ({ ...scheduleOf(request), ...writeOptions(request), ...ifMatch(request) }),
    listOrganisationEvents: (request) => ({ ...organisationOf(request), ...eventOptions(request) }),
  },
  encode: {
    listEnvironments: encodePage(ENVIRONMENT_PARAMETERS),
    createEnvironment: (result, { url }) =>
      encodeWrite(result, ({ slug }) => ({ location: `${url}/${slug.slugValue}` })),
    getEnvironment: ({ body, etag }, request) => notModifiedOr(request, body, etag),
    updateEnvironment: (result) => encodeWrite(result),
    deleteEnvironment: encodeRemoval,
    listEnvironmentMembers: encodePage(),
    setEnvironmentMember: (result) => encodeWrite(result),
    deleteEnvironmentMember: encodeRemoval,
    getOwnMembership: ({ body, etag }, request) => notModifiedOr(request, body, etag),
    listMembers: encodePage(),
    createMember: (result, { url }) =>
      encodeWrite(result, ({ memberIdentity }) => ({ location: `${url}/${memberIdentity}` })),
    getMember: ({ body, etag }, request) => notModifiedOr(request, body, etag),
    updateMember: (result) => encodeWrite(result),
    deleteMember: encodeRemoval,
    listTokens: encodePage(),
    createToken: encodeToken,
    deleteToken: (result) => (result.kind === "dryRun" ? encodeRemoval(result) : { status: 204 }),
    listMaintenanceSchedules: (body) => ({ body }),
    createMaintenanceSchedule: (result, { url }) =>
      encodeWrite(result, ({ identity }) => ({ location: `${url}/${identity}` })),
    getMaintenanceSchedule: ({ body, etag }, request) => notModifiedOr(request, body, etag),
    updateMaintenanceSchedule: (result) => encodeWrite(result),
    deleteMaintenanceSchedule: encodeRemoval,
    listOrganisationEvents: encodeEvents,
  },
};
