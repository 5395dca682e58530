import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { createToken, listTokens, revokeToken } from "#core/admin/personal-tokens.ts";
import type { AppError } from "#core/shared/errors.ts";
import { formatToken, hashToken, parseToken, SECRET_BYTES, sameHash, TOKEN_PREFIX } from "#core/tenancy/token.ts";
import { makeWorld, type World } from "#test/support/world.ts";

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/** Pattern that a secret scanner looks for. */
const RECOGNISED = /\bame_[0-9A-Za-z]{93}\b/;
const HIGHEST = "ffffffff-ffff-ffff-ffff-ffffffffffff";
const LOWEST = "00000000-0000-0000-0000-000000000000";

/** Any character; ASCII as often as all others together. */
const character = fc
  .oneof(fc.nat(0x7f), fc.nat(0xd7ff), fc.integer({ min: 0xe000, max: 0x10ffff }))
  .map((code) => String.fromCodePoint(code));

const uuid = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) =>
  Buffer.from(bytes)
    .toString("hex")
    .replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-"),
);
const secret = fc.uint8Array({ minLength: SECRET_BYTES, maxLength: SECRET_BYTES });

/** Appends the checksum of a text, also when the text is not a valid token. */
function withChecksum(text: string): string {
  let [rest, digits] = [crc32(text), ""];
  for (; digits.length < 6; rest = Math.floor(rest / 62)) digits = `${ALPHABET[rest % 62]}${digits}`;
  return text + digits;
}

describe("a token", () => {
  test("a token encodes its user and its record, for every identity and secret", () => {
    fc.assert(
      fc.property(uuid, uuid, secret, (tokenId, user, bytes) => {
        const text = formatToken(tokenId, user, bytes);
        expect(parseToken(text)).toEqual({ tokenId, user, hash: hashToken(text) });
      }),
    );
  });

  test("a token has a fixed length and a recognisable form, also for the lowest and highest bytes", () => {
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

  test("two tokens differ when the record, the user or the secret differs", () => {
    const one = formatToken(LOWEST, LOWEST, new Uint8Array(SECRET_BYTES));
    const secondSecret = new Uint8Array(SECRET_BYTES).fill(1, 31);
    const others = [
      formatToken(HIGHEST, LOWEST, new Uint8Array(SECRET_BYTES)),
      formatToken(LOWEST, HIGHEST, new Uint8Array(SECRET_BYTES)),
      formatToken(LOWEST, LOWEST, secondSecret),
    ];
    expect(new Set([one, ...others]).size).toBe(4);
  });

  test("an identity in capitals gives the same token, and is parsed back in lower case", () => {
    const bytes = new Uint8Array(SECRET_BYTES).fill(7);
    const text = formatToken(HIGHEST.toUpperCase(), LOWEST, bytes);
    expect(text).toBe(formatToken(HIGHEST, LOWEST, bytes));
    expect(parseToken(text)?.tokenId).toBe(HIGHEST);
  });
});

describe("a text that is not a token", () => {
  test("a token with any one character changed is refused", () => {
    const text = formatToken(HIGHEST, LOWEST, new Uint8Array(SECRET_BYTES).fill(9));
    const accepted = Array.from(text).flatMap((character, at) =>
      Array.from(ALPHABET)
        .filter((other) => other !== character)
        .map((other) => text.slice(0, at) + other + text.slice(at + 1))
        .filter((changed) => parseToken(changed) !== undefined),
    );
    expect(accepted).toEqual([]);
  });

  test("a token with two neighbouring characters exchanged is refused", () => {
    const text = formatToken(HIGHEST, LOWEST, new Uint8Array(SECRET_BYTES).fill(9));
    const accepted = Array.from(text, (_, at) => text.slice(0, at) + text[at + 1] + text[at] + text.slice(at + 2))
      .slice(0, -1)
      .filter((changed) => changed !== text && parseToken(changed) !== undefined);
    expect(accepted).toEqual([]);
  });

  test("a token with missing or additional characters or another spelling is refused", () => {
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

  test("any other text is refused as a token", () => {
    fc.assert(
      fc.property(fc.string({ unit: character, maxLength: 200 }), (text) => {
        expect(parseToken(text)).toBeUndefined();
        expect(parseToken(TOKEN_PREFIX + text)).toBeUndefined();
      }),
    );
  });

  test("a token with a valid checksum and an identity of more than sixteen bytes is refused", () => {
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
  test("a token's hash is the SHA-256 of the whole token and contains no part of it", () => {
    fc.assert(
      fc.property(uuid, uuid, secret, (tokenId, user, bytes) => {
        const text = formatToken(tokenId, user, bytes);
        const hash = hashToken(text);
        expect(hash).toBe(createHash("sha256").update(text, "utf8").digest("hex"));
        expect(hash).toMatch(/^[0-9a-f]{64}$/);
        expect(hash).not.toContain(Buffer.from(bytes).toString("hex").slice(0, 16));
        // The parsed token never contains the secret, which would allow its use.
        expect(JSON.stringify(parseToken(text))).not.toContain(text.slice(TOKEN_PREFIX.length + 44, -6));
      }),
    );
  });

  test("a token's hash equals only itself", () => {
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

  test("a token's record stores its user, expiry and allowed networks, but not the token", async () => {
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

  test("a token can be valid for 0 to 3,650 days", async () => {
    expect((await make({ days: 0 })).record.expiresAt).toBe(new Date(now).toISOString());
    expect((await make({ days: 3_650 })).record.expiresAt).toBe(new Date(now + 3_650 * 86_400_000).toISOString());
  });

  test("a token with invalid values is refused and nothing is stored", async () => {
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

  test("a user's tokens are listed oldest first, also when there are more than a hundred", async () => {
    const other = world.services.ids.identity();
    for (let made = 0; made < 103; made++) {
      now += 1_000;
      await make({ user: other, name: `token ${made}` });
    }
    const names = (await listTokens(world.services, other)).map(({ name }) => name);
    expect(names).toEqual(Array.from({ length: 103 }, (_, made) => `token ${made}`));
  });

  test("a token is revoked by its id or by the token itself, permanently", async () => {
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

  test("revoking an unknown token fails, and the error does not repeat the input", async () => {
    now += 1_000;
    const { token } = await make();
    const stranger = formatToken(world.services.ids.identity(), user, new Uint8Array(SECRET_BYTES));
    for (const given of ["", "a#b", LOWEST, stranger, token.slice(0, -1), `${token}x`, "\u0000"]) {
      const refusal = await refusalOf(revokeToken(world.services, given));
      expect(refusal).toMatchObject({ kind: "notFound", details: ["There is no such token."] });
    }
    expect((await listTokens(world.services, user)).at(-1)).not.toHaveProperty("revokedAt");
  });
});
