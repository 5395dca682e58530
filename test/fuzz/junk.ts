/** Invalid values, sent by mistake or on purpose. */

import fc from "fast-check";

const INHERITED = ["__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "valueOf"];
const HALVES = ["\ud800", "\udc00x", "a\udfff😀"];
const BREAKING = [
  "\r\nset-cookie: a=1",
  "\n",
  "\u0000",
  "\u001b[2J",
  '"',
  "\\",
  ", 1",
  "%0d%0a",
  "\u2028",
  "\u202e",
  "\ufeff",
];
const STRANGE = [
  "",
  " ",
  "null",
  "true",
  "0",
  "-1",
  "NaN",
  "../..",
  "%",
  "%zz",
  "é",
  "e\u0301",
  "😀",
  "\uffff",
  "$(id)",
  "#",
  "?",
];

/** Unusual texts, including names of properties. */
export const nastyText: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(...INHERITED, ...HALVES, ...BREAKING, ...STRANGE),
  fc.string({ unit: "binary", maxLength: 20 }),
  fc.string({ unit: "grapheme", maxLength: 20 }),
  fc
    .tuple(
      fc.constantFrom("a", "é", "😀", "-", "a.", "9", " "),
      fc.constantFrom(25, 26, 63, 64, 100, 101, 255, 256, 500, 501, 1_025, 9_000),
    )
    .map(([unit, length]) => unit.repeat(length).slice(0, length)),
);

const numbers = fc.oneof(
  fc.constantFrom(0, -0, 1, -1, 0.5, 999, 1_000, 1_001, 2 ** 31 - 1, 2 ** 31, 2 ** 53, -(2 ** 53), 1e21, 1e308, 5e-324),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.maxSafeInteger(),
);

/** Any JSON value, most often of another type than expected. */
export const junk: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(null, true, false, "", [], {}, [[]], [null], { a: { b: [null] } }, { ipRange: null }),
  numbers,
  nastyText,
  fc.jsonValue({ maxDepth: 2 }),
);

/** Numbers in valid JSON spellings that JavaScript never writes. */
export const ODD_NUMBERS = [
  "1e400",
  "-1e400",
  "-0",
  "0.0e9",
  "1.0",
  "1e3",
  "9007199254740993",
  "9".repeat(400),
  "1E+2",
  "01",
  "+1",
  "0x1",
  "NaN",
];

/** Values of headers, by name. */
export const HEADERS: Readonly<Record<string, readonly string[]>> = {
  accept: ["text/html", "application/xml;q=1", "*/*"],
  "accept-encoding": ["gzip", "gzip;q=0", "*", "br, gzip;q=0.5", ";;,="],
  "content-length": ["0", "-1", "99999999999999999999", "abc"],
  "content-type": [
    "text/plain",
    "application/json; charset=utf-16",
    'application/json; charset="UTF-8"',
    "APPLICATION/JSON",
    "application/json;",
    "application/merge-patch+json",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "",
    "é",
  ],
  "idempotency-key": ["", "é", "x".repeat(255), "x".repeat(256), "a\tb", '"quoted"', "a, b"],
  "if-match": [
    "",
    "*",
    "**",
    '"',
    '""',
    "W/",
    '"1',
    "1",
    '"1.0.0.0.0"',
    '"é"',
    `"${"9".repeat(400)}"`,
    '"a", *, W/"1"',
  ],
  "if-none-match": ["", "*", '"', '""', 'W/"1.1"', '"a","b",,', "x".repeat(9_000)],
  prefer: [
    "handling=strict",
    "handling=lenient",
    "handling=lenient, handling=strict",
    'handling="strict"; x=y',
    "handling",
    "return=minimal",
    "respond-async, wait=10",
    "=,;",
    "é",
  ],
  authorization: [
    "",
    "Token",
    "Token x",
    "Bearer ",
    "Basic YTpi",
    "Token é",
    `Token ${"x".repeat(9_000)}`,
    "token a b",
  ],
  "x-request-id": ["", "mine-1", "é", "x".repeat(129), "a b", "a,b"],
  "x-forwarded-for": ["", "127.0.0.1", "::1, junk", ",,,", "999.1.1.1", "x".repeat(5_000)],
  origin: ["null", "https://example.com"],
  expect: ["100-continue"],
  range: ["bytes=0-1"],
  host: ["evil.example", ""],
};
