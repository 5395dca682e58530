import { cpSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { runAdmin } from "#test/support/admin.ts";
import { cleanUp, portForRestarts, type Server, script, start, temporary, until } from "#test/support/server.ts";
import type { Json } from "#test/support/world.ts";

afterEach(cleanUp);

const ONE = "/api/v1/orgs/demo/clusters/production/one";

const send = async (server: Server, method: string, path: string, body?: Json) => {
  const response = await fetch(`${server.url}${path}`, {
    method,
    headers: { authorization: `Token ${server.token}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: text === "" ? undefined : JSON.parse(text) };
};

async function admin(environment: Record<string, string>, ...words: string[]) {
  const { code, stdout, stderr } = await runAdmin(environment, ...words);
  return { code, stdout: stdout.trim(), stderr };
}

/** Starts a server that must not start. @returns its output on stderr */
async function refusal(environment: Record<string, string>): Promise<string> {
  const { exited, stdout, stderr } = script("start", [], environment);
  expect(await exited, stdout()).toBe(1);
  expect(stdout()).not.toContain("listens on");
  return stderr();
}

async function end(server: Server): Promise<void> {
  server.signal("SIGTERM");
  expect(await server.exited).toBe(0);
}

const withStatus = (server: Server, status: string) =>
  until(async () => {
    const { body } = await send(server, "GET", ONE);
    return body.status === status ? true : undefined;
  });

/** Creates a started cluster in a new data directory. */
async function makeCluster() {
  const DATA_DIR = mkdtempSync(join(tmpdir(), "lost-keys-"));
  // On the same port the issuer has the same URL.
  const environment = { DATA_DIR, PORT: `${await portForRestarts()}`, SIMULATED_STEP_MS: "20" };
  const server = await start(environment);
  const accounts = await send(server, "GET", "/api/v1/orgs/demo/cloud-accounts?cloud-provider-slug=aws");
  const made = await send(server, "POST", "/api/v1/orgs/demo/clusters/production", {
    name: "one",
    region: "eu-west-1",
    version: "v1.34.4-u-ame.2",
    cloudAccountIdentity: accounts.body.content[0].identity,
    nodePools: [],
  });
  expect(made.status).toBe(200);
  await withStatus(server, "started");
  const { body: config } = await send(server, "GET", `${ONE}/oidc-config`);
  const { body: kubeconfig } = await send(server, "GET", `${ONE}/kubeconfig`);
  await end(server);
  return { environment, identity: made.body.identity, config, kubeconfig };
}

let cluster: Awaited<ReturnType<typeof makeCluster>>;

beforeAll(async () => {
  cluster = await makeCluster();
});
afterAll(() => rmSync(cluster.environment.DATA_DIR, { recursive: true }));

/** Copies the data directory with the cluster. */
function withCluster(): typeof cluster {
  const DATA_DIR = temporary();
  cpSync(cluster.environment.DATA_DIR, DATA_DIR, { recursive: true });
  return { ...cluster, environment: { ...cluster.environment, DATA_DIR } };
}

const authorityIn = (kubeconfig: unknown) =>
  /certificate-authority-data[^A-Za-z0-9+/]+([A-Za-z0-9+/=]{40,})/.exec(JSON.stringify(kubeconfig))?.[1];

test("a server whose keys.json is lost, truncated or replaced refuses to start, and changes nothing", async () => {
  const { environment, config } = withCluster();
  const file = join(environment.DATA_DIR, "keys.json");
  const issuer = readFileSync(join(environment.DATA_DIR, "issuer.json"), "utf8");
  const whole = readFileSync(file, "utf8");
  const [{ id }] = JSON.parse(whole).keys;
  rmSync(file);
  const lost = await refusal(environment);
  for (const words of [`${file}: is missing, with the key ${id}`, "Restore the file", "secrets discard"]) {
    expect(lost).toContain(words);
  }
  expect(existsSync(file)).toBe(false);
  const rotated = await admin(environment, "secrets", "rotate", "--grace", "0");
  expect([rotated.code, rotated.stderr.includes(`${file} does not exist`)]).toEqual([1, true]);
  expect(existsSync(file)).toBe(false);

  for (const damaged of [whole.slice(0, -20), "", '{"keys":[]}']) {
    writeFileSync(file, damaged);
    expect(await refusal(environment)).toContain(`${file} contains no keys: restore it from a backup`);
    expect(readFileSync(file, "utf8")).toBe(damaged);
  }

  const other = whole.replaceAll(id, "7edd36c4-8016-41db-8eb9-66bfbfa7cc47");
  writeFileSync(file, other);
  expect(await refusal(environment)).toContain(`${file}: lacks the key ${id}`);
  expect(readFileSync(file, "utf8")).toBe(other);

  const elsewhere = join(environment.DATA_DIR, "elsewhere.json");
  expect(await refusal({ ...environment, KEYS_FILE: elsewhere })).toContain(`${elsewhere}: is missing`);
  expect(existsSync(elsewhere)).toBe(false);

  expect(readFileSync(join(environment.DATA_DIR, "issuer.json"), "utf8")).toBe(issuer);
  writeFileSync(file, whole);
  const server = await start(environment);
  expect((await send(server, "GET", `${ONE}/oidc-config`)).body).toEqual(config);
});

test("a server with an empty database and a missing KEYS_FILE says how to create one", async () => {
  const file = join(temporary(), "keys.json");
  expect(await refusal({ DATA_DIR: temporary(), KEYS_FILE: file })).toContain(`secrets key --file ${file}`);
});

test("after secrets discard a server starts without keys.json, and its clusters get new clients", async () => {
  const { environment, identity, config, kubeconfig } = withCluster();
  const file = join(environment.DATA_DIR, "keys.json");
  renameSync(file, `${file}.lost`);
  const listed = await admin(environment, "secrets", "discard");
  const client = { issuer: config.issuerUrl, clientId: config.clientId, name: `kubernetes ${identity}` };
  const lost = {
    clusters: [{ clusterIdentity: identity, dataKey: true, oidcClient: client }],
    credentials: [],
    issuer: join(environment.DATA_DIR, "issuer.json"),
  };
  expect([listed.code, JSON.parse(listed.stdout)]).toEqual([1, { discarded: false, note: expect.any(String), lost }]);
  expect(await refusal(environment)).toContain("is missing, with the key");

  const discarded = await admin(environment, "secrets", "discard", "--yes");
  expect([discarded.code, JSON.parse(discarded.stdout)]).toEqual([0, { discarded: true, lost }]);
  const server = await start(environment);
  const again = await until(async () => {
    const { status, body } = await send(server, "GET", `${ONE}/oidc-config`);
    return status === 200 ? body : undefined;
  });
  expect(again.clientId).not.toBe(config.clientId);
  const response = await fetch(`${server.url}/oidc/token`, {
    method: "POST",
    headers: { authorization: `Basic ${btoa(`${again.clientId}:${again.clientSecret}`)}` },
    body: new URLSearchParams({
      grant_type: "authorization_code",
      code: "none",
      redirect_uri: "http://localhost:8000",
    }),
  });
  // The new issuer knows the new client; only the code is invalid.
  expect(await response.json()).toMatchObject({ error: "invalid_grant" });
  const { body: kubeconfigAgain } = await send(server, "GET", `${ONE}/kubeconfig`);
  expect(authorityIn(kubeconfigAgain)).toBeDefined();
  expect(authorityIn(kubeconfigAgain)).toBe(authorityIn(kubeconfig));
  expect((await send(server, "GET", `${ONE}/join-config`)).status).toBe(200);

  const rotated = await admin(environment, "secrets", "rotate", "--grace", "0");
  expect([rotated.code, JSON.parse(rotated.stdout)]).toEqual([0, { resumed: false, clusters: 1, credentials: 0 }]);
  expect((await send(server, "GET", `${ONE}/oidc-config`)).body).toEqual(again);
  const checked = await admin(environment, "table", "check");
  expect([checked.code, JSON.parse(checked.stdout).contradictions]).toEqual([0, []]);

  expect((await send(server, "PATCH", ONE, { status: "deleting" })).status).toBe(200);
  await until(async () => ((await send(server, "GET", ONE)).status === 404 ? true : undefined));
  const beside = await admin(environment, "secrets", "discard");
  expect([beside.code, beside.stderr.includes("is in use by a server")]).toEqual([1, true]);
  await end(server);
  const nothing = await admin(environment, "secrets", "discard");
  expect([nothing.code, JSON.parse(nothing.stdout).lost]).toEqual([0, { clusters: [], credentials: [] }]);
});

test.each([
  ["missing", ": is missing", (file: string) => rmSync(file)],
  ["cut off", " is damaged", (file: string) => writeFileSync(file, readFileSync(file, "utf8").slice(0, -20))],
])(
  "a %s issuer.json is created again only after secrets discard, and clusters get clients of the new issuer",
  async (_, words, lose) => {
    const { environment, config } = withCluster();
    const issuer = join(environment.DATA_DIR, "issuer.json");
    lose(issuer);
    const isThere = existsSync(issuer);
    const refused = await refusal(environment);
    for (const each of [`${issuer}${words}`, "secrets discard"]) expect(refused).toContain(each);
    expect(existsSync(issuer)).toBe(isThere);
    expect((await admin(environment, "secrets", "discard", "--yes")).code).toBe(0);
    const server = await start(environment);
    const again = await until(async () => {
      const { status, body } = await send(server, "GET", `${ONE}/oidc-config`);
      return status === 200 ? body : undefined;
    });
    expect(again.clientId).not.toBe(config.clientId);
  },
);
