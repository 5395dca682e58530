import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { ClientOptions } from "#core/kubernetes/client.ts";
import { base64, clientOf, errorOf, unaborted } from "#test/support/kubernetes-client.ts";
import { type KubernetesServer, startKubernetesServer } from "#test/support/kubernetes-server.ts";

let server: KubernetesServer;
let now: Date;
const folder = mkdtempSync(join(tmpdir(), "credentials-"));
const clock = () => now;
const later = (ms: number) => {
  now = new Date(now.getTime() + ms);
};

beforeAll(async () => {
  server = await startKubernetesServer();
});
beforeEach(() => {
  server.fault = () => undefined;
  server.tokens.clear();
  server.tokens.add("token");
  server.reset();
  now = new Date();
});
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true });
});

describe("a token and a client certificate", () => {
  test("a token is sent with each request", async () => {
    const client = clientOf(server, { user: { token: "token" } });
    expect(await client.version(unaborted())).toBe("v1.34.4");
    client.close();
  });

  test("a client certificate authenticates without a token", async () => {
    const { certificate, key } = server.client;
    const client = clientOf(server, {
      user: { "client-certificate-data": base64(certificate), "client-key-data": base64(key) },
    });
    expect(await client.version(unaborted())).toBe("v1.34.4");
    client.close();
  });

  test("a client certificate of another authority is not accepted", async () => {
    const other = await startKubernetesServer();
    const { certificate, key } = other.client;
    const client = clientOf(server, {
      user: { "client-certificate-data": base64(certificate), "client-key-data": base64(key) },
    });
    expect(await errorOf(client.version(unaborted()))).toMatchObject({ kind: "unauthorized" });
    client.close();
    await other.stop();
  });
});

describe("a token file", () => {
  const path = join(folder, "token");

  test("a token file is read again after a minute", async () => {
    writeFileSync(path, "token\n");
    const client = clientOf(server, { user: { tokenFile: path }, clock });
    await client.version(unaborted());
    writeFileSync(path, "renewed\n");
    later(59_000);
    await client.version(unaborted());
    server.tokens.add("renewed").delete("token");
    later(2_000);
    expect(await client.version(unaborted())).toBe("v1.34.4");
    client.close();
  });

  test("a token file is read again after the server has refused its token", async () => {
    writeFileSync(path, "old");
    const client = clientOf(server, { user: { tokenFile: path }, clock });
    expect(await errorOf(client.version(unaborted()))).toMatchObject({ kind: "unauthorized" });
    writeFileSync(path, "token");
    expect(await client.version(unaborted())).toBe("v1.34.4");
    client.close();
  });

  test("a missing token file fails with unauthorized and its path, and is read again after some seconds", async () => {
    rmSync(path, { force: true });
    const client = clientOf(server, { user: { tokenFile: path }, clock });
    const error = await errorOf(client.version(unaborted()));
    expect(error).toMatchObject({ kind: "unauthorized", message: `cannot read the token file ${path} (ENOENT)` });
    writeFileSync(path, "token");
    later(6_000);
    expect(await client.version(unaborted())).toBe("v1.34.4");
    client.close();
  });
});

describe("a command", () => {
  const runs = join(folder, "runs");
  const countRuns = () => (existsSync(runs) ? readFileSync(runs, "utf8").length : 0);
  beforeEach(() => rmSync(runs, { force: true }));

  /** Creates a client whose credentials come from a command. @param script of Node; `print(status)` prints credentials */
  function withCommand(script: string, options: Partial<ClientOptions> = {}, change: object = {}) {
    const file = join(folder, "command.mjs");
    const prelude = `
      import { appendFileSync } from "node:fs";
      appendFileSync(${JSON.stringify(runs)}, ".");
      const info = JSON.parse(process.env.KUBERNETES_EXEC_INFO);
      const print = (status) => process.stdout.write(JSON.stringify({ apiVersion: info.apiVersion, kind: "ExecCredential", status }));`;
    writeFileSync(file, `${prelude}\n${script}`);
    const exec = {
      apiVersion: "client.authentication.k8s.io/v1",
      command: process.execPath,
      args: [file],
      interactiveMode: "Never",
      ...change,
    };
    return clientOf(server, { user: { exec }, clock, ...options });
  }

  test("the token of a command is used until shortly before its expiry", async () => {
    const expiry = new Date(now.getTime() + 600_000).toISOString();
    const client = withCommand(`print({ token: "token", expirationTimestamp: "${expiry}" })`);
    await Promise.all([1, 2, 3].map(() => client.version(unaborted())));
    later(560_000);
    await client.version(unaborted());
    expect(countRuns()).toBe(1);
    later(20_000);
    await client.version(unaborted());
    expect(countRuns()).toBe(2);
    client.close();
  });

  test("the token of a command without an expiry is used until the server refuses it", async () => {
    const client = withCommand('print({ token: "token" })');
    await client.version(unaborted());
    later(86_400_000);
    await client.version(unaborted());
    expect(countRuns()).toBe(1);
    server.tokens.delete("token");
    expect(await errorOf(client.version(unaborted()))).toMatchObject({ kind: "unauthorized" });
    server.tokens.add("token");
    await client.version(unaborted());
    expect(countRuns()).toBe(2);
    client.close();
  });

  test("the certificate of a command authenticates", async () => {
    const { certificate, key } = server.client;
    const status = { clientCertificateData: certificate, clientKeyData: key };
    const client = withCommand(`print(${JSON.stringify(status)})`);
    expect(await client.version(unaborted())).toBe("v1.34.4");
    client.close();
  });

  test("a renewed certificate is used on new connections", async () => {
    const expiry = new Date(now.getTime() + 600_000).toISOString();
    const pairs = await Promise.all(["first", "second"].map((name) => server.authority.issue("client", name)));
    const statuses = pairs.map(({ certificate, key }) => ({
      clientCertificateData: certificate,
      clientKeyData: key,
      expirationTimestamp: expiry,
    }));
    const client = withCommand(
      `import { statSync } from "node:fs";
      print(${JSON.stringify(statuses)}[statSync(${JSON.stringify(runs)}).size - 1]);`,
    );
    for (const ms of [0, 1_000, 599_000]) {
      later(ms);
      await client.version(unaborted());
    }
    expect(server.calls.map(({ certificateName }) => certificateName)).toEqual(["first", "first", "second"]);
    client.close();
  });

  test("a command that takes longer than the time limit of a call delays it, and is no outage of the server", async () => {
    const client = withCommand('setTimeout(() => print({ token: "token" }), 1_500)', {
      callTimeoutMs: 1_000,
      failureThreshold: 1,
    });
    expect(await client.version(unaborted())).toBe("v1.34.4");
    client.close();
  });

  test("it gets its variables, those of the process and the description of the cluster, and no terminal", async () => {
    const seen = join(folder, "seen");
    const client = withCommand(
      `import { writeFileSync, readFileSync } from "node:fs";
      writeFileSync(${JSON.stringify(seen)}, JSON.stringify([process.env.A, process.env.B, info.spec, readFileSync(0, "utf8")]));
      print({ token: "token" });`,
      { environment: { A: "process", B: "process" } },
      { env: [{ name: "B", value: "kubeconfig" }], provideClusterInfo: true },
    );
    await client.version(unaborted());
    const cluster = { server: server.url, "certificate-authority-data": base64(server.authority.certificate) };
    expect(JSON.parse(readFileSync(seen, "utf8"))).toEqual([
      "process",
      "kubeconfig",
      { interactive: false, cluster },
      "",
    ]);
    client.close();
  });

  test.each([
    ["fails", 'console.error("s3cr3t"); process.exit(3)', "ended with exit code 3; run it by hand"],
    ["prints no credentials", 'process.stdout.write("s3cr3t")', "did not print an ExecCredential"],
    [
      "prints another version",
      'info.apiVersion = "v2"; print({ token: "s3cr3t" })',
      "did not print the version client.",
    ],
    [
      "prints a certificate without its key",
      'print({ clientCertificateData: "-----BEGIN s3cr3t" })',
      "without the other",
    ],
    ["prints an empty status", "print({})", "printed neither a token nor a certificate"],
    ["prints too much", 'process.stdout.write("s3cr3t".repeat(400_000))', "ended with"],
  ])("a command that %s fails with unauthorized, without what it printed", async (_, script, problem) => {
    const client = withCommand(script);
    const error = await errorOf(client.version(unaborted()));
    expect(error).toMatchObject({ kind: "unauthorized", isOutage: false });
    expect(error.message).toContain(`the credential command ${process.execPath} `);
    expect(error.message).toContain(problem);
    expect(error.message).not.toContain("s3cr3t");
    expect(server.calls).toEqual([]);
    client.close();
  });

  test("a command that does not exist fails with unauthorized", async () => {
    const client = withCommand("", {}, { command: "/nowhere/command" });
    expect((await errorOf(client.version(unaborted()))).message).toBe(
      "the credential command /nowhere/command cannot run (ENOENT)",
    );
    client.close();
  });

  test("the failure of a command is cached for some seconds, so that waiting calls do not all run it", async () => {
    const client = withCommand("process.exit(1)");
    await errorOf(client.version(unaborted()));
    await errorOf(client.version(unaborted()));
    expect(countRuns()).toBe(1);
    later(6_000);
    await errorOf(client.version(unaborted()));
    expect(countRuns()).toBe(2);
    client.close();
  });

  test("a command beyond its time limit is killed with the processes that it started", async () => {
    const survivor = join(folder, "survivor");
    const child = `setTimeout(() => require("node:fs").writeFileSync(${JSON.stringify(survivor)}, ""), 1500)`;
    const client = withCommand(
      `import { spawn } from "node:child_process";
      spawn(process.execPath, ["-e", ${JSON.stringify(child)}], { stdio: "inherit" });
      setTimeout(() => {}, 60_000);`,
      { commandTimeoutMs: 1_000 },
    );
    const error = await errorOf(client.version(unaborted()));
    expect(error).toMatchObject({ kind: "unauthorized", message: expect.stringContaining("did not end within 1 s") });
    await sleep(2_000);
    expect([countRuns(), existsSync(survivor)]).toEqual([1, false]);
    client.close();
  });

  test("a caller who aborts does not end the command, whose token the next call uses", async () => {
    const client = withCommand('setTimeout(() => print({ token: "token" }), 300)');
    await expect(client.version({ signal: AbortSignal.timeout(100) })).rejects.toThrow();
    expect(await client.version(unaborted())).toBe("v1.34.4");
    expect(countRuns()).toBe(1);
    client.close();
  });
});
