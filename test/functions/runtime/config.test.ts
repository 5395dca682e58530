import { describe, expect, test } from "vitest";
import { AppError } from "#core/shared/errors.ts";
import { type ClusterApiVariable, commandEnvironment, logLevels, readConfig } from "#functions/runtime/config.ts";

/** Returns the message for an invalid environment. */
function problemsOf(
  environment: Record<string, string>,
  needed: readonly ClusterApiVariable[] = [],
): readonly string[] {
  try {
    readConfig(environment, needed);
  } catch (error) {
    expect(error).toBeInstanceOf(AppError);
    const { kind, code, details, message } = error as AppError;
    expect({ kind, code }).toEqual({ kind: "invalid", code: "config.invalid" });
    expect(message.startsWith(details[0] ?? "?")).toBe(true);
    return details;
  }
  return [];
}

const DEFAULTS = {
  PORT: 4000,
  HOST: "127.0.0.1",
  DATA_DIR: ".data",
  TABLE_NAME: "ame",
  STAGE: "local",
  PROVISIONER: "simulated",
  SIMULATED_STEP_MS: 800,
  LOG_LEVEL: "info",
  HOSTING_POOL_ID: 1,
  HOSTING_POOL_NAME: "default",
  CORS_ORIGINS: [],
  TRUSTED_PROXIES: [],
};

describe("configuration from environment variables", () => {
  test("an environment without variables gives every default", () => {
    expect(readConfig({})).toEqual(DEFAULTS);
  });

  test("empty variables count as not set", () => {
    const names = [...Object.keys(DEFAULTS), "DYNAMODB_ENDPOINT"];
    expect(readConfig(Object.fromEntries(names.map((name) => [name, ""])))).toEqual(DEFAULTS);
    expect(readConfig(Object.fromEntries(names.map((name) => [name, undefined])))).toEqual(DEFAULTS);
  });

  test("every variable sets its configuration value", () => {
    expect(
      readConfig({
        PORT: "0",
        HOST: "::1",
        DATA_DIR: "/var/lib/ame",
        DYNAMODB_ENDPOINT: "http://127.0.0.1:8000",
        TABLE_NAME: "ame-clusters_1.x",
        STAGE: "production",
        PROVISIONER: "cluster-api",
        CLUSTER_API_PROFILES: "profiles.yaml",
        CLUSTER_API_KUBECONFIG: "/etc/ame/kubeconfig",
        SIMULATED_STEP_MS: "25",
        LOG_LEVEL: "silent",
        HOSTING_POOL_ID: "900719925474099",
        HOSTING_POOL_NAME: "blue & green",
        PUBLIC_URL: "https://api.example.test/clusters/",
        CORS_ORIGINS: "https://a.example.test, https://b.example.test",
        TRUSTED_PROXIES: " 10.0.0.0/8 ,, 2001:db8::/32,",
      }),
    ).toEqual({
      PORT: 0,
      HOST: "::1",
      DATA_DIR: "/var/lib/ame",
      DYNAMODB_ENDPOINT: "http://127.0.0.1:8000",
      TABLE_NAME: "ame-clusters_1.x",
      STAGE: "production",
      PROVISIONER: "cluster-api",
      CLUSTER_API_PROFILES: "profiles.yaml",
      CLUSTER_API_KUBECONFIG: "/etc/ame/kubeconfig",
      SIMULATED_STEP_MS: 25,
      LOG_LEVEL: "silent",
      HOSTING_POOL_ID: 900719925474099,
      HOSTING_POOL_NAME: "blue & green",
      PUBLIC_URL: "https://api.example.test/clusters",
      CORS_ORIGINS: ["https://a.example.test", "https://b.example.test"],
      TRUSTED_PROXIES: ["10.0.0.0/8", "2001:db8::/32"],
    });
  });

  test("unknown variables are ignored", () => {
    const secret = readConfig({ AWS_SECRET_ACCESS_KEY: "secret", PATH: "/bin", port: "1" });
    expect(secret).toEqual(DEFAULTS);
  });

  test("an environment with several errors is refused with all of them, each with its variable", () => {
    const problems = problemsOf({
      PORT: "70000",
      DYNAMODB_ENDPOINT: "not a url",
      TABLE_NAME: "a#b",
      PROVISIONER: "magic",
      LOG_LEVEL: "loud",
      HOSTING_POOL_ID: "0",
      PUBLIC_URL: "ftp://api.example.test",
      TRUSTED_PROXIES: "10.0.0.1/8",
    });
    expect(problems.map((problem) => problem.split(":")[0]).sort()).toEqual([
      "DYNAMODB_ENDPOINT",
      "HOSTING_POOL_ID",
      "LOG_LEVEL",
      "PORT",
      "PROVISIONER",
      "PUBLIC_URL",
      "TABLE_NAME",
      "TRUSTED_PROXIES",
    ]);
  });
});

describe("variables of the Cluster API provisioner", () => {
  const needed = ["CLUSTER_API_PROFILES", "CLUSTER_API_KUBECONFIG"] as const;

  test("a process with the Cluster API provisioner is refused with every variable that it lacks, and with invalid ones", () => {
    expect(problemsOf({ PROVISIONER: "cluster-api", CLUSTER_API_PROFILES: "none", PORT: "x" }, needed)).toEqual([
      `PORT: "x" is not allowed: must be a whole number`,
      "CLUSTER_API_PROFILES: is not set; PROVISIONER=cluster-api requires the path of a profile file",
      "CLUSTER_API_KUBECONFIG: is not set; PROVISIONER=cluster-api requires the path of the kubeconfig of the management cluster",
    ]);
    expect(
      problemsOf({ PROVISIONER: "cluster-api", CLUSTER_API_PROFILES: "", CLUSTER_API_KUBECONFIG: "k" }, needed),
    ).toEqual(["CLUSTER_API_PROFILES: is not set; PROVISIONER=cluster-api requires the path of a profile file"]);
  });

  test("a process needs only its own variables, and none with another provisioner", () => {
    expect(problemsOf({ PROVISIONER: "cluster-api" })).toEqual([]);
    expect(problemsOf({ PROVISIONER: "cluster-api" }, ["CLUSTER_API_KUBECONFIG_SECRET"])).toEqual([
      expect.stringMatching(/^CLUSTER_API_KUBECONFIG_SECRET: is not set/),
    ]);
    expect(problemsOf({}, needed)).toEqual([]);
    expect(problemsOf({ PROVISIONER: "simulated" }, needed)).toEqual([]);
  });
});

describe("a configuration variable", () => {
  test.each(logLevels)("LOG_LEVEL can be %s", (level) => {
    expect(readConfig({ LOG_LEVEL: level }).LOG_LEVEL).toBe(level);
  });

  test.each([
    ["PORT", "-1", "must be a whole number"],
    ["PORT", "80.0", "must be a whole number"],
    ["PORT", "1e3", "must be a whole number"],
    ["PORT", "0x50", "must be a whole number"],
    ["PORT", " 80", "must be a whole number"],
    ["PORT", "65536", "must be at most 65535"],
    ["PORT", "9".repeat(400), "must be a whole number"],
    ["HOSTING_POOL_ID", "0", "must be at least 1"],
    ["HOSTING_POOL_ID", "one", "must be a whole number"],
    ["TABLE_NAME", "ab", "must be 3 to 255 characters: letters, digits, _, . and -"],
    ["TABLE_NAME", "a".repeat(256), "must be 3 to 255 characters: letters, digits, _, . and -"],
    ["TABLE_NAME", "table name", "must be 3 to 255 characters: letters, digits, _, . and -"],
    ["TABLE_NAME", "table\n", "must be 3 to 255 characters: letters, digits, _, . and -"],
    ["DYNAMODB_ENDPOINT", "localhost", "must be a URL"],
    ["PROVISIONER", "Simulated", "must be simulated or cluster-api"],
    ["LOG_LEVEL", "INFO", "must be one of debug, info, warn, error, silent"],
    [
      "TRUSTED_PROXIES",
      "10.0.0.0/8,proxy.example",
      "must be CIDR blocks that requests can come from, such as 10.0.0.0/8,192.168.0.0/16",
    ],
    [
      "TRUSTED_PROXIES",
      "10.0.0.1",
      "must be CIDR blocks that requests can come from, such as 10.0.0.0/8,192.168.0.0/16",
    ],
    ...[
      "issuer.example",
      "http://issuer.example",
      "https://issuer.example/?realm=one",
      "https://issuer.example/#one",
      "https://somebody:password@issuer.example",
      " https://issuer.example",
    ].map((url): [string, string, string] => [
      "OIDC_ISSUER_URL",
      url,
      "must be an https URL (http on this machine) with only a host and a path",
    ]),
    ...[
      "https://0.0.0.0",
      "https://169.254.169.254/x",
      "https://[::]",
      "https://[fe80::1]",
      "https://224.0.0.1",
    ].flatMap((url) =>
      ["OIDC_ISSUER_URL", "PUBLIC_URL"].map((name): [string, string, string] => [
        name,
        url,
        "must not have an unspecified, link-local, multicast or reserved address, which no client can reach",
      ]),
    ),
    [
      "TRUSTED_PROXIES",
      "127.0.0.0/8,224.0.0.0/4",
      "must be CIDR blocks that requests can come from, such as 10.0.0.0/8,192.168.0.0/16",
    ],
  ])("%s cannot be %j: it %s", (name, value, requirement) => {
    const [problem = "", ...others] = problemsOf({ [name]: value });
    expect(others).toEqual([]);
    expect(problem.startsWith(`${name}: "`)).toBe(true);
    expect(problem.slice(problem.indexOf(" is not allowed: "))).toBe(` is not allowed: ${requirement}`);
  });

  test("the message for an invalid variable contains its value, cut if it is long, without a password", () => {
    expect(problemsOf({ PORT: "abc" })).toEqual(['PORT: "abc" is not allowed: must be a whole number']);
    expect(problemsOf({ PORT: "9".repeat(400) })[0]?.length).toBeLessThan(200);
    const [problem = ""] = problemsOf({ OIDC_ISSUER_URL: "https://somebody:password@issuer.example" });
    expect(problem).toContain('"https://…@issuer.example" is not allowed');
  });

  test.each([
    "https://issuer.example/realms/one/",
    "https://issuer.example",
    "http://127.0.0.1:4000/oidc",
    "http://[::1]",
  ])("OIDC_ISSUER_URL can be %s, and is used unchanged", (url) => {
    expect(readConfig({ OIDC_ISSUER_URL: url }).OIDC_ISSUER_URL).toBe(url);
  });

  test("CORS_ORIGINS are read as browsers send origins", () => {
    const written = "HTTPS://Console.Example.test:443, http://a.test:80, http://b.test:8080, app://Desk, *";
    const { CORS_ORIGINS } = readConfig({ CORS_ORIGINS: written });
    const read = ["https://console.example.test", "http://a.test", "http://b.test:8080", "app://Desk", "*"];
    expect(CORS_ORIGINS).toEqual(read);
  });

  test("PUBLIC_URL can have its scheme in upper case and a loopback address", () => {
    expect(readConfig({ PUBLIC_URL: "HTTPS://api.example.test" }).PUBLIC_URL).toBe("HTTPS://api.example.test");
    expect(readConfig({ PUBLIC_URL: "http://127.0.0.1:4000" }).PUBLIC_URL).toBe("http://127.0.0.1:4000");
  });

  test("a number variable accepts its minimum and its maximum", () => {
    expect(readConfig({ PORT: "65535" }).PORT).toBe(65_535);
    expect(readConfig({ HOSTING_POOL_ID: "1" }).HOSTING_POOL_ID).toBe(1);
    expect(readConfig({ TABLE_NAME: "abc" }).TABLE_NAME).toBe("abc");
    expect(readConfig({ TABLE_NAME: "a".repeat(255) }).TABLE_NAME).toHaveLength(255);
  });
});

test("a command of the operator gets the environment of the process without the variables of this service", () => {
  const others = { PATH: "/opt/bin", HOME: "/root", AWS_PROFILE: "a", AWS_ACCESS_KEY_ID: "b" };
  const own = { OIDC_INITIAL_ACCESS_TOKEN: "s3cr3t", DATA_DIR: ".data", CLUSTER_API_KUBECONFIG: "kubeconfig" };
  expect(commandEnvironment({ ...others, ...own })).toEqual(others);
});
