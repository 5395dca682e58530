/** Builds the representation of a member. */

import * as v from "valibot";
import type { Representation } from "../../request/idempotency.ts";
import { type AppError, notFound } from "../../shared/errors.ts";
import { uuid } from "../../shared/schemas.ts";
import { formatValue } from "../../shared/validation.ts";
import { type Key, memberKey } from "../../table/keys.ts";
import type { Member } from "../../tenancy/member.ts";
import type { Organisation } from "../../tenancy/organisation.ts";
import { type MemberResponse, memberEtag, toMemberResponse } from "./schema.ts";

/** Builds the representation of a member. */
export const representMember = (organisation: Organisation, member: Member): Representation<MemberResponse> => ({
  kind: "representation",
  body: toMemberResponse(organisation, member),
  etag: memberEtag(member),
});

/** Returns the key of the member of a path, or none if the path contains no identity: then no such member exists. */
export const memberKeysIn = (organisation: string, memberIdentity: string): Key[] =>
  v.is(uuid, memberIdentity) ? [memberKey(organisation, memberIdentity.toLowerCase())] : [];

/** Builds the error for a path whose member does not exist. */
export const memberNotFound = (memberIdentity: string, organisation: string): AppError =>
  notFound("member.missing", `There is no member ${formatValue(memberIdentity)} in organisation "${organisation}".`);
