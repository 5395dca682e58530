/** Source addresses that may reach the API server of a cluster. Pure functions. */

import { type CidrBlock, contains, parseCidr } from "../../shared/ip.ts";
import type { TranslationInput } from "./input.ts";

/** Blocks in CIDR notation, sorted, of which none contains another. */
export interface ApiSources {
  ipv4: string[];
  ipv6: string[];
}

const textOf = ({ address, bits }: CidrBlock): string => `${address}/${bits}`;

/**
 * Returns the blocks of a cluster's IP whitelist and those of the management cluster, which must keep its access. Blocks have the
 * spelling that clouds report. No block contains another one, because clouds refuse repeated rules.
 *
 * @param others further blocks that are always allowed, in CIDR notation
 * @returns undefined if the whitelist is empty: every address is allowed
 */
export function apiSources(
  { cluster, settings }: Pick<TranslationInput, "cluster" | "settings">,
  others: readonly string[] = [],
): ApiSources | undefined {
  if (cluster.ipWhitelist.length === 0) return undefined;
  const texts = [...cluster.ipWhitelist.map((each) => each.cidr), ...settings.egress, ...others];
  const blocks = texts.map(parseCidr).filter((block) => typeof block !== "string");
  const widestFirst = blocks.toSorted((one, other) => one.bits - other.bits);
  const kept: CidrBlock[] = [];
  for (const block of widestFirst) if (!kept.some((wider) => contains(wider, block.address))) kept.push(block);
  const ofVersion = (version: 4 | 6) =>
    kept
      .filter(({ address }) => address.version === version)
      .map(textOf)
      .sort();
  return { ipv4: ofVersion(4), ipv6: ofVersion(6) };
}
