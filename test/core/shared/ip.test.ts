import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type CidrBlock, contains, isLoopbackUrl, overlap, parseAddress, parseCidr } from "#core/shared/ip.ts";

function block(text: string): CidrBlock {
  const parsed = parseCidr(text);
  if (typeof parsed === "string") throw new Error(`${text} ${parsed}`);
  return parsed;
}

function address(text: string) {
  const parsed = parseAddress(text);
  if (parsed === undefined) throw new Error(`${text} is no address`);
  return parsed;
}

/** Any character; ASCII as often as all others together. */
const character = fc
  .oneof(fc.nat(0x7f), fc.nat(0xd7ff), fc.integer({ min: 0xe000, max: 0x10ffff }))
  .map((code) => String.fromCodePoint(code));

const quad = (number: number) => [24, 16, 8, 0].map((shift) => (number >>> shift) & 255).join(".");
/** Returns the network bits of a number. JavaScript ignores a shift by 32. */
const network = (number: number, bits: number) => (bits === 0 ? 0 : (number & (-1 << (32 - bits))) >>> 0);
const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const prefix = fc.integer({ min: 0, max: 32 });

describe("parsing an IP address", () => {
  test.each([
    ["203.0.113.9", "203.0.113.9"],
    ["0.0.0.0", "0.0.0.0"],
    ["255.255.255.255", "255.255.255.255"],
    ["2001:DB8:0:0:0:0:0:1", "2001:db8::1"],
    ["::", "::"],
    ["::ffff:203.0.113.9", "203.0.113.9"],
    ["::FFFF:cb00:7109", "203.0.113.9"],
    ["fe80::1%eth0", "fe80::1"],
  ])("the address %s is parsed as %s", (text, read) => {
    expect(parseAddress(text)?.toString()).toBe(read);
  });

  test.each([
    "",
    " ",
    "10.1",
    "10.0.0",
    "10.0.0.256",
    "10.0.0.0.0",
    "010.0.0.1",
    "0x7f.0.0.1",
    "2130706433",
    "0x7f000001",
    "127.0.0.1:80",
    "[::1]",
    "[::1]:80",
    "::1::",
    ":::",
    "1:2:3:4:5:6:7:8:9",
    "12345::",
    "::g",
    "localhost",
    "10.0.0.1 ",
    "10.0.0.1\n",
    "10.0.0.1\u0000",
    "１０.0.0.1",
    "10.0.0.0/8",
    "%eth0",
    "::ffff:010.0.0.1",
    "::ffff:0x7f.0.0.1",
  ])("the text %j is not an address", (text) => {
    expect(parseAddress(text)).toBeUndefined();
  });

  test("parsing any text as an address never throws", () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string({ unit: character }), fc.string({ unit: fc.constantFrom(..."0f:./%") })),
        (text) => {
          const found = parseAddress(text);
          if (found !== undefined) expect(parseAddress(found.toString())?.toString()).toBe(found.toString());
          const read = parseCidr(text);
          expect(typeof read === "string" ? read.startsWith("must ") : read.bits >= 0).toBe(true);
        },
      ),
    );
  });
});

describe("a CIDR block", () => {
  test.each(["0.0.0.0/0", "10.0.0.0/8", "10.1.2.3/32", "10.1.2.2/31", "::/0", "2001:db8::/32", "2001:db8::1/128"])(
    "%s is a CIDR block",
    (text) => {
      expect(block(text).bits).toBe(Number(text.split("/")[1]));
    },
  );

  test.each([
    "",
    "/",
    "/8",
    "10.0.0.0",
    "10.0.0.0/",
    "10.0.0.0/ 8",
    "10.0.0.0/8 ",
    " 10.0.0.0/8",
    "10.0.0.0/8\n",
    "10.0.0.0/+8",
    "10.0.0.0/-1",
    "10.0.0.0/08",
    "10.0.0.0/8.0",
    "10.0.0.0/1e1",
    "10.0.0.0/0x8",
    "10.0.0.0/255.0.0.0",
    "10.0.0.0//8",
    "10.0.0/8",
    "10/8",
    "010.0.0.0/8",
    "0x0a.0.0.0/8",
    "10.0.0.0/٨",
    "256.0.0.0/8",
    "2001:db8::%eth0/64",
    "[2001:db8::]/64",
    "::g/64",
    "::ffff:010.0.0.0/112",
    `${"0".repeat(10_000)}/8`,
  ])("%j is not a CIDR block", (text) => {
    expect(parseCidr(text)).toBe("must be an IPv4 or IPv6 range in CIDR notation, such as 10.0.0.0/16");
  });

  test.each([
    ["10.0.0.0/33", "must have a prefix length of at most 32"],
    ["10.0.0.0/999", "must have a prefix length of at most 32"],
    ["::/129", "must have a prefix length of at most 128"],
    ["10.0.0.1/31", "must have no bits set after its prefix length"],
    ["10.0.0.1/0", "must have no bits set after its prefix length"],
    ["10.128.0.0/8", "must have no bits set after its prefix length"],
    ["2001:db8::1/127", "must have no bits set after its prefix length"],
    ["2001:db8:8000::/32", "must have no bits set after its prefix length"],
  ])("%s is not a valid CIDR block: it %s", (text, wrong) => {
    expect(parseCidr(text)).toBe(wrong);
  });

  test("a CIDR block is valid exactly when no bit after the prefix is set", () => {
    fc.assert(
      fc.property(uint32, prefix, (number, bits) => {
        const fits = network(number, bits) === number;
        expect(typeof parseCidr(`${quad(number)}/${bits}`) !== "string").toBe(fits);
        expect(block(`${quad(network(number, bits))}/${bits}`).bits).toBe(bits);
      }),
    );
  });

  test("a CIDR block contains exactly the addresses with its prefix", () => {
    fc.assert(
      fc.property(uint32, prefix, uint32, fc.boolean(), (number, bits, other, near) => {
        // Half of the addresses differ from the block in few places. Otherwise almost none would be inside.
        const candidate = near ? (number ^ (other >>> Math.min(31, bits))) >>> 0 : other;
        const inside = network(candidate, bits) === network(number, bits);
        const whole = block(`${quad(network(number, bits))}/${bits}`);
        expect(contains(whole, address(quad(candidate)))).toBe(inside);
        expect(contains(whole, address(`::ffff:${quad(candidate)}`))).toBe(inside);
      }),
    );
  });

  test("a CIDR block never contains an address of the other family", () => {
    expect(contains(block("0.0.0.0/0"), address("::1"))).toBe(false);
    expect(contains(block("::/0"), address("10.0.0.1"))).toBe(false);
    expect(contains(block("::/0"), address("2001:db8::1"))).toBe(true);
    expect(contains(block("2001:db8::/33"), address("2001:db8:8000::1"))).toBe(false);
  });

  test("a CIDR block of IPv4 addresses mapped into IPv6 is refused, or contains those addresses", () => {
    const mapped = parseCidr("::ffff:10.0.0.0/104");
    expect(typeof mapped === "string" || contains(mapped, address("10.1.2.3"))).toBe(true);
    expect(typeof mapped !== "string" && contains(mapped, address("11.0.0.0"))).toBe(false);
  });

  test("two CIDR blocks overlap exactly when one begins inside the other, in either order", () => {
    fc.assert(
      fc.property(uint32, prefix, uint32, prefix, fc.boolean(), (one, oneBits, other, otherBits, near) => {
        const second = near ? (one ^ (other >>> Math.min(31, oneBits))) >>> 0 : other;
        const shared = Math.min(oneBits, otherBits);
        const left = block(`${quad(network(one, oneBits))}/${oneBits}`);
        const right = block(`${quad(network(second, otherBits))}/${otherBits}`);
        expect(overlap(left, right)).toBe(network(one, shared) === network(second, shared));
        expect(overlap(right, left)).toBe(overlap(left, right));
      }),
    );
  });

  test("CIDR blocks of different families do not overlap", () => {
    expect(overlap(block("0.0.0.0/0"), block("::/0"))).toBe(false);
    expect(overlap(block("::/0"), block("10.0.0.0/8"))).toBe(false);
    expect(overlap(block("2001:db8::/32"), block("2001:db8:1::/48"))).toBe(true);
  });
});

describe("URLs on this machine", () => {
  test.each([
    "http://127.0.0.1:8000",
    "https://127.0.0.1",
    "http://127.8.9.10:1/",
    "http://127.1:8000",
    "http://localhost:8000",
    "http://LOCALHOST",
    "http://[::1]:8000",
  ])("%s is a URL on this machine", (url) => {
    expect(isLoopbackUrl(url)).toBe(true);
  });

  test.each([
    "https://dynamodb.eu-west-1.amazonaws.com",
    "http://10.0.0.1:8000",
    "http://128.0.0.1",
    "http://127.0.0.1.example.com",
    "http://localhost.example.com",
    "http://127.0.0.1@example.com",
    "http://example.com/?127.0.0.1",
    "http://[::2]",
    "http://0.0.0.0:8000",
    "ftp://127.0.0.1",
    "localhost:8000",
    "127.0.0.1",
    "",
  ])("%s is not a URL on this machine", (url) => {
    expect(isLoopbackUrl(url)).toBe(false);
  });
});
