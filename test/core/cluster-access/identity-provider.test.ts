import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { createIdentityProvider, NotRegisteredError } from "#core/cluster-access/identity-provider.ts";
import { errorFields } from "#functions/runtime/log.ts";

type TestResponse = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

/** Issuer whose responses each test sets, by method and path. */
let routes: Record<string, TestResponse>;
let requests: { method: string; path: string; authorization: string | undefined; body: string }[];
let origin: string;

const server = createServer(async (request, response) => {
  const { method = "", url: path = "", headers } = request;
  requests.push({ method, path, authorization: headers.authorization, body: await text(request) });
  const answer = routes[`${method} ${path}`];
  if (answer === undefined) response.writeHead(404).end();
  else await answer(request, response);
});

const json =
  (status: number, body: unknown, headers = {}): TestResponse =>
  (_, response) =>
    void response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));

const DISCOVERY = "GET /realm/.well-known/openid-configuration";
const metadata = (more = {}) => ({ issuer: `${origin}/realm`, registration_endpoint: `${origin}/register`, ...more });
const client = (more = {}) => ({
  client_id: "an-id",
  client_secret: "a-secret",
  client_secret_expires_at: 0,
  registration_client_uri: `${origin}/register/an-id`,
  registration_access_token: "a-registration-token",
  ...more,
});

beforeAll(async () => {
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
beforeEach(() => {
  requests = [];
  routes = { [DISCOVERY]: json(200, metadata()), "POST /register": json(201, client()) };
});
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((done) => server.close(done));
});

const provider = () => createIdentityProvider(`${origin}/realm`, "the-initial-token");
const register = (from = provider()) => from.register("a name", AbortSignal.timeout(5_000));
const remove = (registrationUri: string) =>
  provider().remove({ registrationUri, registrationAccessToken: "a-registration-token" }, AbortSignal.timeout(5_000));
const refusal = async (from = provider()): Promise<Error> => {
  const error = await register(from).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(Error);
  return error as Error;
};

test("a client is registered with the initial token as a native application", async () => {
  expect(await register()).toEqual({
    clientId: "an-id",
    clientSecret: "a-secret",
    registrationUri: `${origin}/register/an-id`,
    registrationAccessToken: "a-registration-token",
  });
  const [, { authorization, body } = { authorization: "", body: "" }] = requests;
  expect(authorization).toBe("Bearer the-initial-token");
  expect(JSON.parse(body)).toMatchObject({
    client_name: "a name",
    application_type: "native",
    redirect_uris: expect.arrayContaining(["http://localhost:8000", "http://localhost:18000"]),
  });
});

test.each([
  ["nothing", undefined],
  ["half of it", { registration_access_token: undefined }],
  ["a text that is not a URL", { registration_client_uri: "/register/an-id" }],
  ["an address without TLS", { registration_client_uri: "http://issuer.example/register/an-id" }],
])("a client for which the issuer returns %s as its management data cannot be managed", async (_, more) => {
  const none = { registration_client_uri: undefined, registration_access_token: undefined };
  routes["POST /register"] = json(201, client(more ?? none));
  expect(await register()).toEqual({ clientId: "an-id", clientSecret: "a-secret" });
});

test.each<[string, TestResponse, RegExp]>([
  ["refuses the token", json(401, {}, { "www-authenticate": "Bearer" }), /may have expired: it responded with 401$/],
  [
    "refuses the request",
    json(400, { error: "invalid_client_metadata" }),
    /it responded with 400 invalid_client_metadata$/,
  ],
  ["refuses without a body", (_, response) => void response.writeHead(403).end("secret"), /it responded with 403$/],
])("no client is created by an issuer that %s", async (_, answer, words) => {
  routes["POST /register"] = answer;
  const error = await refusal();
  expect(error).toBeInstanceOf(NotRegisteredError);
  expect(error.message).toMatch(words);
});

test.each<[string, TestResponse, RegExp]>([
  ["does not exist", (_, response) => void response.writeHead(502).end(), /it responded with 502$/],
  [
    "redirects",
    (_, response) => void response.writeHead(302, { location: "https://elsewhere" }).end(),
    /it responded with 302$/,
  ],
  ["sends an invalid body", (_, response) => void response.writeHead(200).end("<html>"), /content-type/],
  [
    "has no registration endpoint",
    (request, response) => json(200, metadata({ registration_endpoint: undefined }))(request, response),
    /it does not support client registration/,
  ],
  [
    "has another name",
    (request, response) => json(200, metadata({ issuer: "https://another.example" }))(request, response),
    /it identifies itself as https:\/\/another\.example/,
  ],
  [
    "has an additional slash in its name",
    (request, response) => json(200, metadata({ issuer: `${origin}/realm/` }))(request, response),
    /it identifies itself as .*\/realm\//,
  ],
])("no registration is sent to an issuer that %s", async (_, answer, words) => {
  routes[DISCOVERY] = answer;
  const error = await refusal();
  expect(error).toBeInstanceOf(NotRegisteredError);
  expect(error.message).toMatch(words);
  expect(requests.map(({ method }) => method)).toEqual(["GET"]);
});

test("the issuer's name is compared exactly, also when a URL parser sees no difference", async () => {
  routes = { "GET /.well-known/openid-configuration": json(200, metadata({ issuer: `${origin}/` })) };
  expect((await refusal(createIdentityProvider(origin))).message).toContain(`it identifies itself as ${origin}/`);
});

test.each<[string, TestResponse]>([
  ["fails with 500", json(500, { error: "server_error" })],
  ["closes the connection", (request) => void request.socket.destroy()],
  ["redirects", (_, response) => void response.writeHead(307, { location: "https://elsewhere" }).end()],
  [
    "sends an invalid body",
    (_, response) => void response.writeHead(201, { "content-type": "application/json" }).end("{secret"),
  ],
  ["omits the secret", json(201, client({ client_secret: undefined }))],
  ["sends an invalid secret", json(201, client({ client_secret: 424_242 }))],
])("the registration is unconfirmed when an issuer %s", async (_, answer) => {
  routes["POST /register"] = answer;
  const error = await refusal();
  expect(error).not.toBeInstanceOf(NotRegisteredError);
  expect(error.message).toContain(`registering a client with ${origin}/realm: `);
  // As it would be logged, with what caused it. The issuer's address holds a random port, which may contain digits of the secret.
  const logged = JSON.stringify(errorFields(error)).replaceAll(origin, "http://issuer");
  expect(logged).not.toMatch(/secret["\s]*[:{]|424|a-registration-token|the-initial-token/);
});

test("a response of the issuer after the timeout is not awaited", async () => {
  routes["POST /register"] = () => {};
  const error = await provider()
    .register("a name", AbortSignal.timeout(50))
    .catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ message: expect.stringContaining("registering a client with") });
  expect(error).not.toBeInstanceOf(NotRegisteredError);
});

test("the registration endpoint is discovered before each registration", async () => {
  const one = provider();
  await register(one);
  routes[DISCOVERY] = json(200, metadata({ registration_endpoint: `${origin}/moved` }));
  routes["POST /moved"] = json(201, client({ client_id: "another-id" }));
  expect(await register(one)).toMatchObject({ clientId: "another-id" });
});

test("an issuer that answers discovery with 503 is not sent a registration, and its Retry-After is kept to", async () => {
  const one = provider();
  await register(one);
  routes[DISCOVERY] = json(503, {}, { "retry-after": "30" });
  const error = await refusal(one);
  expect([error instanceof NotRegisteredError, (error as NotRegisteredError).retryAfterMs]).toEqual([true, 30_000]);
  expect(requests.filter(({ method }) => method === "POST")).toHaveLength(1);
});

test.each([
  ["done", 204, true],
  ["already deleted", 401, true],
  ["already deleted, in other words", 404, true],
  ["not implemented by the issuer", 405, false],
])("a removal with the result (%s) is recognised from the status %i", async (_, status, isGone) => {
  routes["DELETE /register/an-id"] = (_, response) => void response.writeHead(status).end();
  expect(await remove(`${origin}/register/an-id`)).toBe(isGone);
  expect(requests).toMatchObject([{ method: "DELETE", authorization: "Bearer a-registration-token" }]);
});

test.each<[string, TestResponse, RegExp]>([
  ["fails with 500", json(500, { error: "a-secret" }), /it responded with 500$/],
  ["redirects", (_, response) => void response.writeHead(307, { location: "/stolen" }).end(), /removing a client from/],
])("a removal fails when an issuer %s, and the token is not sent anywhere else", async (_, answer, words) => {
  routes["DELETE /register/an-id"] = answer;
  await expect(remove(`${origin}/register/an-id`)).rejects.toThrow(words);
  expect(requests).toHaveLength(1);
});

test.each([200, 201, 202])("a complete client is accepted from an issuer that responds %i", async (status) => {
  routes["POST /register"] = (_, response) =>
    void response.writeHead(status, { "content-type": "text/plain" }).end(JSON.stringify(client()));
  expect(await register()).toMatchObject({ clientId: "an-id", clientSecret: "a-secret" });
});

test.each<[unknown, string | undefined]>([
  [undefined, undefined],
  [null, undefined],
  [0, undefined],
  [1_800_000_000, "2027-01-15T08:00:00.000Z"],
  ["1800000000", "2027-01-15T08:00:00.000Z"],
])("client_secret_expires_at %j is read as %s", async (client_secret_expires_at, expiresAt) => {
  routes["POST /register"] = json(201, client({ client_secret_expires_at }));
  expect((await register()).expiresAt).toBe(expiresAt);
});

test.each([
  ["client_id", undefined],
  ["client_secret", undefined],
  ["client_secret", ""],
  ["client_secret_expires_at", 1_800_000_000_000],
  ["client_secret_expires_at", -1],
  ["client_secret_expires_at", "soon"],
  ["redirect_uris", ["https://elsewhere.example"]],
  ["redirect_uris", []],
  ["grant_types", ["client_credentials"]],
  ["response_types", ["token"]],
  ["token_endpoint_auth_method", "none"],
  ["token_endpoint_auth_method", "private_key_jwt"],
])("a client with %s %j is removed again, or reported as unconfirmed", async (name, value) => {
  routes["POST /register"] = json(201, client({ [name]: value }));
  const kept = await refusal();
  expect(kept).not.toBeInstanceOf(NotRegisteredError);
  expect(kept.message).toContain(name);
  routes["DELETE /register/an-id"] = (_, response) => void response.writeHead(401).end();
  expect(await refusal()).not.toBeInstanceOf(NotRegisteredError);
  routes["DELETE /register/an-id"] = (_, response) => void response.writeHead(204).end();
  const removed = await refusal();
  expect(removed).toBeInstanceOf(NotRegisteredError);
  expect(removed.message).toContain("the new client was removed");
});

test("an unusable response is refused with every problem in it", async () => {
  routes["POST /register"] = json(201, client({ client_secret: undefined, grant_types: [], response_types: [] }));
  expect((await refusal()).message).toMatch(/client_secret .*grant_types .*response_types /);
});

test.each([
  { token_endpoint_auth_method: "client_secret_post" },
  { redirect_uris: ["http://localhost:8000/"] },
  { grant_types: ["authorization_code"] },
  { registration_client_uri: 7 },
])("a client that the issuer changed to %j is used", async (more) => {
  routes["POST /register"] = json(201, client(more));
  expect(await register()).toMatchObject({ clientSecret: "a-secret" });
});

const endless =
  (status: number): TestResponse =>
  (_, response) => {
    response.writeHead(status, { "content-type": "application/json" });
    const more = () => {
      while (!response.destroyed && response.write(" ".repeat(65_536)));
    };
    response.on("drain", more);
    more();
  };

test("an endless response is not read to its end", async () => {
  routes["POST /register"] = endless(201);
  const registration = await refusal();
  expect(registration.message).toContain("longer than 65536 bytes");
  expect(registration).not.toBeInstanceOf(NotRegisteredError);
  routes[DISCOVERY] = endless(200);
  const discovery = await refusal();
  expect(discovery.message).toContain("longer than 262144 bytes");
  expect(discovery).toBeInstanceOf(NotRegisteredError);
});

test.each([301, 302, 303, 307, 308])("a redirect with %i is not followed", async (status) => {
  const elsewhere: TestResponse = (_, response) =>
    void response.writeHead(status, { location: `${origin.replace("127.0.0.1", "localhost")}/stolen` }).end();
  routes["POST /register"] = elsewhere;
  expect((await refusal()).message).toMatch(new RegExp(`redirects are not followed.* ${status}$`));
  routes["DELETE /register/an-id"] = elsewhere;
  await expect(remove(`${origin}/register/an-id`)).rejects.toThrow(`it responded with ${status}`);
  routes[DISCOVERY] = elsewhere;
  expect(await refusal()).toBeInstanceOf(NotRegisteredError);
  expect(requests.map(({ path }) => path)).not.toContain("/stolen");
});

test.each<[number, Record<string, string>, boolean, number | undefined]>([
  [429, { "retry-after": "30" }, true, 30_000],
  [429, { "retry-after": "999999" }, true, 3_600_000],
  [503, { "retry-after": "30" }, false, undefined],
  [503, {}, false, undefined],
  [400, {}, false, undefined],
  [402, {}, false, undefined],
  [409, {}, false, undefined],
  [422, { "retry-after": "30" }, false, undefined],
  [425, {}, false, undefined],
  [401, {}, true, undefined],
  [404, {}, true, undefined],
  [405, {}, true, undefined],
  [413, {}, true, undefined],
  [415, {}, true, undefined],
  [503, { "retry-after": "soon" }, false, undefined],
  [408, {}, false, undefined],
  [499, {}, false, undefined],
  [502, { "retry-after": "30" }, false, undefined],
  [403, {}, true, undefined],
])("a %i with %j is a refusal: %s", async (status, headers, isRefusal, retryAfterMs) => {
  routes["POST /register"] = json(status, {}, headers);
  const error = await refusal();
  expect([error instanceof NotRegisteredError, (error as NotRegisteredError).retryAfterMs]).toEqual([
    isRefusal,
    retryAfterMs,
  ]);
});

test("an invalid error code is not repeated in messages", async () => {
  routes["POST /register"] = json(400, { error: "the-initial-token" });
  expect((await refusal()).message).toMatch(/it responded with 400$/);
});

test.each(["http://issuer.example/register", "https://user:password@issuer.example/register", "/register", "register"])(
  "no registration is sent to %s",
  async (registration_endpoint) => {
    routes[DISCOVERY] = json(200, metadata({ registration_endpoint }));
    expect(await refusal()).toBeInstanceOf(NotRegisteredError);
    expect(requests).toHaveLength(1);
  },
);

test("no client was created when nothing listens at the registration endpoint", async () => {
  const closed = createServer();
  await new Promise<void>((done) => closed.listen(0, "127.0.0.1", done));
  const { port } = closed.address() as AddressInfo;
  await new Promise((done) => closed.close(done));
  const elsewhere = `http://127.0.0.1:${port}`;
  const one = provider();
  await register(one);
  routes[DISCOVERY] = json(200, metadata({ registration_endpoint: `https://127.0.0.1:${port}/register` }));
  const error = await refusal();
  expect([error instanceof NotRegisteredError, error.message.includes("ECONNREFUSED")]).toEqual([true, true]);
  expect(await refusal(createIdentityProvider(elsewhere))).toBeInstanceOf(NotRegisteredError);
});

test.each([403, 501])("a removal with the response %i is reported as unsupported by the issuer", async (status) => {
  routes["DELETE /register/an-id"] = (_, response) => void response.writeHead(status).end();
  expect(await remove(`${origin}/register/an-id`)).toBe(false);
});
