import { beforeAll, describe, expect, test } from "vitest";
import { type Expectation, type Expected, expectations } from "./expectations.ts";
import { faults } from "./faults.ts";
import { arnOf, type Run, synthesize } from "./graph.ts";
import { type View, viewOf } from "./view.ts";

const environment = {
  OIDC_ISSUER_URL: "https://issuer.example.test",
  SST_SECRET_OidcInitialAccessToken: "initial-access-token",
  CORS_ORIGINS: "https://console.example.test",
};

const run = async (given: Run) =>
  viewOf(await synthesize({ ...given, environment: { ...environment, ...given.environment } }), arnOf);

const stages: Expected[] = [
  { stage: "production", kind: "production", dev: false },
  { stage: "staging", kind: "shared", dev: false },
  { stage: "branch-a-change", kind: "branch", dev: false },
  { stage: "dev-ann", kind: "personal", dev: true },
];

const all = Object.entries(expectations) as [string, Expectation][];

describe.each(stages)("the stage $stage", (expected) => {
  let view: View;
  beforeAll(async () => {
    view = await run(expected);
  });
  test.each(all)("%s", (_, expectation) => expectation(view, expected));
});

describe("what whoever deploys says", () => {
  test("every problem is told, before anything is made", async () => {
    const wrong = { OIDC_ISSUER_URL: "", API_DOMAIN: "Nowhere", API_CERTIFICATE_ARN: "mine", ALARM_EMAIL: "ann" };
    const failed = await run({ stage: "production", environment: wrong }).then(
      () => "it went well",
      (error: Error) => error.message,
    );
    for (const name of Object.keys(wrong)) expect(failed).toMatch(new RegExp(`- ${name}: `));
    expect(failed).toContain("OIDC_ISSUER_URL: is not set");
  });

  test("a secret that is not set is asked for", async () => {
    await expect(
      run({ stage: "production", environment: { SST_SECRET_OidcInitialAccessToken: undefined } }),
    ).rejects.toThrow(/OidcInitialAccessToken/);
  });
});

describe("a fault is noticed", { concurrent: true }, () => {
  test.each(Object.entries(faults))("%s", async (_, { noticed, ...change }) => {
    const failed = run({ stage: "production", change });
    if (noticed === "running the stacks") return await expect(failed).rejects.toThrow();
    const view = await failed;
    expect(() => expectations[noticed](view, { stage: "production", kind: "production", dev: false })).toThrow();
  });
});
