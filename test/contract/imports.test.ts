import { globSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, expect, test } from "vitest";

const ROOT = resolve(import.meta.dirname, "../..");

interface Import {
  /** Path relative to the project. */
  from: string;
  /** File path relative to the project, or a package name. */
  to: string;
  /** True if only types are imported, which leave nothing at run time. */
  isType?: true;
}

const STATEMENT = /^\s*(?:import|export)\b[^"';]*?from\s+"([^"]+)"|^\s*import\s+"([^"]+)"|\bimport\("([^"]+)"\)/gm;

/** Lists all imports of a file, wherever they occur in it. */
function importsOf(from: string, source: string): Import[] {
  return [...source.matchAll(STATEMENT)].map(([statement, one, two, three]) => {
    const to = one ?? two ?? three ?? "";
    const isType = /^\s*(import|export) type\b/.test(statement) ? { isType: true as const } : {};
    if (to.startsWith("#")) return { from, to: to.slice(1), ...isType };
    return { from, to: to.startsWith(".") ? relative(ROOT, resolve(ROOT, dirname(from), to)) : to, ...isType };
  });
}

const files = globSync("{core,functions,stacks}/**/*.ts", { cwd: ROOT });
const imports = files.flatMap((file) => importsOf(file, readFileSync(join(ROOT, file), "utf8")));

/** Folders of `core/` from the top to the bottom, as CONTRIBUTING.md lists them; a folder may import only from those below it. */
const layers = [
  ...(/^```layers\n(.*?)^```/ms.exec(readFileSync(join(ROOT, "CONTRIBUTING.md"), "utf8"))?.[1] ?? "").matchAll(
    /^(\S+)/gm,
  ),
].map(([, folder = ""]) => folder);

/** Returns the position of a file's folder in `layers`, 0 at the top; -1 for a file that no layer has. */
function layerOf(path: string): number {
  const folders = layers.filter((layer) => path === layer || path.startsWith(`${layer}/`));
  return layers.indexOf(folders.toSorted((one, other) => other.length - one.length)[0] ?? "");
}

const isCore = (path: string) => path.startsWith("core/");

/** Forbidden imports, with the reason. */
const rules: [rule: string, breaks: (each: Import) => boolean][] = [
  [
    "core must not import functions or stacks",
    ({ from, to }) => from.startsWith("core/") && /^(functions|stacks|test)\//.test(to),
  ],
  [
    "functions must not import stacks or tests",
    ({ from, to }) => from.startsWith("functions/") && /^(stacks|test)\//.test(to),
  ],
  [
    "core must not import HTTP, Lambda or SST packages",
    ({ from, to }) => from.startsWith("core/") && /^(hono|@hono\/|sst|aws-lambda|@types\/aws-lambda)/.test(to),
  ],
  [
    "only core/table imports the AWS SDK, and core/secrets the clients for KMS and Secrets Manager",
    ({ from, to }) =>
      to.startsWith("@aws-sdk/") &&
      !from.startsWith("core/table/") &&
      !(to === "@aws-sdk/client-kms" && from === "core/secrets/kms-keyring.ts") &&
      !(to === "@aws-sdk/client-secrets-manager" && from === "core/secrets/secrets-manager.ts"),
  ],
  [
    "only core/kubernetes connects to API servers of Kubernetes, and nothing imports a Kubernetes library",
    ({ from, to }) =>
      (isCore(from) && to === "node:https" && !from.startsWith("core/kubernetes/")) || to.startsWith("@kubernetes/"),
  ],
  [
    "a folder of core imports only from folders below it",
    ({ from, to }) => isCore(from) && isCore(to) && layerOf(to) < layerOf(from),
  ],
];

/** Lists all files that a file imports, directly or indirectly. */
function closureOf(file: string): Set<string> {
  const found = new Set([file]);
  for (const each of found)
    for (const { from, to, isType } of imports) if (from === each && isType !== true) found.add(to);
  return found;
}

/**
 * Modules that only the functions that need them import: they are large, and code that is absent cannot be made to decrypt
 * anything.
 */
const SECRET =
  /^(core\/(secrets|cluster-access|node-bootstrap)\/|@peculiar\/|@aws-sdk\/client-kms$|oauth4webapi$|oidc-provider$|jose$|yaml$)/;

describe("the code for secrets, certificates and OIDC", () => {
  test.each(["api/clusters", "api/node-pools", "api/references"])(
    "functions/%s.ts does not import the code for secrets, certificates and OIDC",
    (name) => {
      const closure = closureOf(`functions/${name}.ts`);
      expect(closure.size).toBeGreaterThan(20);
      expect([...closure].filter((each) => SECRET.test(each))).toEqual([]);
    },
  );

  test("the functions that need secrets, certificates and OIDC import that code", () => {
    const [configurations, reconciler] = ["api/configurations", "reconciler/handlers"].map((name) =>
      closureOf(`functions/${name}.ts`),
    );
    expect(configurations).toContain("core/secrets/kms-keyring.ts");
    expect(reconciler).toContain("core/cluster-access/prerequisites.ts");
    // This function returns certificates and creates none.
    expect(configurations).not.toContain("@peculiar/x509");
    expect(configurations).not.toContain("oauth4webapi");
  });
});

test("no function of the API imports the client for Kubernetes", () => {
  const entries = globSync("functions/api/*.ts", { cwd: ROOT });
  expect(entries.length).toBeGreaterThan(8);
  expect(entries.filter((entry) => [...closureOf(entry)].some((file) => file.startsWith("core/kubernetes/")))).toEqual(
    [],
  );
});

describe("imports go in one direction", () => {
  test("the import scan finds imports", () => {
    expect(files.length).toBeGreaterThan(40);
    expect(imports.length).toBeGreaterThan(150);
    expect(imports).toContainEqual({ from: "core/cluster/operations/get.ts", to: "core/access/authorize.ts" });
    expect(imports).toContainEqual({ from: "core/table/transaction.ts", to: "@aws-sdk/client-dynamodb" });
  });

  test("every file of core has a layer, and only context.ts is not in a folder", () => {
    expect(files.filter((file) => isCore(file) && layerOf(file) === -1)).toEqual([]);
    expect(files.filter((file) => /^core\/[^/]+$/.test(file))).toEqual(["core/context.ts"]);
    expect(layers.filter((layer) => !files.some((file) => file === layer || file.startsWith(`${layer}/`)))).toEqual([]);
  });

  test.each(rules)("%s", (_, breaks) => {
    expect(imports.filter(breaks)).toEqual([]);
  });

  test("each rule detects a forbidden import", () => {
    const forbidden = [
      importsOf("core/cluster/operations/get.ts", 'import type { X } from "#functions/http/app.ts";'),
      importsOf("functions/admin/main.ts", 'import { x } from "../../stacks/table.ts";'),
      importsOf("core/cluster/operations/get.ts", 'import {\n  Hono,\n} from "hono";'),
      importsOf("core/cluster/operations/get.ts", 'const x = await import("@aws-sdk/client-dynamodb");'),
      importsOf("core/provisioning/reconcile.ts", 'import { request } from "node:https";'),
      importsOf("core/table/keys.ts", 'export { x } from "../cluster/schema.ts";'),
    ].flat();
    expect(forbidden).toHaveLength(rules.length);
    for (const [position, [, breaks]] of rules.entries()) {
      expect(forbidden.filter(breaks)).toEqual([forbidden[position]]);
    }
  });
});
