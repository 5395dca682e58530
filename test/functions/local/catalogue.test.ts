import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, inject, test } from "vitest";
import { stringify } from "yaml";
import { catalogueRevision, shippedCatalogue, useCatalogue } from "#core/catalogue/index.ts";
import { runAdmin } from "#test/support/admin.ts";
import { cleanUp, script, start, temporary } from "#test/support/server.ts";
import type { Json } from "#test/support/world.ts";

const folders: string[] = [];

afterEach(() => {
  cleanUp();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
  // The operator's command runs in the process of the test, which other files share.
  useCatalogue(shippedCatalogue);
});

/** Writes a catalogue file. @returns its path */
function write(text: string, name = "catalogue.yaml"): string {
  const folder = mkdtempSync(join(tmpdir(), "catalogue-"));
  folders.push(folder);
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

const CYSO = {
  id: 20,
  slug: "cyso-cloud-ams2",
  type: "openstack",
  name: "Cyso Cloud",
  profile: "2f0d9c1e-7a58-4e9b-9d32-6c1f2b9f2f10",
  regions: [{ id: 2001, slug: "ams2", name: "Amsterdam", zones: { 1: "ams2-a", 2: "ams2-b" } }],
  nodeTypes: { "s5.small": [2, 4096], "s5.large": [8, 16_384] },
};

/** Catalogue of an operator with one more provider, and without versions of v1.33. */
const operators = {
  ...shippedCatalogue,
  providers: [...shippedCatalogue.providers, CYSO],
  versions: shippedCatalogue.versions.map((row) => ({ ...row, available: !row.version.startsWith("v1.33.") })),
  channels: [
    ...shippedCatalogue.channels.map((row) => ({ ...row, available: row.name !== "v1.33" })),
    { name: "stable", version: "v1.34.4-u-ame.2" },
  ],
};

/** Catalogue with two faults. */
const faulty = {
  ...operators,
  providers: [...shippedCatalogue.providers, { ...CYSO, id: 3 }],
  channels: [{ name: "stable", version: "v1.36.0-u-ame.1" }],
};
const FAULTS = [
  "providers[9].id: 3 is not allowed: it repeats providers[0].id",
  'channels[0].version: "v1.36.0-u-ame.1" is not allowed: must be one of the versions',
  "providers[9].id: 3 is not allowed: it is the id of the provider aws; ids never change",
];

describe("CATALOGUE_FILE of the local server", () => {
  test("a server offers the entries of the operator's file, and creates clusters from them", async () => {
    const server = await start({ DATA_DIR: temporary(), CATALOGUE_FILE: write(stringify(operators)) });
    const headers = { authorization: `Token ${server.token}`, "content-type": "application/json" };
    const get = async (path: string): Promise<Json> =>
      (await fetch(`${server.url}/api/v1/${path}`, { headers })).json();
    const { content } = await get("orgs/demo/cloud-providers/cyso-cloud-ams2/regions");
    expect(content).toEqual([expect.objectContaining({ id: 2001, slug: "ams2", provider: "cyso-cloud-ams2" })]);
    const versions = await get("cluster-versions");
    expect(versions.map(({ version }: { version: string }) => version)).toEqual([
      "v1.34.3-u-ame.1",
      "v1.34.4-u-ame.1",
      "v1.34.4-u-ame.2",
      "v1.35.0-u-ame.1",
      "v1.35.1-u-ame.1",
    ]);
    const accounts = await get("orgs/demo/cloud-accounts?cloud-provider-slug=cyso-cloud-ams2");
    const create = (body: object) =>
      fetch(`${server.url}/api/v1/orgs/demo/clusters/production`, {
        method: "POST",
        headers,
        body: JSON.stringify({
          name: "mine",
          region: "ams2",
          version: "",
          updateChannel: "stable",
          cloudAccountIdentity: accounts.content[0].identity,
          nodePools: [{ name: "web", nodeSize: "s5.large", availabilityZone: "ams2-b" }],
          ...body,
        }),
      });
    const created = await create({});
    expect([created.status, await created.json()]).toMatchObject([
      200,
      {
        cloudProvider: "cyso-cloud-ams2",
        version: "v1.34.4-u-ame.2",
        updateChannel: { available: true, kubernetesClusterVersion: "v1.34.4-u-ame.2", name: "stable" },
      },
    ]);
    expect(created.headers.get("etag")).not.toContain(catalogueRevision);
    const refused = await create({ name: "other", version: "v1.33.8-u-ame.1", region: "ams3" });
    expect(await refused.json()).toMatchObject({
      details: [
        'region: "ams3" is not allowed: must be a region of Cyso Cloud: ams2',
        expect.stringMatching(/^version: "v1.33.8-u-ame.1" is not allowed/),
      ],
    });
  });

  test.each([
    ["a faulty file", stringify(faulty), FAULTS],
    ["a file that is no YAML", "providers: [\nversions: }", [expect.stringMatching(/at line 2/)]],
    [
      "a file with a repeated property",
      `${JSON.stringify(operators).slice(0, -1)},"versions":[]}`,
      [expect.stringMatching(/unique/)],
    ],
    ["a file without content", "", ["The catalogue must be an object."]],
  ])("a server refuses to start with %s, and names every problem", async (_, text, problems) => {
    const file = write(text);
    const { exited, stderr } = script("start", [], { DATA_DIR: temporary(), CATALOGUE_FILE: file });
    expect(await exited).toBe(1);
    const lines = stderr().trim().split("\n");
    const first = lines.indexOf(`The catalogue file ${file} cannot be used:`);
    expect(first, stderr()).toBeGreaterThanOrEqual(0);
    expect(lines.slice(first + 1).slice(0, problems.length)).toEqual(problems);
  });

  test("a server refuses to start with a file that does not exist", async () => {
    const { exited, stderr } = script("start", [], {
      DATA_DIR: temporary(),
      CATALOGUE_FILE: "/nowhere/catalogue.yaml",
    });
    expect(await exited).toBe(1);
    expect(stderr()).toContain("The catalogue file /nowhere/catalogue.yaml cannot be used:\nThere is no such file.");
  });
});

describe("npm run admin -- catalogue check", () => {
  test("without a file, the catalogue of this release is checked", async () => {
    for (const environment of [{}, { CATALOGUE_FILE: "none" }]) {
      const { code, stdout } = await runAdmin({ ...environment }, "catalogue", "check");
      expect([code, JSON.parse(stdout)]).toMatchObject([
        0,
        { file: "the catalogue of this release", revision: catalogueRevision, providers: 9, versions: 8, channels: 3 },
      ]);
    }
  });

  test("the named file is checked, or else that of CATALOGUE_FILE, without changing the catalogue of the process", async () => {
    const [named, configured] = [write(JSON.stringify(operators), "a.json"), write(stringify(shippedCatalogue))];
    const environment = { CATALOGUE_FILE: configured };
    const { code, stdout } = await runAdmin(environment, "catalogue", "check", named);
    expect([code, JSON.parse(stdout)]).toMatchObject([0, { file: named, providers: 10, channels: 4 }]);
    const { stdout: other } = await runAdmin(environment, "catalogue", "check");
    expect(JSON.parse(other)).toMatchObject({ file: configured, providers: 9, revision: catalogueRevision });
  });

  test("every problem of a file is printed, and the exit code is 1", async () => {
    const file = write(stringify(faulty));
    const { code, stdout, stderr } = await runAdmin({}, "catalogue", "check", file);
    expect([code, stdout, stderr.trim().split("\n")]).toEqual([
      1,
      "",
      [`The catalogue file ${file} cannot be used:`, ...FAULTS],
    ]);
  });

  test("against an earlier file, changed ids are refused, and missing entries are listed with exit code 1", async () => {
    const before = write(stringify(operators));
    const fewer = await runAdmin({}, "catalogue", "check", write(stringify(shippedCatalogue)), "--against", before);
    expect([fewer.code, JSON.parse(fewer.stdout).missing]).toEqual([
      1,
      [
        "provider cyso-cloud-ams2",
        "region cyso-cloud-ams2/ams2",
        "zone cyso-cloud-ams2/ams2/ams2-a",
        "zone cyso-cloud-ams2/ams2/ams2-b",
        "node type cyso-cloud-ams2/s5.small",
        "node type cyso-cloud-ams2/s5.large",
        "channel stable",
      ],
    ]);
    const moved = { ...operators, providers: [...shippedCatalogue.providers, { ...CYSO, id: 21 }] };
    const changed = await runAdmin({}, "catalogue", "check", write(stringify(moved)), "--against", before);
    expect([changed.code, changed.stderr]).toEqual([
      1,
      "providers[9].id: 21 is not allowed: the provider cyso-cloud-ams2 has the id 20; ids never change\n",
    ]);
    const same = await runAdmin({}, "catalogue", "check", before, "--against", before);
    expect([same.code, JSON.parse(same.stdout).missing]).toEqual([0, []]);
  });

  test("more than one file is a usage error", async () => {
    expect(await runAdmin({}, "catalogue", "check", "one", "two")).toMatchObject({ code: 2, stdout: "" });
  });

  test("other commands use the catalogue of CATALOGUE_FILE", async () => {
    const words = ["account", "create", "--org", "nobody", "--name", "Mine", "--provider"];
    const environment = { DYNAMODB_ENDPOINT: inject("endpoint"), TABLE_NAME: `catalogue-${process.pid}` };
    const CATALOGUE_FILE = write(stringify(operators));
    const refused = await runAdmin(environment, ...words, "cyso-cloud-ams2");
    expect(refused.stderr).toMatch(/^--provider: "cyso-cloud-ams2" is not allowed/);
    const known = await runAdmin({ ...environment, CATALOGUE_FILE }, ...words, "cyso-cloud-ams2");
    expect(known.stderr).toMatch(/organisation/);
    const broken = await runAdmin({ ...environment, CATALOGUE_FILE: write("[]") }, ...words, "aws");
    expect(broken.stderr).toContain("The catalogue must be an object.");
  });
});
