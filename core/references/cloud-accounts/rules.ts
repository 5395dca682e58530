/** Decides about writes of cloud accounts. Pure functions. */

import { type CloudProfile, cloudProfiles, profileByIdentity, providerBySlug } from "../../catalogue/index.ts";
import { DELETION_SECONDS } from "../../cluster/rules/slug.ts";
import type { Change } from "../../events/entity.ts";
import { type Precondition, revisionMismatch } from "../../request/preconditions.ts";
import { type AppError, conflict, invalid, notFound, type Problem } from "../../shared/errors.ts";
import { formatValue, type Validated } from "../../shared/validation.ts";
import { type CloudAccount, MAX_REFERENCES, type References, type Usage } from "../../tenancy/references-entity.ts";
import type { ReferenceElements, ReferencesChange } from "../store.ts";
import { usersText } from "../usage.ts";
import { type CreateCloudAccount, cloudAccountEtag, type UpdateCloudAccount } from "./schema.ts";
import { subscriptionConflict } from "./subscription.ts";

/** Returns the path of an account in the changes of events. */
export const accountPath = ({ identity }: Pick<CloudAccount, "identity">) => `cloudAccounts[${identity}]` as const;

/** Returns the properties of an account that events of its creation and deletion contain. */
const accountSettings = ({ displayName, cloudProfile, enabled, metadata }: CloudAccount) => ({
  displayName,
  cloudProfile,
  enabled,
  metadata,
});

/** Returns the profile of an account. If it left the catalogue, the rest of its properties are unknown, and the account stays readable. */
export function profileOf({ cloudProfile: identity, credentials }: CloudAccount): CloudProfile {
  const profile = profileByIdentity(identity);
  if (profile !== undefined) return profile;
  const type = credentials[0]?.cloudType ?? "none";
  const unknown = { displayName: identity, metadata: {}, cloudProvider: "", regions: [] };
  return { identity, ...unknown, enabled: false, public: false, type };
}

/**
 * Finds an account.
 *
 * @param given identity, case-insensitive
 * @throws AppError not found
 */
export function findAccount({ accounts }: References, given: string, organisation: string): CloudAccount {
  const identity = given.toLowerCase();
  const account = Object.hasOwn(accounts, identity) ? accounts[identity] : undefined;
  if (account !== undefined) return account;
  throw notFound(
    "account.missing",
    `There is no cloud account ${formatValue(given)} in organisation "${organisation}".`,
  );
}

/** Returns the accounts and schedules with a new or changed account. */
export const withAccount = ({ accounts, schedules }: ReferenceElements, account: CloudAccount): ReferenceElements => ({
  accounts: { ...accounts, [account.identity]: account },
  schedules,
});

/**
 * Returns the next revision of an account. The entity tag of a cluster contains the sum of the revisions of its account and of the
 * credentials that it shows. So the account's revision rises by more than that sum can fall when other credentials are shown.
 */
export const nextRevision = ({ revision, credentials }: CloudAccount): number =>
  revision + 1 + credentials.reduce((sum, each) => sum + each.revision, 0);

/** Decision about a write, with the account after it. */
type Decision =
  | { kind: "refuse"; error: AppError }
  | { kind: "write"; account: CloudAccount; change: ReferencesChange; properties: readonly string[] };

/** Lists the problems of a profile for a new account. */
function profileProblems(given: string | undefined, profile: CloudProfile | undefined): Problem[] {
  if (given === undefined) return [];
  const refuse = (text: string) => [{ path: "cloudProfile", message: `${formatValue(given)} is not allowed: ${text}` }];
  if (profile === undefined) return refuse("must be the identity of a cloud profile of the organisation");
  if (!profile.enabled || providerBySlug(profile.cloudProvider)?.available !== true) {
    return refuse(`${profile.displayName} is not available for new cloud accounts`);
  }
  return [];
}

/** Values of a new account that the request does not contain. */
interface Generated extends Pick<CloudAccount, "identity" | "createdAt"> {
  /** Credentials without secrets, of which the first are the primary ones. */
  credentials?: CloudAccount["credentials"];
}

/**
 * Decides about the creation of an account, in the contract's order: problems, conflicts.
 *
 * @param problems problems of the request in addition to those of the body
 */
export function decideCreate(
  body: Validated<CreateCloudAccount>,
  problems: readonly Problem[],
  references: References,
  { identity, createdAt, credentials = [] }: Generated,
): Decision {
  const given = body.value?.cloudProfile;
  const profile = given === undefined ? undefined : profileByIdentity(given.toLowerCase());
  const all = [...problems, ...body.problems, ...profileProblems(given, profile)];
  if (all.length > 0 || profile === undefined) return { kind: "refuse", error: invalid(all) };
  const { displayName, metadata = {} } = body.complete();
  const others = Object.values(references.accounts);
  if (others.length >= MAX_REFERENCES) return { kind: "refuse", error: limitReached() };
  const account: CloudAccount = {
    identity,
    displayName,
    enabled: true,
    cloudProfile: profile.identity,
    metadata,
    primaryCloudCredentialsIdentity: credentials[0]?.identity,
    credentials,
    createdAt,
    revision: 1,
  };
  const taken = nameTaken(account, references);
  if (taken !== undefined) return { kind: "refuse", error: taken };
  const changes = [{ path: accountPath(account), to: accountSettings(account) }];
  const change: ReferencesChange = {
    after: withAccount(references, account),
    event: { type: "cloud-account.created", changes },
    created: identity,
  };
  return { kind: "write", account, change, properties: [] };
}

const limitReached = (): AppError =>
  conflict("account.limit", `Limit reached: an organisation can have at most ${MAX_REFERENCES} cloud accounts.`);

/** Refuses a second name for one provider: clients find an account by name and provider. */
function nameTaken(account: CloudAccount, { accounts }: References): AppError | undefined {
  const { displayName, identity } = account;
  const provider = providerKey(account);
  const isTaken = Object.values(accounts).some(
    (other) => other.identity !== identity && other.displayName === displayName && providerKey(other) === provider,
  );
  if (!isTaken) return undefined;
  return conflict(
    "account.name_taken",
    `displayName: the organisation already has a cloud account "${displayName}" of ${profileOf(account).displayName}; choose another name`,
  );
}

/** Returns the provider of an account; of a profile that left the catalogue, the profile. */
const providerKey = (account: CloudAccount): string => profileOf(account).cloudProvider || account.cloudProfile;

/** Returns the profile with an identity, or the one of a provider. For the operator, who knows providers by their slugs. */
export const profileNamed = (name: string): CloudProfile | undefined =>
  profileByIdentity(name.toLowerCase()) ?? cloudProfiles.find(({ cloudProvider }) => cloudProvider === name);

/** Existing account and the request to change or delete it. */
interface WriteState {
  account: CloudAccount;
  /** Clusters that use it, including those that are being deleted. */
  usage: Usage;
  references: References;
  /** Problems of the request in addition to those of a body. */
  problems: readonly Problem[];
  precondition: Precondition | undefined;
}

function refusal({ account, precondition }: WriteState, problems: readonly Problem[]): AppError | undefined {
  if (problems.length > 0) return invalid(problems);
  return revisionMismatch(precondition, cloudAccountEtag(account));
}

/** Properties that users can change: names in requests, and in stored accounts. */
const UPDATABLE = [
  ["displayName", "displayName"],
  ["enabled", "enabled"],
  ["primaryCloudCredentials", "primaryCloudCredentialsIdentity"],
] as const satisfies readonly [keyof UpdateCloudAccount, keyof CloudAccount][];

/** Decides about a change of an account, in the contract's order: problems, precondition, conflicts. Equal values are no change. */
export function decideUpdate(state: WriteState, body: Validated<UpdateCloudAccount>): Decision | { kind: "unchanged" } {
  const { account: before, references, usage } = state;
  const given = body.value?.primaryCloudCredentials;
  const primary = given === undefined || given === "" ? before.primaryCloudCredentialsIdentity : given.toLowerCase();
  const isKnown =
    primary === before.primaryCloudCredentialsIdentity ||
    before.credentials.some(({ identity }) => identity === primary);
  const unknown: Problem = {
    path: "primaryCloudCredentials",
    message: `${formatValue(given)} is not allowed: must be the identity of credentials of this cloud account`,
  };
  const error = refusal(state, [...state.problems, ...body.problems, ...(isKnown ? [] : [unknown])]);
  if (error !== undefined) return { kind: "refuse", error };
  const { displayName = before.displayName, enabled = before.enabled } = body.complete();
  const after: CloudAccount = {
    ...before,
    displayName,
    enabled,
    primaryCloudCredentialsIdentity: primary,
    revision: nextRevision(before),
  };
  const changed = UPDATABLE.filter(([, stored]) => after[stored] !== before[stored]);
  if (changed.length === 0) return { kind: "unchanged" };
  const taken = displayName === before.displayName ? undefined : nameTaken(after, references);
  const refused = taken ?? subscriptionConflict(before, after, usage);
  if (refused !== undefined) return { kind: "refuse", error: refused };
  const path = accountPath(before);
  const changes = changed.map(
    ([name, stored]): Change<`${typeof path}.${string}`> => ({
      path: `${path}.${name}`,
      from: before[stored],
      to: after[stored],
    }),
  );
  return {
    kind: "write",
    account: after,
    change: { after: withAccount(references, after), event: { type: "cloud-account.updated", changes } },
    properties: changed.map(([name]) => name),
  };
}

/** Decides about the deletion of an account, in the contract's order: problems, precondition, conflicts. */
export function decideDelete(state: WriteState): Decision {
  const { account, usage, references } = state;
  const error = refusal(state, state.problems);
  if (error !== undefined) return { kind: "refuse", error };
  if (usage.clusters > 0) return { kind: "refuse", error: inUse(account, usage) };
  const { [account.identity]: _, ...accounts } = references.accounts;
  const changes = [{ path: accountPath(account), from: accountSettings(account) }];
  const change: ReferencesChange = {
    after: { accounts, schedules: references.schedules },
    event: { type: "cloud-account.deleted", changes },
    removed: account.identity,
  };
  return { kind: "write", account, change, properties: [] };
}

/** Builds the refusal to delete an account in use. If its clusters are being deleted, only time is missing. */
function inUse({ displayName }: CloudAccount, usage: Usage): AppError {
  const { clusters, deletingClusters } = usage;
  const isWaiting = deletingClusters === clusters;
  const todo =
    deletingClusters === 0
      ? "delete them first"
      : isWaiting
        ? "try again when that is complete"
        : "delete the others, and try again when all are deleted";
  return conflict(
    "account.in_use",
    `The cloud account ${formatValue(displayName)} is used by ${usersText(usage)}; ${todo}.`,
    isWaiting ? DELETION_SECONDS : undefined,
  );
}
