/** Builds the transactions of writes of members, and reads what decides about them. */

import type { Services } from "../../context.ts";
import type { Requester } from "../../events/event-log.ts";
import { appendOrganisationEvent } from "../../events/organisation-events.ts";
import {
  MEMBER_PREFIX,
  memberEmailKey,
  memberKey,
  organisationKey,
  totalKey,
  userOrganisationKey,
} from "../../table/keys.ts";
import { Transaction } from "../../table/transaction.ts";
import {
  emailHash,
  type Member,
  memberEmailEntity,
  memberEntity,
  userOrganisationEntity,
} from "../../tenancy/member.ts";
import { MAX_MEMBERS, type Total } from "../../tenancy/organisation.ts";
import { type AdminCount, adminsDelta, type MemberWrite, memberEvent } from "./rules.ts";

/** Source of a write: its organisation (slug), its time (RFC 3339), and its request; absent for an operator. */
export interface WriteSource {
  organisation: string;
  at: string;
  requester: Requester | undefined;
}

/** Reads all members of an organisation, by user. @throws AppError unavailable as `query` */
export async function readMembers({ table }: Pick<Services, "table">, organisation: string): Promise<Member[]> {
  const items = await table.query({ pk: organisationKey(organisation).pk, prefix: MEMBER_PREFIX });
  return items.map((item): Member => memberEntity.read(item));
}

/** Returns the number of admins from the organisation's counters, or counts them if these do not contain it. */
export const countAdmins = ({ admins }: Total, members: readonly Member[]): AdminCount =>
  admins === undefined
    ? { kind: "counted", admins: members.filter(({ role }) => role === "admin").length }
    : { kind: "stored", admins };

/**
 * Builds the transaction of a write of a member: item, links from user and e-mail address, counters of the organisation, event. Its
 * conditions keep an organisation from having no admin, too many members, or two members with one address.
 *
 * @param write `before` as read; the transaction requires its revision
 */
export function memberTransaction(
  services: Pick<Services, "ids">,
  write: MemberWrite,
  admins: AdminCount,
  { organisation, at, requester }: WriteSource,
): Transaction {
  const { before, after } = write;
  const { user = "" } = after ?? before ?? {};
  const key = memberKey(organisation, user);
  const link = userOrganisationKey(user, organisation);
  const transaction = new Transaction();
  const unchanged = { condition: "#revision = :read", values: { ":read": before?.revision } };
  if (after === undefined) transaction.delete("member", key, unchanged).delete("user-organisation", link);
  else if (before === undefined) {
    transaction
      .create("member", memberEntity.write(key, after))
      .put("user-organisation", userOrganisationEntity.write(link, { organisation }));
  } else transaction.put("member", memberEntity.write(key, after), unchanged);
  linkAddress(transaction, organisation, write);
  countMember(transaction, organisation, write, admins);
  appendOrganisationEvent(services, transaction, memberEvent(write).event, {
    organisation,
    ...memberEvent(write),
    at,
    requester,
  });
  return transaction;
}

/** Moves the link from the member's e-mail address. Its condition fails if two writes give the same address to two members at once. */
function linkAddress(transaction: Transaction, organisation: string, { before, after }: MemberWrite): void {
  const [old, next] = [before, after].map((member) => member && emailHash(member.email));
  if (old === next) return;
  if (old !== undefined) transaction.delete("old-address", memberEmailKey(organisation, old));
  if (next === undefined || after === undefined) return;
  transaction.create("address", memberEmailEntity.write(memberEmailKey(organisation, next), { user: after.user }));
}

/** Changes the organisation's counters by a write, if it changes any. */
function countMember(
  transaction: Transaction,
  organisation: string,
  write: MemberWrite,
  { kind, admins }: AdminCount,
): void {
  const members = (write.after === undefined ? 0 : 1) - (write.before === undefined ? 0 : 1);
  const delta = adminsDelta(write);
  if (members === 0 && delta === 0) return;
  const isStored = kind === "stored";
  const adds = [
    ...(members === 0 ? [] : ["#members :members"]),
    ...(isStored && delta !== 0 ? ["#admins :delta"] : []),
  ];
  const conditions = [
    ...(members > 0 ? ["#members < :most"] : []),
    ...(isStored ? ["attribute_exists(#admins)"] : ["attribute_not_exists(#admins)"]),
    ...(isStored && delta < 0 ? ["#admins > :one"] : []),
  ];
  const update = `${isStored ? "" : "SET #admins = :admins "}${adds.length === 0 ? "" : `ADD ${adds.join(", ")}`}`;
  const values = {
    ":members": members,
    ":delta": delta,
    ":most": MAX_MEMBERS,
    ":one": 1,
    ":admins": admins + delta,
  };
  const condition = conditions.join(" AND ");
  const used = Object.entries(values).filter(([name]) => new RegExp(`${name}\\b`).test(`${update} ${condition}`));
  transaction.update("total", totalKey(organisation), update, { condition, values: Object.fromEntries(used) });
}
