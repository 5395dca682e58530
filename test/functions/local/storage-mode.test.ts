import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { AppError } from "#core/shared/errors.ts";
import { createKeyFileStore } from "#functions/local/key-file.ts";
import { createKeyring } from "#functions/local/keyring.ts";
import { requireExternalState } from "#functions/local/storage-mode.ts";
import { readConfig } from "#functions/runtime/config.ts";
import { servicesFrom } from "#functions/runtime/services.ts";
import { runAdmin } from "#test/support/admin.ts";
import { saveEnvironment } from "#test/support/environment.ts";
import { cleanUp, script, temporary } from "#test/support/server.ts";

afterEach(cleanUp);

const ELSEWHERE = {
  DATA_DIR: ":none:",
  DYNAMODB_ENDPOINT: "http://dynamodb:8000",
  OIDC_ISSUER_URL: "https://issuer.example.test",
  KEYS_FILE: "/run/secrets/keys.json",
};

/** Returns the message of a refusal. */
function problemsOf(work: () => unknown): readonly string[] {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(AppError);
    return (error as AppError).details;
  }
  return [];
}

describe("a stateless server", () => {
  test("a stateless server uses external state for everything", () => {
    expect(problemsOf(() => requireExternalState(readConfig(ELSEWHERE)))).toEqual([]);
    const inKms = { ...ELSEWHERE, KEYS_FILE: "", KMS_KEY_ID: "alias/ame" };
    expect(problemsOf(() => requireExternalState(readConfig(inKms)))).toEqual([]);
    for (const DATA_DIR of [".data", ":memory:"]) {
      expect(problemsOf(() => requireExternalState(readConfig({ DATA_DIR })))).toEqual([]);
    }
  });

  test("a stateless server without external state does not start, and lists every missing setting", async () => {
    const { exited, stderr, stdout } = script("start", [], { DATA_DIR: ":none:" });
    expect(await exited).toBe(1);
    expect(stdout()).toBe("");
    const problems = problemsOf(() => requireExternalState(readConfig({ DATA_DIR: ":none:" })));
    expect(problems.map((problem) => problem.split(":")[0])).toEqual([
      "DYNAMODB_ENDPOINT",
      "KEYS_FILE",
      "OIDC_ISSUER_URL",
    ]);
    for (const problem of problems) expect(stderr()).toContain(problem);
  });
});

describe("the keyring file", () => {
  const keyring = (environment: Record<string, string>) => createKeyring(readConfig(environment));
  const context = { cluster: "one" };

  test("a keyring file that is configured is used, and never created", async () => {
    const directory = temporary();
    mkdirSync(directory);
    const file = join(directory, "keys.json");
    await expect(keyring({ ...ELSEWHERE, KEYS_FILE: file }).generate(context)).rejects.toThrow(
      `${file} does not exist`,
    );
    const made = await runAdmin({ DATA_DIR: join(directory, "unused") }, "secrets", "key", "--file", file);
    expect(made.code, made.stderr).toBe(0);
    expect(made.stdout).not.toContain(JSON.parse(readFileSync(file, "utf8")).keys[0].key);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(() => statSync(join(directory, "unused"))).toThrow("ENOENT");
    const { key, wrapped } = await keyring({ ...ELSEWHERE, KEYS_FILE: file }).generate(context);
    // Another replica has the same.
    expect(await keyring({ KEYS_FILE: file }).unwrap(wrapped, context)).toEqual(key);
    expect(await keyring({ DATA_DIR: directory }).unwrap(wrapped, context)).toEqual(key);
    expect((await runAdmin({}, "secrets", "key", "--file", file)).code).toBe(2);
    expect(createKeyFileStore(file, { isOwn: false }).read().keys).toHaveLength(1);
  });

  test("a data directory's keyring file is accessible only for its user, also after it was restored with other permissions", async () => {
    const directory = temporary();
    mkdirSync(directory);
    const file = join(directory, "keys.json");
    await expect(keyring({ DATA_DIR: directory }).generate(context)).rejects.toThrow(`${file} does not exist`);
    await keyring({ DATA_DIR: directory }).ensure();
    const { key, wrapped } = await keyring({ DATA_DIR: directory }).generate(context);
    chmodSync(file, 0o644);
    expect(await keyring({ DATA_DIR: directory }).unwrap(wrapped, context)).toEqual(key);
    expect(statSync(file).mode & 0o777).toBe(0o600);

    // A truncated file is not overwritten, because a backup may be restored.
    const whole = readFileSync(file, "utf8");
    for (const cut of [whole.slice(0, -20), "", '{"keys":[]}']) {
      writeFileSync(file, cut);
      const words = `${file} contains no keys: restore it from a backup`;
      await expect(keyring({ DATA_DIR: directory }).generate(context)).rejects.toThrow(words);
      await expect(keyring({ DATA_DIR: directory }).renew()).rejects.toThrow(words);
      expect(readFileSync(file, "utf8")).toBe(cut);
    }
    rmSync(file);
    await expect(keyring({ DATA_DIR: directory }).unwrap(wrapped, context)).rejects.toThrow(`${file} does not exist`);
    await expect(keyring({ DATA_DIR: directory }).generate(context)).rejects.toThrow(`${file} does not exist`);
    expect(existsSync(file)).toBe(false);
    writeFileSync(file, whole);
    expect(await keyring({ DATA_DIR: directory }).unwrap(wrapped, context)).toEqual(key);
  });

  test("exactly one source of keys must be configured", () => {
    expect(problemsOf(() => keyring({ KEYS_FILE: "keys.json", KMS_KEY_ID: "alias/ame" }))).toEqual([
      "KEYS_FILE: must not be set together with KMS_KEY_ID; unset one of them",
    ]);
    expect(problemsOf(() => keyring({ ...ELSEWHERE, KEYS_FILE: "" }))).toEqual([
      expect.stringMatching(/^KEYS_FILE: is required, unless KMS_KEY_ID is set/),
    ]);
  });
});

describe("credentials for the database engine", () => {
  const shown = async (environment: Record<string, string>) => {
    const config = readConfig(environment);
    const { client } = servicesFrom(config, config.DYNAMODB_ENDPOINT).table;
    const { accessKeyId } = await client.config.credentials();
    return [accessKeyId, await client.config.region()];
  };

  test("an engine on this machine, or an environment without credentials, gets placeholder credentials", async () => {
    const anybody = ["local", "local"];
    expect(await shown({ DYNAMODB_ENDPOINT: "http://127.0.0.1:8000", AWS_ACCESS_KEY_ID: "AKIA" })).toEqual(anybody);
    expect(await shown({ DYNAMODB_ENDPOINT: "http://dynamodb:8000" })).toEqual(anybody);
  });

  test("an engine on another machine gets the credentials of the environment", async () => {
    const known = { AWS_ACCESS_KEY_ID: "AKIA", AWS_SECRET_ACCESS_KEY: "secret", AWS_REGION: "eu-west-1" };
    const restore = saveEnvironment();
    Object.assign(process.env, known);
    try {
      expect(await shown({ DYNAMODB_ENDPOINT: "http://dynamodb:8000", ...known })).toEqual(["AKIA", "eu-west-1"]);
    } finally {
      restore();
    }
  });
});
