/** Adds a member to an organisation. */

import { authorize } from "../../access/authorize.ts";
import type { Context, WriteOptions } from "../../context.ts";
import { requesterOf } from "../../events/event-log.ts";
import { storeResponse } from "../../request/idempotency.ts";
import { readWriteOptions, runWrite, type WriteResult } from "../../request/write.ts";
import type { Deadline } from "../../shared/retry.ts";
import { type Parsed, type Validated, validate } from "../../shared/validation.ts";
import { memberEmailKey, memberKey, totalKey } from "../../table/keys.ts";
import { commit } from "../../table/transaction.ts";
import { emailHash, type Member, memberEntity } from "../../tenancy/member.ts";
import { totalEntity } from "../../tenancy/organisation.ts";
import { representMember } from "./represent.ts";
import { decideAdd, type GeneratedMember } from "./rules.ts";
import { CreateMember, type MemberResponse } from "./schema.ts";
import { countAdmins, memberTransaction, readMembers } from "./store.ts";

/** Parses the body of an addition. @param body as sent */
export const parseCreate = (body: unknown): Validated<CreateMember> => validate(CreateMember, body);

/** Request to add a member. */
interface CreateInput {
  organisation: string;
  options: Parsed<WriteOptions>;
  body: Validated<CreateMember>;
}

/**
 * Adds a member: a new user, or the user whom the body names. Two database round trips. Concurrent additions of an e-mail address
 * retry; the second one gets the conflict.
 *
 * @throws AppError as `authorize`; invalid with every problem; conflict for a member with this address or identity, and for the limit
 */
export async function create(context: Context, input: CreateInput): Promise<WriteResult<MemberResponse>> {
  const { ids } = context;
  const generated = { user: ids.identity(), revision: ids.number(), mutationId: ids.identity() };
  return await runWrite(context, (deadline) => attempt(context, input, generated, deadline));
}

/** Makes one attempt. @returns undefined after a concurrent change: then everything must be read again */
async function attempt(
  context: Context,
  { organisation: slug, options, body }: CreateInput,
  generated: GeneratedMember,
  deadline: Deadline,
): Promise<WriteResult<MemberResponse> | undefined> {
  const { email, memberIdentity = generated.user } = body.value ?? {};
  const keys = () => [
    totalKey(slug),
    memberKey(slug, memberIdentity),
    ...(email === undefined ? [] : [memberEmailKey(slug, emailHash(email))]),
  ];
  const authorized = await authorize<Member[], MemberResponse>(context, {
    path: { organisation: slug },
    role: "admin",
    keys,
    // Members that an earlier release added have no link from their address.
    alongside: () => readMembers(context, slug),
  });
  const { actor, organisation, replay, alongside: members = [] } = authorized;
  if (replay !== undefined) return replay;
  const [totalItem, present, link] = keys().map((key) => authorized.prefetched(key));
  if (totalItem === undefined) throw new Error(`organisation ${slug} has no totals`);
  const { dryRun, problems } = readWriteOptions(context, options, body.unknown);
  const total = totalEntity.read(totalItem);
  const admins = countAdmins(total, members);
  const now = context.clock().toISOString();
  const decision = decideAdd({
    organisation: slug,
    body,
    problems,
    present: present && memberEntity.read(present),
    isEmailTaken: link !== undefined || members.some((each) => each.email.toLowerCase() === email?.toLowerCase()),
    counters: { members: total.members, admins },
    generated,
    now,
  });
  if (decision.kind === "refuse") throw decision.error;
  const { member } = decision;
  const response = representMember(organisation, member);
  if (decision.kind === "exists") return response;
  if (dryRun) return { kind: "dryRun", body: withoutGenerated(response.body, body), consequences: [] };
  const source = { organisation: slug, at: now, requester: requesterOf(context, actor) };
  const transaction = memberTransaction(context, { before: undefined, after: member }, admins, source);
  storeResponse(context, transaction, actor, response);
  const failures = await commit(context.table, transaction, deadline);
  // After a failure, the data that was read is out of date: the next read determines the response.
  return failures.length === 0 ? response : undefined;
}

/** Removes the properties that the server would generate, for a dry run. */
function withoutGenerated(member: MemberResponse, { value }: Validated<CreateMember>): Partial<MemberResponse> {
  const { createdAt: _, modifiedAt: _modified, memberIdentity, ...rest } = member;
  return value?.memberIdentity === undefined ? rest : { ...rest, memberIdentity };
}
