import { readFileSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, inject, test } from "vitest";
import { isRunning } from "#functions/local/process-identity.ts";
import { runAdmin } from "#test/support/admin.ts";
import { cleanUp, engineOf, npm, ROOT, type Server, script, start, temporary, until } from "#test/support/server.ts";

afterEach(cleanUp);

const clusters = (server: Server, init: RequestInit = {}, path = "") =>
  fetch(`${server.url}/api/v1/orgs/demo/clusters${path}`, {
    ...init,
    headers: { authorization: `Token ${server.token}`, "content-type": "application/json" },
  });

/** Runs a command in the process of the test, which starts faster than its own. */
async function admin(directory: string, ...words: string[]): Promise<string> {
  const { code, stdout, stderr } = await runAdmin({ DATA_DIR: directory }, ...words);
  expect(code, stderr).toBe(0);
  return stdout.trim();
}

async function createOne(server: Server, directory: string, name: string): Promise<void> {
  const account = await admin(directory, "account", "list", "--org", "demo", "--provider", "aws", "--quiet");
  const body = JSON.stringify({
    name,
    region: "eu-west-1",
    version: "v1.34.4-u-ame.2",
    cloudAccountIdentity: account,
    nodePools: [],
  });
  const answer = await clusters(server, { method: "POST", body }, "/production");
  expect(answer.status, await answer.clone().text()).toBe(200);
}

const total = async (server: Server) =>
  ((await (await clusters(server)).json()) as { totalElements: number }).totalElements;

describe("npm start", () => {
  test("npm start serves with the printed token, makes its files accessible only for its user, and stops cleanly", async () => {
    const directory = temporary();
    const server = await start({ DATA_DIR: directory }, "npm");
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
    expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
    expect((await clusters(server)).status).toBe(200);
    expect(readFileSync(join(directory, "token"), "utf8").trim()).toBe(server.token);
    expect(statSync(join(directory, "token")).mode & 0o777).toBe(0o600);
    const engine = engineOf(directory);
    server.signalServer("SIGTERM");
    expect(await server.exited).toBe(0);
    expect(isRunning(engine)).toBe(false);
    expect(server.output()).not.toContain('"level":"error"');
  });

  test("npm start keeps clusters and the token over a restart, and seeds nothing twice", async () => {
    const directory = temporary();
    const first = await start({ DATA_DIR: directory });
    await createOne(first, directory, "kept");
    first.signal("SIGINT");
    expect(await first.exited).toBe(0);
    const second = await start({ DATA_DIR: directory });
    expect(second.token).toBe(first.token);
    expect(await total(second)).toBe(1);
    const accounts = await admin(directory, "account", "list", "--org", "demo", "--quiet");
    expect(accounts.split("\n")).toHaveLength(9);
    const named = JSON.parse(await admin(directory, "account", "list", "--org", "demo"));
    expect(named.map(({ displayName }: { displayName: string }) => displayName).at(0)).toBe("Demo aws");
    const schedules = JSON.parse(await admin(directory, "schedule", "list", "--org", "demo"));
    expect(schedules).toHaveLength(2);
    const environments = JSON.parse(await admin(directory, "env", "list", "--org", "demo"));
    expect(environments.map(({ slug }: { slug: string }) => slug)).toEqual(["production", "staging"]);
    expect(environments[0]).not.toHaveProperty("pk");
    expect(JSON.stringify(await admin(directory, "account", "list", "--org", "demo"))).not.toMatch(/secret":|apiKey/);
  });

  test("npm start loses nothing after a kill, and ends the abandoned engine", async () => {
    const directory = temporary();
    const first = await start({ DATA_DIR: directory }, "npm");
    await createOne(first, directory, "survivor");
    const orphan = engineOf(directory);
    first.signal("SIGKILL");
    await first.exited;
    expect(isRunning(orphan)).toBe(true);
    const second = await start({ DATA_DIR: directory });
    expect(isRunning(orphan)).toBe(false);
    expect(second.token).toBe(first.token);
    expect(await total(second)).toBe(1);
  });

  test.each(["SIGINT", "SIGTERM"] as const)(
    "npm start finishes a running request at %s, sent twice, and exits with 0",
    async (signal) => {
      const server = await start({ DATA_DIR: ":memory:" }, "npm");
      const { hostname, port } = new URL(server.url);
      const socket = connect(Number(port), hostname);
      let answer = "";
      socket.on("data", (data) => {
        answer += data;
      });
      const body = "{}";
      socket.write(
        `POST /api/v1/orgs/demo/clusters/production HTTP/1.1\r\nhost: x\r\nauthorization: Token ${server.token}\r\n` +
          `content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n{`,
      );
      // The server is processing the request after it has read its first half.
      await sleep(200);
      server.signal(signal);
      await until(() => (server.output().includes('"stopping"') ? true : undefined));
      server.signal(signal);
      socket.write("}");
      await until(() => (answer.includes("\r\n\r\n") ? true : undefined));
      expect(answer).toMatch(/^HTTP\/1\.1 400 /);
      expect(answer).toContain("cloudAccountIdentity: is required");
      expect(await server.exited).toBe(0);
      socket.destroy();
    },
  );

  test("npm start in memory stores nothing and only prints the token, for any listen address", async () => {
    const addresses = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
    const address = addresses.find(({ family, internal }) => family === "IPv4" && !internal)?.address ?? "127.0.0.1";
    const server = await start({ DATA_DIR: ":memory:", HOST: address });
    expect(server.url).toContain(`http://${address}:`);
    const issuer = (await (await fetch(`${server.url}/oidc/.well-known/openid-configuration`)).json()) as object;
    expect(issuer).toMatchObject({ registration_endpoint: expect.stringContaining(server.url) });
    expect((await clusters(server)).status).toBe(200);
    server.signalServer("SIGTERM");
    expect(await server.exited).toBe(0);
    expect(() => statSync(join(ROOT, ":memory:"))).toThrow("ENOENT");
  });

  test("npm start reports the loss of the database, and exits", async () => {
    const directory = temporary();
    const server = await start({ DATA_DIR: directory });
    process.kill(engineOf(directory).pid, "SIGKILL");
    expect(await server.exited).not.toBe(0);
    expect(server.output()).toContain("the database engine ended unexpectedly");
  });

  test("npm start uses another engine if one is configured", async () => {
    const table = `server-${Date.now()}`;
    const environment = { DATA_DIR: temporary(), DYNAMODB_ENDPOINT: inject("endpoint"), TABLE_NAME: table };
    const server = await start(environment);
    expect(await total(server)).toBe(0);
    expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
  });

  test("npm start refuses an engine without transactions with a message", async () => {
    const engine = createServer((request, response) => {
      const operation = String(request.headers["x-amz-target"]).split(".")[1];
      response.setHeader("content-type", "application/x-amz-json-1.0");
      if (operation !== "TransactWriteItems") return response.end("{}");
      response.statusCode = 400;
      return response.end(JSON.stringify({ __type: "com.amazonaws.dynamodb.v20120810#UnknownOperationException" }));
    });
    await new Promise<void>((listening) => engine.listen(0, "127.0.0.1", listening));
    const { port } = engine.address() as AddressInfo;
    const { exited, stderr } = script("start", [], {
      DATA_DIR: temporary(),
      DYNAMODB_ENDPOINT: `http://127.0.0.1:${port}`,
    });
    expect(await exited).toBe(1);
    expect(stderr()).toContain("does not support TransactWriteItems");
    engine.close();
  });

  test("npm start lists every invalid variable", async () => {
    const { exited, stderr } = script("start", [], { PORT: "many", LOG_LEVEL: "loud", DATA_DIR: temporary() });
    expect(await exited).toBe(1);
    for (const problem of [
      'PORT: "many" is not allowed: must be a whole number',
      'LOG_LEVEL: "loud" is not allowed: must be one of',
    ]) {
      expect(stderr()).toContain(problem);
    }
  });
});

describe("npm run admin", () => {
  test("npm run admin works without a server and then with a running server, on the same data", async () => {
    const directory = temporary();
    await admin(directory, "org", "create", "--slug", "acme", "--name", "Acme");
    await admin(directory, "env", "create", "--org", "acme", "--name", "Live Site", "--type", "production");
    const server = await start({ DATA_DIR: directory });
    await admin(directory, "member", "set", "--org", "acme", "--email", "ann@example.com", "--role", "viewer");
    const { token, tokenId } = JSON.parse(
      await admin(directory, "token", "create", "--org", "acme", "--email", "ann@example.com", "--name", "laptop"),
    );
    const list = () =>
      fetch(`${server.url}/api/v1/orgs/acme/clusters/live-site`, { headers: { authorization: `Bearer ${token}` } });
    expect((await list()).status).toBe(200);
    await admin(
      directory,
      "member",
      "set",
      "--org",
      "acme",
      "--email",
      "ann@example.com",
      "--env",
      "live-site",
      "--role",
      "none",
    );
    expect((await list()).status).toBe(403);
    await admin(directory, "token", "revoke", tokenId);
    expect((await list()).status).toBe(401);
    expect(JSON.parse(await admin(directory, "index", "check"))).toMatchObject({ organisations: 2, discrepancies: [] });
    expect(JSON.parse(await admin(directory, "index", "rebuild", "--org", "acme"))).toMatchObject({
      discrepancies: [],
    });
    await admin(directory, "env", "delete", "--org", "acme", "--slug", "live-site");
    const { exited, stdout } = npm(["run", "--silent", "admin", "--", "org", "show", "acme"], { DATA_DIR: directory });
    expect(await exited).toBe(0);
    expect(JSON.parse(stdout())).toMatchObject({ total: { environments: 0 } });
  });

  test.each([
    ["an unknown command", ["cluster", "explode"], 2, 'Unknown command "cluster explode"'],
    ["a missing option", ["env", "create", "--org", "demo"], 2, "Missing: --name, --type"],
    ["an unknown option", ["org", "show", "demo", "--loud"], 2, "--loud"],
    ["an invalid value", ["org", "create", "--slug", "A b", "--name", "x"], 1, '--slug: "A b"'],
    ["a missing organisation", ["env", "list", "--org", "nobody"], 1, 'There is no organisation "nobody"'],
    [
      "a secret, which other users of the machine could read",
      ["account", "create", "--org", "demo", "--name", "x", "--provider", "aws", "--secret", "apiKey=abc"],
      1,
      "secrets are not accepted here",
    ],
  ])("npm run admin refuses %s", async (_, words, code, text) => {
    const ran = await runAdmin({ DATA_DIR: temporary() }, ...words);
    expect(ran.code).toBe(code);
    expect(ran.stderr).toContain(text);
    expect(ran.stderr).not.toContain("abc");
  });
});
