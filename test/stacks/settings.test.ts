import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseEnv } from "node:util";
import { describe, expect, test } from "vitest";
import { logLevels, readConfig } from "#functions/runtime/config.ts";
import { deployableLogLevels, readSettings, settingNames } from "../../stacks/settings.ts";
import { stageOf } from "../../stacks/stage.ts";

const [production, branch] = [stageOf("production"), stageOf("branch-a-change")];

const complete = {
  OIDC_ISSUER_URL: "https://issuer.example.test",
  API_DOMAIN: "api.example.com",
  API_CERTIFICATE_ARN: "arn:aws:acm:eu-west-1:123456789012:certificate/mine",
  ALARM_EMAIL: "operator@example.test",
  CORS_ORIGINS: "https://console.example.test, https://other.example.test",
  HOSTING_POOL_ID: "7",
  HOSTING_POOL_NAME: "ours",
  LOG_LEVEL: "warn",
  CATALOGUE_FILE: "core/catalogue/catalogue.json",
  PROVISIONER: "cluster-api",
  CLUSTER_API_PROFILES: "docs/examples/cluster-api-profiles.yaml",
};
const OPTIONAL = ["API_DOMAIN", "API_CERTIFICATE_ARN", "ALARM_EMAIL", "CORS_ORIGINS", "CATALOGUE_FILE"];

/** Returns the settings that the refusal of a deployment names. */
function refused(environment: Record<string, string>, stage = production): string[] {
  try {
    readSettings(environment, stage);
  } catch (error) {
    return [...(error as Error).message.matchAll(/^- (\w+): /gm)].map(([, name = ""]) => name);
  }
  return [];
}

describe("settings of a lasting stage", () => {
  test("a lasting stage with every setting is deployed with them", () => {
    expect(readSettings(complete, production)).toEqual({
      oidcIssuerUrl: complete.OIDC_ISSUER_URL,
      domain: { name: complete.API_DOMAIN, certificate: complete.API_CERTIFICATE_ARN },
      alarmEmail: complete.ALARM_EMAIL,
      usesClusterApi: true,
      passedOn: {
        CORS_ORIGINS: complete.CORS_ORIGINS,
        HOSTING_POOL_ID: "7",
        HOSTING_POOL_NAME: "ours",
        LOG_LEVEL: "warn",
        PROVISIONER: "cluster-api",
      },
    });
  });

  test.each(Object.keys(complete))("a lasting stage without %s is refused, also when the variable is empty", (name) => {
    for (const stage of [production, stageOf("staging")]) {
      const { [name as keyof typeof complete]: _, ...rest } = complete;
      expect(refused(rest, stage)).toContain(name);
      expect(refused({ ...complete, [name]: "" }, stage)).toContain(name);
    }
  });

  test("a lasting stage can state none for each optional setting", () => {
    const none = Object.fromEntries([...OPTIONAL, "CLUSTER_API_PROFILES"].map((name) => [name, "none"]));
    const without = { ...complete, ...none, PROVISIONER: "simulated" };
    const { domain, alarmEmail, passedOn } = readSettings(without, production);
    expect([domain, alarmEmail, passedOn.CORS_ORIGINS]).toEqual([undefined, undefined, undefined]);
  });

  test("a lasting stage cannot state none for a required setting", () => {
    expect(refused({ ...complete, OIDC_ISSUER_URL: "none", LOG_LEVEL: "none", HOSTING_POOL_ID: "none" })).toEqual([
      "OIDC_ISSUER_URL",
      "HOSTING_POOL_ID",
      "LOG_LEVEL",
    ]);
  });

  test("a lasting stage without settings is refused with every missing setting", () => {
    expect(new Set(refused({}))).toEqual(new Set(settingNames(production)));
    expect(new Set(settingNames(production))).toEqual(new Set(Object.keys(complete)));
  });
});

test("an ephemeral stage needs only the issuer, and ignores the domain and the alarms", () => {
  const { domain, alarmEmail } = readSettings(complete, branch);
  expect([domain, alarmEmail]).toEqual([undefined, undefined]);
  expect(readSettings({ OIDC_ISSUER_URL: complete.OIDC_ISSUER_URL }, branch).passedOn).toEqual({});
  expect(refused({}, branch)).toEqual(["OIDC_ISSUER_URL"]);
});

test("LOG_LEVEL can be every level except silent, because alarms depend on logged metrics", () => {
  expect(deployableLogLevels).toEqual(logLevels.filter((level) => level !== "silent"));
  for (const stage of [production, branch]) {
    expect(refused({ ...complete, LOG_LEVEL: "silent" }, stage)).toEqual(["LOG_LEVEL"]);
  }
});

test.each([
  ["HOSTING_POOL_ID", "0"],
  ["HOSTING_POOL_ID", "many"],
  ["HOSTING_POOL_ID", "1234567890123456"],
  ["LOG_LEVEL", "loud"],
  ["OIDC_ISSUER_URL", "http://issuer.example.test"],
  ["OIDC_ISSUER_URL", "https://169.254.169.254"],
])("%s=%s, with which functions would not start, is refused at the deployment", (name, value) => {
  expect(() => readConfig({ [name]: value })).toThrow();
  expect(refused({ ...complete, [name]: value })).toEqual([name]);
});

test.each([production, branch])(
  "the Cluster API provisioner and its profile file require each other, on $name",
  (stage) => {
    const { CLUSTER_API_PROFILES, PROVISIONER, ...others } = complete;
    const simulated = { ...others, PROVISIONER: "simulated", CLUSTER_API_PROFILES: "none" };
    expect(readSettings(simulated, stage).usesClusterApi).toBe(false);
    expect(refused({ ...simulated, CLUSTER_API_PROFILES }, stage)).toEqual(["CLUSTER_API_PROFILES"]);
    expect(refused({ ...simulated, PROVISIONER }, stage)).toEqual(["CLUSTER_API_PROFILES"]);
    expect(refused({ ...complete, CLUSTER_API_PROFILES: "nowhere.yaml" }, stage)).toEqual(["CLUSTER_API_PROFILES"]);
    expect(refused({ ...simulated, PROVISIONER: "kubernetes" }, stage)).toEqual(["PROVISIONER"]);
  },
);

test("a catalogue file that does not exist is refused, on each kind of stage", () => {
  for (const stage of [production, branch]) {
    expect(refused({ ...complete, CATALOGUE_FILE: "nowhere.yaml" }, stage)).toEqual(["CATALOGUE_FILE"]);
  }
});

test("API_DOMAIN can be below an internationalised top-level domain", () => {
  const domain = { ...complete, API_DOMAIN: "api.xn--e1afmkfd.xn--p1ai" };
  expect(readSettings(domain, production).domain?.name).toBe(domain.API_DOMAIN);
});

test.each(["https://localhost:8443", "https://127.0.0.1"])("OIDC_ISSUER_URL=%s, on this machine, is refused", (url) => {
  expect(refused({ ...complete, OIDC_ISSUER_URL: url })).toEqual(["OIDC_ISSUER_URL"]);
});

test.each(["console.example.test", "https://console.example.test/", "*"])("CORS_ORIGINS=%s is refused", (value) => {
  expect(refused({ ...complete, CORS_ORIGINS: value })).toEqual(["CORS_ORIGINS"]);
});

test.each([
  ["docs/stages.md", "staging"],
  ["docs/operations.md", "production"],
])("the settings that %s writes for %s are accepted", (file, stage) => {
  const document = readFileSync(join(import.meta.dirname, "../..", file), "utf8");
  const [, written = ""] = new RegExp(`\\.env\\.${stage} <<'SETTINGS'\n(.*?) *SETTINGS\n`, "s").exec(document) ?? [];
  const settings = parseEnv(written) as Record<string, string>;
  expect(Object.keys(settings).sort()).toEqual(settingNames(stageOf(stage)).sort());
  expect(refused(settings, stageOf(stage))).toEqual([]);
});
