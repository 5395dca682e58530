import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { createToken, listTokens, revokeToken } from "#core/admin/personal-tokens.ts";
import type { AppError } from "#core/shared/errors.ts";
import { formatToken, hashToken, parseToken, SECRET_BYTES, sameHash, TOKEN_PREFIX } from "#core/tenancy/token.ts";
import { makeWorld, type World } from "#test/support/world.ts";

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/** What a secret scanner would look for. */
const RECOGNISED = /\bame_[0-9A-Za-z]{93}\b/;
const HIGHEST = "ffffffff-ffff-ffff-ffff-ffffffffffff";
const LOWEST = "00000000-0000-0000-0000-000000000000";

/** Any character: ASCII as often as all others. */
const character = fc
  .oneof(fc.nat(0x7f), fc.nat(0xd7ff), fc.integer({ min: 0xe000, max: 0x10ffff }))
  .map((code) => String.fromCodePoint(code));

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
      fc.property(fc.string({ unit: character, maxLength: 200 }), (text) => {
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

describe("a token's record", () => {
  let world: World;
  let now = Date.parse("2026-11-23T10:00:00.123Z");
  const user = "7c9e6679-7425-40de-944b-e07fc1f90ae7";

  beforeAll(async () => {
    world = await makeWorld({ clock: () => new Date(now) });
  });

  const make = (more: object = {}) => createToken(world.services, { user, name: "laptop", ...more });
  const refusalOf = (call: Promise<unknown>) => call.then(() => undefined).catch((error: AppError) => error);

  test("says who may use it until when and from where; the token itself is kept nowhere", async () => {
    const { record, token } = await make({ user: user.toUpperCase(), sources: ["10.0.0.0/8", "::1/128"] });
    expect(record).toEqual({
      tokenId: parseToken(token)?.tokenId,
      user,
      name: "laptop",
      createdAt: "2026-11-23T10:00:00.123Z",
      expiresAt: "2027-11-23T10:00:00.123Z",
      sources: ["10.0.0.0/8", "::1/128"],
    });
    const stored: unknown[] = [];
    for await (const item of world.table.scan()) stored.push(item);
    expect(JSON.stringify(stored)).toContain(hashToken(token));
    expect(JSON.stringify(stored)).not.toContain(token.slice(TOKEN_PREFIX.length + 44));
    const shown = JSON.stringify([record, await listTokens(world.services, user)]);
    expect(shown).toContain(record.tokenId);
    expect(shown).not.toContain(hashToken(token));
  });

  test("can be limited to days, of which none is possible", async () => {
    expect((await make({ days: 0 })).record.expiresAt).toBe(new Date(now).toISOString());
    expect((await make({ days: 3_650 })).record.expiresAt).toBe(new Date(now + 3_650 * 86_400_000).toISOString());
  });

  test("is not made of what is not allowed, and nothing of it is kept", async () => {
    const nobody = "0f8fad5b-d9cb-469f-a165-70867728950e";
    const wrong = {
      user: [null, "", "me", `${nobody}0`, `${nobody}#`],
      name: [null, "", "x".repeat(65), "😀".repeat(65), "\ud800", 1],
      days: [-1, 3_651, "30", Number.NaN, Number.POSITIVE_INFINITY],
      sources: ["10.0.0.0/8", Array(51).fill("10.0.0.0/8")],
      "sources[1]": [
        ["10.0.0.0/8", "10.0.0.1/8"],
        ["10.0.0.0/8", "10.0.0.1"],
        ["127.0.0.0/8", "224.0.0.0/4"],
        ["fe80::/10", "::/128"],
      ],
    };
    for (const [path, values] of Object.entries(wrong)) {
      for (const value of values) {
        const refusal = await refusalOf(make({ user: nobody, [path.split("[")[0] ?? ""]: value }));
        expect(refusal).toMatchObject({ kind: "invalid", details: [expect.stringContaining(`${path}: `)] });
      }
    }
    expect(await listTokens(world.services, nobody)).toEqual([]);
  });

  test("is listed with all others of its user, oldest first, also beyond a hundred", async () => {
    const other = world.services.ids.identity();
    for (let made = 0; made < 103; made++) {
      now += 1_000;
      await make({ user: other, name: `token ${made}` });
    }
    const names = (await listTokens(world.services, other)).map(({ name }) => name);
    expect(names).toEqual(Array.from({ length: 103 }, (_, made) => `token ${made}`));
  });

  test("is revoked by its id or by the token itself, once and for all", async () => {
    for (const given of ["id", "ID", "token"] as const) {
      const { record, token } = await make();
      const { tokenId } = record;
      const by = { id: tokenId, ID: tokenId.toUpperCase(), token }[given];
      const revokedAt = new Date(now).toISOString();
      expect(await revokeToken(world.services, by)).toEqual({ ...record, revokedAt });
      now += 1_000;
      expect(await revokeToken(world.services, by)).toEqual({ ...record, revokedAt });
    }
  });

  test("that is not there cannot be revoked, and what was given is not repeated", async () => {
    now += 1_000;
    const { token } = await make();
    const stranger = formatToken(world.services.ids.identity(), user, new Uint8Array(SECRET_BYTES));
    for (const given of ["", "a#b", LOWEST, stranger, token.slice(0, -1), `${token}x`, "\u0000"]) {
      const refusal = await refusalOf(revokeToken(world.services, given));
      expect(refusal).toMatchObject({ kind: "missing", details: ["There is no such token."] });
    }
    expect((await listTokens(world.services, user)).at(-1)).not.toHaveProperty("revokedAt");
  });
});
