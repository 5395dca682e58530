/** Runs the commands and programs of docs/clients.md against a server, and compares what they print with what is documented. */

import { spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { run } from "#test/core/node-bootstrap/tools.ts";
import { bash, blocksOf } from "#test/support/documentation.ts";
import { cleanUp, ROOT, type Server, start, temporary, until } from "#test/support/server.ts";
import type { Json } from "#test/support/world.ts";

const DOCUMENT = "docs/clients.md";
const TOOLS = join(ROOT, ".ci/clients");
const VENV = join(TOOLS, "python/.venv/bin");
const hasGo = spawnSync("go", ["version"]).error === undefined;

if (!hasGo) process.stderr.write("Go is missing: the tests of the Go client are skipped. Install Go 1.26 or newer.\n");

let server: Server;
let dataDirectory: string;
const work = mkdtempSync(join(tmpdir(), "clients-"));

beforeAll(async () => {
  for (const tool of [join(TOOLS, "typescript/node_modules"), VENV]) {
    if (!existsSync(tool)) throw new Error(`${tool} is missing. Run npm run clients:install.`);
  }
  dataDirectory = temporary();
  server = await start({ DATA_DIR: dataDirectory, LOG_LEVEL: "warn", SIMULATED_STEP_MS: "50" });
});
afterAll(() => {
  cleanUp();
  rmSync(work, { recursive: true });
});

/** Creates an empty folder. @returns its path */
function folder(name: string): string {
  mkdirSync(join(work, name));
  return join(work, name);
}

/** Returns the texts of a section's blocks in a language, in their order. */
const textsOf = (heading: string, language: string) =>
  blocksOf(DOCUMENT, heading).flatMap(([found, text]) => (found === language ? [text] : []));

/** Runs documented commands, after those that every section needs. @returns what they print */
const runCommands = (commands: readonly string[], path: string, PATH = "") =>
  bash(
    [...textsOf("Server and token", "sh"), ...commands]
      .join("\n")
      .replaceAll("http://127.0.0.1:4000", server.url)
      .replaceAll(".data/", `${dataDirectory}/`),
    { PATH: `${PATH}:${join(ROOT, "node_modules/.bin")}:${process.env.PATH}` },
    path,
  );

/** Returns the packages with versions that commands install. */
const installed = (commands = "") => [...commands.matchAll(/(\S+?)(?:@|==)(v?\d\S*)/g)].map(([, ...found]) => found);

/** Sends a request of the documented dialect. @returns the body */
async function send(method: string, path: string, body?: unknown): Promise<Json> {
  const response = await fetch(`${server.url}${path}`, {
    method,
    headers: { authorization: `Token ${server.token}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  expect([response.status, text]).toEqual([200, text]);
  return JSON.parse(text);
}

test("the commands with curl print what is documented", async () => {
  const printed = await runCommands(textsOf("curl", "sh"), folder("curl"));
  expect(printed).toBe(textsOf("curl", "text").join(""));
});

describe("TypeScript", () => {
  const [installation = "", commands = ""] = textsOf("TypeScript", "sh");
  let path: string;

  beforeAll(async () => {
    path = folder("typescript");
    // `npm run clients:install` has installed the packages, in the versions of the lockfile.
    const [install, ...preparation] = installation.trim().split("\n").toReversed();
    expect(install).toMatch(/^npm install /);
    await runCommands(preparation.toReversed(), path);
    symlinkSync(join(TOOLS, "typescript/node_modules"), join(path, "node_modules"));
  });

  test("the documented packages are those of the lockfile", () => {
    const { dependencies } = JSON.parse(readFileSync(join(TOOLS, "typescript/package.json"), "utf8"));
    expect(Object.fromEntries(installed(installation))).toEqual(dependencies);
  });

  test("the program compiles with the generated types, and prints what is documented", async () => {
    const [[program = ""], [expected = ""]] = [textsOf("TypeScript", "ts"), textsOf("TypeScript", "text")];
    writeFileSync(join(path, "clusters.ts"), program);
    const printed = await runCommands([commands], path, join(path, "node_modules/.bin"));
    // The generator prints before it.
    expect(printed.slice(-expected.length)).toBe(expected);
  });

  test("the types of the published clients' dialect compile", async () => {
    const [generate = ""] = commands.split("\n");
    const generated = generate.replace("/openapi.json", "/acloud/openapi.json").replace("api.d.ts", "acloud.d.ts");
    const check = "npx tsc --noEmit --strict acloud.d.ts";
    await runCommands([generated, check], path, join(path, "node_modules/.bin"));
    expect(readFileSync(join(path, "acloud.d.ts"), "utf8")).toContain('"/acloud/api/v1/');
  });
});

describe("Python", () => {
  const [installation = "", commands = ""] = textsOf("Python", "sh");
  const [generate = "", ...rest] = commands.split("\n");
  let path: string;

  beforeAll(() => {
    path = folder("python");
  });

  test("the documented package is that of the lockfile", () => {
    const requirements = readFileSync(join(TOOLS, "python/requirements.in"), "utf8");
    expect(installed(installation)).toEqual(installed(requirements));
    expect(installed(requirements)).toHaveLength(1);
  });

  test("the generator has no warnings, and the program prints what is documented", async () => {
    writeFileSync(join(path, "clusters.py"), textsOf("Python", "python")[0] ?? "");
    const generated = await runCommands([generate], path, VENV);
    // One line, which may be broken because of the folder's name.
    expect(generated.replaceAll("\n", "")).toBe(`Generating ${path}/ame-clusters-client`);
    expect(await runCommands(rest, path, VENV)).toBe(textsOf("Python", "text")[0]);
  });

  test.each([
    ["documented", "/openapi.json"],
    ["published clients'", "/acloud/openapi.json"],
  ])(
    "every GET operation of the %s dialect is decoded into the generated models without a loss",
    async (_name, document) => {
      const parameters = await pathParameters();
      const walked = folder(document.replaceAll(/\W/g, "-"));
      const printed = await runCommands([generate.replace("/openapi.json", document)], walked, VENV);
      expect(printed).not.toMatch(/warning|error/i);
      const [generated = ""] = readdirSync(walked);
      const found = run(
        "env",
        [
          `PYTHONPATH=${join(walked, generated)}`,
          join(VENV, "python"),
          join(ROOT, "test/clients/walk.py"),
          generated.replaceAll("-", "_"),
        ],
        JSON.stringify({ url: server.url, token: server.token, parameters }),
      );
      const { results, skipped }: { results: Record<string, Json>; skipped: string[] } = JSON.parse(found);
      expect(Object.entries(results).filter(([, { problems }]) => problems.length > 0)).toEqual([]);
      expect(Object.entries(results).filter(([, { status }]) => status !== 200)).toEqual([]);
      expect(Object.keys(results).length).toBeGreaterThan(25);
      if (skipped.length > 0) process.stderr.write(`Not called by the Python client: ${skipped.join(", ")}.\n`);
    },
  );
});

/** Values of path parameters by their names in Python, of objects that exist. */
let parameters: Promise<Record<string, string>> | undefined;
function pathParameters(): Promise<Record<string, string>> {
  parameters ??= createObjects();
  return parameters;
}

async function createObjects(): Promise<Record<string, string>> {
  const organisation = "/api/v1/orgs/demo";
  const { content: accounts } = await send("GET", `${organisation}/cloud-accounts?cloud-provider-slug=aws`);
  const account = accounts[0].identity;
  const schedules = await send("GET", "/api/v1/organisations/demo/maintenance-schedule");
  const clusters = `${organisation}/clusters/production`;
  const { identity } = await send("POST", clusters, {
    name: "Walk",
    region: "eu-west-1",
    version: "v1.34.4-u-ame.2",
    updateChannel: "v1.34",
    cloudAccountIdentity: account,
    maintenanceScheduleIdentity: schedules[0].identity,
    ipWhitelist: [{ cidr: { ipRange: "192.0.2.0/24" }, description: "office" }],
    addons: { mine: { enabled: true, customValues: { key: "value" } } },
    nodePools: [{ name: "workers", nodeSize: "t3.medium", labels: { role: "worker" } }],
  });
  await until(async () => (await send("GET", `${clusters}/walk`)).status === "started" || undefined);
  const [pool] = await send("GET", `${clusters}/walk/pools`);
  const upgrade = await send("POST", `${organisation}/scheduled-cluster-upgrades`, {
    clusterIdentity: identity,
    version: "v1.35.1-u-ame.1",
  });
  const { memberIdentity } = await send("GET", "/api/v1/organisations/demo/me");
  const tenant = await send("POST", `${organisation}/monitoring`, { name: "Walk" });
  await send("POST", `${organisation}/monitoring/${tenant.slug}/alertmanager`, {
    alertManagerConfig: "route:\n  receiver: team\nreceivers:\n  - name: team\n",
    ruleFiles: { "shop.yaml": "groups: []\n" },
  });
  await send("POST", `${organisation}/observability/${tenant.slug}/silences`, {
    comment: "maintenance",
    endsAt: "2099-01-01T04:00:00Z",
    matchers: [{ name: "alertname", value: "Down", isRegex: false, isEqual: true }],
    startsAt: "2099-01-01T02:00:00Z",
  });
  return {
    organisation_slug: "demo",
    environment_slug: "production",
    cluster_slug: "walk",
    node_pool_id: pool.identity,
    cloud_account_identity: account,
    cloud_provider_slug: "aws",
    region_slug: "eu-west-1",
    maintenance_schedule_identity: schedules[0].identity,
    scheduled_upgrade_identity: upgrade.identity,
    observability_tenant_slug: tenant.slug,
    member_identity: memberIdentity,
  };
}

describe.skipIf(!hasGo)("Go", () => {
  const [installation = "", commands = ""] = textsOf("Go", "sh");
  let path: string;

  beforeAll(() => {
    path = folder("go");
    cpSync(join(TOOLS, "go"), path, { recursive: true });
  });

  test("the documented modules are those of go.mod", () => {
    const module = readFileSync(join(TOOLS, "go/go.mod"), "utf8");
    const [, name = ""] = /^go mod init (\S+)$/m.exec(installation) ?? [];
    expect(module).toMatch(new RegExp(`^module ${name}$`, "m"));
    const modules = installed(installation);
    expect(modules).toHaveLength(2);
    for (const [packagePath = "", version] of modules) {
      expect(module).toContain(`${packagePath.replace("/cmd/oapi-codegen", "")} ${version}`);
    }
  });

  test("the program compiles with the generated package, and prints what is documented", async () => {
    writeFileSync(join(path, "main.go"), textsOf("Go", "go")[0] ?? "");
    expect(await runCommands([commands], path)).toBe(textsOf("Go", "text")[0]);
    expect(run("gofmt", ["-l", join(path, "main.go")], "")).toBe("");
  });

  test("the package of the published clients' dialect compiles", async () => {
    const [, generate = ""] = commands.split("\n");
    const generated = generate
      .replace("/openapi.json", "/acloud/openapi.json")
      .replace("api/api.gen.go", "acloud/acloud.go");
    expect(await runCommands([`mkdir acloud\n${generated}\ngo vet ./acloud`], path)).toBe("");
  });

  test("the program with the published client has the format of gofmt", () => {
    const [program = ""] = textsOf("Published Go client", "go");
    expect(program).toContain("github.com/avisi-cloud/go-client/pkg/acloudapi");
    expect(run("gofmt", [], program)).toBe(program);
  });
});
