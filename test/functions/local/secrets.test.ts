import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { openIssuerFile } from "#functions/local/issuer/store.ts";
import { createKeyring } from "#functions/local/keyring.ts";
import { readConfig } from "#functions/runtime/config.ts";
import { addKnownSecrets, addSecretsOf, expectNoSecrets, secretsIn } from "#test/support/secrets.ts";
import { cleanUp, type Server, script, start, temporary, until } from "#test/support/server.ts";
import type { Json } from "#test/support/world.ts";

afterEach(cleanUp);

const CLUSTERS = "/api/v1/orgs/demo/clusters";

/** Sends a request as the demo organisation's admin. */
const sender =
  (server: Server) =>
  async (method: string, path: string, body?: Json): Promise<{ status: number; body: Json }> => {
    const response = await fetch(`${server.url}${path}`, {
      method,
      headers: { authorization: `Token ${server.token}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: text === "" ? undefined : JSON.parse(text) };
  };

async function admin(environment: Record<string, string>, ...words: string[]): Promise<string> {
  const { exited, stdout, stderr } = script("admin", words, environment);
  expect(await exited, stderr()).toBe(0);
  return stdout().trim();
}

test("returned secrets are not in the database or the log, and survive a rotation and a restart", async () => {
  const DATA_DIR = temporary();
  const environment = { DATA_DIR, SIMULATED_STEP_MS: "20", LOG_LEVEL: "debug" };
  const first = await start(environment);
  const port = new URL(first.url).port;
  const send = sender(first);
  const account = await admin(environment, "account", "list", "--org", "demo", "--provider", "aws", "--quiet");
  const cluster = { name: "one", region: "eu-west-1", version: "v1.34.4-u-ame.2", cloudAccountIdentity: account };
  const made = await send("POST", `${CLUSTERS}/production`, { ...cluster, nodePools: [] });
  expect(made.status).toBe(200);
  const one = `${CLUSTERS}/production/one`;
  await until(async () => ((await send("GET", one)).body.status === "started" ? true : undefined));

  const config = await send("GET", `${one}/oidc-config`);
  expect(config.status).toBe(200);
  const joining = await send("GET", `${one}/join-config`);
  expect(joining.status).toBe(200);
  addSecretsOf(JSON.stringify(joining.body));
  const before = JSON.parse(readFileSync(join(DATA_DIR, "keys.json"), "utf8")).keys;
  const issuerPath = join(DATA_DIR, "issuer.json");
  const openIssuer = async () => {
    const keyring = createKeyring(readConfig({ DATA_DIR }));
    return JSON.parse((await openIssuerFile({ file: issuerPath, keyring }).read())?.text ?? "");
  };
  const issuer = await openIssuer();
  const clients = Object.values(issuer.entries as Json[]).map(({ payload }) => payload.client_secret);
  expect(clients).toContain(config.body.clientSecret);
  addKnownSecrets(
    config.body.clientSecret,
    first.token,
    issuer.initialAccessToken,
    ...before.map(({ key }: Json) => key),
  );
  addKnownSecrets(...clients, ...issuer.cookieKeys, ...issuer.keys.map(({ d }: Json) => d));
  const sealedBefore = readFileSync(issuerPath, "utf8");

  const rotated = JSON.parse(await admin(environment, "secrets", "rotate", "--grace", "0"));
  expect(rotated).toEqual({ resumed: false, clusters: 1, credentials: 0 });
  const after = JSON.parse(readFileSync(join(DATA_DIR, "keys.json"), "utf8")).keys;
  expect(after).toHaveLength(1);
  expect(after[0].id).not.toBe(before[0].id);
  addKnownSecrets(after[0].key);
  const sealedAfter = readFileSync(issuerPath, "utf8");
  expect(JSON.parse(sealedAfter).dataKey.wrappedBy).toBe(after[0].id);
  for (const sealed of [sealedBefore, sealedAfter]) expectNoSecrets(sealed, "issuer.json");
  expect(await openIssuer()).toEqual(issuer);
  // The server reads the new key without a notification of the rotation.
  expect((await send("GET", `${one}/oidc-config`)).body).toEqual(config.body);
  first.signal("SIGTERM");
  expect(await first.exited).toBe(0);

  // On the same port it is the same issuer, with its existing client.
  const second = await start({ ...environment, PORT: port });
  expect((await sender(second)("GET", `${one}/oidc-config`)).body).toEqual(config.body);
  const discovery = (await (await fetch(`${config.body.issuerUrl}/.well-known/openid-configuration`)).json()) as Json;
  const response = await fetch(discovery.token_endpoint, {
    method: "POST",
    headers: { authorization: `Basic ${btoa(`${config.body.clientId}:${config.body.clientSecret}`)}` },
    body: new URLSearchParams({
      grant_type: "authorization_code",
      code: "none",
      redirect_uri: "http://localhost:8000",
    }),
  });
  // It knows the client; only the code is invalid.
  expect(await response.json()).toMatchObject({ error: "invalid_grant" });
  second.signal("SIGTERM");
  expect(await second.exited).toBe(0);

  // The log begins after the line that prints the token.
  const log = [first, second].map(({ output }) => output().slice(output().indexOf("\n{"))).join("\n");
  expect(log).toContain(one.replace("demo", "{organisation}").replace("production/one", "{environment}/{cluster}"));
  expectNoSecrets(log, "the log");
  const files = readdirSync(DATA_DIR).filter((name) => name.startsWith("ame.db"));
  const database = files.map((name) => readFileSync(join(DATA_DIR, name), "latin1")).join("\n");
  expect(database).toContain(made.body.identity);
  expectNoSecrets(database, "the database");
  expect(secretsIn(readFileSync(join(DATA_DIR, "token"), "utf8"))).not.toEqual([]);
  for (const name of ["keys.json", "issuer.json", "token", "ame.db"]) {
    expect([name, statSync(join(DATA_DIR, name)).mode & 0o777]).toEqual([name, 0o600]);
  }
});
