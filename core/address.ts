/** Addresses and CIDR blocks, by ipaddr.js. */

import ipaddr from "ipaddr.js";

/** The longest spelling of an address, with a zone of an interface behind it. */
const LONGEST = 64;

/** A block of addresses. `bits` is the length of its prefix. */
export interface Block {
  readonly address: ipaddr.IPv4 | ipaddr.IPv6;
  readonly bits: number;
}

/**
 * Reads an address; an IPv4 one mapped into IPv6 is IPv4.
 *
 * @param text an address without a port
 * @returns undefined where it is none
 */
export function parseAddress(text: string): ipaddr.IPv4 | ipaddr.IPv6 | undefined {
  if (text.length > LONGEST) return undefined;
  const bare = text.split("%")[0] ?? "";
  return isAddress(bare) ? ipaddr.process(bare) : undefined;
}

// Only the four-part spelling of IPv4 is an address here; ipaddr.js alone would also take `10.1`, octal and hexadecimal.
function isAddress(text: string): boolean {
  const [, dotted] = /^(?:.*:)?([^:]*\.[^:]*)$/.exec(text) ?? [];
  if (dotted !== undefined && !ipaddr.IPv4.isValidFourPartDecimal(dotted)) return false;
  if (dotted?.split(".").some((octet) => /^0[0-9]/.test(octet)) === true) return false;
  return dotted === text || ipaddr.IPv6.isValid(text);
}

const CIDR = /^([0-9a-fA-F:.]{2,45})\/(0|[1-9][0-9]{0,2})$/;

/**
 * Reads a block in CIDR notation whose host bits are zero.
 *
 * @param text such as `10.0.0.0/16` or `2001:db8::/32`
 * @returns the block, or what is wrong with the text, in words
 */
export function parseBlock(text: string): Block | string {
  const [, host = "", length = ""] = CIDR.exec(text) ?? [];
  if (!isAddress(host)) return "must be an IPv4 or IPv6 range in CIDR notation, such as 10.0.0.0/16";
  const address = ipaddr.parse(host);
  // Addresses come as IPv4 wherever they are mapped, so such a block would never hold one.
  if (address instanceof ipaddr.IPv6 && address.isIPv4MappedAddress())
    return "must be written as IPv4, such as 10.0.0.0/16";
  const bits = Number(length);
  const most = address.kind() === "ipv4" ? 32 : 128;
  if (bits > most) return `must have a prefix length of at most ${most}`;
  if (!hostBitsZero(address, bits)) return "must have no bits set after its prefix length";
  return { address, bits };
}

function hostBitsZero(address: ipaddr.IPv4 | ipaddr.IPv6, bits: number): boolean {
  return address.toByteArray().every((byte, position) => {
    const kept = Math.min(8, Math.max(0, bits - position * 8));
    return (byte & (0xff >> kept)) === 0;
  });
}

/** Whether a block holds an address. Blocks of the other family never do. */
export function contains(block: Block, address: ipaddr.IPv4 | ipaddr.IPv6): boolean {
  if (address.kind() !== block.address.kind()) return false;
  return address.match(block.address, block.bits);
}

/** Whether two blocks share an address. */
export function overlap(one: Block, other: Block): boolean {
  return one.bits <= other.bits ? contains(one, other.address) : contains(other, one.address);
}
