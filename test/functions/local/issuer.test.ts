import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Keyring } from "#core/secrets/keyring.ts";
import { createLocalKeyring, createMemoryKeyStore } from "#core/secrets/local-keyring.ts";
import { createLocalIdentityProvider } from "#functions/local/issuer/identity-provider.ts";
import { renderLoginPage } from "#functions/local/issuer/page.ts";
import { openEncryptedFile } from "#functions/local/issuer/sealed-file.ts";
import { isIssuerLost, openIssuerFile, openIssuerStore } from "#functions/local/issuer/store.ts";
import { type ConfiguredWorld, makeConfiguredWorld } from "#test/support/issuer.ts";
import { cleanUp, temporary } from "#test/support/server.ts";
import type { Json, Tenant } from "#test/support/world.ts";

let world: ConfiguredWorld;
let tenant: Tenant;
let clientId: string;

beforeAll(async () => {
  // One attempt for each database call.
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

/** Starts a login, like a client's link. @param more parameters; undefined omits one */
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
  const response = await fetch(url, { redirect: "manual" });
  const location = response.headers.get("location") ?? "";
  const cookie = response.headers
    .getSetCookie()
    .map((each) => each.split(";")[0])
    .join("; ");
  return { status: response.status, location: location && new URL(location, url).href, cookie };
}

/** Sends the form of a started login. */
async function submit({ location, cookie }: { location: string; cookie: string }, body: string) {
  const response = await fetch(location, {
    method: "POST",
    redirect: "manual",
    headers: { cookie, "content-type": "application/x-www-form-urlencoded" },
    body,
  });
  return { status: response.status, headers: response.headers, page: await response.text() };
}

test("a login redirects only to the client's registered URI", async () => {
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

test("a login without proof of the browser that started it is refused", async () => {
  const { location } = await begin({ code_challenge: undefined, code_challenge_method: undefined });
  expect(location).toMatch(/^http:\/\/localhost:8000\/?\?error=invalid_request/);
});

test("the login page shows the escaped name of the client, and its policy forbids scripts, other hosts and framing", async () => {
  const { location, cookie } = await begin();
  const shown = await fetch(location, { headers: { cookie } });
  expect(await shown.text()).toContain("<p>to &#60;kubernetes&#62;</p>");
  expect(shown.headers.get("content-security-policy")).toMatch(/default-src 'none'.*frame-ancestors 'none'/);
  expect(shown.headers.get("cache-control")).toBe("no-store");
  expect(renderLoginPage(`"><script>`, `<b>'&`)).not.toMatch(/<script>|<b>/);
});

test("a token that cannot be looked up causes another error than an invalid token, and the user can retry", async () => {
  const begun = await begin();
  world.wire.fault = () => "before";
  const late = await submit(begun, `token=${tenant.admin}`);
  expect([late.status, late.page.includes("is unreachable or overloaded")]).toEqual([503, true]);
  world.wire.fault = () => undefined;
  const wrong = await submit(begun, "token=nonsense");
  expect([wrong.status, wrong.page.includes("This token is not valid.")]).toEqual([401, true]);
  expect((await submit(begun, `token=${"a".repeat(5_000)}`)).status).toBe(413);
  expect((await submit(begun, `token=${tenant.admin}`)).status).toBe(303);
});

test("an unknown login is reported as expired, for any method", async () => {
  for (const method of ["GET", "POST", "PUT", "DELETE", "OPTIONS"]) {
    const { status } = await fetch(`${world.issuer.issuer}/login/none`, { method });
    expect([method, status]).toEqual([method, 400]);
  }
});

describe("the removal of all clients with a name", () => {
  const signal = () => AbortSignal.timeout(5_000);
  const isKnown = async (id: string) => (await begin({ client_id: id })).status === 303;
  const remove = (query: string, token: string, method = "DELETE") =>
    fetch(`${world.issuer.issuer}/clients${query}`, { method, headers: { authorization: `Bearer ${token}` } });

  test("it removes the clients with the name and the tokens of their registrations, except those to keep", async () => {
    const [one, two, three, other] = await Promise.all(
      ["same", "same", "same", "other"].map((name) => world.provider.register(name, signal())),
    );
    const idsOf = (...clients: (typeof one)[]) => clients.map((client) => client?.clientId ?? "");
    await world.removeOthers("same", idsOf(two), signal());
    const known = await Promise.all(idsOf(one, two, three, other).map(isKnown));
    expect(known).toEqual([false, true, false, true]);
    const { registrationUri = "", registrationAccessToken } = one ?? {};
    const managed = await fetch(registrationUri, { headers: { authorization: `Bearer ${registrationAccessToken}` } });
    expect(managed.status).toBe(401);
    await world.removeOthers("same", [], signal());
    await world.removeOthers("nobody", [], signal());
    expect(await Promise.all(idsOf(two, other).map(isKnown))).toEqual([false, true]);
  });

  test("it needs the initial access token, a name and the method DELETE", async () => {
    const { clientId: own } = await world.provider.register("mine", signal());
    const { initialAccessToken } = world.issuer;
    const statuses = [
      await remove("?name=mine", "wrong"),
      await remove("?name=mine", tenant.admin),
      await remove("?name=mine", ""),
      await remove("?name=mine", initialAccessToken, "GET"),
      await remove("?names=mine", initialAccessToken),
      await remove("", initialAccessToken),
    ].map(({ status }) => status);
    expect(statuses).toEqual([401, 401, 401, 405, 400, 404]);
    expect(await isKnown(own)).toBe(true);
    await expect(
      createLocalIdentityProvider(world.issuer.issuer, "wrong").removeOthers?.("mine", [], signal()),
    ).rejects.toThrow(`removing unrecorded clients from ${world.issuer.issuer}: it responded with 401`);
  });

  test("the file of the issuer does not contain a removed client after a restart", async () => {
    const place = { file: plainFile(), keyring: createLocalKeyring(createMemoryKeyStore()) };
    const store = await openIssuerStore(place);
    await store.adapter("Client").upsert("two", { client_id: "two", client_name: "gone" }, 0);
    await store.adapter("RegistrationAccessToken").upsert("token", { clientId: "two" }, 0);
    await store.removeClients("gone", []);
    const again = await openIssuerStore(place);
    expect(await again.adapter("Client").find("two")).toBeUndefined();
    expect(await again.adapter("RegistrationAccessToken").find("token")).toBeUndefined();
    expect(await again.adapter("Client").find("one")).toBeDefined();
  });
});

test("the issuer has one name, whatever the host header, and answers only under its path", async () => {
  const { port } = new URL(world.issuer.issuer);
  const discovery = await new Promise<Json>((done, fail) => {
    const path = "/oidc/.well-known/openid-configuration";
    request({ port, path, headers: { host: "elsewhere.example" } }, async (response) =>
      done(JSON.parse(await text(response))),
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

test("a client registration without the initial token is refused", async () => {
  const { status } = await fetch(`${world.issuer.issuer}/reg`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ redirect_uris: ["http://localhost:8000"], application_type: "native" }),
  });
  expect(status).toBe(401);
});

test("the file of keys and clients is accessible only for its user, and a damaged file is refused and not overwritten", async () => {
  const directory = temporary();
  mkdirSync(directory);
  const file = join(directory, "issuer.json");
  const place = { file, keyring: createLocalKeyring(createMemoryKeyStore()) };
  const first = await openIssuerStore(place);
  await first.adapter("Client").upsert("one", { client_id: "one" }, 0);
  await first.adapter("Session").upsert("two", { uid: "two" }, 60);
  const second = await openIssuerStore(place);
  expect(second.keys).toEqual(first.keys);
  expect(await second.adapter("Client").find("one")).toEqual({ client_id: "one" });
  expect(await second.adapter("Session").find("two")).toBeUndefined();
  await second.adapter("Client").destroy("one");
  expect(await (await openIssuerStore(place)).adapter("Client").find("one")).toBeUndefined();
  expect(statSync(file).mode & 0o777).toBe(0o600);

  const cut = readFileSync(file, "utf8").slice(0, -100);
  writeFileSync(file, cut);
  await expect(openIssuerStore(place)).rejects.toThrow(/is damaged: its content is not JSON\. Restore the file/);
  expect(readFileSync(file, "utf8")).toBe(cut);
  expect(existsSync(`${file}.next`)).toBe(false);
});

/** Location of a new file, with a keyring that counts the writes and can fail. */
function countedPlace() {
  const directory = temporary();
  mkdirSync(directory);
  const local = createLocalKeyring(createMemoryKeyStore());
  const state = { writes: 0, isFailing: false };
  const keyring: Keyring = {
    ...local,
    async generate(context) {
      state.writes++;
      if (state.isFailing) throw new Error("the keyring fails");
      return await local.generate(context);
    },
  };
  return { place: { file: join(directory, "issuer.json"), keyring }, state };
}

test("clients that are registered at the same time share writes, and each is in the file when its registration returns", async () => {
  const { place, state } = countedPlace();
  const clients = (await openIssuerStore(place)).adapter("Client");
  state.writes = 0;
  const register = async (id: string) => {
    await clients.upsert(id, { client_id: id }, 0);
    expect(await (await openIssuerStore(place)).adapter("Client").find(id)).toEqual({ client_id: id });
  };
  const first = Array.from({ length: 20 }, (_, at) => register(`client-${at}`));
  await new Promise(setImmediate);
  // During the write of the first ones.
  const second = Array.from({ length: 20 }, (_, at) => register(`late-${at}`));
  await Promise.all([...first, ...second]);
  expect(state.writes).toBe(2);
  await clients.destroy("client-3");
  const after = (await openIssuerStore(place)).adapter("Client");
  expect([await after.find("client-3"), await after.find("client-4")]).toEqual([undefined, { client_id: "client-4" }]);
});

test("a failed write fails the registrations that share it, and the next write succeeds", async () => {
  const { place, state } = countedPlace();
  const clients = (await openIssuerStore(place)).adapter("Client");
  state.isFailing = true;
  const failed = ["one", "two"].map((id) => clients.upsert(id, { client_id: id }, 0));
  expect((await Promise.allSettled(failed)).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  state.isFailing = false;
  await clients.upsert("three", { client_id: "three" }, 0);
  expect(await (await openIssuerStore(place)).adapter("Client").find("three")).toEqual({ client_id: "three" });
});

test("processes that write the file at the same time leave the complete content of one of them", async () => {
  const { place } = countedPlace();
  const texts = ["a", "b", "c"].map((letter) => letter.repeat(200_000));
  for (let round = 0; round < 10; round++) {
    await Promise.all(texts.map((text) => openIssuerFile(place).write(() => text)));
    expect(texts).toContain((await openIssuerFile(place).read())?.text);
  }
  expect(readdirSync(dirname(place.file)).toSorted()).toEqual(["issuer.json", "issuer.json.lock"]);
});

/** Plain-text content of the file of an issuer of an earlier release. */
const PLAIN = {
  keys: [{ kty: "RSA", d: "the-private-exponent", use: "sig" }],
  cookieKeys: ["the-cookie-key"],
  initialAccessToken: "the-initial-access-token",
  entries: { "Client:one": { payload: { client_id: "one", client_secret: "the-client-secret" } } },
};
const PLAIN_SECRETS = ["the-private-exponent", "the-cookie-key", "the-initial-access-token", "the-client-secret"];

function expectEncrypted(file: string): void {
  const content = readFileSync(file, "utf8");
  for (const secret of PLAIN_SECRETS) expect(content).not.toContain(secret);
  expect(Object.keys(JSON.parse(content)).toSorted()).toEqual(["dataKey", "sealed"]);
  expect(statSync(file).mode & 0o777).toBe(0o600);
}

function plainFile(): string {
  const directory = temporary();
  mkdirSync(directory);
  const file = join(directory, "issuer.json");
  writeFileSync(file, JSON.stringify(PLAIN));
  return file;
}

test("a plain-text file of an older release is read, and encrypted at the start", async () => {
  const place = { file: plainFile(), keyring: createLocalKeyring(createMemoryKeyStore()) };
  const store = await openIssuerStore(place);
  expectEncrypted(place.file);
  expect(store.initialAccessToken).toBe(PLAIN.initialAccessToken);
  expect(await store.adapter("Client").find("one")).toEqual(PLAIN.entries["Client:one"].payload);
  const again = await openIssuerStore(place);
  expect([again.keys, again.cookieKeys]).toEqual([PLAIN.keys, PLAIN.cookieKeys]);
});

test("a plain-text file is encrypted by a rotation, too", async () => {
  const place = { file: plainFile(), keyring: createLocalKeyring(createMemoryKeyStore()) };
  await openIssuerFile(place).rotate();
  expectEncrypted(place.file);
  expect((await openIssuerStore(place)).keys).toEqual(PLAIN.keys);
});

test("rotations concurrent with registrations lose no client, and leave everything under the current key", async () => {
  const place = { file: plainFile(), keyring: createLocalKeyring(createMemoryKeyStore()) };
  const clients = (await openIssuerStore(place)).adapter("Client");
  const ids = Array.from({ length: 20 }, (_, at) => `client-${at}`);
  const registering = (async () => {
    for (const id of ids) await clients.upsert(id, { client_id: id }, 0);
  })();
  await place.keyring.renew();
  await Promise.all([registering, ...ids.map(() => openIssuerFile(place).rotate())]);
  await openIssuerFile(place).rotate();
  expect(await place.keyring.isCurrent((await openIssuerFile(place).wrappedBy()) ?? "")).toBe(true);
  const after = (await openIssuerStore(place)).adapter("Client");
  for (const id of ids) expect(await after.find(id)).toEqual({ client_id: id });
});

test("a rotation keeps a client that is registered after the rotation read the file", async () => {
  const place = { file: plainFile(), keyring: createLocalKeyring(createMemoryKeyStore()) };
  const clients = (await openIssuerStore(place)).adapter("Client");
  let draws = 0;
  const keyring: Keyring = {
    ...place.keyring,
    async generate(context) {
      if (draws++ === 0) await clients.upsert("late", { client_id: "late" }, 0);
      return await place.keyring.generate(context);
    },
  };
  await openIssuerFile({ ...place, keyring }).rotate();
  expect(draws).toBe(2);
  expect(await (await openIssuerStore(place)).adapter("Client").find("late")).toEqual({ client_id: "late" });
});

test("a file whose key is lost, or whose text was moved from another file, is refused and not changed", async () => {
  const place = { file: plainFile(), keyring: createLocalKeyring(createMemoryKeyStore()) };
  await openIssuerStore(place);
  const content = readFileSync(place.file, "utf8");
  const other = { ...place, keyring: createLocalKeyring(createMemoryKeyStore()) };
  await expect(openIssuerStore(other)).rejects.toThrow(
    /cannot be decrypted: the key .* is not in the keyring.*secrets discard/,
  );
  expect([await isIssuerLost(place), await isIssuerLost(other)]).toEqual([false, true]);
  await expect(openIssuerFile(other).rotate()).rejects.toThrow("cannot be decrypted");
  await expect(openEncryptedFile(place.file, place.keyring, "another purpose").read()).rejects.toThrow(
    "cannot be decrypted",
  );
  expect(readFileSync(place.file, "utf8")).toBe(content);
  for (const wrong of [content.slice(0, -20), ""]) {
    writeFileSync(place.file, wrong);
    await expect(openIssuerFile(place).rotate()).rejects.toThrow("is damaged");
    expect(readFileSync(place.file, "utf8")).toBe(wrong);
  }
});
