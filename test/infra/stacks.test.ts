import { beforeAll, describe, expect, test } from "vitest";
import { readSettings } from "../../stacks/settings.ts";
import { stageOf } from "../../stacks/stage.ts";
import { type Expectation, type Expected, expectations } from "./expectations.ts";
import { faults } from "./faults.ts";
import { arnOf, type Run, synthesize } from "./graph.ts";
import { type View, viewOf } from "./view.ts";

const environment = {
  OIDC_ISSUER_URL: "https://issuer.example.test",
  SST_SECRET_OidcInitialAccessToken: "initial-access-token",
  API_DOMAIN: "none",
  API_CERTIFICATE_ARN: "none",
  ALARM_EMAIL: "operator@example.test",
  CATALOGUE_FILE: "none",
  PROVISIONER: "simulated",
  CLUSTER_API_PROFILES: "none",
  CORS_ORIGINS: "https://console.example.test",
  HOSTING_POOL_ID: "1",
  HOSTING_POOL_NAME: "default",
  LOG_LEVEL: "info",
};

/** Settings of a stage with real clusters. */
const realClusters = {
  PROVISIONER: "cluster-api",
  CLUSTER_API_PROFILES: "docs/examples/cluster-api-profiles.yaml",
  SST_SECRET_ClusterApiKubeconfig: "kubeconfig of the management cluster",
};

const run = async (given: Run) =>
  viewOf(await synthesize({ ...given, environment: { ...environment, ...given.environment } }), arnOf);

const stages: Expected[] = [
  { stage: "production", kind: "production", dev: false },
  { stage: "staging", kind: "shared", dev: false },
  { stage: "branch-a-change", kind: "branch", dev: false },
  { stage: "dev-ann", kind: "personal", dev: true },
  { stage: "production", kind: "production", dev: false, hasRealClusters: true },
  { stage: "branch-a-change", kind: "branch", dev: false, hasRealClusters: true },
];

const all = Object.entries(expectations) as [string, Expectation][];

describe.each(stages)("the stage $stage, with real clusters: $hasRealClusters", (expected) => {
  let view: View;
  beforeAll(async () => {
    view = await run({ ...expected, environment: expected.hasRealClusters ? realClusters : {} });
  });
  test.each(all)("the expectation holds: %s", (_, expectation) => expectation(view, expected));
});

describe("settings of a deployment", () => {
  test("a deployment with several invalid settings reports all of them before it creates anything", async () => {
    const wrong = { OIDC_ISSUER_URL: "", API_DOMAIN: "Nowhere", API_CERTIFICATE_ARN: "mine", ALARM_EMAIL: "ann" };
    const failed = await run({ stage: "production", environment: wrong }).then(
      () => "it went well",
      (error: Error) => error.message,
    );
    for (const name of Object.keys(wrong)) expect(failed).toMatch(new RegExp(`- ${name}: `));
    expect(failed).toContain("OIDC_ISSUER_URL: is not set");
  });

  test.each(["http://issuer.example", "https://issuer.example/?realm=one", "https://me:word@issuer.example"])(
    "%s as the issuer URL is refused at the deployment, not first by the functions",
    (OIDC_ISSUER_URL) => {
      expect(() => readSettings({ OIDC_ISSUER_URL }, stageOf("dev-ann"))).toThrow("with only a host and a path");
    },
  );

  test("a stage without an initial access token is deployed, and its functions have no such variable", async () => {
    const { functions } = await run({
      stage: "production",
      environment: { SST_SECRET_OidcInitialAccessToken: undefined },
    });
    const { variables } = functions.ReconcileStream?.inputs.environment ?? {};
    expect(variables).toMatchObject({ OIDC_ISSUER_URL: "https://issuer.example.test" });
    expect(variables).not.toHaveProperty("OIDC_INITIAL_ACCESS_TOKEN");
  });
});

test("a stage with real clusters and without a kubeconfig is refused", async () => {
  const environment = { ...realClusters, SST_SECRET_ClusterApiKubeconfig: undefined };
  await expect(run({ stage: "production", environment })).rejects.toThrow(/ClusterApiKubeconfig/);
});

describe("the custom domain of a stage", () => {
  const domain = { API_DOMAIN: "api.example.com" };
  const certificate = "arn:aws:acm:eu-west-1:123456789012:certificate/mine";
  const named = ({ all, one }: View) => ({
    names: all("aws:apigatewayv2/domainName:DomainName").map(({ inputs }) => inputs.domainName),
    onlyThere: one("aws:apigatewayv2/api:Api", "ApiApi").inputs.disableExecuteApiEndpoint,
  });

  test.each([
    ["production", ["api.example.com"]],
    ["staging", ["staging.api.example.com"]],
    ["branch-a-change", []],
  ])("the domain of %s is %j, and the API has no other address", async (stage, names) => {
    const view = await run({ stage, environment: { ...domain, API_CERTIFICATE_ARN: certificate } });
    expect(named(view)).toEqual({ names, onlyThere: names.length > 0 });
    const made = view.all("aws:apigatewayv2/domainName:DomainName")[0]?.inputs.domainNameConfiguration;
    if (names.length > 0) expect(made).toMatchObject({ certificateArn: certificate, securityPolicy: "TLS_1_2" });
  });

  test("a domain whose DNS zone is in the account gets its certificate and its record", async () => {
    const view = await run({ stage: "production", environment: domain });
    expect(named(view)).toEqual({ names: ["api.example.com"], onlyThere: true });
    expect(view.all("aws:acm/certificate:Certificate").map(({ inputs }) => inputs.domainName)).toEqual([
      "api.example.com",
    ]);
    const records = view.all("aws:route53/record:Record").filter(({ inputs }) => inputs.aliases !== undefined);
    expect(records.map(({ inputs }) => inputs.name)).toContain("api.example.com");
  });
});

describe("detection of planted faults", { concurrent: true }, () => {
  test.each(Object.entries(faults))("the planted fault is detected: %s", async (_, { noticed, ...fault }) => {
    const { hasRealClusters = false, ...change } = fault;
    const failed = run({ stage: "production", change, environment: hasRealClusters ? realClusters : {} });
    if (noticed === "running the stacks") return await expect(failed).rejects.toThrow();
    const view = await failed;
    const expected: Expected = { stage: "production", kind: "production", dev: false, hasRealClusters };
    expect(() => expectations[noticed](view, expected)).toThrow();
  });
});
