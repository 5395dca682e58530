/** Routes of the operations on an organisation and on what it has besides clusters. */

import { TokenUse } from "#core/access/token-use.ts";
import * as Environment from "#core/references/environments/index.ts";
import * as MaintenanceSchedule from "#core/references/maintenance-schedules/index.ts";
import * as Member from "#core/references/members/index.ts";
import { listOrganisationEvents } from "#core/references/organisation-events.ts";
import * as Token from "#core/references/tokens/index.ts";
import { type AppDependencies, createApp } from "../http/app.ts";
import { createLambdaHandler } from "../http/lambda.ts";
import { acloudDialect } from "./acloud/dialect.ts";
import { dialectRoutes } from "./dialect.ts";
import type { OperationsOf } from "./routes.ts";
import { organisationDialect } from "./v1/organisations.ts";

/** Operations on an organisation and on what it has besides clusters, by their ids. */
export const organisationOperations = {
  listEnvironments: Environment.list,
  createEnvironment: Environment.create,
  getEnvironment: Environment.get,
  updateEnvironment: Environment.update,
  deleteEnvironment: Environment.remove,
  listEnvironmentMembers: Member.listOfEnvironment,
  setEnvironmentMember: Member.setOverride,
  deleteEnvironmentMember: Member.removeOverride,
  getOwnMembership: Member.getOwn,
  listMembers: Member.list,
  createMember: Member.create,
  getMember: Member.get,
  updateMember: Member.update,
  deleteMember: Member.remove,
  listTokens: Token.list,
  createToken: Token.create,
  deleteToken: Token.remove,
  listMaintenanceSchedules: MaintenanceSchedule.list,
  createMaintenanceSchedule: MaintenanceSchedule.create,
  getMaintenanceSchedule: MaintenanceSchedule.get,
  updateMaintenanceSchedule: MaintenanceSchedule.update,
  deleteMaintenanceSchedule: MaintenanceSchedule.remove,
  listOrganisationEvents,
} satisfies OperationsOf<"Organisations">;

/** Routes of the operations on an organisation and on what it has besides clusters. */
export const organisationRoutes = dialectRoutes(
  organisationOperations,
  organisationDialect,
  acloudDialect(organisationDialect),
);

/** Makes the app of this route group. */
const createOrganisationsApp = (dependencies: AppDependencies) => createApp(dependencies, organisationRoutes);

/** Lambda of this route group. It may update items, so it records when tokens are used. */
export const handler = createLambdaHandler(createOrganisationsApp, { tokenUse: new TokenUse() });
