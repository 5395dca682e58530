import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { stringify } from "yaml";
import { shippedCatalogue, useCatalogue } from "#core/catalogue/index.ts";
import { runAdmin } from "#test/support/admin.ts";
import { cleanUp, ROOT, script, temporary } from "#test/support/server.ts";

const EXAMPLE = join(ROOT, "docs/examples/cluster-api-profiles.yaml");

const folders: string[] = [];

afterEach(() => {
  cleanUp();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
  // The operator's command runs in the process of the test, which other files share.
  useCatalogue(shippedCatalogue);
});

/** Writes files into a new folder. @returns the path of the first */
function write(files: Record<string, string>): string {
  const folder = mkdtempSync(join(tmpdir(), "profiles-"));
  folders.push(folder);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return join(folder, Object.keys(files)[0] ?? "");
}

const FAULTY = stringify({ providers: { gcp: {}, aws: { controlPlaneNodeSize: "m5.large", diskGiB: 1 } } });
const FAULTS = [
  expect.stringMatching(/^providers\.gcp: "gcp" is not allowed: must be one of the catalogue's providers aws, /),
  "providers.aws.diskGiB: 1 is not allowed: must be at least 10",
];

/** Starts a server that refuses to start. @returns the lines that it prints from the one that begins with a text */
async function refusal(environment: Record<string, string>, start: string): Promise<string[]> {
  const { exited, stderr } = script("start", [], { DATA_DIR: temporary(), PROVISIONER: "cluster-api", ...environment });
  expect(await exited).toBe(1);
  const lines = stderr().trim().split("\n");
  const first = lines.findIndex((line) => line.startsWith(start));
  expect(first, stderr()).toBeGreaterThanOrEqual(0);
  return lines.slice(first);
}

describe("PROVISIONER=cluster-api of the local server", () => {
  test("a server without a profile file and a kubeconfig refuses to start, and names both variables", async () => {
    expect(await refusal({}, "CLUSTER_API_PROFILES")).toEqual([
      "CLUSTER_API_PROFILES: is not set; PROVISIONER=cluster-api requires the path of a profile file",
      "CLUSTER_API_KUBECONFIG: is not set; PROVISIONER=cluster-api requires the path of the kubeconfig of the management cluster",
    ]);
  });

  test("a server refuses to start with a faulty profile file, and names every problem", async () => {
    const file = write({ "profiles.yaml": FAULTY });
    const environment = { CLUSTER_API_PROFILES: file, CLUSTER_API_KUBECONFIG: "/nowhere/kubeconfig" };
    expect(await refusal(environment, "The profile file")).toEqual([
      `The profile file ${file} cannot be used:`,
      ...FAULTS,
    ]);
  });

  test("a server refuses to start with a kubeconfig that cannot be read", async () => {
    const environment = { CLUSTER_API_PROFILES: EXAMPLE, CLUSTER_API_KUBECONFIG: "/nowhere/kubeconfig" };
    expect(await refusal(environment, "CLUSTER_API_KUBECONFIG")).toEqual([
      "CLUSTER_API_KUBECONFIG: /nowhere/kubeconfig: There is no such file. Correct the path.",
    ]);
  });
});

describe("npm run admin -- profiles check", () => {
  test("the example is summarized, with the regions in which no version has an image", async () => {
    const { code, stdout } = await runAdmin({}, "profiles", "check", EXAMPLE);
    const { providers, warnings, ...rest } = JSON.parse(stdout);
    expect([code, rest]).toEqual([0, { file: EXAMPLE, networkInterfaces: [], installsAddons: false }]);
    expect(providers).toMatchObject({
      none: { regions: ["region-1", "region-2"] },
      openstack: { regions: ["regionone", "regiontwo"], regionsWithoutImages: ["regionone", "regiontwo"] },
      vsphere: { regions: ["datacenter-1"] },
    });
    expect(providers.none).not.toHaveProperty("regionsWithoutImages");
    const machines = ["aws", "azure", "openstack", "digitalocean", "hetzner", "vsphere"];
    expect(warnings).toEqual(machines.map((slug) => expect.stringContaining(`${slug}: no available version`)));
  });

  test("the file is checked with the operator's catalogue, and networks are read from files beside it", async () => {
    const [aws, ...others] = shippedCatalogue.providers;
    const catalogue = {
      ...shippedCatalogue,
      providers: [{ ...aws, nodeTypes: { ...aws?.nodeTypes, "x9.large": [4, 8192] } }, ...others],
      versions: shippedCatalogue.versions.map((row, index) =>
        index === 0 ? { ...row, images: { aws: { "eu-west-1": "ami-1" } } } : row,
      ),
    };
    const profiles = {
      networkInterfaces: { calico: { file: "calico.yaml" } },
      providers: {
        aws: {
          regions: {
            "eu-west-1": { controlPlaneNodeSize: "x9.large" },
            "eu-west-2": { controlPlaneNodeSize: "x9.large" },
          },
        },
      },
    };
    const CLUSTER_API_PROFILES = write({
      "profiles.yaml": stringify(profiles),
      "calico.yaml": "# {{podSubnet}}\napiVersion: v1\nkind: Namespace\nmetadata: { name: calico }\n",
      "catalogue.json": JSON.stringify(catalogue),
    });
    const refused = await runAdmin({ CLUSTER_API_PROFILES }, "profiles", "check");
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringContaining("must be a node type of aws in the catalogue"),
    ]);
    const CATALOGUE_FILE = CLUSTER_API_PROFILES.replace("profiles.yaml", "catalogue.json");
    const { code, stdout } = await runAdmin({ CLUSTER_API_PROFILES, CATALOGUE_FILE }, "profiles", "check");
    expect([code, JSON.parse(stdout)]).toEqual([
      0,
      {
        file: CLUSTER_API_PROFILES,
        warnings: [],
        networkInterfaces: ["calico"],
        installsAddons: false,
        providers: { aws: { regions: ["eu-west-1", "eu-west-2"], regionsWithoutImages: ["eu-west-2"] } },
      },
    ]);
  });

  test("every problem of a file is printed, and the exit code is 1, also with PROVISIONER=cluster-api", async () => {
    const file = write({ "profiles.yaml": FAULTY });
    const { code, stdout, stderr } = await runAdmin({ PROVISIONER: "cluster-api" }, "profiles", "check", file);
    expect([code, stdout, stderr.trim().split("\n")]).toEqual([
      1,
      "",
      [`The profile file ${file} cannot be used:`, ...FAULTS],
    ]);
  });

  test("a check without a file is a usage error", async () => {
    for (const environment of [{}, { CLUSTER_API_PROFILES: "none" }]) {
      expect(await runAdmin({ ...environment }, "profiles", "check")).toMatchObject({ code: 2, stdout: "" });
    }
  });
});
