/** Builds the bundles, for the stacks, for the checks of their sizes and for the tests under Lambda's runtime. */

import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { brotliCompressSync } from "node:zlib";
import { type BuildOptions, build, type Plugin } from "esbuild";
import { buildCatalogue } from "#core/catalogue/build.ts";
import { readCatalogueFile } from "../runtime/catalogue-file.ts";
import { readProfilesFile } from "../runtime/profiles-file.ts";
import {
  BUNDLES_DIRECTORY,
  type Bundle,
  type BundleName,
  bundles,
  type LazyModuleName,
  lazyModules,
} from "./bundles.ts";
import { removeErrors, replacedFiles } from "./replaced-files.ts";

const ROOT = resolve(import.meta.dirname, "../..");

/** Directory of source maps. They are not uploaded, so that a function does not load a map at every start. */
const MAPS_DIRECTORY = ".build/maps";

const shim = (file: string) => join(import.meta.dirname, "shims", file);

/** Modules of the SDK that no function needs, with their shims. They would be a third of a bundle and of its start time. */
const SUBSTITUTES = {
  "@aws-sdk/credential-provider-node": shim("credentials.ts"),
  "@smithy/core/event-streams": shim("event-streams.ts"),
  "mnemonist/lru-cache": shim("lru-cache.ts"),
  "node:http": shim("http.ts"),
  "node:process": shim("process.ts"),
  // The same code as ES modules, so that unused parts are dropped.
  yaml: join(ROOT, "node_modules/yaml/browser/index.js"),
};

const REPLACED = new Map(replacedFiles.map(({ file, shim: name }) => [file, name]));

/** Replaces files that the SDK's clients import from their own packages: they have no module name for an alias. */
const CLIENT_FILES: Plugin = {
  name: "client-files",
  setup({ onLoad }) {
    onLoad({ filter: /\/client-[a-z-]+\/dist-es\/endpoint\/endpointResolver\.js$/ }, ({ path }) => {
      const [, service = ""] = /\/client-([a-z-]+)\//.exec(path) ?? [];
      // Host names have no hyphen: secretsmanager.eu-west-1.amazonaws.com.
      return {
        contents: `import { resolverFor } from ${JSON.stringify(shim("endpoint.ts"))};
          export const defaultEndpointResolver = resolverFor(${JSON.stringify(service.replaceAll("-", ""))});`,
        resolveDir: import.meta.dirname,
      };
    });
    onLoad({ filter: /\/client-[a-z-]+\/dist-es\/schemas\/schemas_0\.js$/ }, async ({ path }) => ({
      contents: removeErrors(await readFile(path, "utf8")),
    }));
    onLoad({ filter: /\/node_modules\/(@smithy|@aws-sdk)\/.*\.js$/ }, ({ path }) => {
      const [, file = ""] = /.*\/node_modules\/(.*)/.exec(path) ?? [];
      const replaced = REPLACED.get(file);
      if (replaced === undefined) return undefined;
      return {
        contents: `export * from ${JSON.stringify(shim(replaced))};`,
        resolveDir: import.meta.dirname,
      };
    });
    // Only the version is used; the rest lists all dependencies and scripts.
    onLoad({ filter: /\/client-[a-z-]+\/package\.json$/ }, async ({ path }) => {
      const { version } = JSON.parse(await readFile(path, "utf8")) as { version: string };
      return { contents: JSON.stringify({ version }), loader: "json" };
    });
  },
};

/** File with the catalogue of this release. */
const CATALOGUE = join(ROOT, "core/catalogue/catalogue.json");

/** Files of the operator that a build writes into the functions. */
export interface OperatorFiles {
  /** Path of the catalogue; undefined for the catalogue of this release. */
  catalogue?: string | undefined;
  /** Path of the profile file of the Cluster API provisioner; undefined for none. */
  profiles?: string | undefined;
}

/**
 * Reads and checks the operator's files.
 *
 * @throws AppError invalid with every problem of each file; a profile file refers to the catalogue, so it is checked after it
 */
function readOperatorFiles({ catalogue, profiles }: OperatorFiles) {
  const data = readCatalogueFile(catalogue ?? CATALOGUE);
  const { providers } = buildCatalogue(data);
  return { catalogue: data, profiles: profiles === undefined ? undefined : readProfilesFile(profiles, providers) };
}

/**
 * Writes data into a module, compressed: functions on AWS read no file, and do not contain checks or a YAML reader. A catalogue is
 * compressed to less than a quarter. The API's functions load zlib anyway.
 */
function moduleOf(data: unknown): string {
  const compressed = brotliCompressSync(JSON.stringify(data)).toString("base64");
  return `import { brotliDecompressSync } from "node:zlib";
    export default JSON.parse(brotliDecompressSync(Buffer.from("${compressed}", "base64")).toString());`;
}

/** Puts the checked files of the operator in place of the files of this release. */
const operatorFiles = (files: OperatorFiles): Plugin => ({
  name: "operator-files",
  setup({ onLoad }) {
    const load = (filter: RegExp, name: keyof OperatorFiles) =>
      onLoad({ filter }, () => ({ contents: moduleOf(readOperatorFiles(files)[name]), loader: "js" }));
    load(/\/core\/catalogue\/catalogue\.json$/, "catalogue");
    if (files.profiles !== undefined) load(/\/functions\/runtime\/cluster-api-profiles\.json$/, "profiles");
  },
});

/**
 * Returns the build options of a bundle.
 *
 * @param entry entry point, relative to the project
 */
export const optionsFor = (entry: string, files: OperatorFiles = {}) =>
  ({
    absWorkingDir: ROOT,
    entryPoints: [entry],
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node24",
    mainFields: ["module", "main"],
    minify: true,
    legalComments: "none",
    alias: SUBSTITUTES,
    plugins: [CLIENT_FILES, LAZY_MODULES, operatorFiles(files)],
    metafile: true,
    sourcemap: "external",
    outfile: "bundle.mjs",
    write: false,
    logLevel: "silent",
  }) as const satisfies BuildOptions;

/** Leaves the modules that are loaded with `import()` out of a bundle, which loads them from files beside it. */
const LAZY_MODULES: Plugin = {
  name: "lazy-modules",
  setup({ onResolve }) {
    for (const [name, { entry }] of Object.entries(lazyModules)) {
      onResolve({ filter: new RegExp(`/${basename(entry, ".ts")}\\.ts$`) }, ({ kind, path, resolveDir }) =>
        kind === "dynamic-import" && resolve(resolveDir, path) === join(ROOT, entry)
          ? { path: `./${name}.mjs`, external: true }
          : undefined,
      );
    }
  },
};

/** Built bundle. */
export interface BuiltBundle {
  code: Uint8Array;
  map: Uint8Array;
  /** Files in the bundle, relative to the project, with their remaining bytes. */
  inputs: ReadonlyMap<string, number>;
}

/** Builds one bundle in memory. @throws BuildFailure of esbuild with every error and its location */
export const buildBundle = (name: BundleName, files: OperatorFiles = {}): Promise<BuiltBundle> =>
  buildEntry(bundles[name].entry, files);

/** Builds one module that bundles load with `import()`, in memory. @throws BuildFailure of esbuild */
export const buildLazyModule = (name: LazyModuleName, files: OperatorFiles = {}): Promise<BuiltBundle> =>
  buildEntry(lazyModules[name].entry, files);

async function buildEntry(entry: string, files: OperatorFiles): Promise<BuiltBundle> {
  const { outputFiles, metafile } = await build(optionsFor(entry, files));
  const file = (end: string) => outputFiles.find(({ path }) => path.endsWith(end))?.contents ?? new Uint8Array();
  const [output] = Object.values(metafile.outputs).filter(({ entryPoint }) => entryPoint !== undefined);
  const inputs = Object.entries(output?.inputs ?? {}).map(
    ([path, { bytesInOutput }]) => [path, bytesInOutput] as const,
  );
  return { code: file("bundle.mjs"), map: file("bundle.mjs.map"), inputs: new Map(inputs) };
}

/**
 * Builds every bundle into its folder below `.build/functions`, and removes everything else there.
 *
 * @returns the sizes in bytes, without other files
 * @throws AppError invalid with every problem of the operator's files, before anything is removed; BuildFailure of esbuild
 */
export async function buildAll(given: OperatorFiles = {}): Promise<Map<BundleName, number>> {
  readOperatorFiles(given);
  await rm(join(ROOT, BUNDLES_DIRECTORY), { recursive: true, force: true });
  const names = Object.keys(bundles) as BundleName[];
  const sizes = await Promise.all(
    names.map(async (name): Promise<[BundleName, number]> => {
      const { code, map } = await buildBundle(name, given);
      await write(join(BUNDLES_DIRECTORY, name, "bundle.mjs"), code);
      await write(join(MAPS_DIRECTORY, `${name}.mjs.map`), map);
      const { files = {}, lazyModules: lazy = [] }: Bundle = bundles[name];
      for (const module of lazy) {
        const built = await buildLazyModule(module, given);
        await write(join(BUNDLES_DIRECTORY, name, `${module}.mjs`), built.code);
        await write(join(MAPS_DIRECTORY, `${module}.mjs.map`), built.map);
      }
      for (const [target, file] of Object.entries(files)) {
        await write(join(BUNDLES_DIRECTORY, name, target), await readFile(join(ROOT, file)));
      }
      return [name, code.length];
    }),
  );
  return new Map(sizes);
}

async function write(path: string, bytes: Uint8Array): Promise<void> {
  const file = join(ROOT, path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, bytes);
}
