import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { identityProvider, NotRegistered } from "#core/configuration/identity-provider.ts";
import { errorFields } from "#functions/log.ts";

type Answer = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

/** An issuer that answers what a test wants, by method and path. */
let routes: Record<string, Answer>;
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
  (status: number, body: unknown, headers = {}): Answer =>
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

const provider = () => identityProvider(`${origin}/realm`, "the-initial-token");
const register = (from = provider()) => from.register("a name", AbortSignal.timeout(5_000));
const remove = (registrationUri: string) =>
  provider().remove({ registrationUri, registrationAccessToken: "a-registration-token" }, AbortSignal.timeout(5_000));
const refusal = async (from = provider()): Promise<Error> => {
  const error = await register(from).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(Error);
  return error as Error;
};

test("a client is registered with the initial token, for a program on a person's own machine", async () => {
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
  ["what is no URL", { registration_client_uri: "/register/an-id" }],
  ["an address without TLS", { registration_client_uri: "http://issuer.example/register/an-id" }],
])("a client of whose management the issuer tells %s is one that cannot be managed", async (_, more) => {
  const none = { registration_client_uri: undefined, registration_access_token: undefined };
  routes["POST /register"] = json(201, client(more ?? none));
  expect(await register()).toEqual({ clientId: "an-id", clientSecret: "a-secret" });
});

test.each<[string, Answer, RegExp]>([
  ["refuses the token", json(401, {}, { "www-authenticate": "Bearer" }), /it answered 401$/],
  [
    "refuses what was asked",
    json(400, { error: "invalid_client_metadata" }),
    /it answered 400 invalid_client_metadata$/,
  ],
  ["refuses without a word", (_, response) => void response.writeHead(403).end("secret"), /it answered 403$/],
])("an issuer that %s made no client", async (_, answer, words) => {
  routes["POST /register"] = answer;
  const error = await refusal();
  expect(error).toBeInstanceOf(NotRegistered);
  expect(error.message).toMatch(words);
});

test.each<[string, Answer, RegExp]>([
  ["is not there", (_, response) => void response.writeHead(502).end(), /it answered 502$/],
  [
    "sends elsewhere",
    (_, response) => void response.writeHead(302, { location: "https://elsewhere" }).end(),
    /it answered 302$/,
  ],
  ["sends garbage", (_, response) => void response.writeHead(200).end("<html>"), /content-type/],
  [
    "registers nobody",
    (request, response) => json(200, metadata({ registration_endpoint: undefined }))(request, response),
    /it registers no clients/,
  ],
  [
    "has another name",
    (request, response) => json(200, metadata({ issuer: "https://another.example" }))(request, response),
    /it calls itself https:\/\/another\.example/,
  ],
  [
    "has a slash more in its name",
    (request, response) => json(200, metadata({ issuer: `${origin}/realm/` }))(request, response),
    /it calls itself .*\/realm\//,
  ],
])("no client is asked for where an issuer %s", async (_, answer, words) => {
  routes[DISCOVERY] = answer;
  const error = await refusal();
  expect(error).toBeInstanceOf(NotRegistered);
  expect(error.message).toMatch(words);
  expect(requests.map(({ method }) => method)).toEqual(["GET"]);
});

test("the name of an issuer is held to the letter, also where only a URL's parser would not tell", async () => {
  routes = { "GET /.well-known/openid-configuration": json(200, metadata({ issuer: `${origin}/` })) };
  expect((await refusal(identityProvider(origin))).message).toContain(`it calls itself ${origin}/`);
});

test.each<[string, Answer]>([
  ["breaks down", json(500, { error: "server_error" })],
  ["hangs up", (request) => void request.socket.destroy()],
  ["sends elsewhere", (_, response) => void response.writeHead(307, { location: "https://elsewhere" }).end()],
  [
    "sends garbage",
    (_, response) => void response.writeHead(201, { "content-type": "application/json" }).end("{secret"),
  ],
  ["leaves the secret out", json(201, client({ client_secret: undefined }))],
  ["sends a secret that is none", json(201, client({ client_secret: 424_242 }))],
])("nobody knows whether there is a client where an issuer %s", async (_, answer) => {
  routes["POST /register"] = answer;
  const error = await refusal();
  expect(error).not.toBeInstanceOf(NotRegistered);
  expect(error.message).toContain(`registering a client with ${origin}/realm: `);
  // As it would be logged, with what caused it.
  expect(JSON.stringify(errorFields(error))).not.toMatch(/secret["\s]*[:{]|424|a-registration-token|the-initial-token/);
});

test("an issuer that answers too late is not waited for", async () => {
  routes["POST /register"] = () => {};
  const error = await provider()
    .register("a name", AbortSignal.timeout(50))
    .catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ message: expect.stringContaining("registering a client with") });
  expect(error).not.toBeInstanceOf(NotRegistered);
});

test("where an issuer registers clients is asked once, and again once that fails", async () => {
  const one = provider();
  await register(one);
  await register(one);
  const asked = () => requests.filter(({ path }) => path.startsWith("/realm")).length;
  expect(asked()).toBe(1);
  // It moves.
  routes[DISCOVERY] = json(200, metadata({ registration_endpoint: `${origin}/moved` }));
  routes["POST /moved"] = routes["POST /register"] ?? json(500, {});
  delete routes["POST /register"];
  expect((await refusal(one)).message).toContain("404");
  expect(await register(one)).toMatchObject({ clientId: "an-id" });
  expect(asked()).toBe(2);
});

test.each([
  ["done", 204, true],
  ["gone already", 401, true],
  ["gone already, in another word", 404, true],
  ["not what the issuer does", 405, false],
])("a removal that is %s is a %i", async (_, status, isGone) => {
  routes["DELETE /register/an-id"] = (_, response) => void response.writeHead(status).end();
  expect(await remove(`${origin}/register/an-id`)).toBe(isGone);
  expect(requests).toMatchObject([{ method: "DELETE", authorization: "Bearer a-registration-token" }]);
});

test.each<[string, Answer, RegExp]>([
  ["breaks down", json(500, { error: "a-secret" }), /it answered 500$/],
  [
    "sends elsewhere",
    (_, response) => void response.writeHead(307, { location: "/stolen" }).end(),
    /removing a client from/,
  ],
])("a removal is not done where an issuer %s, and the token goes nowhere else", async (_, answer, words) => {
  routes["DELETE /register/an-id"] = answer;
  await expect(remove(`${origin}/register/an-id`)).rejects.toThrow(words);
  expect(requests).toHaveLength(1);
});
