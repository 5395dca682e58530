import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse, stringify } from "yaml";
import { type KubeconfigOptions, parseKubeconfig } from "#core/kubernetes/kubeconfig.ts";
import { AppError } from "#core/shared/errors.ts";
import { base64 } from "#test/support/kubernetes-client.ts";
import { type KubernetesServer, startKubernetesServer } from "#test/support/kubernetes-server.ts";

let server: KubernetesServer;
const folder = mkdtempSync(join(tmpdir(), "kubeconfig-"));

beforeAll(async () => {
  server = await startKubernetesServer();
});
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true });
});

/** Returns every problem of a kubeconfig. */
function problemsOf(content: string, options: KubeconfigOptions = {}): readonly string[] {
  try {
    parseKubeconfig(content, options);
  } catch (error) {
    if (error instanceof AppError) return error.details;
    throw error;
  }
  return [];
}

/** Returns a valid kubeconfig after a change. */
function changed(change: (config: Record<string, never[]> & Record<string, unknown>) => void): string {
  const config = parse(server.kubeconfig());
  change(config);
  return stringify(config);
}

const pair = () => ({
  "client-certificate-data": base64(server.client.certificate),
  "client-key-data": base64(server.client.key),
});

describe("an accepted kubeconfig", () => {
  test("a kubeconfig with a token is accepted", () => {
    expect(parseKubeconfig(server.kubeconfig({ token: "abc\n" }))).toEqual({
      server: server.url,
      authority: server.authority.certificate,
      serverName: undefined,
      credential: { type: "token", token: "abc" },
    });
  });

  test("certificate files with paths relative to the kubeconfig are accepted", () => {
    writeFileSync(join(folder, "client.crt"), server.client.certificate);
    writeFileSync(join(folder, "client.key"), server.client.key);
    const user = { "client-certificate": "client.crt", "client-key": join(folder, "client.key") };
    const { certificate, key } = server.client;
    expect(parseKubeconfig(server.kubeconfig(user), { directory: folder }).credential).toEqual({
      type: "certificate",
      certificate,
      key,
    });
  });

  test("JSON, null and empty properties, tls-server-name and a path in the URL are accepted", () => {
    const user = { token: "a", username: "", password: null, "client-key": "" };
    const cluster = {
      server: `${server.url}/base/`,
      "tls-server-name": "localhost",
      "insecure-skip-tls-verify": false,
    };
    const content = JSON.stringify(parse(server.kubeconfig(user, cluster)));
    expect(parseKubeconfig(content)).toMatchObject({ server: `${server.url}/base`, serverName: "localhost" });
  });

  test("the current context determines the user and the cluster", () => {
    const content = changed((config) => {
      Object.assign(config, {
        users: [{ name: "admin", user: { username: "a", password: "b" } }, ...(config.users ?? [])],
        contexts: [{ name: "old", context: { cluster: "none", user: "admin" } }, ...(config.contexts ?? [])],
      });
    });
    expect(parseKubeconfig(content).credential).toEqual({ type: "token", token: "token" });
  });

  test("a command with arguments, environment variables and provideClusterInfo is accepted", () => {
    const exec = {
      apiVersion: "client.authentication.k8s.io/v1",
      command: "get-token",
      args: ["--region", "eu"],
      env: [{ name: "PROFILE", value: "a" }],
      interactiveMode: "IfAvailable",
      provideClusterInfo: true,
    };
    expect(parseKubeconfig(server.kubeconfig({ exec })).credential).toEqual({
      type: "exec",
      exec: {
        apiVersion: "client.authentication.k8s.io/v1",
        command: "get-token",
        args: ["--region", "eu"],
        env: { PROFILE: "a" },
        cluster: { server: server.url, "certificate-authority-data": base64(server.authority.certificate) },
      },
    });
  });
});

describe("a refused kubeconfig", () => {
  test.each([
    ["auth-provider", { "auth-provider": { name: "gcp" } }, "users[test].auth-provider: is not supported, and"],
    ["username", { username: "a" }, "users[test].username: is not supported: use a token"],
    ["password", { password: "hidden-value" }, "users[test].password: is not supported: use a token"],
    ["impersonation", { token: "a", as: "root" }, "users[test].as: is not supported: no user is impersonated"],
    ["unknown properties", { token: "a", tokn: "b" }, "users[test].tokn: is not supported"],
    [
      "no credentials",
      {},
      "users[test]: must have one of token, tokenFile, a client certificate and exec; none is set",
    ],
    ["a token that is no text", { token: 5 }, "users[test].token: must be string"],
  ])("a user with %s is refused", (_, user, problem) => {
    expect(problemsOf(server.kubeconfig(user)).join("\n")).toContain(problem);
  });

  test("a user with two kinds of credentials is refused", () => {
    expect(problemsOf(server.kubeconfig({ token: "a", ...pair() }))).toEqual([
      "users[test]: must have one of token, tokenFile, a client certificate and exec; token and a client certificate are set",
    ]);
  });

  test.each([
    ["no key", { "client-key-data": undefined }, "client-key-data or client-key must be set"],
    ["a key that belongs to another certificate", "other", "client-key: is not a PEM key"],
    ["text that is not base64", { "client-key-data": "***" }, "client-key-data: is not base64"],
    ["text that is no certificate", { "client-certificate-data": base64("x") }, "client-certificate: is not a PEM"],
    [
      "a missing file",
      { "client-key-data": undefined, "client-key": "/nowhere/key" },
      "client-key: cannot read /nowhere/key (ENOENT)",
    ],
  ])("a client certificate with %s is refused", (_, change, problem) => {
    const other = { "client-key-data": base64(server.authority.key) };
    const user = { ...pair(), ...(change === "other" ? other : (change as object)) };
    expect(problemsOf(server.kubeconfig(user)).join("\n")).toContain(problem);
  });

  test.each([
    [
      "insecure-skip-tls-verify",
      { "insecure-skip-tls-verify": true },
      "clusters[test].insecure-skip-tls-verify: is not",
    ],
    ["a proxy", { "proxy-url": "http://proxy" }, "clusters[test].proxy-url: is not supported"],
    ["no authority", { "certificate-authority-data": "" }, "clusters[test]: certificate-authority-data or"],
    ["a server without TLS", { server: "http://127.0.0.1:8080" }, "clusters[test].server: must be an https URL"],
    ["no server", { server: undefined }, "clusters[test].server: must be"],
    ["an unreadable authority", { "certificate-authority-data": base64("x") }, "certificate-authority: is not a PEM"],
  ])("a cluster with %s is refused", (_, cluster, problem) => {
    expect(problemsOf(server.kubeconfig(undefined, cluster)).join("\n")).toContain(problem);
  });

  test.each([
    ["interactiveMode Always", { interactiveMode: "Always" }, "exec.interactiveMode: must be Never or IfAvailable"],
    [
      "the removed version v1alpha1",
      { apiVersion: "client.authentication.k8s.io/v1alpha1" },
      "exec.apiVersion: must be client.auth",
    ],
    ["no command", { command: "" }, "exec.command: must be"],
  ])("a command with %s is refused", (_, change, problem) => {
    const exec = { apiVersion: "client.authentication.k8s.io/v1", command: "a", ...change };
    expect(problemsOf(server.kubeconfig({ exec })).join("\n")).toContain(`users[test].${problem}`);
  });

  test.each([
    [
      "no current context",
      (config: object) => Object.assign(config, { "current-context": "" }),
      ["current-context: is not set; set it to the name of one of the contexts"],
    ],
    [
      "an unknown context",
      (config: object) => Object.assign(config, { "current-context": "x" }),
      ["current-context: there is no context x; set it to the name of one of the contexts"],
    ],
    [
      "an unknown cluster and user",
      (config: object) => Object.assign(config, { contexts: [{ name: "test", context: { cluster: "a", user: "b" } }] }),
      ['contexts[test].cluster: there is no cluster "a"', 'contexts[test].user: there is no user "b"'],
    ],
  ])("a kubeconfig with %s is refused", (_, change, problems) => {
    expect(problemsOf(changed(change))).toEqual(problems);
  });

  test("all problems of the cluster and the user are in one error", () => {
    const content = server.kubeconfig(
      { username: "a", password: "b" },
      { "insecure-skip-tls-verify": true, server: "http://a", "certificate-authority-data": null },
    );
    expect(problemsOf(content)).toHaveLength(6);
  });

  test("relative paths are refused if the kubeconfig is not a file", () => {
    const problem = "users[test].tokenFile: token is a relative path, but the kubeconfig is not a file";
    expect(problemsOf(server.kubeconfig({ tokenFile: "token" }))[0]).toContain(problem);
    expect(problemsOf(server.kubeconfig({ tokenFile: "token" }), { directory: folder })).toEqual([]);
  });

  test.each([
    ["", "kubeconfig: must be"],
    ["users:\n  - name: test\n  user: {token: s3cr3t\n", "kubeconfig: line "],
    ["- a", "kubeconfig: must be"],
  ])("a text that is not a kubeconfig is refused: %j", (content, problem) => {
    expect(problemsOf(content).join("\n")).toContain(problem);
  });

  test("no problem contains a secret of the kubeconfig", () => {
    const broken = `${server.kubeconfig({ token: "s3cr3t-value" })}\n]`;
    const wrong = server.kubeconfig({
      token: ["s3cr3t-value"],
      password: "s3cr3t-value",
      "client-key-data": "s3cr3t-value",
    });
    const text = [...problemsOf(broken), ...problemsOf(wrong)].join("\n");
    expect(text).not.toBe("");
    expect(text).not.toContain("s3cr3t");
  });
});

describe("an embedded kubeconfig", () => {
  const embedded = (user: object, cluster: object = {}) =>
    problemsOf(server.kubeconfig({ ...user }, { ...cluster }), { isEmbedded: true, directory: folder });
  const exec = { apiVersion: "client.authentication.k8s.io/v1", command: "a" };

  test("a token or a client certificate as data is accepted", () => {
    expect([embedded({ token: "a" }), embedded(pair())]).toEqual([[], []]);
  });

  test.each([
    ["exec", { exec }, {}, "users[test].exec: is not supported here: no command is run for this kubeconfig"],
    ["tokenFile", { tokenFile: "a" }, {}, "users[test].tokenFile: is not supported here: no file is read"],
    ["a key file", { "client-key": "a" }, {}, "users[test].client-key: is not supported here: no file"],
    ["a certificate file", { "client-certificate": "a" }, {}, "users[test].client-certificate: is not supported here"],
    [
      "an authority file",
      { token: "a" },
      { "certificate-authority": "a" },
      "clusters[test].certificate-authority: is not supported here: no file is read",
    ],
  ])("%s is refused by name, and not read", (_, user, cluster, problem) => {
    expect(embedded(user, cluster)).toEqual([expect.stringContaining(problem)]);
  });
});
