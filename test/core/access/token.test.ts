import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatToken, hashToken, parseToken, SECRET_BYTES, sameHash, TOKEN_PREFIX } from "#core/access/token.ts";

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/** What a secret scanner would look for. */
const RECOGNISED = /\bame_[0-9A-Za-z]{93}\b/;
const HIGHEST = "ffffffff-ffff-ffff-ffff-ffffffffffff";
const LOWEST = "00000000-0000-0000-0000-000000000000";

const uuid = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) =>
  Buffer.from(bytes)
    .toString("hex")
    .replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-"),
);
const secret = fc.uint8Array({ minLength: SECRET_BYTES, maxLength: SECRET_BYTES });

/** Appends the checksum that belongs to a text, whatever the text is. */
function withChecksum(text: string): string {
  let [rest, digits] = [crc32(text), ""];
  for (; digits.length < 6; rest = Math.floor(rest / 62)) digits = `${ALPHABET[rest % 62]}${digits}`;
  return text + digits;
}

describe("a token", () => {
  test("says whose it is and which record to read, for every identity and secret", () => {
    fc.assert(
      fc.property(uuid, uuid, secret, (tokenId, user, bytes) => {
        const text = formatToken(tokenId, user, bytes);
        expect(parseToken(text)).toEqual({ tokenId, user, hash: hashToken(text) });
      }),
    );
  });

  test("has one length and a recognisable form, also for the lowest and the highest bytes", () => {
    const lowest = formatToken(LOWEST, LOWEST, new Uint8Array(SECRET_BYTES));
    const highest = formatToken(HIGHEST, HIGHEST, new Uint8Array(SECRET_BYTES).fill(255));
    const edges = [lowest, highest];
    for (const text of edges) expect(parseToken(text), text).toBeDefined();
    fc.assert(
      fc.property(uuid, uuid, secret, (tokenId, user, bytes) => {
        for (const text of [...edges, formatToken(tokenId, user, bytes)]) {
          expect(text).toHaveLength(97);
          expect(text.startsWith(TOKEN_PREFIX)).toBe(true);
          expect(RECOGNISED.exec(`key="${text}";`)?.[0]).toBe(text);
        }
      }),
    );
  });

  test("differs wherever the record, the user or the secret does", () => {
    const one = formatToken(LOWEST, LOWEST, new Uint8Array(SECRET_BYTES));
    const secondSecret = new Uint8Array(SECRET_BYTES).fill(1, 31);
    const others = [
      formatToken(HIGHEST, LOWEST, new Uint8Array(SECRET_BYTES)),
      formatToken(LOWEST, HIGHEST, new Uint8Array(SECRET_BYTES)),
      formatToken(LOWEST, LOWEST, secondSecret),
    ];
    expect(new Set([one, ...others]).size).toBe(4);
  });

  test("is the same for an identity in capitals, and reads back in small letters", () => {
    const bytes = new Uint8Array(SECRET_BYTES).fill(7);
    const text = formatToken(HIGHEST.toUpperCase(), LOWEST, bytes);
    expect(text).toBe(formatToken(HIGHEST, LOWEST, bytes));
    expect(parseToken(text)?.tokenId).toBe(HIGHEST);
  });
});

describe("what is no token", () => {
  test("is a token with any one character changed", () => {
    const text = formatToken(HIGHEST, LOWEST, new Uint8Array(SECRET_BYTES).fill(9));
    const accepted = Array.from(text).flatMap((character, at) =>
      Array.from(ALPHABET)
        .filter((other) => other !== character)
        .map((other) => text.slice(0, at) + other + text.slice(at + 1))
        .filter((changed) => parseToken(changed) !== undefined),
    );
    expect(accepted).toEqual([]);
  });

  test("is a token with two neighbouring characters exchanged", () => {
    const text = formatToken(HIGHEST, LOWEST, new Uint8Array(SECRET_BYTES).fill(9));
    const accepted = Array.from(text, (_, at) => text.slice(0, at) + text[at + 1] + text[at] + text.slice(at + 2))
      .slice(0, -1)
      .filter((changed) => changed !== text && parseToken(changed) !== undefined);
    expect(accepted).toEqual([]);
  });

  test("is a token that lost characters, gained some, or is spelled in another way", () => {
    const text = formatToken(HIGHEST, LOWEST, new Uint8Array(SECRET_BYTES).fill(9));
    const wrong = [
      "",
      TOKEN_PREFIX,
      text.slice(1),
      text.slice(0, -1),
      text.slice(0, -6),
      `${text}0`,
      `${text}\n`,
      ` ${text}`,
      `${text}${text}`,
      text.toUpperCase(),
      text.replace("ame_", "AME_"),
      text.replace("ame_", "ghp_"),
      text.replace(/.$/, "é"),
      text.replace(/.$/, "\u0000"),
      text.replace(/.$/, "-"),
    ];
    expect(wrong.filter((each) => parseToken(each) !== undefined)).toEqual([]);
  });

  test("is any other text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => {
        expect(parseToken(text)).toBeUndefined();
        expect(parseToken(TOKEN_PREFIX + text)).toBeUndefined();
      }),
    );
  });

  test("has a good checksum and an identity that is larger than sixteen bytes", () => {
    const good = formatToken(LOWEST, LOWEST, new Uint8Array(SECRET_BYTES));
    expect(withChecksum(good.slice(0, -6))).toBe(good);
    const body = good.slice(TOKEN_PREFIX.length, -6);
    const tooLargeId = `${TOKEN_PREFIX}${"z".repeat(22)}${body.slice(22)}`;
    const tooLargeUser = `${TOKEN_PREFIX}${body.slice(0, 22)}${"z".repeat(22)}${body.slice(44)}`;
    expect(parseToken(withChecksum(tooLargeId))).toBeUndefined();
    expect(parseToken(withChecksum(tooLargeUser))).toBeUndefined();
  });
});

describe("a token's hash", () => {
  test("is the SHA-256 of the whole token and holds nothing of it", () => {
    fc.assert(
      fc.property(uuid, uuid, secret, (tokenId, user, bytes) => {
        const text = formatToken(tokenId, user, bytes);
        const hash = hashToken(text);
        expect(hash).toBe(createHash("sha256").update(text, "utf8").digest("hex"));
        expect(hash).toMatch(/^[0-9a-f]{64}$/);
        expect(hash).not.toContain(Buffer.from(bytes).toString("hex").slice(0, 16));
        // What is handed on of a token never holds the secret, by which it could be used.
        expect(JSON.stringify(parseToken(text))).not.toContain(text.slice(TOKEN_PREFIX.length + 44, -6));
      }),
    );
  });

  test("equals itself alone", () => {
    const [one, other] = [hashToken("one"), hashToken("other")];
    expect(sameHash(one, one)).toBe(true);
    expect(sameHash(one, other)).toBe(false);
    expect(sameHash(one, one.slice(0, -2))).toBe(false);
    expect(sameHash(one, "")).toBe(false);
    expect(sameHash(one, one.replace(/.$/, one.endsWith("0") ? "1" : "0"))).toBe(false);
  });
});
