import { execFile } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

const COMMAND = join(import.meta.dirname, "../../stacks/command.ts");

let programs: string;
let calls: string;

/** Adds a program to the path that records its calls. */
function program(name: string, script = ""): void {
  const file = join(programs, name);
  writeFileSync(file, `#!/bin/sh\necho "${name} $*" >> ${calls}\n${script}\n`);
  chmodSync(file, 0o755);
}

beforeEach(() => {
  programs = mkdtempSync(join(tmpdir(), "command-"));
  calls = join(programs, "calls");
  writeFileSync(calls, "");
  for (const name of ["sst", "npm", "aws"]) program(name);
  program("git", "echo a-change");
});
afterEach(() => rmSync(programs, { recursive: true, force: true }));

/** Runs the command. @returns its exit code, output, and calls of other programs except git */
const run = (...given: string[]) => runWith({}, ...given);

/** Runs the command. @param options directory, and environment variables beside PATH */
function runWith(
  options: { cwd?: string; env?: Record<string, string> },
  ...given: string[]
): Promise<{ status: number; said: string; called: string[] }> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [COMMAND, ...given],
      { ...options, env: { PATH: `${programs}:/usr/bin:/bin`, ...options.env } },
      (_, out, err) => {
        const called = readFileSync(calls, "utf8")
          .split("\n")
          .filter((line) => line !== "" && !line.startsWith("git"));
        resolve({ status: child.exitCode ?? -1, said: out + err, called });
      },
    );
  });
}

describe("deploy", () => {
  test("deploy builds, then deploys the stage of the current branch", async () => {
    const { status, called } = await run("deploy");
    expect([status, called]).toEqual([0, ["npm run --silent build", "sst deploy --stage branch-a-change"]]);
  });

  test("deploy builds with the catalogue file of the environment, of the stage's settings, or of all stages", async () => {
    program("npm", `echo "catalogue $CATALOGUE_FILE" >> ${calls}`);
    const built = async (environment = {}) =>
      (await runWith({ cwd: programs, env: environment }, "deploy", "--stage", "staging")).called.findLast((call) =>
        call.startsWith("catalogue"),
      );
    expect(await built()).toBe("catalogue ");
    writeFileSync(join(programs, ".env"), "CATALOGUE_FILE=all.yaml\n");
    expect(await built()).toBe("catalogue all.yaml");
    writeFileSync(join(programs, ".env.staging"), "LOG_LEVEL=info\nCATALOGUE_FILE=staging.yaml\n");
    expect(await built()).toBe("catalogue staging.yaml");
    expect(await built({ CATALOGUE_FILE: "none" })).toBe("catalogue none");
  });

  test("deploy builds with the profile file of the stage's settings", async () => {
    program("npm", `echo "profiles $CLUSTER_API_PROFILES" >> ${calls}`);
    writeFileSync(join(programs, ".env.staging"), "CLUSTER_API_PROFILES=profiles.yaml\n");
    const { called } = await runWith({ cwd: programs }, "deploy", "--stage", "staging");
    expect(called).toContain("profiles profiles.yaml");
  });

  test("deploy uses the named stage, or that of the named branch", async () => {
    expect((await run("deploy", "--stage", "production")).called.at(-1)).toBe("sst deploy --stage production");
    expect((await run("deploy", "--branch", "another")).called.at(-1)).toBe("sst deploy --stage branch-another");
  });

  test("deploy requires a stage on the main branch, and without a branch", async () => {
    expect(await run("deploy", "--branch", "main")).toMatchObject({ status: 1, called: [] });
    program("git");
    const { status, said, called } = await run("deploy");
    expect([status, called]).toEqual([1, []]);
    expect(said).toMatch(/--stage NAME/);
  });

  test("deploy stops if the build fails", async () => {
    program("npm", "exit 3");
    const { status, said, called } = await run("deploy");
    expect([status, called]).toEqual([1, ["npm run --silent build"]]);
    expect(said).toMatch(/npm run --silent build failed/);
  });
});

describe("remove", () => {
  test("remove removes a branch's stage", async () => {
    const { status, called } = await run("remove", "--stage", "branch-x");
    expect([status, called]).toEqual([0, ["sst remove --stage branch-x"]]);
  });

  test("remove succeeds for a stage that does not exist, with a message", async () => {
    program("sst", "echo 'Stage not found' >&2; exit 1");
    const { status, said } = await run("remove", "--branch", "never-deployed");
    expect(status).toBe(0);
    expect(said).toMatch(/^The stage branch-never-deployed does not exist\. Nothing was removed\.$/m);
  });

  test("remove fails if SST fails for another reason, and shows SST's output", async () => {
    program("sst", "echo 'Concurrent update detected' >&2; exit 1");
    const { status, said } = await run("remove", "--branch", "a-change");
    expect(status).toBe(1);
    expect(said).toMatch(/^Concurrent update detected$/m);
    expect(said).toMatch(/^sst remove --stage branch-a-change failed$/m);
  });

  test("remove fails if SST cannot be run", async () => {
    rmSync(join(programs, "sst"));
    const { status, said } = await run("remove", "--branch", "a-change");
    expect(status).toBe(1);
    expect(said).toMatch(/^sst cannot be run: /m);
  });

  test.each(["production", "staging"])(
    "remove refuses to remove %s, and refers to the documentation",
    async (stage) => {
      const { status, said, called } = await run("remove", "--stage", stage);
      expect([status, called]).toEqual([1, []]);
      expect(said).toMatch(new RegExp(`${stage} cannot be removed: .*docs/stages\\.md`));
      expect(said).not.toMatch(/at .*\.ts:/);
    },
  );
});

describe("dev", () => {
  test("dev uses a personal stage", async () => {
    const { status, called } = await run("dev");
    expect([status, called]).toEqual([0, [expect.stringMatching(/^sst dev --stage dev-[a-z0-9-]+$/)]]);
  });

  test("dev refuses the Cluster API provisioner, whose profile file only a build puts into functions", async () => {
    writeFileSync(join(programs, ".env"), "PROVISIONER=cluster-api\n");
    const { status, said, called } = await runWith({ cwd: programs }, "dev");
    expect([status, called]).toEqual([1, []]);
    expect(said).toMatch(/PROVISIONER=cluster-api is not possible with dev/);
    expect((await runWith({ cwd: programs, env: { PROVISIONER: "simulated" } }, "dev")).status).toBe(0);
  });

  test.each(["production", "staging"])("dev never uses the stage %s", async (stage) => {
    expect(await run("dev", "--stage", stage)).toMatchObject({ status: 1, called: [] });
  });
});

describe("sweep", () => {
  const listing = (stages: string[]) =>
    JSON.stringify({
      ResourceTagMappingList: stages.map((Value) => ({
        Tags: [
          { Key: "sst:stage", Value },
          { Key: "expires", Value: "2020-01-01" },
        ],
      })),
    });

  test("sweep removes expired stages, and a failure does not stop the others", async () => {
    program("aws", `echo '${listing(["branch-a", "branch-b", "production"])}'`);
    program("sst", 'test "$3" != branch-a');
    const { status, said, called } = await run("sweep");
    expect(called.slice(1)).toEqual(["sst remove --stage branch-a", "sst remove --stage branch-b"]);
    expect(status).toBe(1);
    expect(said).toMatch(/were not removed: branch-a$/m);
  });

  test("sweep succeeds if a stage was removed after it was listed", async () => {
    program("aws", `echo '${listing(["branch-a", "branch-b"])}'`);
    program("sst", 'test "$3" != branch-a || { echo "Stage not found"; exit 1; }');
    const { status, called } = await run("sweep");
    expect(called.slice(1)).toEqual(["sst remove --stage branch-a", "sst remove --stage branch-b"]);
    expect(status).toBe(0);
  });

  test("sweep succeeds without expired stages", async () => {
    program("aws", `echo '${listing([])}'`);
    const { status, said } = await run("sweep");
    expect([status, said]).toEqual([0, "No stage has expired.\n"]);
  });
});

test.each([
  [[]],
  [["what"]],
  [["deploy", "again"]],
  [["deploy", "--force"]],
  [["deploy", "--stage", "a", "--branch", "b"]],
])("the arguments %j cause a usage message, and nothing is done", async (given) => {
  const { status, said, called } = await run(...given);
  expect([status, called]).toEqual([1, []]);
  expect(said.length).toBeGreaterThan(10);
});
