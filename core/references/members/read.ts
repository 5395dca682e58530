/** Lists and gets members for members of their organisation. */

import { authorize, environmentNotFound } from "../../access/authorize.ts";
import { type Context, type NoOptions, requireValid } from "../../context.ts";
import { type Page, type PageOptions, paginate } from "../../listing/page.ts";
import type { Representation } from "../../request/idempotency.ts";
import { compareText } from "../../shared/order.ts";
import type { Parsed } from "../../shared/validation.ts";
import { type Member, memberEntity } from "../../tenancy/member.ts";
import { memberKeysIn, memberNotFound, representMember } from "./represent.ts";
import {
  type EnvironmentMemberResponse,
  type MemberResponse,
  toEnvironmentMemberResponse,
  toMemberResponse,
} from "./schema.ts";
import { readMembers } from "./store.ts";

const byEmail = (members: readonly Member[] | undefined): Member[] =>
  [...(members ?? [])].sort((one, other) => compareText(one.email, other.email));

/**
 * Lists the members of an organisation, by e-mail address. One database round trip.
 *
 * @throws AppError as `authorize`; invalid with every problem of the options
 */
export async function list(
  context: Context,
  input: { organisation: string; options: Parsed<PageOptions> },
): Promise<Page<MemberResponse>> {
  const { organisation: slug, options } = input;
  const { organisation, alongside } = await authorize(context, {
    path: { organisation: slug },
    role: "viewer",
    alongside: () => readMembers(context, slug),
  });
  const { page } = requireValid(context, options);
  const listed = paginate(byEmail(alongside), page, "email");
  return { ...listed, content: listed.content.map((member) => toMemberResponse(organisation, member)) };
}

/**
 * Gets one member. One database round trip.
 *
 * @throws AppError as `authorize`; not found; invalid with every problem of the options
 */
export async function get(
  context: Context,
  input: { organisation: string; memberIdentity: string; options: Parsed<NoOptions> },
): Promise<Representation<MemberResponse>> {
  const { organisation: slug, memberIdentity, options } = input;
  const keys = () => memberKeysIn(slug, memberIdentity);
  const { organisation, prefetched } = await authorize(context, { path: { organisation: slug }, role: "viewer", keys });
  const [item] = keys().map(prefetched);
  if (item === undefined) throw memberNotFound(memberIdentity, slug);
  requireValid(context, options);
  return representMember(organisation, memberEntity.read(item));
}

/**
 * Gets the caller's own membership, for every role. One database round trip.
 *
 * @throws AppError as `authorize`; invalid with every problem of the options
 */
export async function getOwn(
  context: Context,
  input: { organisation: string; options: Parsed<NoOptions> },
): Promise<Representation<MemberResponse>> {
  const { organisation, member } = await authorize(context, { path: { organisation: input.organisation } });
  requireValid(context, input.options);
  return representMember(organisation, member);
}

/**
 * Lists the members of an organisation with their roles in one environment, by e-mail address. One database round trip.
 *
 * @throws AppError as `authorize`; invalid with every problem of the options
 */
export async function listOfEnvironment(
  context: Context,
  input: { organisation: string; environment: string; options: Parsed<PageOptions> },
): Promise<Page<EnvironmentMemberResponse>> {
  const { organisation, environment: slug, options } = input;
  const { environment, alongside } = await authorize(context, {
    path: { organisation, environment: slug },
    role: "viewer",
    alongside: () => readMembers(context, organisation),
  });
  if (environment === undefined) throw environmentNotFound(slug, organisation);
  const { page } = requireValid(context, options);
  const listed = paginate(byEmail(alongside), page, "email");
  return { ...listed, content: listed.content.map((member) => toEnvironmentMemberResponse(environment, member)) };
}
