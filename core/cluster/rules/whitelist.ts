/** Checks the entries of an IP whitelist. Pure rules. */

import type { Problem } from "../../shared/errors.ts";
import { enclosingSpecialRange, parseCidr } from "../../shared/ip.ts";
import { type Draft, formatValue } from "../../shared/validation.ts";
import type { CreateCluster } from "../schema.ts";

/**
 * Finds entries of an IP whitelist that cannot work: a range from which no request can come, and a range that an earlier entry
 * has too, however it is written. Firewalls and load balancers refuse a list that repeats a range.
 *
 * @param list the well-formed parts of what was sent; undefined where the list as a whole is refused already
 * @param body the request as it was sent, which tells how a range was written: problems name the path that the caller wrote
 */
export function whitelistProblems(
  list: Draft<CreateCluster["ipWhitelist"]>,
  shorthands: ReadonlySet<string>,
): Problem[] {
  const seen = new Map<string, number>();
  return (list ?? []).flatMap((entry, index) => {
    const text = entry?.cidr?.ipRange ?? "";
    const block = parseCidr(text);
    if (typeof block === "string") return [];
    const special = enclosingSpecialRange(block);
    const meaning = `${block.address}/${block.bits}`;
    const first = seen.get(meaning);
    if (first === undefined) seen.set(meaning, index);
    const problem =
      special === undefined
        ? first !== undefined && `ipWhitelist[${first}] is the same range; send each range once`
        : `must not be within ${special.text} (${special.use}), from which no request can come`;
    if (problem === false) return [];
    const whole = `ipWhitelist[${index}]`;
    const range = `${whole}.cidr`;
    const path = [whole, range].find((each) => shorthands.has(each)) ?? `${range}.ipRange`;
    return [{ path, message: `${formatValue(text)} is not allowed: ${problem}` }];
  });
}
