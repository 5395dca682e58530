/** Lists and gets cloud accounts for members of their organisation. */

import { authorize } from "../../access/authorize.ts";
import { type Context, type NoOptions, requireValid } from "../../context.ts";
import { type Page, type PageOptions, paginate } from "../../listing/page.ts";
import type { Representation } from "../../request/idempotency.ts";
import { byAge } from "../../shared/order.ts";
import type { Parsed } from "../../shared/validation.ts";
import { requireListAccess } from "../memberships.ts";
import { representAccount } from "./represent.ts";
import { findAccount, profileOf } from "./rules.ts";
import { type CloudAccountResponse, toCloudAccountResponse } from "./schema.ts";

/** Options of a list of cloud accounts. Undefined members do not filter. */
interface CloudAccountListOptions extends PageOptions {
  displayName: string | undefined;
  /** Slug of the provider. */
  cloudProvider: string | undefined;
}

/**
 * Lists the cloud accounts of an organisation, oldest first. The filters compare for equality. One database round trip.
 *
 * @throws AppError as `authorize`; forbidden for a billing-admin; invalid with every problem of the options
 */
export async function list(
  context: Context,
  input: { organisation: string; options: Parsed<CloudAccountListOptions> },
): Promise<Page<CloudAccountResponse>> {
  const { organisation } = input;
  const { member, references } = await authorize(context, { path: { organisation } });
  requireListAccess(member, "cloud accounts");
  const { page, displayName, cloudProvider } = requireValid(context, input.options);
  const accounts = Object.values(references.accounts)
    .filter((account) => displayName === undefined || account.displayName === displayName)
    .filter((account) => cloudProvider === undefined || profileOf(account).cloudProvider === cloudProvider)
    .sort(byAge);
  const listed = paginate(accounts, page, "createdAt");
  return { ...listed, content: listed.content.map((account) => toCloudAccountResponse(account, profileOf(account))) };
}

/**
 * Gets one cloud account. One database round trip.
 *
 * @param input organisation (slug), account (identity, case-insensitive)
 * @throws AppError as `authorize`; forbidden for a billing-admin; not found; invalid for the options
 */
export async function get(
  context: Context,
  input: { organisation: string; account: string; options: Parsed<NoOptions> },
): Promise<Representation<CloudAccountResponse>> {
  const { organisation } = input;
  const { member, references } = await authorize(context, { path: { organisation } });
  requireListAccess(member, "cloud accounts");
  const account = findAccount(references, input.account, organisation);
  requireValid(context, input.options);
  return representAccount(account);
}
