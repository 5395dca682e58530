import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { retryCluster } from "#core/admin/clusters.ts";
import { createIdentityProvider, type IdentityProvider } from "#core/cluster-access/identity-provider.ts";
import { pointerKey } from "#core/table/keys.ts";
import { type ConfiguredWorld, makeConfiguredWorld } from "#test/support/issuer.ts";
import type { Json, Tenant } from "#test/support/world.ts";

/** Issuer on loopback that registers a client for every request, with responses that each test sets. */
let respondWith: (response: ServerResponse, client: Json) => void;
let onRemoval: number;
/** Expiry of issued secrets, in seconds since the epoch. */
let expiry: () => number;
const alive = new Set<string>();
let registered = 0;
/** Identities of the clusters of the current test. */
const made: string[] = [];
let origin: string;

const server = createServer(async (request, response) => {
  const { method, url = "" } = request;
  await text(request);
  const send = (status: number, body: Json) =>
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  // Discovery never responds.
  if (url.startsWith("/slow")) return;
  if (method === "GET") return void send(200, { issuer: origin, registration_endpoint: `${origin}/register` });
  if (method === "DELETE") {
    if (onRemoval === 204) alive.delete(url.split("/").at(-1) ?? "");
    return void response.writeHead(onRemoval).end();
  }
  const id = `client-${++registered}`;
  alive.add(id);
  return respondWith(response, {
    client_id: id,
    client_secret: `secret-of-${id}`,
    client_secret_expires_at: expiry(),
    registration_client_uri: `${origin}/register/${id}`,
    registration_access_token: `token-of-${id}`,
  });
});

let world: ConfiguredWorld;
let tenant: Tenant;
let hostile: Pick<IdentityProvider, "register" | "remove">;

beforeAll(async () => {
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  world = await makeConfiguredWorld({ callMs: 1_500 });
  const { register, remove } = createIdentityProvider(origin, "initial");
  hostile = { register, remove };
});
beforeEach(async () => {
  Object.assign(world.provider, hostile);
  world.warnings.length = 0;
  alive.clear();
  registered = 0;
  onRemoval = 204;
  expiry = () => 0;
  respondWith = (response, client) => void response.writeHead(201).end(JSON.stringify(client));
  tenant = await world.tenant();
});
// A cluster of an earlier test would register clients, too.
afterEach(async () => {
  world.faults.next = undefined;
  for (const identity of made.splice(0)) await world.remove(pointerKey(identity));
});
afterAll(async () => {
  await world.stop();
  server.closeAllConnections();
  await new Promise((done) => server.close(done));
});

const HOUR_MS = 60 * 60_000;
/** Time in which a failing step is retried about ten times, in milliseconds. */
const QUARTER_MS = HOUR_MS / 4;
const now = () => world.services.clock().getTime();
const at = (...rest: string[]) => [tenant.path("production", "one"), ...rest].join("/");
const get = (path: string) => world.send("GET", path, { token: tenant.admin });
const reconciled = async (): Promise<Json> =>
  (await get(at())).body.conditions.find(({ type }: Json) => type === "Reconciled");
const patch = async (body: Json) => {
  const answer = await world.send("PATCH", at(), { token: tenant.admin, body });
  expect(answer.status, answer.text).toBe(200);
};

/** Reads the cluster "one". @returns its identity */
async function ask(): Promise<string> {
  const answer = await world.send("POST", tenant.path("production"), { token: tenant.admin, body: tenant.creation() });
  expect(answer.status, answer.text).toBe(200);
  made.push(answer.body.identity);
  return answer.body.identity;
}

/** Creates the cluster "one", and reconciles all that is due within minutes. @returns its identity */
async function create(): Promise<string> {
  const identity = await ask();
  await world.settle(6 * 60_000);
  return identity;
}

/** Sets the lifetime of secrets, in milliseconds. */
const expireAfter = (ms: number) => {
  expiry = () => Math.floor((now() + ms) / 1_000);
};

describe("a client secret that expires", () => {
  test("a client secret is renewed when a third of its lifetime is left, and the previous client is removed", async () => {
    expireAfter(6 * HOUR_MS);
    await create();
    expect((await get(at("oidc-config"))).body.clientId).toBe("client-1");
    await world.settle(3 * HOUR_MS);
    expect(registered).toBe(1);
    await world.settle(2 * HOUR_MS);
    expect((await get(at("oidc-config"))).body).toMatchObject({
      clientId: "client-2",
      clientSecret: "secret-of-client-2",
    });
    expect((await get(at("kubeconfig"))).status).toBe(200);
    expect([[...alive], world.warnings]).toEqual([["client-2"], []]);
    expect(await reconciled()).toMatchObject({ status: "True" });
  });

  test("a client secret is renewed while the cluster is stopped, and while the provisioner cannot observe it", async () => {
    expireAfter(6 * HOUR_MS);
    await create();
    await patch({ status: "stopping" });
    await world.settle(5 * HOUR_MS);
    expect((await get(at())).body.status).toBe("stopped");
    expect((await get(at("oidc-config"))).body.clientId).toBe("client-2");
    world.faults.next = () => ({ kind: "fails", message: "no" });
    await world.settle(5 * HOUR_MS);
    world.faults.next = undefined;
    expect((await get(at("oidc-config"))).body.clientId).toBe("client-3");
  });

  test("an expired client secret is not returned, and a condition shows the failed renewal", async () => {
    expireAfter(6 * HOUR_MS);
    const identity = await create();
    respondWith = (response, client) => {
      alive.delete(client.client_id);
      response.writeHead(401).end();
    };
    await world.settle(5 * HOUR_MS);
    expect((await get(at("oidc-config"))).body.clientId).toBe("client-1");
    expect(await reconciled()).toMatchObject({ status: "False", reason: "PreparationFailed" });
    await world.settle(2 * HOUR_MS);
    for (const path of ["oidc-config", "kubeconfig"]) {
      const late = await get(at(path));
      expect([path, late.status, late.headers.get("retry-after")]).toEqual([path, 409, "5"]);
      expect(late.body.message).toContain("expired at");
      expect(late.text).not.toContain("secret-of-client-1");
    }
    const condition = await reconciled();
    expect(condition).toMatchObject({ status: "False", reason: "OidcClientSecretExpired" });
    expect(condition.message).toContain("401");
    respondWith = (response, client) => void response.writeHead(201).end(JSON.stringify(client));
    await retryCluster(world.services, { identity });
    await world.settle(6 * 60_000);
    expect((await get(at("oidc-config"))).status).toBe(200);
    expect([alive.size, (await reconciled()).status]).toEqual([1, "True"]);
  });

  test("a client secret is not returned from the moment of its expiry, before the next reconcile", async () => {
    expireAfter(6 * HOUR_MS);
    await create();
    world.advanceClock(6 * HOUR_MS);
    expect((await get(at("oidc-config"))).status).toBe(409);
    await world.settle(60_000);
    expect((await get(at("oidc-config"))).body.clientId).toBe("client-2");
  });

  test("a client secret that is already expired when received is never used, and its client is removed", async () => {
    expireAfter(-HOUR_MS);
    await create();
    expect((await get(at("oidc-config"))).status).toBe(409);
    expect((await reconciled()).message).toContain("too early to be used");
    expect(alive.size).toBe(0);
    onRemoval = 401;
    await world.settle(HOUR_MS);
    expect([alive.size, (await reconciled()).reason]).toEqual([1, "OidcRegistrationInDoubt"]);
  });

  test("a previous client that cannot be removed at once does not delay the use of the new one", async () => {
    expireAfter(6 * HOUR_MS);
    await create();
    onRemoval = 500;
    await world.settle(5 * HOUR_MS);
    expect((await get(at("oidc-config"))).body.clientId).toBe("client-2");
    expect((await reconciled()).message).toContain("removing the replaced OIDC client");
    onRemoval = 204;
    await world.settle(10 * 60_000);
    expect([[...alive], (await reconciled()).status]).toEqual([["client-2"], "True"]);
    onRemoval = 403;
    await world.settle(5 * HOUR_MS);
    expect([...alive]).toContain("client-2");
    expect(world.warnings).toEqual([expect.stringContaining("client-2")]);
    expect((await reconciled()).status).toBe("True");
  });
});

describe("an unconfirmed registration of a client", () => {
  const responses: [string, typeof respondWith][] = [
    ["nothing before the timeout", () => {}],
    ["an error", (response) => void response.writeHead(500).end()],
    ["a gateway timeout", (response) => void response.writeHead(504).end()],
    ["an overload", (response) => void response.writeHead(503).end()],
    ["an overload with Retry-After", (response) => void response.writeHead(503, { "retry-after": "1" }).end()],
    ["400 without an error code", (response) => void response.writeHead(400).end()],
    ["a conflict", (response) => void response.writeHead(409).end("{}")],
    ["a closed connection", (response) => void response.destroy()],
    ["a redirect", (response) => void response.writeHead(303, { location: "/elsewhere" }).end()],
    ["an empty response", (response) => void response.writeHead(201).end()],
    ["an HTML page", (response) => void response.writeHead(201, { "content-type": "text/html" }).end("<html>")],
    ["half a client", (response, client) => void response.writeHead(201).end(JSON.stringify(client).slice(0, 40))],
    ["an acceptance without a client", (response) => void response.writeHead(202).end("{}")],
    [
      "a client without a secret",
      (response, { client_id }) => void response.writeHead(201).end(JSON.stringify({ client_id })),
    ],
  ];
  test.each(responses)(
    "one client at most is left when the issuer responses with %s, until an operator retries",
    async (_, answer) => {
      respondWith = answer;
      const identity = await create();
      await world.settle(QUARTER_MS);
      expect(registered).toBe(1);
      expect((await get(at("oidc-config"))).status).toBe(409);
      const condition = await reconciled();
      expect(condition).toMatchObject({ status: "False", reason: "OidcRegistrationInDoubt" });
      expect(condition.message).toContain(`"kubernetes ${identity}"`);
      expect(condition.message).toContain("cluster retry");
      await retryCluster(world.services, { identity });
      await world.settle(QUARTER_MS);
      expect(registered).toBe(2);
      respondWith = (response, client) => void response.writeHead(200).end(JSON.stringify(client));
      await retryCluster(world.services, { identity });
      await world.settle(6 * 60_000);
      expect((await get(at("oidc-config"))).body.clientId).toBe("client-3");
      expect(await reconciled()).toMatchObject({ status: "True" });
    },
  );

  test("a timeout of discovery is not an unconfirmed registration", async () => {
    world.provider.register = createIdentityProvider(`${origin}/slow`).register;
    await world.reconcileOnce(await ask());
    Object.assign(world.provider, hostile);
    await world.settle(10 * 60_000);
    expect((await get(at("oidc-config"))).body.clientId).toBe("client-1");
  });

  test("an unconfirmed registration at a renewal leaves the previous secret in use until it expires", async () => {
    expireAfter(6 * HOUR_MS);
    await create();
    respondWith = (response) => void response.destroy();
    await world.settle(5 * HOUR_MS);
    expect((await get(at("oidc-config"))).body.clientId).toBe("client-1");
    expect(await reconciled()).toMatchObject({ reason: "OidcRegistrationInDoubt" });
    await world.settle(2 * HOUR_MS);
    expect((await get(at("oidc-config"))).status).toBe(409);
    const condition = await reconciled();
    expect([condition.reason, condition.message.includes("expired at")]).toEqual(["OidcRegistrationInDoubt", true]);
    expect(registered).toBe(2);
    await patch({ status: "deleting" });
    await world.settle(6 * 60_000);
    expect((await get(at())).status).toBe(404);
    expect([[...alive], world.warnings.length]).toEqual([["client-2"], 1]);
  });
});

test("Retry-After of a refusal delays the next registration", async () => {
  respondWith = (response, client) => {
    alive.delete(client.client_id);
    response.writeHead(429, { "retry-after": "1800" }).end();
  };
  await create();
  expect(registered).toBe(1);
  await world.settle(20 * 60_000);
  expect(registered).toBe(1);
  await world.settle(40 * 60_000);
  expect(registered).toBe(2);
});
