import { randomUUID } from "node:crypto";
import { chownSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { createLocalKeyring } from "#core/secrets/local-keyring.ts";
import { createKeyFileStore } from "#functions/local/key-file.ts";
import { type ConfiguredWorld, makeConfiguredWorld } from "#test/support/issuer.ts";
import { until } from "#test/support/server.ts";
import type { Json } from "#test/support/world.ts";
import { type Container, type Image, makeImage } from "./image.ts";

/** Mount path of the keys. */
const KEYS_FILE = "/run/secrets/keys.json";

let image: Image;
let world: ConfiguredWorld;
let secrets: string;
let elsewhere: Record<string, string>;
let mounts: Record<string, string>;

beforeAll(async () => {
  image = makeImage();
  world = await makeConfiguredWorld();
  secrets = mkdtempSync(join(tmpdir(), "secrets-"));
  const file = join(secrets, "keys.json");
  await createLocalKeyring(createKeyFileStore(file, { isOwn: true })).ensure();
  chownSync(file, 1000, 1000);
  // A container engine creates this for a mount.
  mkdirSync(join(image.root, "run/secrets"), { recursive: true });
  writeFileSync(join(image.root, KEYS_FILE), "");
  mounts = { [KEYS_FILE]: file };
  elsewhere = {
    DYNAMODB_ENDPOINT: inject("endpoint"),
    TABLE_NAME: `container-${randomUUID()}`,
    KEYS_FILE,
    OIDC_ISSUER_URL: world.issuer.issuer,
    OIDC_INITIAL_ACCESS_TOKEN: world.issuer.initialAccessToken,
    SIMULATED_STEP_MS: "20",
  };
});

afterAll(async () => {
  image?.remove();
  await world?.stop();
  if (secrets !== undefined) rmSync(secrets, { recursive: true });
});

async function freePort(): Promise<string> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const address = server.address();
  await new Promise((done) => server.close(done));
  return String(typeof address === "object" ? address?.port : "");
}

/** Replica on its own port, because all replicas run on one machine here. */
async function start(): Promise<{ container: Container; url: string; isHealthy(): Promise<boolean> }> {
  const PORT = await freePort();
  const container = image.run({ ...elsewhere, PORT }, undefined, mounts);
  return {
    container,
    url: `http://127.0.0.1:${PORT}`,
    isHealthy: async () => (await image.run({ PORT }, image.plan.health.command).ended).code === 0,
  };
}

test("the image contains only the files that run", () => {
  const has = (path: string) => existsSync(join(image.root, "app", path));
  expect(
    ["functions/runtime/config.ts", "functions/openapi/openapi.json", "node_modules/hono", "LICENSE"].filter(
      (path) => !has(path),
    ),
  ).toEqual([]);
  const unwanted = [
    "test",
    "stacks",
    ".git",
    ".data",
    "package-lock.json",
    "node_modules/vitest",
    "node_modules/typescript",
  ];
  expect(unwanted.filter(has)).toEqual([]);
  expect(has("node_modules/@dynoxide")).toBe(false);
  expect(image.plan).toMatchObject({ user: "1000:1000", ports: [4000], stopSignal: "SIGTERM" });
});

test("a container without its required settings names them and exits", async () => {
  const { ended, said } = image.run();
  expect(await ended).toEqual({ code: 1, signal: null });
  for (const variable of ["DYNAMODB_ENDPOINT", "KEYS_FILE", "OIDC_ISSUER_URL"])
    expect(said()).toContain(`${variable}: is required`);
});

test("several replicas serve the same data, as an unprivileged user, on a read-only file system", async () => {
  // Concurrently, and without a table.
  const [one, other] = await Promise.all([start(), start()]);
  const replicas = [one, other];
  for (const { isHealthy, container } of replicas) {
    await until(async () => {
      if (container.process.exitCode !== null) throw new Error(container.said());
      return (await isHealthy()) ? true : undefined;
    });
    const status = readFileSync(`/proc/${container.process.pid}/status`, "utf8");
    expect(status).toMatch(/^Uid:\t1000\t1000\t1000\t1000$/m);
  }
  const writing = image.run(elsewhere, ["sh", "-c", "touch /app/x || touch /tmp/x"], mounts);
  expect((await writing.ended).code).toBe(1);
  expect(writing.said()).toContain("/tmp/x': Read-only file system");

  const admin = async (...words: string[]): Promise<Json> => {
    const { ended, said, stdout } = image.run(elsewhere, ["node", "functions/admin/main.ts", ...words], mounts);
    expect((await ended).code, said()).toBe(0);
    return JSON.parse(stdout());
  };
  await admin("org", "create", "--slug", "acme", "--name", "Acme");
  const member = ["--org", "acme", "--email", "ann@example.com"];
  await Promise.all([
    admin("env", "create", "--org", "acme", "--name", "Live", "--type", "production"),
    admin("member", "set", ...member, "--role", "admin"),
  ]);
  const [{ token }, account] = await Promise.all([
    admin("token", "create", ...member, "--name", "laptop"),
    admin("account", "create", "--org", "acme", "--name", "Own", "--provider", "aws", "--credentials", "main"),
  ]);
  const send = async ({ url }: { url: string }, method: string, path: string, body?: Json) => {
    const response = await fetch(`${url}/api/v1/orgs/acme/clusters/live${path}`, {
      method,
      headers: { authorization: `Token ${token}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: (await response.json()) as Json };
  };
  const cluster = {
    name: "one",
    region: "eu-west-1",
    version: "v1.34.4-u-ame.2",
    cloudAccountIdentity: account.identity,
  };
  const made = await send(one, "POST", "", { ...cluster, nodePools: [] });
  expect(made, one.container.said()).toMatchObject({ status: 200, body: { status: "new" } });
  await until(async () => ((await send(other, "GET", "/one")).body.status === "started" ? true : undefined));
  const configs = await Promise.all(replicas.map((replica) => send(replica, "GET", "/one/oidc-config")));
  expect(configs[0]).toMatchObject({ status: 200, body: { issuerUrl: world.issuer.issuer } });
  expect(configs[1]).toEqual(configs[0]);

  one.container.process.kill(image.plan.stopSignal as NodeJS.Signals);
  expect(await one.container.ended).toEqual({ code: 0, signal: null });
  expect([await one.isHealthy(), await other.isHealthy()]).toEqual([false, true]);
  expect((await send(other, "GET", "/one")).status).toBe(200);
  other.container.process.kill(image.plan.stopSignal as NodeJS.Signals);
  expect(await other.container.ended).toEqual({ code: 0, signal: null });
});
