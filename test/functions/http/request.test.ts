import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { createToken } from "#core/admin/personal-tokens.ts";
import { formatToken, hashToken } from "#core/tenancy/token.ts";
import { credentialsOf, queryOf, requestIdOf, sourceAddressOf } from "#functions/http/request.ts";
import { makeWorld, type RequestOptions, type Tenant, type World } from "#test/support/world.ts";

const TOKEN_ID = "0f8fad5b-d9cb-469f-a165-70867728950e";
const USER = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
const token = formatToken(TOKEN_ID, USER, new Uint8Array(32).fill(5));

/** Any character; ASCII as often as all others together. */
const character = fc
  .oneof(fc.nat(0x7f), fc.nat(0xd7ff), fc.integer({ min: 0xe000, max: 0x10ffff }))
  .map((code) => String.fromCodePoint(code));

describe("the request id", () => {
  test.each(["a", "0".repeat(128), "A-b_9"])("the request id %j is accepted", (id) => {
    expect(requestIdOf(id)).toBe(id);
  });

  test.each([undefined, "", "0".repeat(129), "a b", "a\n", "a.b", "é", 'a"', "a\u0000", "../a"])(
    "the request id %j is replaced",
    (id) => {
      expect(requestIdOf(id)).toBeUndefined();
    },
  );
});

describe("parsing credentials", () => {
  const read = { tokenId: TOKEN_ID, user: USER, hash: hashToken(token) };

  test.each([`Token ${token}`, `token ${token}`, `TOKEN   ${token}`, `Bearer ${token}`, `bearer ${token}  `])(
    "credentials are read from the header %j",
    (header) => {
      expect(credentialsOf(header)).toEqual(read);
    },
  );

  test("credentials are read from no other header", () => {
    const schemes = ["", "Token", "Token ", `Token${token}`, `Basic ${token}`, token];
    const tokens = [`"${token}"`, `token=${token}`, `${token} ${token}`, `${token},`, token.slice(0, -1)];
    const wrapped = [...tokens, `${token}\u0000`];
    const long = [`Token ${" ".repeat(50_000)}`, `Token ${"x ".repeat(50_000)}`, `Bearer ${token.replace("ame_", "")}`];
    const headers = [undefined, ...schemes, ...wrapped.map((each) => `Token ${each}`), ...long];
    expect(headers.filter((header) => credentialsOf(header) !== undefined)).toEqual([]);
  });
});

describe("parsing the query", () => {
  test.each<[string, string[]]>([
    ["", []],
    ["?", []],
    ["?a=1&a=2&b", ["a=1", "a=2", "b="]],
    ["?a=x+y%20z%2B", ["a=x y z+"]],
    ["?a=b=c", ["a=b=c"]],
    ["?&&=&", ["="]],
    ["?%=%&%zz=%e&%4", ["%=%", "%zz=%e", "%4="]],
    ["?a=%00&%00=b", ["a=\u0000", "\u0000=b"]],
    ["?a=%ff%C3%A9&%FF=%EF%BF%BD", ["a=%ff%C3%A9", "%FF=\ufffd"]],
    ["?&a=1&&b=%zz%20&=", ["a=1", "b=%zz ", "="]],
    ["?a=1?b=2", ["a=1?b=2"]],
    ["?a=1#b=2", ["a=1"]],
    ["?__proto__=1&constructor=2", ["__proto__=1", "constructor=2"]],
  ])("the query %j is decoded in order", (query, pairs) => {
    expect(queryOf(`http://host/path${query}`).pairs.map((pair) => pair.join("="))).toEqual(pairs);
  });

  test("the size of a query is measured in bytes as sent", () => {
    expect(queryOf("http://host/path?a=%20").bytes).toBe(5);
    expect(queryOf("http://host/path?a=é").bytes).toBe(4);
    expect(queryOf(`http://host/path?${"&".repeat(5_000)}`)).toEqual({ pairs: [], bytes: 5_000 });
    expect(queryOf("http://host/path").bytes).toBe(0);
  });

  test("any names and values are read back from an encoded query", () => {
    const word = fc.string({ unit: character, maxLength: 8 });
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
  ])(
    "the source address for peer %j, forwarded %j and trusted proxies %j is %j",
    (peer, forwarded, trusted, source) => {
      expect(sourceAddressOf(peer, forwarded, trusted)).toBe(source);
    },
  );

  test("the source address is never one that no trusted proxy reported, for a header of any length", () => {
    const forged = Array.from({ length: 2_000 }, (_, number) => `198.51.100.${number % 256}`).join(", ");
    expect(sourceAddressOf("10.0.0.1", `${forged}, 203.0.113.9, 10.0.0.2`, proxies)).toBe("203.0.113.9");
    const hops = `198.51.100.1, ${Array(2_000).fill("10.0.0.9").join(",")}`;
    expect(sourceAddressOf("10.0.0.1", hops, proxies)).toBe("198.51.100.1");
  });

  test("the source address is the peer's for any header if the peer is not a trusted proxy", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(..."10.2:,f %x") }), (forwarded) => {
        expect(sourceAddressOf("203.0.113.9", forwarded, proxies)).toBe("203.0.113.9");
      }),
    );
  });
});

describe("hostile parts of a request", () => {
  let world: World;
  let tenant: Tenant;

  beforeAll(async () => {
    world = await makeWorld({ trustedProxies: ["127.0.0.0/8"] });
    tenant = await world.tenant();
    const body = tenant.creation({ nodePools: [{ name: "pool", nodeSize: "t3.medium" }] });
    expect((await world.send("POST", tenant.path("production"), { token: tenant.admin, body })).status).toBe(200);
  });

  /** Sends a request and asserts its status, valid headers, and the documented form of an error. */
  async function expectResponse(
    status: number,
    method: string,
    path: string,
    sending: RequestOptions = {},
  ): Promise<Headers> {
    const response = await world.send(method, path, { token: tenant.admin, ...sending });
    const description = `${method} ${path.slice(0, 200)} ${JSON.stringify(sending).slice(0, 200)}: ${response.text.slice(0, 300)}`;
    expect(response.status, description).toBe(status);
    expect([...response.headers].flat().filter((text) => !/^[\x20-\x7e]*$/.test(text))).toEqual([]);
    if (status >= 400 && method !== "HEAD") {
      expect(Object.keys(response.body).sort()).toEqual(["details", "message"]);
      expect([response.body.message, ...response.body.details].filter((text) => !text?.isWellFormed())).toEqual([]);
      expect(response.body.details.length).toBeGreaterThan(0);
    }
    return response.headers;
  }

  test("a request with a hostile query returns a result or its errors", async () => {
    const fine =
      "? ?& ?% ?%zz=%&%c3%28=%ff ?%00=%00 ?=&=&& ?__proto__=1&constructor=2&toString=3 ?x=%0d%0ax-evil:1 ?\ud800=😀";
    for (const query of fine.split(" ")) {
      await expectResponse(200, "GET", tenant.path() + query);
      await expectResponse(200, "GET", tenant.path("production", "one") + query);
    }
    const list =
      "pageNumber=%00 pageNumber=1&pageNumber=2 pageNumber=1&page=2 pageNumber=-1 pageNumber=2147483648 pageNumber= " +
      "pageNumber=99999999999999999999 pageNumber=1e400 pageSize=0 pageSize=1e3 pageSize=%EF%BC%91 pageSize=+1 pageSize=1001 " +
      "sort=__proto__ sort=&sort= sortDirection=asc sortDirection=%ff show-compute=TRUE includeDetails includeDetails=1 status=x " +
      "pageable=[ pageable=[] pageable=1 pageable=null pageable= pageable={}&pageable={} pageable={%22page%22:{}} " +
      "pageable={%22pageNumber%22:[1,2]} pageable={%22pageSize%22:1e400} pageable={%22sort%22:{%22toString%22:1}} " +
      `pageable=${"[".repeat(4_000)} x=${"y".repeat(100_000)} ${"a=&".repeat(10_000)} ${"%00".repeat(5_000)}`;
    for (const query of list.split(" ")) await expectResponse(400, "GET", `${tenant.path()}?${query}`);
    for (const query of ["x=".padEnd(5_000, "y"), "&".repeat(4_097)]) {
      await expectResponse(400, "POST", `${tenant.path("staging")}?${query}`, { body: tenant.creation() });
    }
    expect((await world.send("GET", tenant.path("staging"), { token: tenant.admin })).body.totalElements).toBe(0);
  });

  test("a request with many unknown parameters is warned of them, in headers that clients and gateways accept", async () => {
    const names = Array.from({ length: 600 }, (_, number) => `p${number}=`).join("&");
    for (const query of [names, `x=${"(".repeat(4_000)}`]) {
      const headers = await expectResponse(200, "GET", `${tenant.path()}?pageNumber=9&${query}`);
      expect(headers.get("warning")).toMatch(query === names ? /, p9, and 590 more"$/ : / x"$/);
      // Above 16 KiB of headers Node's fetch fails, and proxies return 502.
      expect([...headers].flat().join(": ").length).toBeLessThan(16 * 1_024);
    }
  });

  test("a request with a hostile path segment returns 404, at any position", async () => {
    const segments =
      "%2F ..%2f.. %2e%2e%2f %00 production%00 PRODUCTION prödüction %ff % %zz %E0%A4%A %F0%9F%98%80 __proto__ constructor " +
      `production;a=b production%20 production. production%0d%0a * @ %2570roduction ${"a".repeat(64)} ${"a".repeat(5_000)} \ud800 -- a|b`;
    const [org, prod, one] = [tenant.path(), tenant.path("production"), tenant.path("production", "one")];
    for (const segment of segments.split(" ")) {
      for (const path of [org, prod, `${one}/pools`]) await expectResponse(404, "GET", `${path}/${segment}`);
      await expectResponse(404, "POST", `${org}/${segment}`, { body: tenant.creation() });
    }
    for (const segment of ["%00", "é", "A", "%2f", "a.b", "a".repeat(5_000)]) {
      await expectResponse(404, "GET", `/api/v1/orgs/${segment}/clusters`);
    }
    const empty = [`${org}/`, `${prod}/`, `${prod}//`, `${org}//one`, `${one}/pools/`, `/${prod}`, "/", "//", "/%"];
    for (const path of empty) await expectResponse(404, "GET", path);
    await expectResponse(200, "GET", `${org}/%70roduction/%6F%6e%65`);
  });

  test("a request with another method returns 405 with the allowed ones, or 404 without a route", async () => {
    for (const method of ["PUT", "DELETE", "OPTIONS", "PROPFIND", "patch", "__proto__", "X".repeat(5_000)]) {
      expect((await expectResponse(405, method, tenant.path("production"))).get("allow")).toBe("GET, HEAD, POST");
      expect((await expectResponse(405, method, tenant.path("a%00b", "%ff"))).get("allow")).toBe("GET, HEAD, PATCH");
      await expectResponse(404, method, "/api/v1/nothing");
    }
    expect((await world.send("HEAD", tenant.path("production"), { token: tenant.admin })).text).toBe("");
  });

  test("a request with hostile credentials returns the same 401", async () => {
    const good = tenant.admin;
    const odd = ["", "Token", "Token x", "\u00ff", good, `Basic ${good}`, `Token\t${good}`, `Token ${good}x`];
    const others = [`Token ${good} ${good}`, `Token ${good.toLowerCase()}`, `Bearer ${"ame_".repeat(4_000)}`];
    const bodies = new Set<string>();
    for (const authorization of [...odd, ...others, `Token ${token}`]) {
      const response = await world.send("GET", tenant.path(), { headers: { authorization } });
      expect(response.status, authorization).toBe(401);
      expect(response.headers.get("www-authenticate")).toBe('Token realm="ame", Bearer realm="ame"');
      bodies.add(response.text);
      await expectResponse(401, "POST", tenant.path("%00"), { token: undefined, raw: "{", headers: { authorization } });
    }
    expect(bodies.size).toBe(1);
    await expectResponse(200, "GET", tenant.path(), { headers: { authorization: `bEARER   ${good}  ` } });
  });

  test("a request with a hostile request id gets a generated id in the response", async () => {
    for (const id of ["", "é", 'a"b', "a b", "a,b", "x".repeat(129), "x".repeat(10_000), "../..", "\u00ff"]) {
      const headers = await expectResponse(200, "GET", tenant.path(), { headers: { "x-request-id": id } });
      expect(headers.get("x-request-id")).toMatch(/^[0-9a-f]{8}-[0-9a-f-]{27}$/);
    }
    const kept = await expectResponse(404, "GET", "/nothing", { headers: { "x-request-id": "A_b-9" } });
    expect(kept.get("x-request-id")).toBe("A_b-9");
  });

  test("a request with a hostile address is accepted exactly when its token allows the address", async () => {
    const { user } = await tenant.person("viewer");
    const sources = ["203.0.113.0/24", "2001:db8::/64"];
    const { token: limited } = await createToken(world.services, { user, name: "x", sources });
    const forwarding = (forwarded: string) => ({ headers: { "x-forwarded-for": forwarded } });
    const from = (forwarded: string, peer = "127.0.0.1") => ({ token: limited, peer, ...forwarding(forwarded) });
    const allowed = "203.0.113.9|1.1.1.1, 203.0.113.9|::ffff:203.0.113.9,127.9.9.9| 2001:DB8::1 |%,203.0.113.9";
    for (const forwarded of allowed.split("|")) await expectResponse(200, "GET", tenant.path(), from(forwarded));
    const refused =
      "|,|203.0.113.9,|203.0.113.9, 1.1.1.1|203.0.113.9:80|203.0.113.9/32|0xcb.0.113.9|unknown|\u00ff|2001:db8:0:1::" +
      `|[2001:db8::1]|${"9".repeat(9_999)}|${"1,".repeat(5_000)}`;
    for (const forwarded of refused.split("|")) {
      await expectResponse(403, "GET", tenant.path(), from(forwarded));
      await expectResponse(200, "GET", tenant.path(), forwarding(forwarded));
    }
    for (const peer of ["", "unknown", "203.0.114.1", "/run/socket"]) {
      await expectResponse(403, "GET", tenant.path(), from("203.0.113.9", peer));
    }
    await expectResponse(200, "GET", tenant.path(), from("1.1.1.1", "::ffff:203.0.113.9"));
  });
});
