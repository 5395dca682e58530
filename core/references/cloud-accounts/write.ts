/** Creates, changes and deletes cloud accounts. */

import type { Context, WriteOptions } from "../../context.ts";
import type { Precondition } from "../../request/preconditions.ts";
import type { WriteResult } from "../../request/write.ts";
import { type Parsed, type Validated, validate } from "../../shared/validation.ts";
import { cloudSecretKey } from "../../table/keys.ts";
import { type ReferencesState, writeReferences } from "../write.ts";
import { representAccount } from "./represent.ts";
import { decideCreate, decideDelete, decideUpdate, findAccount } from "./rules.ts";
import { type CloudAccountResponse, CreateCloudAccount, UpdateCloudAccount } from "./schema.ts";
import { requireSubscriptionUnused } from "./subscription.ts";

/** Parses the body of a creation. @param body as sent */
export const parseCreate = (body: unknown): Validated<CreateCloudAccount> => validate(CreateCloudAccount, body);

/** Parses the body of a change. @param body as sent */
export const parseUpdate = (body: unknown): Validated<UpdateCloudAccount> => validate(UpdateCloudAccount, body);

/** Request to create an account. */
interface CreateInput {
  organisation: string;
  options: Parsed<WriteOptions>;
  body: Validated<CreateCloudAccount>;
}

/**
 * Creates a cloud account, enabled, with the counter of its clusters. Two database round trips.
 *
 * @throws AppError as `authorize`; invalid with every problem; conflict for a taken name, and for the limits
 */
export function create(context: Context, input: CreateInput): Promise<WriteResult<CloudAccountResponse>> {
  const identity = context.ids.identity();
  const { body } = input;
  return writeReferences(context, input, ({ references, now, problems }) => {
    const decision = decideCreate(body, problems(body.unknown), references, { identity, createdAt: now });
    if (decision.kind === "refuse") return decision;
    const response = representAccount(decision.account);
    const { identity: _, ...rehearsed } = response.body;
    return { ...decision, response, rehearsed };
  });
}

/** Request about one account: `account` is its identity, case-insensitive. */
interface OneInput {
  organisation: string;
  account: string;
  options: Parsed<WriteOptions>;
  precondition?: Precondition;
}

/** Finds the account of a request, and what decides about it. */
function stateOf(input: OneInput, { references, usage, problems }: ReferencesState, unknown: readonly string[]) {
  const account = findAccount(references, input.account, input.organisation);
  return { account, usage, references, problems: problems(unknown), precondition: input.precondition };
}

/**
 * Changes a cloud account: the whole request, or nothing. Two database round trips, one if nothing changes.
 *
 * @throws AppError as `authorize`; not found; invalid with every problem; preconditionFailed; conflict for a taken name, and for
 *   another Azure subscription while clusters use the account
 */
export const update = (
  context: Context,
  input: OneInput & { body: Validated<UpdateCloudAccount> },
): Promise<WriteResult<CloudAccountResponse>> =>
  writeReferences(context, { ...input, usageOf: input.account }, (current) => {
    const state = stateOf(input, current, input.body.unknown);
    const decision = decideUpdate(state, input.body);
    if (decision.kind === "refuse") return decision;
    if (decision.kind === "unchanged") return { ...decision, response: representAccount(state.account) };
    const response = representAccount(decision.account);
    return {
      ...decision,
      response,
      rehearsed: response.body,
      async extend(transaction) {
        requireSubscriptionUnused(transaction, input.organisation, state.account, decision.account);
      },
    };
  });

/**
 * Deletes a cloud account that no cluster uses, with its credentials and their secrets. A cluster uses it until its deletion is complete.
 * Two database round trips.
 *
 * @throws AppError as `authorize`; not found; invalid; preconditionFailed; conflict while clusters use it
 */
export function remove(context: Context, input: OneInput): Promise<WriteResult<CloudAccountResponse>> {
  return writeReferences(context, { ...input, usageOf: input.account }, (current) => {
    const decision = decideDelete(stateOf(input, current, []));
    if (decision.kind === "refuse") return decision;
    return {
      ...decision,
      response: representAccount(decision.account),
      rehearsed: {},
      async extend(transaction) {
        for (const { identity } of decision.account.credentials) {
          transaction.delete("secret", cloudSecretKey(input.organisation, identity));
        }
      },
    };
  });
}
