import { afterEach, describe, expect, inject, test } from "vitest";
import { AppError } from "#core/shared/errors.ts";
import { openTable } from "#core/table/client.ts";
import { requireTable } from "#core/table/create.ts";
import { resolveTarget } from "#functions/admin/target.ts";
import { runAdmin } from "#test/support/admin.ts";
import { saveEnvironment } from "#test/support/environment.ts";
import { ENGINE, makeWorld } from "#test/support/world.ts";

const KEY = "arn:aws:kms:eu-west-1:123456789012:key/7edd36c4-8016-41db-8eb9-66bfbfa7cc47";

/** Variables that `sst shell` adds to an environment. */
const SHELL = {
  SST_RESOURCE_App: '{"name": "ame-clusters", "stage": "production" }',
  SST_RESOURCE_Table: '{"name":"ame-clusters-production-TableTable-bcdefghk"}',
  SST_RESOURCE_SecretsKey: `{"arn":"${KEY}"}`,
  SST_RESOURCE_Api: '{"url":"https://api.example.test"}',
  AWS_REGION: "eu-west-1",
};

/** Returns the message for an invalid environment. */
function problemsOf(environment: Record<string, string>): readonly string[] {
  try {
    resolveTarget(environment);
  } catch (error) {
    expect(error).toBeInstanceOf(AppError);
    return (error as AppError).details;
  }
  return [];
}

describe("the database that the operator's command uses", () => {
  test("the operator's command uses the data directory by default", () => {
    expect(resolveTarget({}).target).toEqual({ on: "directory", directory: ".data" });
    expect(resolveTarget({ DATA_DIR: "elsewhere", SST_RESOURCE_App: "" }).target).toEqual({
      on: "directory",
      directory: "elsewhere",
    });
  });

  test("the operator's command uses the engine that the environment names", () => {
    const { config, target } = resolveTarget({ DYNAMODB_ENDPOINT: "http://127.0.0.1:8000", TABLE_NAME: "other" });
    expect(target).toEqual({ on: "engine", endpoint: "http://127.0.0.1:8000" });
    expect(config).toMatchObject({ TABLE_NAME: "other", STAGE: "local" });
  });

  test("the operator's command within sst shell uses the stage's table and key", () => {
    const { config, target } = resolveTarget(SHELL);
    expect(target).toEqual({ on: "aws", stage: "production", region: "eu-west-1" });
    expect(config).toMatchObject({
      STAGE: "production",
      TABLE_NAME: "ame-clusters-production-TableTable-bcdefghk",
      KMS_KEY_ID: KEY,
    });
  });

  test("the operator's command within sst shell uses another table of the account if one is named", () => {
    const { config, target } = resolveTarget({
      ...SHELL,
      TABLE_NAME: "restored",
      KMS_KEY_ID: "alias/old",
      AWS_REGION: "",
    });
    expect(target).toEqual({ on: "aws", stage: "production", region: undefined });
    expect(config).toMatchObject({ TABLE_NAME: "restored", KMS_KEY_ID: "alias/old" });
  });

  test("the operator's command refuses an environment that names two databases, or none", () => {
    expect(problemsOf({ ...SHELL, DYNAMODB_ENDPOINT: "http://127.0.0.1:8000" })).toEqual([
      "DYNAMODB_ENDPOINT: must not be set within sst shell of the stage production; unset it, or run the command without sst shell",
    ]);
    expect(problemsOf({ DATA_DIR: ":memory:" })).toEqual([
      expect.stringContaining("set DATA_DIR or DYNAMODB_ENDPOINT"),
    ]);
    expect(resolveTarget({ DATA_DIR: ":memory:", DYNAMODB_ENDPOINT: "http://127.0.0.1:8000" }).target.on).toBe(
      "engine",
    );
  });

  test("the operator's command refuses a stage that was never deployed, and lists every missing link", () => {
    expect(problemsOf({ SST_RESOURCE_App: SHELL.SST_RESOURCE_App, SST_RESOURCE_Table: "{}" })).toEqual([
      "sst shell does not provide the table and the key of this stage; deploy the stage first",
      expect.stringMatching(/^SST_RESOURCE_Table\.name: /),
      expect.stringMatching(/^SST_RESOURCE_SecretsKey: /),
    ]);
  });
});

describe("an operator's command within sst shell", () => {
  const restore = saveEnvironment();
  afterEach(restore);

  test("a command creates the first organisation and a valid token, but no missing table", async () => {
    const world = await makeWorld();
    // The SDK's own variable sends calls for AWS to the engine under test.
    const environment = {
      ...SHELL,
      AWS_ENDPOINT_URL_DYNAMODB: inject("endpoint"),
      AWS_ACCESS_KEY_ID: "local",
      AWS_SECRET_ACCESS_KEY: "local",
      // The engine under test separates tables by region.
      AWS_REGION: "local",
    };
    const table = (name: string) => ({ SST_RESOURCE_Table: JSON.stringify({ name }) });
    // The SDK reads the environment of the process.
    Object.assign(process.env, environment);
    const admin = (name: string, ...words: string[]) => runAdmin({ ...environment, ...table(name) }, ...words);
    const member = ["--org", "first", "--email", "ann@example.com"];
    const made = await admin(world.table.name, "org", "create", "--slug", "first", "--name", "First");
    expect(made).toMatchObject({ code: 0, stderr: `Stage production, table ${world.table.name}, local\n` });
    expect(await admin(world.table.name, "member", "set", ...member, "--role", "admin")).toMatchObject({ code: 0 });
    const { stdout } = await admin(world.table.name, "token", "create", ...member, "--name", "laptop");
    const response = await world.send("GET", "/api/v1/orgs/first/clusters", { token: JSON.parse(stdout).token });
    expect(response).toMatchObject({ status: 200, body: { totalElements: 0 } });

    const missing = await admin("not-there", "org", "create", "--slug", "first", "--name", "First");
    expect(missing).toMatchObject({ code: 1, stdout: "" });
    expect(missing.stderr).toContain('the table "not-there" does not exist');
    const elsewhere = openTable({ name: "not-there", endpoint: inject("endpoint"), client: ENGINE });
    await expect(requireTable(elsewhere)).rejects.toThrow('the table "not-there" does not exist');
  });
});
