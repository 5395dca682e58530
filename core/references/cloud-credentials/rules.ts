/** Decides about writes of cloud credentials. Pure functions. */

import type { CloudProviderType } from "../../catalogue/index.ts";
import type { Change } from "../../events/entity.ts";
import type { OrganisationEvent } from "../../events/organisation-events.ts";
import { type Precondition, revisionMismatch } from "../../request/preconditions.ts";
import { type AppError, conflict, invalid, notFound, type Problem } from "../../shared/errors.ts";
import { byAge } from "../../shared/order.ts";
import { formatValue, type Validated, validate } from "../../shared/validation.ts";
import type { CloudAccount, CloudCredentials, References, Usage } from "../../tenancy/references-entity.ts";
import { accountPath, nextRevision, profileOf, withAccount } from "../cloud-accounts/rules.ts";
import { subscriptionConflict, subscriptionIn } from "../cloud-accounts/subscription.ts";
import type { ReferencesChange } from "../store.ts";
import { usersText } from "../usage.ts";
import {
  type CreateCloudCredentials,
  CreationOfUnknownType,
  changesByType,
  cloudCredentialsEtag,
  cloudTypes,
  creationsByType,
  isCloudType,
  type Secrets,
  type UpdateCloudCredentials,
} from "./schema.ts";

/** Maximum number of credentials of an account. */
export const MAX_CREDENTIALS = 10;

/** Returns the path of credentials in the changes of events. */
const credentialsPath = (account: CloudAccount, { identity }: Pick<CloudCredentials, "identity">) =>
  `${accountPath(account)}.credentials[${identity}]` as const;

/** Returns the properties of credentials that events of their creation and deletion contain. No secret is among them. */
const credentialsSettings = ({ displayName, cloudType, metadata }: CloudCredentials) => ({
  displayName,
  cloudType,
  metadata,
});

/**
 * Finds credentials of an account.
 *
 * @param given identity, case-insensitive
 * @throws AppError not found
 */
export function findCredentials(account: CloudAccount, given: string): CloudCredentials {
  const found = account.credentials.find(({ identity }) => identity === given.toLowerCase());
  if (found !== undefined) return found;
  throw notFound(
    "credentials.missing",
    `There are no cloud credentials ${formatValue(given)} in the cloud account ${formatValue(account.displayName)}.`,
  );
}

// A secret can be in the wrong property.
const HIDDEN = { hidesValues: true };

/** Validates the body of a creation, by the type in the path. Secrets of an unknown type are not validated. */
export const validateCreation = (cloudType: string, body: unknown): Validated<CreateCloudCredentials> =>
  validate(isCloudType(cloudType) ? creationsByType[cloudType] : CreationOfUnknownType, body, HIDDEN);

/** Validates the body of a change. @param cloudType type of the existing credentials */
export const validateChange = (cloudType: CloudProviderType, body: unknown): Validated<UpdateCloudCredentials> =>
  // The operator can create a record without secrets for a provider that needs none.
  validate(isCloudType(cloudType) ? changesByType[cloudType] : changesByType.aws, body, HIDDEN);

/** Lists the problems of the type in the path. */
function typeProblems(given: string, account: CloudAccount): Problem[] {
  const { type, displayName } = profileOf(account);
  const refuse = (text: string) => [{ path: "cloudType", message: `${formatValue(given)} is not allowed: ${text}` }];
  if (!isCloudType(type)) return refuse(`accounts of ${displayName} have no credentials`);
  if (!isCloudType(given)) return refuse(`must be one of ${cloudTypes.join(", ")}`);
  return given === type ? [] : refuse(`must be ${type}, the type of the account's cloud profile`);
}

/** Lists the problems of secrets that only make sense together. */
function pairProblems({ provisionUsername, provisionPassword }: Partial<Secrets>): Problem[] {
  const [hasName, hasPassword] = [!!provisionUsername, !!provisionPassword];
  if (hasName === hasPassword) return [];
  const [missing, present] = hasName
    ? ["provisionPassword", "provisionUsername"]
    : ["provisionUsername", "provisionPassword"];
  return [{ path: `credentials.${missing}`, message: `is required with ${present}` }];
}

/** Returns the secrets of a request. An optional one that is empty is left out. */
const secretsIn = (credentials: Secrets): Secrets =>
  Object.fromEntries(Object.entries(credentials).filter(([, value]) => value !== ""));

/** Decision about a write. `secrets`: those to store, if any. */
export type Decision =
  | { kind: "refuse"; error: AppError }
  | {
      kind: "write";
      account: CloudAccount;
      credentials: CloudCredentials;
      change: ReferencesChange;
      secrets: Secrets | undefined;
      properties: readonly string[];
    };

/** Existing account, and problems of the request in addition to those of a body. */
interface AccountState {
  account: CloudAccount;
  references: References;
  problems: readonly Problem[];
}

/** Builds the change to an account whose credentials change. */
function changeOf(
  { account, references }: Pick<AccountState, "account" | "references">,
  changed: Partial<Pick<CloudAccount, "credentials" | "primaryCloudCredentialsIdentity">>,
  event: OrganisationEvent,
): { account: CloudAccount; change: ReferencesChange } {
  const after = { ...account, ...changed, revision: nextRevision(account) };
  return { account: after, change: { after: withAccount(references, after), event } };
}

/**
 * Decides about the creation of credentials, in the contract's order: problems, conflicts. The first ones of an account are primary.
 *
 * @param cloudType type in the path
 */
export function decideCreate(
  state: AccountState,
  cloudType: string,
  body: Validated<CreateCloudCredentials>,
  generated: Pick<CloudCredentials, "identity" | "createdAt">,
): Decision {
  const { account } = state;
  const { type } = profileOf(account);
  const pairs = pairProblems(body.value?.credentials ?? {});
  const problems = [...state.problems, ...typeProblems(cloudType, account), ...body.problems, ...pairs];
  if (problems.length > 0) return { kind: "refuse", error: invalid(problems) };
  if (account.credentials.length >= MAX_CREDENTIALS) return { kind: "refuse", error: limitReached() };
  const { displayName, metadata = {}, credentials: secrets } = body.complete();
  const settings = { displayName, cloudType: type, metadata, subscriptionId: subscriptionIn(secrets) };
  const credentials: CloudCredentials = { ...generated, ...settings, revision: 1 };
  const changes = [{ path: credentialsPath(account, credentials), to: credentialsSettings(credentials) }];
  const changed = {
    credentials: [...account.credentials, credentials],
    primaryCloudCredentialsIdentity: account.primaryCloudCredentialsIdentity ?? credentials.identity,
  };
  const change = changeOf(state, changed, { type: "cloud-credentials.created", changes });
  return { kind: "write", credentials, ...change, secrets: secretsIn(secrets), properties: [] };
}

const limitReached = (): AppError =>
  conflict("credentials.limit", `Limit reached: a cloud account can have at most ${MAX_CREDENTIALS} credentials.`);

/** Existing credentials and the request to change or delete them. */
interface CredentialsState extends AccountState {
  credentials: CloudCredentials;
  precondition: Precondition | undefined;
}

function refusal(
  { account, credentials, precondition }: CredentialsState,
  problems: readonly Problem[],
): AppError | undefined {
  if (problems.length > 0) return invalid(problems);
  return revisionMismatch(precondition, cloudCredentialsEtag(credentials, account));
}

/** Public properties that users can change. */
const PUBLIC = ["displayName", "metadata"] as const;

/** Returns credentials after a change. The subscription is the one of new secrets. */
function changedCredentials(
  before: CloudCredentials,
  { displayName = before.displayName, metadata = before.metadata, credentials }: UpdateCloudCredentials,
): CloudCredentials {
  const subscriptionId = credentials === undefined ? before.subscriptionId : subscriptionIn(credentials);
  return { ...before, displayName, metadata, subscriptionId, revision: before.revision + 1 };
}

/**
 * Decides about a change of credentials, in the contract's order: problems, precondition, conflicts. Equal values are no change, but
 * secrets always are one, because they are not compared.
 *
 * @param usage clusters that use the account, including those that are being deleted
 */
export function decideUpdate(
  state: CredentialsState,
  body: Validated<UpdateCloudCredentials>,
  usage: Usage,
): Decision | { kind: "unchanged" } {
  const { credentials: before, account } = state;
  const given = body.value?.credentials;
  const hasNone: Problem = { path: "credentials", message: `accounts of the type ${before.cloudType} have no secrets` };
  const refused = given !== undefined && !isCloudType(before.cloudType) ? [hasNone] : [];
  const error = refusal(state, [...state.problems, ...body.problems, ...refused, ...pairProblems(given ?? {})]);
  if (error !== undefined) return { kind: "refuse", error };
  const request = body.complete();
  const { credentials: secrets } = request;
  const after = changedCredentials(before, request);
  const properties = PUBLIC.filter((property) => JSON.stringify(after[property]) !== JSON.stringify(before[property]));
  if (properties.length === 0 && secrets === undefined) return { kind: "unchanged" };
  const path = credentialsPath(account, before);
  const changes = properties.map(
    (property): Change<`${typeof path}.${string}`> => ({
      path: `${path}.${property}`,
      from: before[property],
      to: after[property],
    }),
  );
  // The event names the secrets, without values.
  if (secrets !== undefined) changes.push({ path: `${path}.credentials` });
  const all = account.credentials.map((each) => (each.identity === before.identity ? after : each));
  const change = changeOf(state, { credentials: all }, { type: "cloud-credentials.updated", changes });
  const moved = subscriptionConflict(account, change.account, usage);
  if (moved !== undefined) return { kind: "refuse", error: moved };
  return {
    kind: "write",
    credentials: after,
    ...change,
    secrets: secrets && secretsIn(secrets),
    properties: [...properties, ...(secrets === undefined ? [] : ["credentials"])],
  };
}

/**
 * Decides about the deletion of credentials, in the contract's order: problems, precondition, conflicts. If they are the primary ones, the
 * oldest remaining ones become primary. Clusters that named the deleted ones use the primary ones.
 *
 * @param usage clusters that use the account, including those that are being deleted
 * @param needsCredentials true if clusters of this type cannot exist without credentials
 */
export function decideDelete(state: CredentialsState, usage: Usage, needsCredentials: boolean): Decision {
  const { account, credentials } = state;
  const error = refusal(state, state.problems);
  if (error !== undefined) return { kind: "refuse", error };
  const remaining = account.credentials.filter(({ identity }) => identity !== credentials.identity);
  if (remaining.length === 0 && usage.clusters > 0 && needsCredentials) {
    return { kind: "refuse", error: lastInUse(account, usage) };
  }
  const { primaryCloudCredentialsIdentity: primary } = account;
  const oldest = remaining.toSorted(byAge)[0];
  const changed = {
    credentials: remaining,
    primaryCloudCredentialsIdentity: primary === credentials.identity ? oldest?.identity : primary,
  };
  const changes = [{ path: credentialsPath(account, credentials), from: credentialsSettings(credentials) }];
  const change = changeOf(state, changed, { type: "cloud-credentials.deleted", changes });
  const moved = subscriptionConflict(account, change.account, usage);
  if (moved !== undefined) return { kind: "refuse", error: moved };
  return { kind: "write", credentials, ...change, secrets: undefined, properties: [] };
}

const lastInUse = ({ displayName }: CloudAccount, usage: Usage): AppError =>
  conflict(
    "credentials.in_use",
    `These are the only credentials of the cloud account ${formatValue(displayName)}, which is used by ${usersText(usage)}; create other credentials first.`,
  );
