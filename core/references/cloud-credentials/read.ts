/** Lists and gets the public parts of cloud credentials for members of their organisation. */

import { authorize } from "../../access/authorize.ts";
import { type Context, type NoOptions, requireValid } from "../../context.ts";
import { type Page, type PageOptions, paginate } from "../../listing/page.ts";
import type { Representation } from "../../request/idempotency.ts";
import { byAge } from "../../shared/order.ts";
import type { Parsed } from "../../shared/validation.ts";
import { findAccount } from "../cloud-accounts/rules.ts";
import { requireListAccess } from "../memberships.ts";
import { findCredentials } from "./rules.ts";
import { type CloudCredentialsResponse, toCloudCredentialsResponse } from "./schema.ts";
import { representCredentials } from "./write.ts";

/** Request about one account: `account` is its identity, case-insensitive. */
interface OfAccount<Options> {
  organisation: string;
  account: string;
  options: Parsed<Options>;
}

/** Authorizes a read, and finds the account. */
async function readAccount(context: Context, { organisation, account }: OfAccount<unknown>) {
  const { member, references } = await authorize(context, { path: { organisation } });
  requireListAccess(member, "cloud credentials");
  return findAccount(references, account, organisation);
}

/**
 * Lists the public parts of a cloud account's credentials, oldest first. One database round trip.
 *
 * @throws AppError as `authorize`; forbidden for a billing-admin; not found; invalid with every problem of the options
 */
export async function list(context: Context, input: OfAccount<PageOptions>): Promise<Page<CloudCredentialsResponse>> {
  const account = await readAccount(context, input);
  const { page } = requireValid(context, input.options);
  const credentials = account.credentials.toSorted(byAge).map((each) => toCloudCredentialsResponse(each, account));
  return paginate(credentials, page, "createdAt");
}

/**
 * Gets the public part of credentials. One database round trip.
 *
 * @param input its `credentials` is their identity, case-insensitive
 * @throws AppError as `authorize`; forbidden for a billing-admin; not found; invalid for the options
 */
export async function get(
  context: Context,
  input: OfAccount<NoOptions> & { credentials: string },
): Promise<Representation<CloudCredentialsResponse>> {
  const account = await readAccount(context, input);
  const credentials = findCredentials(account, input.credentials);
  requireValid(context, input.options);
  return representCredentials(credentials, account);
}
