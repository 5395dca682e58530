import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { loginPage } from "#functions/local/issuer/page.ts";
import { openIssuerStore } from "#functions/local/issuer/store.ts";
import { type ConfiguredWorld, makeConfiguredWorld } from "#test/support/issuer.ts";
import { cleanUp, temporary } from "#test/support/server.ts";
import type { Json, Tenant } from "#test/support/world.ts";

let world: ConfiguredWorld;
let tenant: Tenant;
let clientId: string;

beforeAll(async () => {
  // One try for each call to the database.
  world = await makeConfiguredWorld({ maxAttempts: 1 });
  tenant = await world.tenant();
  ({ clientId } = await world.provider.register("<kubernetes>", AbortSignal.timeout(5_000)));
});
beforeEach(() => {
  world.wire.fault = () => undefined;
});
afterAll(async () => {
  await world.stop();
  await cleanUp();
});

const CHALLENGE = { code_challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", code_challenge_method: "S256" };

/** Begins a login, as a client's link does. @param more parameters, undefined for one that is left out */
async function begin(more: Record<string, string | undefined> = {}) {
  const url = new URL(`${world.issuer.issuer}/auth`);
  const given = {
    redirect_uri: "http://localhost:8000",
    response_type: "code",
    scope: "openid",
    ...CHALLENGE,
    ...more,
  };
  url.search = new URLSearchParams(
    Object.entries({ client_id: clientId, ...given }).filter(
      (entry): entry is [string, string] => entry[1] !== undefined,
    ),
  ).toString();
  const answer = await fetch(url, { redirect: "manual" });
  const location = answer.headers.get("location") ?? "";
  const cookie = answer.headers
    .getSetCookie()
    .map((each) => each.split(";")[0])
    .join("; ");
  return { status: answer.status, location: location && new URL(location, url).href, cookie };
}

/** Sends the form of a login that was begun. */
async function submit({ location, cookie }: { location: string; cookie: string }, body: string) {
  const answer = await fetch(location, {
    method: "POST",
    redirect: "manual",
    headers: { cookie, "content-type": "application/x-www-form-urlencoded" },
    body,
  });
  return { status: answer.status, headers: answer.headers, page: await answer.text() };
}

test("a login leads to where the client registered, and nowhere else", async () => {
  const ours = await begin();
  expect([ours.status, new URL(ours.location).origin]).toEqual([303, new URL(world.issuer.issuer).origin]);
  for (const redirect_uri of ["https://elsewhere.example", "http://localhost.elsewhere.example:8000", undefined]) {
    const { status, location } = await begin({ redirect_uri });
    if (redirect_uri !== undefined) expect([redirect_uri, status, location]).toEqual([redirect_uri, 400, ""]);
    expect(location).not.toContain("elsewhere");
  }
  const { status, location } = await begin({ client_id: "another" });
  expect([status, location]).toEqual([400, ""]);
});

test("a login without proof of who began it is refused", async () => {
  const { location } = await begin({ code_challenge: undefined, code_challenge_method: undefined });
  expect(location).toMatch(/^http:\/\/localhost:8000\/?\?error=invalid_request/);
});

test("the page says for whom, and lets nothing of anybody else's in", async () => {
  const { location, cookie } = await begin();
  const shown = await fetch(location, { headers: { cookie } });
  expect(await shown.text()).toContain("<p>to &#60;kubernetes&#62;</p>");
  expect(shown.headers.get("content-security-policy")).toMatch(/default-src 'none'.*frame-ancestors 'none'/);
  expect(shown.headers.get("cache-control")).toBe("no-store");
  expect(loginPage(`"><script>`, `<b>'&`)).not.toMatch(/<script>|<b>/);
});

test("a token that cannot be looked up is not told as one that does not work, and another try may do", async () => {
  const begun = await begin();
  world.wire.fault = () => "before";
  const late = await submit(begun, `token=${tenant.admin}`);
  expect([late.status, late.page.includes("is out of reach or overloaded")]).toEqual([503, true]);
  world.wire.fault = () => undefined;
  const wrong = await submit(begun, "token=nonsense");
  expect([wrong.status, wrong.page.includes("This token does not work.")]).toEqual([401, true]);
  expect((await submit(begun, `token=${"a".repeat(5_000)}`)).status).toBe(413);
  expect((await submit(begun, `token=${tenant.admin}`)).status).toBe(303);
});

test("a login that nobody began is over, by any method", async () => {
  for (const method of ["GET", "POST", "PUT", "DELETE", "OPTIONS"]) {
    const { status } = await fetch(`${world.issuer.issuer}/login/none`, { method });
    expect([method, status]).toEqual([method, 400]);
  }
});

test("the issuer has one name, whatever it is called by, and answers on its own path alone", async () => {
  const { port } = new URL(world.issuer.issuer);
  const discovery = await new Promise<Json>((done, fail) => {
    const path = "/oidc/.well-known/openid-configuration";
    request({ port, path, headers: { host: "elsewhere.example" } }, async (answer) =>
      done(JSON.parse(await text(answer))),
    )
      .on("error", fail)
      .end();
  });
  for (const endpoint of ["authorization_endpoint", "token_endpoint", "jwks_uri", "registration_endpoint"]) {
    expect(discovery[endpoint]).toMatch(new RegExp(`^${world.issuer.issuer}/`));
  }
  for (const path of ["", "?x", "x", "/", "//elsewhere.example", "/%"]) {
    expect([path, (await fetch(`${world.issuer.issuer}${path}`)).status]).toEqual([path, 404]);
  }
});

test("nobody registers a client without the initial token", async () => {
  const { status } = await fetch(`${world.issuer.issuer}/reg`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ redirect_uris: ["http://localhost:8000"], application_type: "native" }),
  });
  expect(status).toBe(401);
});

test("keys and clients are kept for their user alone, and what is not theirs is not written over", async () => {
  const directory = temporary();
  mkdirSync(directory);
  const file = join(directory, "issuer.json");
  const first = await openIssuerStore(file);
  await first.adapter("Client").upsert("one", { client_id: "one" }, 0);
  await first.adapter("Session").upsert("two", { uid: "two" }, 60);
  const second = await openIssuerStore(file);
  expect(second.keys).toEqual(first.keys);
  expect(await second.adapter("Client").find("one")).toEqual({ client_id: "one" });
  expect(await second.adapter("Session").find("two")).toBeUndefined();
  await second.adapter("Client").destroy("one");
  expect(await (await openIssuerStore(file)).adapter("Client").find("one")).toBeUndefined();
  expect(statSync(file).mode & 0o777).toBe(0o600);

  const cut = readFileSync(file, "utf8").slice(0, -100);
  writeFileSync(file, cut);
  await expect(openIssuerStore(file)).rejects.toThrow(/is not what the local OIDC issuer wrote/);
  expect(readFileSync(file, "utf8")).toBe(cut);
  expect(existsSync(`${file}.next`)).toBe(false);
});
