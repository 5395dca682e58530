import { execFileSync } from "node:child_process";
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brotliDecompressSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { stringify } from "yaml";
import { shippedCatalogue } from "#core/catalogue/index.ts";
import { renderManifests } from "#core/provisioning/cluster-api/render-manifests.ts";
import { routeRows } from "#functions/api/routes.ts";
import { type BuiltBundle, buildAll, buildBundle, buildLazyModule } from "#functions/build/build.ts";
import {
  BUNDLES_DIRECTORY,
  type Bundle,
  type BundleName,
  bundles,
  codeOf,
  type LazyModuleName,
  lazyModules,
} from "#functions/build/bundles.ts";
import { exampleOf } from "#test/support/cluster-api/examples.ts";

const ROOT = join(import.meta.dirname, "../..");
const names = Object.keys(bundles) as BundleName[];
const built = new Map<BundleName, BuiltBundle>();

beforeAll(async () => {
  await buildAll();
  for (const name of names) built.set(name, await buildBundle(name));
});

/** False for the one function that only serves files and does not call AWS. */
const hasClient = (name: BundleName) => name !== "default";

/** State of a new process after it has loaded a bundle like Lambda. */
function loaded(name: BundleName): { exported: string[]; internals: string[] } {
  const file = join(ROOT, BUNDLES_DIRECTORY, name, "bundle.mjs");
  const script = `
    const exported = Object.keys(await import(${JSON.stringify(file)}));
    process.stdout.write(JSON.stringify({ exported, internals: process.moduleLoadList }));`;
  const environment = {
    AWS_LAMBDA_FUNCTION_NAME: name,
    AWS_REGION: "eu-west-1",
    TABLE_NAME: "test",
    KMS_KEY_ID: "key",
  };
  return JSON.parse(
    execFileSync(process.execPath, ["--input-type=module", "-e", script], { env: environment }).toString(),
  );
}

describe.each(names)("the bundle of %s", (name) => {
  test("a bundle is within its budget", () => {
    expect(built.get(name)?.code.length).toBeLessThanOrEqual(bundles[name].budgetBytes);
    const uploaded = readFileSync(join(ROOT, BUNDLES_DIRECTORY, name, "bundle.mjs"));
    expect(uploaded.equals(built.get(name)?.code ?? Buffer.of())).toBe(true);
  });

  test("a bundle contains no excluded module", () => {
    const left = [
      /credential-provider-(?!env)/,
      /credential-provider-imds/,
      /nested-clients/,
      /event-streams\//,
      /mnemonist/,
      /endpoint\/bdd/,
      /lib\/aws\/partitions/,
      /lambda-invoke-store/,
      /DefaultRateLimiter/,
      /core\/cluster\/status-watcher/,
      /core\/table\/shared-reads/,
      /hono\/dist\/(router\/(trie|reg-exp|smart)|adapter)/,
    ];
    const inputs = [...(built.get(name)?.inputs.keys() ?? [])];
    if (hasClient(name)) {
      expect(inputs.filter((input) => input.includes("functions/build/shims/")).length).toBeGreaterThan(2);
    }
    expect(inputs.filter((input) => left.some((each) => each.test(input)))).toEqual([]);
  });

  test("a bundle loads like on Lambda, without Node's Request or workers, and exports its handlers", () => {
    const { exported, internals } = loaded(name);
    expect(exported).toEqual(expect.arrayContaining([...bundles[name].handlers]));
    expect(internals.includes("NativeModule https")).toBe(hasClient(name));
    expect(internals.filter((each) => /undici|worker_threads/.test(each))).toEqual([]);
  });
});

describe("modules that bundles load only when a request needs them", () => {
  const modules = Object.keys(lazyModules) as LazyModuleName[];
  const folderOf = (name: string) => join(ROOT, BUNDLES_DIRECTORY, name);
  /** Names of the functions whose bundles have a module beside them. */
  const having = (module: LazyModuleName) =>
    names.filter((name) => (bundles[name] as Bundle).lazyModules?.includes(module) === true);

  test.each(modules)("the module %s is within its budget, and no bundle contains it", async (module) => {
    const { entry, budgetBytes } = lazyModules[module];
    const { code } = await buildLazyModule(module);
    expect(code.length).toBeLessThanOrEqual(budgetBytes);
    for (const name of names) expect([...(built.get(name)?.inputs.keys() ?? [])]).not.toContain(entry);
    for (const name of names) {
      const file = join(folderOf(name), `${module}.mjs`);
      expect(existsSync(file), file).toBe(having(module).includes(name));
      if (existsSync(file)) expect(readFileSync(file).equals(code)).toBe(true);
    }
  });

  test("exactly the functions with the parameter includeManifests have the translator", () => {
    const groups = new Set(
      routeRows.filter(({ parameters }) => parameters.includes("includeManifests")).map(({ group }) => group),
    );
    const own = having("manifests").map((name) => name.replaceAll("-", ""));
    expect(own).toEqual([...groups].map((group) => group.toLowerCase()).sort());
    for (const name of names) {
      const translators = [...(built.get(name)?.inputs.keys() ?? [])].filter((input) =>
        /cluster-api\/(preview|translate|providers\/)/.test(input),
      );
      // The reconciler contains the translator of its provisioner.
      expect([name, translators.length > 0]).toEqual([name, name === "reconcile"]);
    }
  });

  test("the translator beside a bundle renders the same objects as its source", async () => {
    const file = join(folderOf("clusters"), "manifests.mjs");
    const uploaded: { renderManifests: typeof renderManifests } = await import(file);
    const { cluster, nodePools, account, organisationIdentity, profile } = exampleOf("none", "full");
    const subject = {
      cluster,
      nodePools: nodePools.map(({ pool }) => pool),
      organisationIdentity,
      account: {
        ...account,
        displayName: "a",
        enabled: true,
        cloudProfile: "",
        credentials: [],
        createdAt: "",
        revision: 1,
      },
      isStored: false,
    };
    const profiles = { ...profile, providers: { [cluster.cloudProvider]: { settings: { egress: [] }, regions: {} } } };
    const nothing = { table: undefined as never };
    const rendered = await uploaded.renderManifests(nothing, subject, profiles);
    expect(rendered.length).toBeGreaterThan(8);
    expect(rendered).toEqual(await renderManifests(nothing, subject, profiles));
    expect(readFileSync(join(folderOf("clusters"), "bundle.mjs"), "utf8")).toContain('import("./manifests.mjs")');
  });
});

describe("the catalogue of a build", () => {
  const folder = mkdtempSync(join(tmpdir(), "catalogue-"));
  afterAll(() => rmSync(folder, { recursive: true }));

  test("a bundle contains the operator's catalogue, and neither its checks nor a YAML reader", async () => {
    const file = join(folder, "catalogue.yaml");
    const [first, ...others] = shippedCatalogue.providers;
    writeFileSync(file, stringify({ ...shippedCatalogue, providers: [{ ...first, name: "Our cloud" }, ...others] }));
    const { code, inputs } = await buildBundle("references", { catalogue: file });
    const [packed = ""] = /[A-Za-z0-9+/=]{2000,}/.exec(Buffer.from(code).toString()) ?? [];
    const content = JSON.parse(brotliDecompressSync(Buffer.from(packed, "base64")).toString());
    expect(content.providers[0].name).toBe("Our cloud");
    expect([...inputs.keys()].filter((input) => /catalogue\/(check|schema)|node_modules\/yaml/.test(input))).toEqual(
      [],
    );
  });

  test("a faulty catalogue ends the build with every problem", async () => {
    const file = join(folder, "faulty.yaml");
    writeFileSync(
      file,
      stringify({ ...shippedCatalogue, channels: [{ name: "stable", version: "v1.0.0-u-ame.1" }], x: 1 }),
    );
    await expect(buildAll({ catalogue: file })).rejects.toMatchObject({
      details: [
        expect.stringContaining(file),
        "x: unknown property",
        expect.stringMatching(/^channels\[0\].version: /),
      ],
    });
    expect(existsSync(join(ROOT, BUNDLES_DIRECTORY, "references", "bundle.mjs"))).toBe(true);
  });
});

describe("the profile file of a build", () => {
  const folder = mkdtempSync(join(tmpdir(), "profiles-"));
  afterAll(() => rmSync(folder, { recursive: true }));

  /** Writes a profile file with a network in a file beside it. @returns its path */
  function write(providers: object): string {
    const file = join(folder, "profiles.yaml");
    writeFileSync(file, stringify({ networkInterfaces: { cilium: { file: "cilium.yaml" } }, providers }));
    writeFileSync(
      join(folder, "cilium.yaml"),
      "# {{podSubnet}}\napiVersion: v1\nkind: Namespace\nmetadata: { name: cilium }\n",
    );
    return file;
  }

  /** Returns the data that a build compressed into a bundle. */
  const packedIn = (code: Uint8Array) =>
    [
      ...Buffer.from(code)
        .toString()
        .matchAll(/Buffer\.from\("([A-Za-z0-9+/=]{100,})","base64"\)/g),
    ].map(([, packed = ""]) => JSON.parse(brotliDecompressSync(Buffer.from(packed, "base64")).toString()));

  test.each(["references", "clusters"] as const)(
    "the bundle of %s contains the operator's profiles as data, and neither their checks nor a YAML reader",
    async (name) => {
      const profiles = write({ aws: { controlPlaneNodeSize: "our.large" } });
      const [aws, ...others] = shippedCatalogue.providers;
      const catalogue = join(folder, "catalogue.json");
      const nodeTypes = { "our.large": [4, 8192] };
      writeFileSync(catalogue, JSON.stringify({ ...shippedCatalogue, providers: [{ ...aws, nodeTypes }, ...others] }));
      const { code, inputs } = await buildBundle(name, { catalogue, profiles });
      const [content, ...more] = packedIn(code).filter((each) => "networkInterfaces" in each);
      expect(more).toEqual([]);
      expect(content.networkInterfaces.cilium.manifests).toContain("kind: Namespace");
      expect(content.providers.aws.settings).toMatchObject({ controlPlaneNodeSize: "our.large", diskGiB: 40 });
      const checks =
        /cluster-api\/(profile|profile-rules|region-rules|network-rules|parse-profiles)\.ts|node_modules\/yaml/;
      expect([...inputs.keys()].filter((input) => checks.test(input))).toEqual([]);
    },
  );

  test("a bundle that is built without a profile file contains none", () => {
    expect(
      packedIn(built.get("references")?.code ?? Buffer.of()).filter((each) => "networkInterfaces" in each),
    ).toEqual([]);
  });

  test("a faulty profile file ends the build with every problem, before anything is removed", async () => {
    const file = write({ aws: { controlPlaneNodeSize: "our.large" }, gcp: {} });
    await expect(buildAll({ profiles: file })).rejects.toMatchObject({
      details: [
        `The profile file ${file} cannot be used:`,
        expect.stringMatching(/^providers\.aws\.controlPlaneNodeSize: /),
        expect.stringMatching(/^providers\.gcp: /),
      ],
    });
    expect(existsSync(join(ROOT, BUNDLES_DIRECTORY, "references", "bundle.mjs"))).toBe(true);
  });
});

test("every Lambda entry point has a bundle with a budget", () => {
  const entries = globSync("functions/{api,reconciler}/*.ts", { cwd: ROOT }).filter((file) =>
    /^export (const \w+ = (createLambdaHandler|createHandler)|async function handler)\(/m.test(
      readFileSync(join(ROOT, file), "utf8"),
    ),
  );
  expect(entries.length).toBeGreaterThan(4);
  expect(entries.sort()).toEqual(
    Object.values(bundles)
      .map(({ entry }) => entry)
      .sort(),
  );
});

test("the stacks get the path of the code, built or as sources", () => {
  expect(codeOf("reconcile", "stream")).toEqual({ bundle: ".build/functions/reconcile", handler: "bundle.stream" });
  expect(codeOf("node-pools", "handler", true)).toEqual({ handler: "functions/api/node-pools.handler", copyFiles: [] });
});
