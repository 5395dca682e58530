/** How a bundle is made, the same for the stacks, for the checks of its size and for the runs of it under Lambda's runtime. */

import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { type BuildOptions, build, type Plugin } from "esbuild";
import { BUNDLES_DIRECTORY, type Bundle, type BundleName, bundles } from "./bundles.ts";
import { replacedFiles, withoutErrors } from "./replaced-files.ts";

const ROOT = resolve(import.meta.dirname, "../..");

/** Where source maps go: beside what is uploaded, so that a trace can be read without loading a map with every start. */
const MAPS_DIRECTORY = ".build/maps";

const shim = (file: string) => join(import.meta.dirname, "shims", file);

/** What of the SDK no function needs, and what each gets instead. Together they would be a third of a bundle, and of its start. */
const SUBSTITUTES = {
  "@aws-sdk/credential-provider-node": shim("credentials.ts"),
  "@smithy/core/event-streams": shim("event-streams.ts"),
  "mnemonist/lru-cache": shim("lru-cache.ts"),
  "node:http": shim("http.ts"),
  "node:process": shim("process.ts"),
  // The same as modules, of which only what is used is kept.
  yaml: join(ROOT, "node_modules/yaml/browser/index.js"),
};

const REPLACED = new Map(replacedFiles.map(({ file, shim: name }) => [file, name]));

/** The same for what the SDK's clients import of their own files, which have no name to be known by. */
const OF_CLIENTS: Plugin = {
  name: "of-clients",
  setup({ onLoad }) {
    onLoad({ filter: /\/client-[a-z]+\/dist-es\/endpoint\/endpointResolver\.js$/ }, ({ path }) => {
      const [, service = ""] = /client-([a-z]+)/.exec(path) ?? [];
      return {
        contents: `import { resolverFor } from ${JSON.stringify(shim("endpoint.ts"))};
          export const defaultEndpointResolver = resolverFor(${JSON.stringify(service)});`,
        resolveDir: import.meta.dirname,
      };
    });
    onLoad({ filter: /\/client-[a-z]+\/dist-es\/schemas\/schemas_0\.js$/ }, async ({ path }) => ({
      contents: withoutErrors(await readFile(path, "utf8")),
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
    // Only the version is read, and the rest is every dependency and script there is.
    onLoad({ filter: /\/client-[a-z]+\/package\.json$/ }, async ({ path }) => {
      const { version } = JSON.parse(await readFile(path, "utf8")) as { version: string };
      return { contents: JSON.stringify({ version }), loader: "json" };
    });
  },
};

/**
 * The options a bundle is built with.
 *
 * @param entry the entry point, relative to the project
 */
export const optionsFor = (entry: string) =>
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
    plugins: [OF_CLIENTS],
    metafile: true,
    sourcemap: "external",
    outfile: "bundle.mjs",
    write: false,
    logLevel: "silent",
  }) as const satisfies BuildOptions;

/** A bundle as it was built. */
export interface Built {
  code: Uint8Array;
  map: Uint8Array;
  /** Every file that went into it, relative to the project, with how many bytes of it are left. */
  inputs: ReadonlyMap<string, number>;
}

/**
 * Builds one bundle in memory.
 *
 * @throws BuildFailure of esbuild, which names every error and where it is
 */
export async function buildBundle(name: BundleName): Promise<Built> {
  const { outputFiles, metafile } = await build(optionsFor(bundles[name].entry));
  const file = (end: string) => outputFiles.find(({ path }) => path.endsWith(end))?.contents ?? new Uint8Array();
  const [output] = Object.values(metafile.outputs).filter(({ entryPoint }) => entryPoint !== undefined);
  const inputs = Object.entries(output?.inputs ?? {}).map(
    ([path, { bytesInOutput }]) => [path, bytesInOutput] as const,
  );
  return { code: file("bundle.mjs"), map: file("bundle.mjs.map"), inputs: new Map(inputs) };
}

/**
 * Builds every bundle into its folder below `.build/functions`, which holds nothing else afterwards.
 *
 * @returns how large each is, in bytes
 * @throws BuildFailure of esbuild
 */
export async function buildAll(): Promise<Map<BundleName, number>> {
  await rm(join(ROOT, BUNDLES_DIRECTORY), { recursive: true, force: true });
  const names = Object.keys(bundles) as BundleName[];
  const sizes = await Promise.all(
    names.map(async (name): Promise<[BundleName, number]> => {
      const { code, map } = await buildBundle(name);
      await write(join(BUNDLES_DIRECTORY, name, "bundle.mjs"), code);
      await write(join(MAPS_DIRECTORY, `${name}.mjs.map`), map);
      const { files = {} }: Bundle = bundles[name];
      for (const [beside, file] of Object.entries(files)) {
        await write(join(BUNDLES_DIRECTORY, name, beside), await readFile(join(ROOT, file)));
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
