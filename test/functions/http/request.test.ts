import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatToken, hashToken } from "#core/access/token.ts";
import { AppError } from "#core/errors.ts";
import {
  credentialsOf,
  MAX_BODY_BYTES,
  queryOf,
  readBody,
  requestIdOf,
  sourceAddressOf,
} from "#functions/http/request.ts";

const TOKEN_ID = "0f8fad5b-d9cb-469f-a165-70867728950e";
const USER = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
const token = formatToken(TOKEN_ID, USER, new Uint8Array(32).fill(5));

describe("the request id", () => {
  test.each(["a", "0".repeat(128), "A-b_9"])("%j is kept", (id) => {
    expect(requestIdOf(id)).toBe(id);
  });

  test.each([undefined, "", "0".repeat(129), "a b", "a\n", "a.b", "é", 'a"', "a\u0000", "../a"])("%j is not", (id) => {
    expect(requestIdOf(id)).toBeUndefined();
  });
});

describe("credentials", () => {
  const read = { tokenId: TOKEN_ID, user: USER, hash: hashToken(token) };

  test.each([`Token ${token}`, `token ${token}`, `TOKEN   ${token}`, `Bearer ${token}`, `bearer ${token}  `])(
    "are read from %j",
    (header) => {
      expect(credentialsOf(header)).toEqual(read);
    },
  );

  test.each([
    undefined,
    "",
    token,
    "Token",
    "Token ",
    `Token${token}`,
    `Basic ${token}`,
    `Token "${token}"`,
    `Token token=${token}`,
    `Token ${token} ${token}`,
    `Token ${token},`,
    `Token ${token}\u0000`,
    `Token ${token.slice(0, -1)}`,
    `Bearer ${token.replace("ame_", "")}`,
    `Token ${" ".repeat(50_000)}`,
    `Token ${"x ".repeat(50_000)}`,
  ])("are not in %.40j", (header) => {
    expect(credentialsOf(header)).toBeUndefined();
  });
});

describe("the query", () => {
  test.each<[string, [string, string][]]>([
    ["http://host/path", []],
    ["http://host/path?", []],
    [
      "http://host/path?a=1&a=2&b",
      [
        ["a", "1"],
        ["a", "2"],
        ["b", ""],
      ],
    ],
    ["http://host/path?a=x+y%20z%2B", [["a", "x y z+"]]],
    ["http://host/path?a=b=c", [["a", "b=c"]]],
    ["http://host/path?&&=&", [["", ""]]],
    [
      "http://host/path?%=%&%zz=%e&%4",
      [
        ["%", "%"],
        ["%zz", "%e"],
        ["%4", ""],
      ],
    ],
    [
      "http://host/path?a=%00&%00=b",
      [
        ["a", "\u0000"],
        ["\u0000", "b"],
      ],
    ],
    ["http://host/path?a=%ff%C3%A9", [["a", "\ufffdé"]]],
    ["http://host/path?a=1?b=2", [["a", "1?b=2"]]],
    ["http://host/path?a=1#b=2", [["a", "1"]]],
    [
      "http://host/path?__proto__=1&constructor=2",
      [
        ["__proto__", "1"],
        ["constructor", "2"],
      ],
    ],
  ])("of %s is read in order, decoded", (url, pairs) => {
    expect(queryOf(url).pairs).toEqual(pairs);
  });

  test("is measured in bytes as it was sent", () => {
    expect(queryOf("http://host/path?a=%20").bytes).toBe(5);
    expect(queryOf("http://host/path?a=é").bytes).toBe(4);
    expect(queryOf(`http://host/path?${"&".repeat(5_000)}`)).toEqual({ pairs: [], bytes: 5_000 });
    expect(queryOf("http://host/path").bytes).toBe(0);
  });

  test("reads back whatever names and values were written", () => {
    const word = fc.string({ unit: "binary", maxLength: 8 });
    fc.assert(
      fc.property(fc.array(fc.tuple(word, word), { maxLength: 5 }), (pairs) => {
        expect(queryOf(`http://host/path?${new URLSearchParams(pairs)}`).pairs).toEqual(pairs);
      }),
    );
  });
});

describe("the source address", () => {
  const proxies = ["10.0.0.0/8", "2001:db8::/32"];

  test.each<[string | undefined, string | undefined, string[], string | undefined]>([
    ["203.0.113.9", undefined, [], "203.0.113.9"],
    ["203.0.113.9", "198.51.100.1", [], "203.0.113.9"],
    ["203.0.113.9", "198.51.100.1", proxies, "203.0.113.9"],
    ["10.0.0.1", "198.51.100.1", [], "10.0.0.1"],
    ["10.0.0.1", undefined, proxies, "10.0.0.1"],
    ["10.0.0.1", "", proxies, "10.0.0.1"],
    ["10.0.0.1", "198.51.100.1", proxies, "198.51.100.1"],
    ["10.0.0.1", "1.1.1.1, 198.51.100.1", proxies, "198.51.100.1"],
    ["10.0.0.1", "1.1.1.1, 198.51.100.1, 10.2.3.4", proxies, "198.51.100.1"],
    ["10.0.0.1", "1.1.1.1,198.51.100.1,2001:db8::7", proxies, "198.51.100.1"],
    ["10.0.0.1", "10.9.9.9, 10.2.3.4", proxies, "10.9.9.9"],
    ["::ffff:10.0.0.1", "::ffff:198.51.100.1", proxies, "198.51.100.1"],
    ["::FFFF:10.0.0.1", "2001:0DB9::0001", proxies, "2001:db9::1"],
    ["10.0.0.1", "198.51.100.1, unknown", proxies, "10.0.0.1"],
    ["10.0.0.1", "198.51.100.1, 10.2.3.4:8080", proxies, "10.0.0.1"],
    ["10.0.0.1", "198.51.100.1, ", proxies, "10.0.0.1"],
    ["10.0.0.1", "198.51.100.1\u0000", proxies, "10.0.0.1"],
    ["::ffff:203.0.113.9", undefined, [], "203.0.113.9"],
    ["fe80::1%eth0", undefined, [], "fe80::1"],
    [undefined, "198.51.100.1", proxies, undefined],
    [undefined, "198.51.100.1", ["0.0.0.0/0", "::/0"], undefined],
    ["/run/socket", "198.51.100.1", ["0.0.0.0/0", "::/0"], "/run/socket"],
    ["10.0.0.1", "198.51.100.1", ["nonsense"], "10.0.0.1"],
  ])("of %j that forwards %j and trusts %j is %j", (peer, forwarded, trusted, source) => {
    expect(sourceAddressOf(peer, forwarded, trusted)).toBe(source);
  });

  test("is never one that nobody trusted has vouched for, however long the header is", () => {
    const forged = Array.from({ length: 2_000 }, (_, number) => `198.51.100.${number % 256}`).join(", ");
    expect(sourceAddressOf("10.0.0.1", `${forged}, 203.0.113.9, 10.0.0.2`, proxies)).toBe("203.0.113.9");
    const hops = `198.51.100.1, ${Array(2_000).fill("10.0.0.9").join(",")}`;
    expect(sourceAddressOf("10.0.0.1", hops, proxies)).toBe("198.51.100.1");
  });

  test("is the connection's for any header, where it comes from no trusted proxy", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(..."10.2:,f %x") }), (forwarded) => {
        expect(sourceAddressOf("203.0.113.9", forwarded, proxies)).toBe("203.0.113.9");
      }),
    );
  });
});

describe("the body", () => {
  const post = (body: string | Uint8Array<ArrayBuffer> | null, type: string | undefined = "application/json") =>
    readBody(
      new Request("http://host/", { method: "POST", body, headers: type === "" ? {} : { "content-type": type } }),
    );
  const kind = async (read: ReturnType<typeof readBody>) => (await read).refusal?.kind;

  test.each([
    "application/json",
    "APPLICATION/JSON",
    "application/json;charset=utf-8",
    'application/json; charset="UTF-8"',
    "application/json; charset=utf8; boundary=x",
    "application/json;;",
  ])("is read as %j", async (type) => {
    expect(await post('{"a": "é"}', type)).toEqual({ body: { a: "é" }, refusal: undefined });
  });

  test.each([
    "text/plain",
    "application/jsonp",
    "application/json+x",
    "application/merge-patch+json",
    "application/json; charset=utf-16",
    "application/json, text/plain",
    "text/plain; application/json",
    "multipart/form-data",
    "json",
  ])("is refused as %j", async (type) => {
    expect(await kind(post("{}", type))).toBe("unsupportedMediaType");
  });

  test("of the largest size is read and one byte more is not", async () => {
    const largest = `"${"x".repeat(MAX_BODY_BYTES - 2)}"`;
    expect((await post(largest)).refusal).toBeUndefined();
    expect(await kind(post(`${largest} `))).toBe("tooLarge");
    expect(await kind(post(`"${"é".repeat(MAX_BODY_BYTES / 2)}"`))).toBe("tooLarge");
  });

  test("that is missing, empty or broken is refused with a reason", async () => {
    const wrong: [string | Uint8Array<ArrayBuffer> | null, string][] = [
      [null, "it is empty"],
      ["", "it is empty"],
      [" ", "its syntax is wrong"],
      ["{", "its syntax is wrong"],
      ["{'a': 1}", "its syntax is wrong"],
      ["NaN", "its syntax is wrong"],
      ['{"a": 1,}', "its syntax is wrong"],
      [new Uint8Array([0x22, 0xff, 0x22]), "it is not UTF-8"],
      [new Uint8Array([0x22, 0xed, 0xa0, 0x80, 0x22]), "it is not UTF-8"],
      [new Uint8Array([0x22, 0xc0, 0xaf, 0x22]), "it is not UTF-8"],
      [new Uint8Array([0xff, 0xfe, 0x7b, 0x00, 0x7d, 0x00]), "it is not UTF-8"],
      [new Uint8Array([0x7b, 0x00, 0x7d, 0x00]), "its syntax is wrong"],
    ];
    for (const [body, reason] of wrong) {
      const { refusal } = await post(body);
      expect(refusal).toBeInstanceOf(AppError);
      expect(refusal?.details).toEqual([`The body is not JSON: ${reason}.`]);
    }
  });

  test("is kept as JSON has it: the last of equal keys, and every name", async () => {
    const { body } = await post('{"a": 1, "__proto__": {"b": 2}, "a": 3}');
    expect(Object.entries(body as object)).toEqual([
      ["a", 3],
      ["__proto__", { b: 2 }],
    ]);
  });

  test("that has no end is read no further than its limit", async () => {
    let [pulled, cancelled] = [0, false];
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        pulled++;
        controller.enqueue(new Uint8Array(64 * 1024).fill(0x20));
      },
      cancel() {
        cancelled = true;
      },
    });
    const init = {
      method: "POST",
      body: endless,
      duplex: "half" as const,
      headers: { "content-type": "application/json" },
    };
    expect(await kind(readBody(new Request("http://host/", init)))).toBe("tooLarge");
    expect(pulled).toBeLessThan(10);
    expect(cancelled).toBe(true);
  });
});
