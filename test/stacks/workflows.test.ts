import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import type { Json } from "#test/support/world.ts";
import { settingNames } from "../../stacks/settings.ts";

const ROOT = join(import.meta.dirname, "../..");
const files = globSync(".github/{workflows,actions/*}/*.yml", { cwd: ROOT }).sort();
const texts = new Map(files.map((file) => [file, readFileSync(join(ROOT, file), "utf8")]));
const workflow = (name: string): Json => parse(texts.get(`.github/workflows/${name}.yml`) ?? "");

test("workflows exist for every step of a change", () => {
  expect(files.map((file) => file.split("/").at(-1))).toEqual([
    "action.yml",
    "check.yml",
    "production.yml",
    "stage.yml",
    "sweep.yml",
  ]);
});

test("external actions are pinned to a commit, with their version in a comment", () => {
  const used = [...texts.values()].flatMap((text) => [...text.matchAll(/uses: (.*)/g)].map(([, what = ""]) => what));
  expect(used.length).toBeGreaterThan(8);
  for (const what of used) expect(what).toMatch(/^(\.\/\.github\/|[\w.-]+\/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$)/);
});

test("workflows access AWS by role and store no access key", () => {
  for (const [file, text] of texts) expect(text, file).not.toMatch(/secrets\.|aws-access-key|pull_request_target/);
});

test("scripts use names that other people chose only as values of variables", () => {
  for (const [file, text] of texts) {
    for (const { run = "" } of Object.values<Json>(parse(text).jobs ?? {}).flatMap(({ steps = [] }) => steps)) {
      expect(run, file).not.toContain("${{");
    }
  }
});

test("a job has only read permission, except for its own purpose", () => {
  for (const name of ["check", "stage", "production", "sweep"]) {
    expect(workflow(name).permissions).toEqual({ contents: "read" });
  }
  const allowed = (name: string) =>
    Object.fromEntries(Object.entries<Json>(workflow(name).jobs).map(([job, { permissions }]) => [job, permissions]));
  const role = { contents: "read", "id-token": "write" };
  expect(allowed("stage")).toEqual({ deploy: { ...role, "pull-requests": "write" }, remove: role });
  expect(allowed("production")).toEqual({ check: undefined, deploy: role });
  expect(allowed("sweep")).toEqual({ sweep: role });
  expect(allowed("check")).toEqual({ check: undefined });
});

test("production is deployed from main, after every check succeeded", () => {
  const { on, jobs } = workflow("production");
  expect(on).toEqual({ push: { branches: ["main"] } });
  expect(jobs.deploy.needs).toBe("check");
  expect(jobs.deploy.environment.name).toBe("production");
});

test("a branch's stage is removed with the branch or its pull request, and at night when it expired", () => {
  const { on, jobs } = workflow("stage");
  expect(Object.keys(on)).toEqual(["pull_request", "delete"]);
  expect(on.pull_request.types).toContain("closed");
  expect(jobs.remove.steps.at(-1).run).toBe('npm run remove -- --branch "$BRANCH"');
  expect(workflow("sweep").on.schedule).toHaveLength(1);
});

test.each([
  ["production", false],
  ["stage", true],
])(
  "the workflow %s passes each setting that applies to its stage from the variable of the same name",
  (name, isEphemeral) => {
    const deploying = workflow(name).jobs.deploy.steps.find(({ run = "" }: Json) => run.includes("npm run deploy"));
    const expected = settingNames({ isEphemeral }).map((setting) => [setting, `\${{ vars.${setting} }}`]);
    expect(deploying.env).toEqual(Object.fromEntries(expected));
  },
);

/** First major of each action whose action.yml has `using: node24`. Earlier ones run on Node 20, which runners drop. */
const FIRST_MAJOR_ON_NODE_24: Record<string, number> = {
  "actions/checkout": 5,
  "actions/setup-go": 6,
  "actions/setup-node": 5,
  "aws-actions/configure-aws-credentials": 6,
};

test("each action is pinned to a major that runs on Node 24", () => {
  const pinned = [...texts.values()].flatMap((text) => [...text.matchAll(/uses: ([\w-]+\/[\w-]+)@\S+ # v(\d+)\./g)]);
  expect(new Set(pinned.map(([, action = ""]) => action))).toEqual(new Set(Object.keys(FIRST_MAJOR_ON_NODE_24)));
  for (const [, action = "", major] of pinned) {
    expect(Number(major), action).toBeGreaterThanOrEqual(FIRST_MAJOR_ON_NODE_24[action] ?? Number.NaN);
  }
});
