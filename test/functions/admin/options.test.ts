import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { openTable } from "#core/table/client.ts";
import { runAdmin } from "#test/support/admin.ts";
import { deleteAfterFile } from "#test/support/tables.ts";
import { ENGINE } from "#test/support/world.ts";

const folder = mkdtempSync(join(tmpdir(), "options-"));
const TABLE_NAME = `options-${randomUUID()}`;
const environment = { DYNAMODB_ENDPOINT: "", TABLE_NAME, DATA_DIR: folder, KEYS_FILE: "" };

beforeAll(async () => {
  environment.DYNAMODB_ENDPOINT = inject("endpoint");
  await run("org", "create", "--slug", "acme", "--name", "Acme");
  await run("env", "create", "--org", "acme", "--name", "Live", "--type", "production");
  deleteAfterFile(openTable({ name: TABLE_NAME, endpoint: inject("endpoint"), client: ENGINE }));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Runs a command that succeeds. @returns what it prints */
async function run(...words: string[]) {
  const { code, stdout, stderr } = await runAdmin(environment, ...words);
  expect(code, stderr).toBe(0);
  return { printed: JSON.parse(stdout), stderr };
}

const LONG = "x".repeat(300);

test.each<[string, string[], string[]]>([
  ["org create", ["--slug", "A b", "--name", "x", "--email", LONG], ["--slug", "--name", "--email"]],
  ["env create", ["--org", "acme", "--name", "Other", "--type", "best"], ["--type"]],
  ["account create", ["--org", "acme", "--name", LONG, "--provider", "nimbus"], ["--name", "--provider"]],
  [
    "account create",
    ["--org", "acme", "--name", "Own", "--provider", "aws", "--tenant-id", LONG, "--parent-folder", LONG],
    ["--tenant-id", "--parent-folder"],
  ],
  ["schedule create", ["--org", "acme", "--name", "nights", "--window", "SOMEDAY 02:00 120"], ["--window"]],
  ["member set", ["--org", "acme", "--email", "ann@example.com", "--role", "boss"], ["--role"]],
  ["member set", ["--org", "acme", "--email", "ann@example.com", "--env", "live", "--role", "boss"], ["--role"]],
  ["member set", ["--org", "acme", "--email", "ann@example.com", "--env", "live"], ["--env"]],
  [
    "member set",
    ["--org", "acme", "--email", "ann@example.com", "--role", "admin", "--kubernetes-role", "boss"],
    ["--kubernetes-role"],
  ],
])("%s with invalid options %j names the options in its errors", async (name, words, options) => {
  const { code, stderr } = await runAdmin(environment, ...name.split(" "), ...words);
  expect(code, stderr).toBe(1);
  const lines = stderr.trim().split("\n");
  expect(lines.map((line) => line.split(":")[0]).toSorted()).toEqual(options.toSorted());
});

test("member set and member list print members without keys and ids of writes", async () => {
  const member = ["member", "set", "--org", "acme", "--email", "eve@example.com"];
  await run(...member, "--role", "viewer");
  const { printed: changed } = await run(...member, "--env", "live", "--role", "admin");
  const { printed: listed } = await run("member", "list", "--org", "acme");
  for (const shown of [changed, ...listed]) {
    expect(Object.keys(shown).toSorted()).toEqual([
      "createdAt",
      "email",
      "environmentRoles",
      "kubernetesRole",
      "modifiedAt",
      "organisation",
      "revision",
      "role",
      "user",
    ]);
  }
});

test("secrets rotate says that it waits, and how long", async () => {
  const file = join(folder, "keys.json");
  await run("secrets", "key", "--file", file);
  environment.KEYS_FILE = file;
  const { printed, stderr } = await run("secrets", "rotate", "--grace", "0.1");
  expect(printed).toMatchObject({ clusters: 0 });
  expect(stderr).toContain("waiting 0.1 s (--grace) before the old keys are removed");
});
