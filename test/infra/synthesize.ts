/**
 * Runs the stacks like the SST command, with Pulumi's engine mocked, and writes the resources that would be created. Each run is
 * a separate process: SST's components keep state in their modules, and create resources until the event loop is empty.
 *
 * Usage: node synthesize.ts STAGE RESULT_FILE [FILE PATTERN FLAGS REPLACEMENT]
 */

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { join, relative, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { build, type Plugin } from "esbuild";
import { answerTo, type Change, type Graph, outputsOf, PLATFORM, placesOf, type Resource } from "./graph.ts";

const [stage = "", resultFile = "", file, pattern = "", flags, to = ""] = process.argv.slice(2);
const isDev = process.env.SYNTHESIZE_DEV === "true";
const fault: Change | undefined = file === undefined ? undefined : { file, from: new RegExp(pattern, flags), to };

const root = resolve(import.meta.dirname, "../..");
const platform = PLATFORM;
const { program, work } = placesOf(resultFile);

/** The part of Pulumi that is used here; the same instance that the bundled program loads. */
interface Pulumi {
  runtime: {
    setMocks(
      mocks: {
        newResource(made: { type: string; name: string; inputs: Record<string, unknown>; id?: string }): unknown;
        call(called: { token: string; inputs: Record<string, unknown> }): unknown;
      },
      project: string,
      stack: string,
      preview: boolean,
    ): Promise<void>;
    runInPulumiStack(program: () => Promise<unknown>): Promise<unknown>;
    registerStackTransformation(
      see: (made: { type: string; name: string; opts: { protect?: boolean; retainOnDelete?: boolean } }) => undefined,
    ): void;
  };
}

/** Exports of the bundled configuration. */
interface Program {
  mod: { app(input: { stage: string }): Promise<Record<string, unknown>>; run(): Promise<unknown> };
  run(program: () => Promise<unknown>): Promise<unknown>;
}

const BANNER = `import { createRequire as topLevelCreateRequire } from "module";
const require = topLevelCreateRequire(import.meta.url);
import { fileURLToPath as topLevelFileUrlToPath, URL as topLevelURL } from "url";
const __filename = topLevelFileUrlToPath(import.meta.url);
const __dirname = topLevelFileUrlToPath(new topLevelURL(".", import.meta.url));`;

/** Reads our own files with the imports that the command adds to each, and with the planted fault. */
const sources: Plugin = {
  name: "sources",
  setup(building) {
    building.onLoad({ filter: /\.[jt]s$/ }, ({ path }) => {
      if (path.startsWith(join(root, ".sst"))) return undefined;
      let contents = readFileSync(path, "utf8");
      if (fault !== undefined && fault.file === relative(root, path)) {
        const changed = contents.replace(fault.from, () => fault.to);
        if (changed === contents) throw new Error(`${fault.from} not found in ${fault.file}`);
        contents = changed;
      }
      const globals = `import * as aws from "@pulumi/aws"; import * as sst from "${platform}/src/components";`;
      return { contents: `${globals}\n${contents}`, loader: "default" };
    });
  },
};

/** Bundles the configuration like the command, and loads it. @param app the configuration's description of the app */
async function load(app: Record<string, unknown>): Promise<Program> {
  await build({
    stdin: {
      contents: `import { run } from "${platform}/src/auto/run.ts"; import mod from "${root}/sst.config.ts"; export { run, mod };`,
      resolveDir: root,
      sourcefile: "eval.ts",
      loader: "ts",
    },
    outfile: program,
    bundle: true,
    platform: "node",
    format: "esm",
    mainFields: ["module", "main"],
    banner: { js: BANNER },
    logLevel: "silent",
    absWorkingDir: root,
    nodePaths: [join(platform, "node_modules")],
    inject: [join(platform, "src/shim/run.js")],
    define: {
      $app: JSON.stringify(app),
      $dev: `${isDev}`,
      $cli: JSON.stringify({
        command: isDev ? "dev" : "deploy",
        rpc: "",
        paths: { home: work, root, work, platform },
        state: { version: {} },
      }),
    },
    external: [
      "@pulumi/*",
      "undici",
      "@pulumiverse/*",
      "@sst-provider/*",
      "@aws-sdk/*",
      "esbuild",
      "archiver",
      "glob",
      "vite",
    ],
    plugins: [sources],
  });
  return (await import(`${pathToFileURL(program)}?${Object.keys(app).length}`)) as Program;
}

/** Replaces the command's build of a function with a given bundle. Checks that the handler exists. */
function built({ bundle = "", handler }: { bundle?: string; handler: string }) {
  const out = join(root, bundle);
  const [file, called] = [join(out, handler.replace(/\.[^.]*$/, ".mjs")), handler.split(".").at(-1)];
  const code = existsSync(file) ? readFileSync(file, "utf8") : "";
  const isThere = new RegExp(`export\\s*\\{[^}]*\\b${called}\\b[^}]*\\}`).test(code);
  return { handler, out, errors: isThere ? [] : [`${relative(root, file)} has no ${called}`], sourcemaps: [] };
}

/** Replaces the command's handling of a function in `sst dev`, which builds it from its source at the first call. */
function addTarget({ handler }: { handler: string }) {
  const file = join(root, handler.replace(/\.[^.]*$/, ".ts"));
  if (!existsSync(file)) throw new Error(`${relative(root, file)} not found`);
  return true;
}

/** Implements the command's side of the components' calls. */
const calls: Record<string, (input: never) => unknown> = {
  "Runtime.Build": built,
  "Runtime.AddTarget": addTarget,
  "Provider.Aws.Bootstrap": () => ({ asset: "asset-bucket", state: "state-bucket" }),
  "Provider.Aws.Appsync": () => ({ http: "appsync.example.test", realtime: "realtime.example.test" }),
};

const server = createServer(async (request, response) => {
  let text = "";
  for await (const chunk of request) text += chunk;
  const { method, params } = JSON.parse(text) as { method: string; params: [never] };
  const answer = calls[method];
  const refusal = { error: `rpc: can't find method ${method}` };
  response.end(JSON.stringify(answer === undefined ? refusal : { result: answer(params[0]) }));
});
server.on("connection", (socket) => socket.unref());
await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
server.unref();
process.env.SST_SERVER = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
mkdirSync(work, { recursive: true });

const pulumi = createRequire(join(platform, "package.json"))("@pulumi/pulumi") as Pulumi;
const resources: Resource[] = [];
const options = new Map<string, { protect?: boolean; retainOnDelete?: boolean }>();
await pulumi.runtime.setMocks(
  {
    newResource({ type, name, inputs, id }) {
      resources.push({ type, name, inputs, protect: false, retainOnDelete: false });
      return { id: id || `${name}-id`, state: outputsOf(type, name, inputs) };
    },
    call: ({ token, inputs }) => answerTo(token, inputs),
  },
  "ame-clusters",
  stage,
  false,
);

const { mod: configuration } = await load({});
const app = { stage, ...(await configuration.app({ stage })) };
const { run, mod } = await load(app);
process.once("beforeExit", () => {
  // Pulumi creates resources when the outputs that they depend on arrive: the graph is complete when the event loop is empty.
  for (const resource of resources) {
    const { protect = false, retainOnDelete = false } = options.get(`${resource.type}::${resource.name}`) ?? {};
    Object.assign(resource, { protect, retainOnDelete });
  }
  const graph: Graph = { app, resources };
  writeFileSync(resultFile, JSON.stringify(graph));
});
await pulumi.runtime.runInPulumiStack(() =>
  run(() => {
    pulumi.runtime.registerStackTransformation(({ type, name, opts }) => {
      options.set(`${type}::${name}`, opts);
      return undefined;
    });
    return mod.run();
  }),
);
