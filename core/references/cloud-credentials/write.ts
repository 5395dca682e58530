/** Creates, changes and deletes cloud credentials, with their secrets. */

import type { Context, WriteOptions } from "../../context.ts";
import type { Representation } from "../../request/idempotency.ts";
import type { Precondition } from "../../request/preconditions.ts";
import type { WriteResult } from "../../request/write.ts";
import { sealCredentials } from "../../secrets/cloud-secrets.ts";
import type { Keyring } from "../../secrets/keyring.ts";
import type { Parsed } from "../../shared/validation.ts";
import type { RawItem } from "../../table/entity.ts";
import { cloudSecretKey, usageKey } from "../../table/keys.ts";
import type { Transaction } from "../../table/transaction.ts";
import { type CloudAccount, type CloudCredentials, usageEntity } from "../../tenancy/references-entity.ts";
import { findAccount, profileOf } from "../cloud-accounts/rules.ts";
import { requireSubscriptionUnused } from "../cloud-accounts/subscription.ts";
import { writeReferences } from "../write.ts";
import {
  type Decision,
  decideCreate,
  decideDelete,
  decideUpdate,
  findCredentials,
  validateChange,
  validateCreation,
} from "./rules.ts";
import { type CloudCredentialsResponse, cloudCredentialsEtag, toCloudCredentialsResponse } from "./schema.ts";

/** Builds the representation of credentials. @param account cloud account of the credentials */
export const representCredentials = (
  credentials: CloudCredentials,
  account: CloudAccount,
): Representation<CloudCredentialsResponse> => ({
  kind: "representation",
  body: toCloudCredentialsResponse(credentials, account),
  etag: cloudCredentialsEtag(credentials, account),
});

/** Request about one account: `account` is its identity, case-insensitive. */
interface OfAccount {
  organisation: string;
  account: string;
  options: Parsed<WriteOptions>;
}

/**
 * Returns a function that adds the secrets of a decision to its transaction. They are encrypted once for all attempts of a request: the key
 * service is called only for the first.
 */
function secretsWriter(context: Context, keyring: Keyring, organisation: string) {
  let item: RawItem | undefined;
  return (decision: Decision & { kind: "write" }, now: string) =>
    async (transaction: Transaction): Promise<void> => {
      const { secrets, credentials } = decision;
      if (secrets === undefined) return;
      item ??= await sealCredentials(context.table, keyring, organisation, credentials.identity, secrets, now);
      transaction.put("secret", item);
    };
}

/**
 * Creates credentials of a cloud account. Two database round trips, and one call of the key service.
 *
 * @param input `cloudType` is the type in the path, and `body` the body as sent
 * @throws AppError as `authorize`; not found; invalid with every problem; conflict for the limits; unavailable, also if the keyring cannot
 *   be reached
 */
export function create(
  context: Context,
  keyring: Keyring,
  input: OfAccount & { cloudType: string; body: unknown },
): Promise<WriteResult<CloudCredentialsResponse>> {
  const identity = context.ids.identity();
  const { organisation, cloudType } = input;
  const body = validateCreation(cloudType, input.body);
  const withSecrets = secretsWriter(context, keyring, organisation);
  return writeReferences(context, input, ({ references, now, problems }) => {
    const account = findAccount(references, input.account, organisation);
    const state = { account, references, problems: problems(body.unknown) };
    const decision = decideCreate(state, cloudType, body, { identity, createdAt: now });
    if (decision.kind === "refuse") return decision;
    const response = representCredentials(decision.credentials, decision.account);
    const { identity: _, createdAt: _created, ...rehearsed } = response.body;
    const addSecrets = withSecrets(decision, now);
    return {
      ...decision,
      response,
      rehearsed,
      async extend(transaction) {
        await addSecrets(transaction);
        if (account.credentials.length === 0) unmarkLacking(transaction, organisation, account);
      },
    };
  });
}

/** Condition that the counter of an account's clusters exists. */
const EXISTS = { condition: "#entity = :entity", values: { ":entity": usageEntity.name } };

/**
 * Marks an account whose last credentials are deleted, in the item that counts its clusters: a creation that was decided before then fails.
 *
 * @param isNeeded true if clusters of the account need credentials: then the account must have no cluster at the same time
 */
function markLacking(transaction: Transaction, organisation: string, account: CloudAccount, isNeeded: boolean): void {
  const { condition, values } = isNeeded ? { condition: "#clusters = :none", values: { ":none": 0 } } : EXISTS;
  transaction.update("usage", usageKey(organisation, account.identity), "SET #lacksCredentials = :lacks", {
    condition,
    values: { ...values, ":lacks": true },
  });
}

function unmarkLacking(transaction: Transaction, organisation: string, { identity }: CloudAccount): void {
  transaction.update("usage", usageKey(organisation, identity), "REMOVE #lacksCredentials", EXISTS);
}

/** Request about credentials: `credentials` is their identity, case-insensitive. */
interface OneInput extends OfAccount {
  credentials: string;
  precondition?: Precondition;
}

/**
 * Changes credentials: the whole request, or nothing. New secrets replace all old ones; the identity stays, so no cluster changes. Two
 * database round trips, one if nothing changes, and one call of the key service for secrets.
 *
 * @param input its `body` is the body as sent
 * @throws AppError as `authorize`; not found; invalid with every problem; preconditionFailed; conflict for another Azure subscription while
 *   clusters use the account; unavailable, also if the keyring cannot be reached
 */
export function update(
  context: Context,
  keyring: Keyring,
  input: OneInput & { body: unknown },
): Promise<WriteResult<CloudCredentialsResponse>> {
  const { organisation, precondition, account: usageOf } = input;
  const withSecrets = secretsWriter(context, keyring, organisation);
  return writeReferences(context, { ...input, usageOf }, ({ references, usage, now, problems }) => {
    const account = findAccount(references, input.account, organisation);
    const credentials = findCredentials(account, input.credentials);
    const body = validateChange(credentials.cloudType, input.body);
    const state = { account, credentials, references, problems: problems(body.unknown), precondition };
    const decision = decideUpdate(state, body, usage);
    if (decision.kind === "refuse") return decision;
    if (decision.kind === "unchanged") return { ...decision, response: representCredentials(credentials, account) };
    const response = representCredentials(decision.credentials, decision.account);
    const addSecrets = withSecrets(decision, now);
    return {
      ...decision,
      response,
      rehearsed: response.body,
      async extend(transaction) {
        await addSecrets(transaction);
        requireSubscriptionUnused(transaction, organisation, account, decision.account);
      },
    };
  });
}

/**
 * Deletes credentials with their secrets. Two database round trips.
 *
 * @throws AppError as `authorize`; not found; invalid; preconditionFailed; conflict for the last ones of an account whose clusters need
 *   some, and if the remaining ones are of another Azure subscription than its clusters
 */
export function remove(context: Context, input: OneInput): Promise<WriteResult<CloudCredentialsResponse>> {
  const { organisation, precondition, account: usageOf } = input;
  return writeReferences(context, { ...input, usageOf }, ({ references, usage, problems }) => {
    const account = findAccount(references, input.account, organisation);
    const credentials = findCredentials(account, input.credentials);
    const state = { account, credentials, references, problems: problems([]), precondition };
    const isNeeded = context.provisioner.needsCredentials(profileOf(account).type);
    const decision = decideDelete(state, usage, isNeeded);
    if (decision.kind === "refuse") return decision;
    return {
      ...decision,
      response: representCredentials(credentials, account),
      rehearsed: {},
      async extend(transaction) {
        transaction.delete("secret", cloudSecretKey(organisation, credentials.identity));
        if (decision.account.credentials.length === 0) markLacking(transaction, organisation, account, isNeeded);
        requireSubscriptionUnused(transaction, organisation, account, decision.account);
      },
    };
  });
}
