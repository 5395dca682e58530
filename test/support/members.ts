/** Changes stored members to states that take many requests to reach. */

import { randomUUID } from "node:crypto";
import type { Services } from "#core/context.ts";
import { MAX_OVERRIDES } from "#core/references/members/rules.ts";
import { deadlineIn } from "#core/shared/retry.ts";
import { keyText, memberKey } from "#core/table/keys.ts";
import { commit, Transaction } from "#core/table/transaction.ts";
import { memberEntity } from "#core/tenancy/member.ts";

/** Stores the maximum number of roles in single environments with a member. */
export async function fillOverrides({ table }: Services, organisation: string, user: string): Promise<void> {
  const key = memberKey(organisation, user);
  const item = (await table.get([key])).get(keyText(key));
  if (item === undefined) throw new Error(`${user} is no member of ${organisation}`);
  const member = memberEntity.read(item);
  const own = Object.entries(member.environmentRoles);
  const others = Array.from({ length: MAX_OVERRIDES - own.length }, () => [randomUUID(), "viewer"] as const);
  const environmentRoles = Object.fromEntries([...own, ...others]);
  const filled = memberEntity.write(key, { ...member, environmentRoles });
  const failures = await commit(table, new Transaction().put("member", filled), deadlineIn());
  if (failures.length > 0) throw new Error("not stored");
}
