import { cpSync, existsSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterEach, expect, inject, test } from "vitest";
import { importEntity } from "#core/admin/backup/import-lock.ts";
import { deadlineIn } from "#core/shared/retry.ts";
import { importKey } from "#core/table/keys.ts";
import { commit, Transaction } from "#core/table/transaction.ts";
import { runAdmin as admin } from "#test/support/admin.ts";
import { addKnownSecrets, expectNoSecrets } from "#test/support/secrets.ts";
import { cleanUp, type Server, script, start, temporary, until } from "#test/support/server.ts";
import { type Json, makeWorld } from "#test/support/world.ts";

afterEach(cleanUp);

const CLUSTERS = "/api/v1/orgs/demo/clusters";

async function send(server: Server, method: string, path: string, body?: Json) {
  const response = await fetch(`${server.url}${path}`, {
    method,
    headers: { authorization: `Token ${server.token}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, tag: response.headers.get("etag"), text: await response.text() };
}

async function stop(server: Server): Promise<void> {
  server.signal("SIGTERM");
  expect(await server.exited).toBe(0);
}

test("a table that was exported, deleted and imported is complete, and the server returns the same responses", async () => {
  const DATA_DIR = temporary();
  const environment = { DATA_DIR, SIMULATED_STEP_MS: "20" };
  const first = await start(environment);
  const accounts = JSON.parse((await send(first, "GET", "/api/v1/orgs/demo/cloud-accounts?size=100")).text);
  const account = accounts.content.find(({ displayName }: Json) => displayName === "Demo aws");
  const create = (name: string) =>
    send(first, "POST", `${CLUSTERS}/production`, {
      name,
      region: "eu-west-1",
      version: "v1.34.4-u-ame.2",
      cloudAccountIdentity: account.identity,
      nodePools: [{ name: "workers", nodeSize: "t3.medium", minSize: 2 }],
    });
  const reaches = (name: string, status: number, text: string) =>
    until(async () => {
      const response = await send(first, "GET", `${CLUSTERS}/production/${name}`);
      return response.status === status && response.text.includes(text) ? true : undefined;
    });
  expect((await Promise.all(["one", "gone"].map(create))).map(({ status }) => status)).toEqual([200, 200]);
  await Promise.all(["one", "gone"].map((name) => reaches(name, 200, '"status":"started"')));
  await send(first, "PATCH", `${CLUSTERS}/production/gone`, { status: "deleting" });
  await reaches("gone", 404, "");

  const paths = [
    `${CLUSTERS}?show-compute=true`,
    ...["", "?includeDetails=true", "/pools", "/events", "/oidc-config", "/upgrades"].map(
      (rest) => `${CLUSTERS}/production/one${rest}`,
    ),
    "/api/v1/orgs/demo/environments",
    "/api/v1/orgs/demo/cloud-accounts",
    "/api/v1/memberships",
  ];
  const answersOf = (server: Server) => Promise.all(paths.map((path) => send(server, "GET", path)));
  const before = await answersOf(first);
  expect(new Set(before.map(({ status }) => status))).toEqual(new Set([200]));
  const { clientSecret } = JSON.parse(before[5]?.text ?? "");
  addKnownSecrets(clientSecret, first.token);

  // In parallel with the idle server.
  const file = join(dirname(DATA_DIR), "backup.jsonl.gz");
  const exported = await admin(environment, "backup", "export", "--file", file);
  expect(exported).toMatchObject({ code: 0, stderr: "" });
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(existsSync(`${file}.part`)).toBe(false);
  expectNoSecrets(gunzipSync(readFileSync(file)).toString(), "the backup");
  const [again, refused] = await Promise.all([
    admin(environment, "backup", "export", "--file", file),
    admin(environment, "backup", "import", "--file", file),
  ]);
  expect(again).toMatchObject({ code: 2, stderr: expect.stringContaining("already exists") });
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining("is in use by a server") });
  await stop(first);

  // The database is not copied; the files next to it are.
  const restored = { ...environment, DATA_DIR: temporary() };
  mkdirSync(restored.DATA_DIR, { mode: 0o700 });
  for (const beside of ["keys.json", "issuer.json", "token"]) {
    cpSync(join(DATA_DIR, beside), join(restored.DATA_DIR, beside));
  }
  const untouched = temporary();
  const [verified, imported] = await Promise.all([
    admin({ DATA_DIR: untouched }, "backup", "verify", "--file", file),
    admin(restored, "backup", "import", "--file", file),
  ]);
  expect(JSON.parse(verified.stdout)).toMatchObject({ byEntity: { cluster: 1, tombstone: 1 }, unreadable: [] });
  expect(existsSync(untouched)).toBe(false);
  expect(imported.code, imported.stderr).toBe(0);
  const { items } = JSON.parse(imported.stdout);
  expect(items).toBe(JSON.parse(exported.stdout).items);
  const checked = await admin(restored, "table", "check");
  expect(checked.code).toBe(0);
  expect(JSON.parse(checked.stdout)).toEqual({ items, organisations: 1, contradictions: [] });

  const second = await start({ ...restored, PORT: new URL(first.url).port });
  expect(second.token).toBe(first.token);
  expect(await answersOf(second)).toEqual(before);
  expect((await send(second, "POST", `${CLUSTERS}/production/gone/undelete`)).status).toBe(200);
  await stop(second);
});

test("a server does not start on a table with an interrupted import", async () => {
  const { table } = await makeWorld();
  const mark = importEntity.write(importKey, { sha256: "0", startedAt: "2026-11-24T00:00:00.000Z" });
  await commit(table, new Transaction().create("import", mark), deadlineIn(8_000));
  const environment = { DYNAMODB_ENDPOINT: inject("endpoint"), TABLE_NAME: table.name, DATA_DIR: temporary() };
  const { exited, stderr } = script("start", [], environment);
  expect(await exited).toBe(1);
  expect(stderr()).toContain("is incomplete, so items are missing");
});
