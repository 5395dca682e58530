/** Lists the personal access tokens of the caller. */

import { authenticate } from "../../access/authorize.ts";
import { type Context, requireValid } from "../../context.ts";
import { type Page, type PageOptions, paginate } from "../../listing/page.ts";
import { compareText } from "../../shared/order.ts";
import type { Parsed } from "../../shared/validation.ts";
import { keyText, tokenKey, USER_TOKEN_PREFIX, userTokenKey } from "../../table/keys.ts";
import { tokenEntity, userTokenEntity } from "../../tenancy/member.ts";
import { type TokenResponse, toTokenResponse } from "./schema.ts";

/**
 * Lists the caller's tokens by the time of their creation, without revoked ones. Two database round trips.
 *
 * @throws AppError as `authenticate`; invalid with every problem of the options
 */
export async function list(context: Context, input: { options: Parsed<PageOptions> }): Promise<Page<TokenResponse>> {
  const { table } = context;
  const { alongside: links = [] } = await authenticate(context, {
    alongside: (user) => table.query({ pk: userTokenKey(user, user).pk, prefix: USER_TOKEN_PREFIX }),
  });
  const { page } = requireValid(context, input.options);
  const keys = links.map((link) => tokenKey(userTokenEntity.read(link).tokenId));
  const items = await table.get(keys);
  const tokens = keys
    .flatMap((key) => items.get(keyText(key)) ?? [])
    .map((item) => tokenEntity.read(item))
    .filter(({ revokedAt }) => revokedAt === undefined)
    .sort((one, other) => compareText(one.createdAt, other.createdAt) || compareText(one.tokenId, other.tokenId));
  const listed = paginate(tokens, page, "createdAt");
  return { ...listed, content: listed.content.map(toTokenResponse) };
}
