/** IP addresses and CIDR blocks. */

import { isIPv4, isIPv6 } from "node:net";

/** Maximum length of an address, including the zone of an interface. */
const LONGEST = 64;

/** IP address as a number of 32 or 128 bits. */
export class Address {
  readonly version: 4 | 6;
  readonly value: bigint;

  constructor(version: 4 | 6, value: bigint) {
    this.version = version;
    this.value = value;
  }

  /** Number of bits. */
  get length(): number {
    return this.version === 4 ? 32 : 128;
  }

  /** Returns the canonical spelling: dotted, or as in RFC 5952. */
  toString(): string {
    const size = this.version === 4 ? 8 : 16;
    const words = Array.from({ length: this.length / size }, (_, at) =>
      BigInt.asUintN(size, this.value >> BigInt(this.length - size * (at + 1))),
    );
    return this.version === 4 ? words.join(".") : compressZeros(words.map((word) => word.toString(16)));
  }
}

/** Replaces the longest run of at least two zeros by `::`, the first of equally long ones. */
function compressZeros(words: readonly string[]): string {
  let [start, length] = [0, 1];
  for (let at = 0; at < words.length; at++) {
    let end = at;
    while (words[end] === "0") end++;
    if (end - at > length) [start, length] = [at, end - at];
    at = Math.max(at, end - 1);
  }
  if (length === 1) return words.join(":");
  return `${words.slice(0, start).join(":")}::${words.slice(start + length).join(":")}`;
}

/** Block of addresses. `bits` is the length of its prefix. */
export interface CidrBlock {
  readonly address: Address;
  readonly bits: number;
}

/**
 * Parses an address. An IPv4-mapped IPv6 address is IPv4.
 *
 * @param text address without a port
 * @returns undefined if it is not an address
 */
export function parseAddress(text: string): Address | undefined {
  if (text.length > LONGEST) return undefined;
  const address = read(text.split("%")[0] ?? "");
  return address !== undefined && isMapped(address) ? new Address(4, BigInt.asUintN(32, address.value)) : address;
}

const isMapped = ({ version, value }: Address): boolean => version === 6 && value >> 32n === 0xffffn;

function read(text: string): Address | undefined {
  if (isIPv4(text)) return new Address(4, joinWords(text.split(".").map(BigInt), 8n));
  // The text after `%` names an interface of one machine.
  return isIPv6(text) && !text.includes("%") ? new Address(6, joinWords(wordsOf(text), 16n)) : undefined;
}

const joinWords = (words: readonly bigint[], size: bigint): bigint =>
  words.reduce((value, word) => (value << size) | word, 0n);

/** Returns the eight words of a valid IPv6 address. */
function wordsOf(text: string): bigint[] {
  const [head = [], tail] = text.split("::").map((half) => (half === "" ? [] : half.split(":").flatMap(wordOf)));
  if (tail === undefined) return head;
  return [...head, ...Array<bigint>(8 - head.length - tail.length).fill(0n), ...tail];
}

/** Returns one word, or two for a dotted end. */
function wordOf(part: string): bigint[] {
  if (!part.includes(".")) return [BigInt(`0x${part}`)];
  const value = joinWords(part.split(".").map(BigInt), 8n);
  return [value >> 16n, BigInt.asUintN(16, value)];
}

const CIDR = /^([0-9a-fA-F:.]{2,45})\/(0|[1-9][0-9]{0,2})$/;

/**
 * Parses a block in CIDR notation whose host bits are zero.
 *
 * @param text block such as `10.0.0.0/16` or `2001:db8::/32`
 * @returns the block, or the text of the problem
 */
export function parseCidr(text: string): CidrBlock | string {
  const [, host = "", length = ""] = CIDR.exec(text) ?? [];
  const address = read(host);
  if (address === undefined) return "must be an IPv4 or IPv6 range in CIDR notation, such as 10.0.0.0/16";
  // Mapped addresses are parsed as IPv4, so such a block would never contain one.
  if (isMapped(address)) return "must be written as IPv4, such as 10.0.0.0/16";
  const bits = Number(length);
  if (bits > address.length) return `must have a prefix length of at most ${address.length}`;
  if (BigInt.asUintN(address.length - bits, address.value) !== 0n)
    return "must have no bits set after its prefix length";
  return { address, bits };
}

/** Returns whether a block contains an address of the same family. */
export function contains(block: CidrBlock, address: Address): boolean {
  const { version, value, length } = block.address;
  const host = BigInt(length - block.bits);
  return address.version === version && address.value >> host === value >> host;
}

/** Returns whether two blocks overlap. */
export function overlap(one: CidrBlock, other: CidrBlock): boolean {
  return one.bits <= other.bits ? contains(one, other.address) : contains(other, one.address);
}

/** Special-purpose range. */
interface SpecialRange extends CidrBlock {
  /** The range in CIDR notation. */
  readonly text: string;
  readonly use: "this network" | "loopback" | "link-local" | "multicast or reserved" | "unspecified or IPv4-compatible";
}

function special(text: string, use: SpecialRange["use"]): SpecialRange {
  const block = parseCidr(text);
  if (typeof block === "string") throw new Error(`${text} ${block}`);
  return { ...block, text, use };
}

/**
 * Special-purpose ranges (RFC 6890 and IANA's registries of both families) that Kubernetes' `ValidateNonSpecialIP` or Linux's routing
 * excludes for a pod, a service or a remote client. The other ranges of the registries can be used in a private network: private and
 * shared addresses, benchmarking, documentation, translation. 240.0.0.0/4 is excluded too, because RFC 6890 allows it neither as a
 * source nor as a destination. `parseCidr` refuses IPv4-mapped blocks.
 */
const SPECIAL_RANGES = {
  4: [
    ["0.0.0.0/8", "this network"],
    ["127.0.0.0/8", "loopback"],
    ["169.254.0.0/16", "link-local"],
    ["224.0.0.0/3", "multicast or reserved"],
  ],
  6: [
    ["::1/128", "loopback"],
    ["::/96", "unspecified or IPv4-compatible"],
    ["fe80::/10", "link-local"],
    ["ff00::/8", "multicast or reserved"],
  ],
} as const;

const parsedRanges = new Map<4 | 6, readonly SpecialRange[]>();

/** Returns the ranges of a family. They are parsed at the first use, because Node takes 3 ms for its first IPv6 address. */
function specialRanges(version: 4 | 6): readonly SpecialRange[] {
  const ranges = parsedRanges.get(version) ?? SPECIAL_RANGES[version].map(([text, use]) => special(text, use));
  parsedRanges.set(version, ranges);
  return ranges;
}

/** Returns the special-purpose range that overlaps a block. */
export const overlappedSpecialRange = (block: CidrBlock): SpecialRange | undefined =>
  specialRanges(block.address.version).find((range) => overlap(range, block));

/** Returns the special-purpose range that contains a whole block; no range contains `0.0.0.0/0`. */
export const enclosingSpecialRange = (block: CidrBlock): SpecialRange | undefined =>
  specialRanges(block.address.version).find((range) => range.bits <= block.bits && overlap(range, block));

/**
 * Returns whether requests can come from a block to a server that listens on any interface of a machine. Loopback and
 * link-local addresses count, because a client or a proxy may run on the machine itself or on its link.
 *
 * @param text block in CIDR notation; false for an invalid one
 */
export function canSendRequests(text: string): boolean {
  const block = parseCidr(text);
  if (typeof block === "string") return false;
  const use = enclosingSpecialRange(block)?.use;
  return use === undefined || use === "loopback" || use === "link-local";
}

/**
 * Returns whether the host of a URL can be a server: a name, or an address outside the special-purpose ranges. Loopback is allowed,
 * because clients may run on the same machine.
 *
 * @param url complete URL; false for an invalid one
 */
export function hasServableHost(url: string): boolean {
  const parsed = URL.parse(url);
  if (parsed === null) return false;
  const address = parseAddress(parsed.hostname.replace(/^\[|\]$/g, ""));
  const use = address && enclosingSpecialRange({ address, bits: address.length })?.use;
  return use === undefined || use === "loopback";
}

/**
 * Returns whether a URL is on this machine: 127.0.0.0/8, `localhost` or `[::1]`, over http or https.
 *
 * @param url complete URL; an invalid one is not on this machine
 */
export function isLoopbackUrl(url: string): boolean {
  // For http and https, the parser converts every spelling of an IPv4 address (127.1, 0x7f000001) to four numbers.
  const parsed = URL.parse(url);
  if (parsed?.protocol !== "http:" && parsed?.protocol !== "https:") return false;
  return ["localhost", "[::1]"].includes(parsed.hostname) || /^127(\.\d{1,3}){3}$/.test(parsed.hostname);
}
