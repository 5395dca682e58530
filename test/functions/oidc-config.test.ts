import { X509Certificate } from "node:crypto";
import * as oidc from "openid-client";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";

import { parse } from "yaml";
import { findOrphanedResources, forgetCluster, retryCluster } from "#core/admin/clusters.ts";
import { NotRegisteredError } from "#core/cluster-access/identity-provider.ts";

import { roundTripsOf } from "#test/support/faults.ts";
import { eventsOf, expectInvariants } from "#test/support/invariants.ts";
import { type ConfiguredWorld, makeConfiguredWorld } from "#test/support/issuer.ts";
import type { Json, Tenant } from "#test/support/world.ts";

let world: ConfiguredWorld;
let tenant: Tenant;
let real: ConfiguredWorld["provider"];

beforeAll(async () => {
  world = await makeConfiguredWorld();
  real = { ...world.provider };
});
beforeEach(async () => {
  Object.assign(world.provider, real);
  world.warnings.length = 0;
  tenant = await world.tenant();
});
afterAll(() => world.stop());

const at = (...rest: string[]) => [tenant.path("production", "one"), ...rest].join("/");
const get = (path: string, token = tenant.admin, headers = {}) => world.send("GET", path, { token, headers });
const config = async (): Promise<Json> => (await get(at("oidc-config"))).body;

/** Creates the cluster "one". @returns its identity */
async function create(): Promise<string> {
  const response = await world.send("POST", tenant.path("production"), {
    token: tenant.admin,
    body: tenant.creation(),
  });
  expect(response.status, response.text).toBe(200);
  return response.body.identity;
}

async function started(): Promise<string> {
  const identity = await create();
  await world.settle();
  expect((await get(at())).body.status).toBe("started");
  return identity;
}

/** Logs in as the caller with their token, like a browser. @returns the URL of the redirect */
async function logIn(url: URL, token: string): Promise<{ location: string; status: number; page: string }> {
  const cookies = new Map<string, string>();
  const visit = async (target: string, form?: Record<string, string>) => {
    const response = await fetch(target, {
      redirect: "manual",
      headers: { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join("; ") },
      ...(form === undefined ? {} : { method: "POST", body: new URLSearchParams(form) }),
    });
    for (const cookie of response.headers.getSetCookie()) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(cookie) ?? [];
      cookies.set(name, value);
    }
    const location = response.headers.get("location");
    return {
      status: response.status,
      page: await response.text(),
      location: location && new URL(location, target).href,
    };
  };
  const begun = await visit(url.href);
  const form = await visit(begun.location ?? "");
  expect(form.page).toContain("Personal access token");
  const done = await visit(begun.location ?? "", { token });
  if (done.location === null) return { ...done, location: "" };
  const { location, status, page } = await visit(done.location);
  return { location: location ?? "", status, page };
}

/** Processes a response like kubectl's login plugin. @returns the claims of the ID token */
async function useAsPluginDoes(response: Json, token: string): Promise<Json> {
  const client = await oidc.discovery(
    new URL(response.issuerUrl),
    response.clientId,
    response.clientSecret,
    undefined,
    {
      execute: [oidc.allowInsecureRequests],
    },
  );
  const verifier = oidc.randomPKCECodeVerifier();
  const url = oidc.buildAuthorizationUrl(client, {
    redirect_uri: "http://localhost:8000/",
    scope: "openid",
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
  });
  const { location } = await logIn(url, token);
  const tokens = await oidc.authorizationCodeGrant(client, new URL(location), { pkceCodeVerifier: verifier });
  return tokens.claims();
}

describe("an OIDC configuration", () => {
  test("an OIDC configuration allows a login to the cluster until the cluster is deleted", async () => {
    await started();
    const { user, token } = await tenant.person("developer");
    const response = await get(at("oidc-config"), token);
    expect([response.status, response.headers.get("cache-control")]).toEqual([200, "no-store"]);
    const claims = await useAsPluginDoes(response.body, token);
    expect(claims).toMatchObject({ sub: user, aud: response.body.clientId, iss: response.body.issuerUrl });

    const wrong = await useAsPluginDoes({ ...response.body, clientSecret: "another" }, token).catch((error) => error);
    expect(wrong).toMatchObject({ error: "invalid_client" });

    const asked = await world.send("PATCH", at(), { token: tenant.admin, body: { status: "deleting" } });
    expect(asked.status, asked.text).toBe(200);
    const early = await get(at("oidc-config"));
    expect([early.status, early.headers.get("retry-after")]).toEqual([409, "5"]);
    await world.settle();
    expect((await get(at("oidc-config"))).status).toBe(404);
    await expect(useAsPluginDoes(response.body, token)).rejects.toThrow();
    expect(world.warnings).toEqual([]);
    await expectInvariants(world.services, tenant.slug);
  });

  test("a login without a valid token is refused without a reason", async () => {
    await started();
    const { issuerUrl, clientId } = await config();
    const url = new URL(
      `${issuerUrl}/auth?client_id=${clientId}&response_type=code&redirect_uri=http://localhost:8000`,
    );
    for (const [name, value] of Object.entries({ scope: "openid", code_challenge_method: "S256" })) {
      url.searchParams.set(name, value);
    }
    url.searchParams.set("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    for (const token of ["", "nonsense", tenant.admin.replace(/.$/, "!")]) {
      const { status, location, page } = await logIn(url, token);
      expect([status, location]).toEqual([401, ""]);
      expect(page).toContain("This token is not valid.");
    }
  });

  test("an OIDC configuration belongs to one cluster, and has its certificate authority and API server", async () => {
    const identity = await started();
    const first = await config();
    expect(first.endpoint).toBe(`https://${identity}.clusters.invalid:6443`);
    expect(new X509Certificate(first.caCertificate).subject).toContain(identity);
    const body = tenant.creation({ name: "two" });
    await world.send("POST", tenant.path("production"), { token: tenant.admin, body });
    await world.settle();
    const second = (await get(tenant.path("production", "two/oidc-config"))).body;
    for (const part of ["caCertificate", "clientId", "clientSecret", "endpoint"]) {
      expect(second[part]).not.toBe(first[part]);
    }
  });

  test("an OIDC configuration is available from OIDC_PROVISIONED on, and returns 409 with Retry-After before", async () => {
    world.provider.register = async () => {
      throw new NotRegisteredError("closed");
    };
    const identity = await create();
    await world.reconcileOnce(identity);
    const early = await get(at("oidc-config"));
    expect([early.status, early.headers.get("retry-after")]).toEqual([409, "5"]);
    expect(early.body.message).toContain("ACCEPTED");
    const { body } = await get(at());
    expect(body).toMatchObject({ status: "new", provisionStatus: "ACCEPTED", ameOIDC: false });
    const reconciled = body.conditions.find(({ type }: Json) => type === "Reconciled");
    expect(reconciled).toMatchObject({ status: "False", reason: "PreparationFailed" });
    expect(reconciled.message).toContain("closed");

    Object.assign(world.provider, real);
    await world.settle();
    expect((await get(at())).body).toMatchObject({ status: "started", ameOIDC: true });
    expect((await config()).clientId).toBeDefined();
    const phases = (await eventsOf(world.services, identity)).flatMap(({ changes }) =>
      (changes as Json[]).filter(({ path }) => path === "provisionStatus").map(({ to }) => to),
    );
    expect(phases).toEqual([
      "OIDC_PROVISIONED",
      "CLUSTER_PROVISIONED",
      "INITIAL_NODE_POOLS_PROVISIONED",
      "INITIAL_ADDONS_PROVISIONED",
      "DONE",
    ]);
  });

  test("an OIDC configuration makes two round trips, like a kubeconfig", async () => {
    await started();
    world.wire.latencyMs = 15;
    for (const path of ["oidc-config", "kubeconfig"]) {
      world.wire.spans.length = 0;
      expect((await get(at(path))).status).toBe(200);
      expect([path, roundTripsOf(world.wire.spans)]).toEqual([path, 2]);
    }
    world.wire.latencyMs = 0;
  });

  test("an OIDC configuration requires a developer and is refused for viewers and strangers", async () => {
    await started();
    const stranger = await world.tenant();
    const { token: viewer } = await tenant.person("viewer");
    const { token: there } = await tenant.person("viewer", { production: "developer" });
    const { token: elsewhere } = await tenant.person("developer", { production: "viewer" });
    for (const path of ["oidc-config", "kubeconfig"]) {
      const statuses = [];
      for (const token of [viewer, there, elsewhere, stranger.admin, "nonsense"]) {
        statuses.push((await get(at(path), token)).status);
      }
      expect([path, statuses]).toEqual([path, [403, 200, 403, 403, 401]]);
      expect((await get(at(path).replace("/one/", "/two/"))).status).toBe(404);
      expect((await world.send("HEAD", at(path), { token: there })).status).toBe(200);
      expect((await world.send("POST", at(path), { token: there, body: {} })).status).toBe(405);
    }
  });
});

describe("the OIDC client of a cluster", () => {
  test("the client of a cluster from before clients existed is registered later", async () => {
    const identity = await started();
    for (const item of await world.table.query({ pk: `CLUSTER#${identity}`, prefix: "SECRET#" })) {
      await world.remove(item);
    }
    expect((await get(at("oidc-config"))).status).toBe(409);
    await world.settle(2 * 60 * 60_000);
    expect((await get(at("oidc-config"))).status).toBe(200);
    expect((await get(at())).body).toMatchObject({ status: "started", provisionStatus: "DONE" });
  });

  test("a client that may have been registered when the worker died is replaced only after an operator's retry", async () => {
    const identity = await create();
    const ids: string[] = [];
    world.provider.register = async (name, signal) => {
      const made = await real.register(name, signal);
      ids.push(made.clientId);
      if (ids.length === 1) throw new Error("killed");
      return made;
    };
    await world.settle();
    expect(ids).toHaveLength(1);
    await retryCluster(world.services, { identity });
    await world.settle();
    expect(ids).toHaveLength(2);
    expect((await config()).clientId).toBe(ids[1]);
    expect(world.warnings).toHaveLength(1);
    expect(world.warnings[0]).toContain(`kubernetes ${identity}`);
  });

  test("a client that a late worker registers is removed, and its secrets are never written", async () => {
    const identity = await create();
    let lost: string | undefined;
    world.provider.register = async (name, signal) => {
      const made = await real.register(name, signal);
      if (lost === undefined) {
        lost = made.clientId;
        // The worker stalls, its lease expires, and another worker takes the cluster.
        world.advanceClock(60_000);
        await world.reconcileOnce(identity);
      }
      return made;
    };
    await world.settle();
    const response = await config();
    expect(response.clientId).not.toBe(lost);
    const { token } = await tenant.person("viewer");
    await expect(useAsPluginDoes({ ...response, clientId: lost }, token)).rejects.toThrow();
  });

  test("a client that cannot be removed delays the final deletion of its cluster", async () => {
    await started();
    await world.send("PATCH", at(), { token: tenant.admin, body: { status: "deleting" } });
    world.provider.remove = async () => {
      throw new Error("closed");
    };
    await world.settle(2 * 60_000);
    const { body } = await get(at());
    expect(body.status).toBe("deleting");
    expect(body.conditions.find(({ type }: Json) => type === "Reconciled").message).toContain("closed");
    Object.assign(world.provider, real);
    await world.settle();
    expect((await get(at())).status).toBe(404);
    await expectInvariants(world.services, tenant.slug);
  });

  test("the client of a forgotten cluster is reported as a leftover", async () => {
    const identity = await started();
    const { clientId, issuerUrl: issuer } = await config();
    const client = { issuer, clientId, name: `kubernetes ${identity}`, isInDoubt: false };
    const where = { organisation: tenant.slug, environment: "production", cluster: "one" };
    expect((await findOrphanedResources(world.services, where)).oidcClient).toEqual(client);
    expect((await forgetCluster(world.services, where)).oidcClient).toEqual(client);
    await expectInvariants(world.services, tenant.slug);
  });

  test("an undeleted cluster gets a new client", async () => {
    await started();
    const before = await config();
    await world.send("PATCH", at(), { token: tenant.admin, body: { status: "deleting" } });
    await world.settle();
    const back = await world.send("POST", at("undelete"), { token: tenant.admin });
    expect(back.status, back.text).toBe(200);
    await world.settle();
    const after = await config();
    for (const part of ["caCertificate", "clientId", "clientSecret"]) expect(after[part]).not.toBe(before[part]);
  });
});

describe("a kubeconfig", () => {
  test("a kubeconfig lets kubectl log in, and contains no secret that the OIDC configuration lacks", async () => {
    await started();
    const oidcConfig = await config();
    const { status, headers, body } = await get(at("kubeconfig"));
    expect([status, headers.get("cache-control"), headers.get("vary")]).toEqual([200, "no-store", "Accept"]);
    const [{ cluster }] = body.clusters;
    expect(cluster.server).toBe(oidcConfig.endpoint);
    expect(Buffer.from(cluster["certificate-authority-data"], "base64").toString()).toBe(oidcConfig.caCertificate);
    const [{ user }] = body.users;
    expect(user.exec.args).toEqual([
      "oidc-login",
      "get-token",
      `--oidc-issuer-url=${oidcConfig.issuerUrl}`,
      `--oidc-client-id=${oidcConfig.clientId}`,
      `--oidc-client-secret=${oidcConfig.clientSecret}`,
    ]);
    const names = [body["current-context"], body.contexts[0].name, body.clusters[0].name, body.users[0].name];
    expect(new Set([...names, ...Object.values(body.contexts[0].context)])).toEqual(
      new Set([`${tenant.slug}.production.one`]),
    );
  });

  test("a kubeconfig is YAML on request, otherwise JSON", async () => {
    await started();
    const plain = (await get(at("kubeconfig"))).body;
    for (const [accept, type] of [
      ["application/yaml", "application/yaml"],
      ["text/yaml;q=0.9, application/json;q=0.8", "application/yaml"],
      ["application/x-yaml ; q=0.5, */*", "application/yaml"],
      ["text/html, APPLICATION/YAML", "application/yaml"],
      ["application/json, application/yaml", "application/json"],
      ["application/yaml;q=0.9, application/json", "application/json"],
      ["application/yaml;q=0", "application/json"],
      ["application/yaml;q=much", "application/json"],
      ["application/yamlish, x-yaml, ;,;q=,", "application/json"],
      [`${",".repeat(4_000)}application/json${";q=0".repeat(1_000)}`, "application/json"],
      ["*/*", "application/json"],
    ] as const) {
      const response = await get(at("kubeconfig"), tenant.admin, { accept });
      expect([accept, response.headers.get("content-type")]).toEqual([accept, `${type}; charset=utf-8`]);
      expect(response.body).toEqual(plain);
      if (type === "application/yaml") expect(parse(response.text, { version: "1.1" })).toEqual(plain);
    }
    expect((await get(at("kubeconfig"))).headers.get("content-type")).toContain("application/json");
  });

  test("a kubeconfig is not available before the API server", async () => {
    const identity = await create();
    await world.reconcileOnce(identity, 0);
    const response = await get(at("kubeconfig"));
    expect([response.status, response.headers.get("retry-after")]).toEqual([409, "5"]);
    const before = await get(at("oidc-config"));
    if (before.status === 200) expect(before.body).not.toHaveProperty("endpoint");
  });
});
