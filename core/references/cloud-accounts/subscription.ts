/** Keeps the Azure subscription of a cloud account while clusters use it: they cannot move to another one. Pure functions. */

import * as v from "valibot";
import { type AppError, conflict } from "../../shared/errors.ts";
import { uuid } from "../../shared/schemas.ts";
import { formatValue } from "../../shared/validation.ts";
import { usageKey } from "../../table/keys.ts";
import type { Transaction } from "../../table/transaction.ts";
import type { CloudAccount, Usage } from "../../tenancy/references-entity.ts";
import { usersText } from "../usage.ts";

/**
 * Returns the Azure subscription in the secrets of credentials, which is stored without encryption.
 *
 * @returns undefined if there is none, or it is no UUID: then it may be a secret in the wrong property
 */
export function subscriptionIn(secrets: Readonly<Record<string, string>>): string | undefined {
  const { subscriptionId } = secrets;
  return v.is(uuid, subscriptionId) ? subscriptionId : undefined;
}

/** Returns the subscription of the primary credentials, in which all clusters of an account are; undefined if it is not known. */
const subscriptionOf = ({ credentials, primaryCloudCredentialsIdentity: primary }: CloudAccount): string | undefined =>
  credentials.find(({ identity }) => identity === primary)?.subscriptionId;

/** Returns whether a write changes the subscription of an account. One that is not known equals every other. */
function changesSubscription(before: CloudAccount, after: CloudAccount): boolean {
  const [from, to] = [subscriptionOf(before), subscriptionOf(after)];
  // Azure ignores case, but Cluster API's provider refuses the same subscription in another case.
  return from !== undefined && to !== undefined && from !== to;
}

/**
 * Refuses another subscription for an account with clusters.
 *
 * @param usage clusters that use the account, including those that are being deleted
 * @returns undefined if the write is allowed
 */
export function subscriptionConflict(before: CloudAccount, after: CloudAccount, usage: Usage): AppError | undefined {
  if (usage.clusters === 0 || !changesSubscription(before, after)) return undefined;
  const [from, to] = [subscriptionOf(before), subscriptionOf(after)].map((each) => formatValue(each));
  return conflict(
    "credentials.subscription_in_use",
    `The cloud account ${formatValue(before.displayName)} is used by ${usersText(usage)} in the Azure subscription ${from}, which cannot move to ${to}; keep primary credentials with the subscriptionId ${from}, written exactly so, and use another cloud account for ${to}.`,
  );
}

/** Adds the condition that no cluster uses an account to a write that changes its subscription. */
export function requireSubscriptionUnused(
  transaction: Transaction,
  organisation: string,
  before: CloudAccount,
  after: CloudAccount,
): void {
  if (!changesSubscription(before, after)) return;
  // The update changes nothing, because the account has credentials. A mere check would need another permission in three operations.
  transaction.update("usage", usageKey(organisation, before.identity), "REMOVE #lacksCredentials", {
    condition: "#clusters = :none",
    values: { ":none": 0 },
  });
}
