import { globSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, expect, test } from "vitest";

const ROOT = resolve(import.meta.dirname, "../..");

interface Import {
  /** Path relative to the project. */
  from: string;
  /** File path relative to the project, or a package name. */
  to: string;
}

const STATEMENT = /^\s*(?:import|export)\b[^"';]*?from\s+"([^"]+)"|^\s*import\s+"([^"]+)"|\bimport\("([^"]+)"\)/gm;

/** Lists all imports of a file, wherever they occur in it. */
function importsOf(from: string, source: string): Import[] {
  return [...source.matchAll(STATEMENT)].map(([, one, two, three]) => {
    const to = one ?? two ?? three ?? "";
    if (to.startsWith("#")) return { from, to: to.slice(1) };
    return { from, to: to.startsWith(".") ? relative(ROOT, resolve(ROOT, dirname(from), to)) : to };
  });
}

const files = globSync("{core,functions,stacks}/**/*.ts", { cwd: ROOT });
const imports = files.flatMap((file) => importsOf(file, readFileSync(join(ROOT, file), "utf8")));

const noun = (path: string) => path.split("/").slice(0, 2).join("/");

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
    "only core/table imports the AWS SDK, and core/secrets the KMS client",
    ({ from, to }) =>
      to.startsWith("@aws-sdk/") &&
      !from.startsWith("core/table/") &&
      !(to === "@aws-sdk/client-kms" && from === "core/secrets/kms-keyring.ts"),
  ],
  [
    "a repository imports the table, never the repository of another noun",
    ({ from, to }) => from.endsWith("/repository.ts") && to.endsWith("/repository.ts") && noun(from) !== noun(to),
  ],
  [
    "core/table imports no noun",
    ({ from, to }) => from.startsWith("core/table/") && /^core\/[^/]+\//.test(to) && noun(to) !== "core/table",
  ],
];

/** Lists all files that a file imports, directly or indirectly. */
function closureOf(file: string): Set<string> {
  const found = new Set([file]);
  for (const each of found) for (const { from, to } of imports) if (from === each) found.add(to);
  return found;
}

/**
 * Modules that only the functions that need them import: they are large, and code that is absent cannot be made to decrypt
 * anything.
 */
const SECRET =
  /^(core\/(secrets|configuration)\/|@peculiar\/|@aws-sdk\/client-kms$|oauth4webapi$|oidc-provider$|jose$|yaml$)/;

describe("the code for secrets, certificates and OIDC", () => {
  test.each(["clusters", "node-pools", "references", "upgrades"])(
    "functions/%s.ts does not import the code for secrets, certificates and OIDC",
    (name) => {
      const closure = closureOf(`functions/${name}.ts`);
      expect(closure.size).toBeGreaterThan(20);
      expect([...closure].filter((each) => SECRET.test(each))).toEqual([]);
    },
  );

  test("the functions that need secrets, certificates and OIDC import that code", () => {
    const [configurations, reconciler] = ["configurations", "reconcile"].map((name) =>
      closureOf(`functions/${name}.ts`),
    );
    expect(configurations).toContain("core/secrets/kms-keyring.ts");
    expect(reconciler).toContain("core/cluster-access/prerequisites.ts");
    // This function returns certificates and creates none.
    expect(configurations).not.toContain("@peculiar/x509");
    expect(configurations).not.toContain("oauth4webapi");
  });
});

describe("imports go in one direction", () => {
  test("the import scan finds imports", () => {
    expect(files.length).toBeGreaterThan(40);
    expect(imports.length).toBeGreaterThan(150);
    expect(imports).toContainEqual({ from: "core/cluster/operations/get.ts", to: "core/access/authorize.ts" });
    expect(imports).toContainEqual({ from: "core/table/transaction.ts", to: "@aws-sdk/client-dynamodb" });
  });

  test.each(rules)("%s", (_, breaks) => {
    expect(imports.filter(breaks)).toEqual([]);
  });

  test("each rule detects a forbidden import", () => {
    const forbidden = [
      importsOf("core/cluster/operations/get.ts", 'import type { X } from "#functions/http/app.ts";'),
      importsOf("functions/admin/main.ts", 'import { x } from "../stacks/table.ts";'),
      importsOf("core/cluster/operations/get.ts", 'import {\n  Hono,\n} from "hono";'),
      importsOf("core/cluster/operations/get.ts", 'const x = await import("@aws-sdk/client-dynamodb");'),
      importsOf("core/cluster/store/items.ts", 'export { x } from "../node-pool/repository.ts";'),
      importsOf("core/table/keys.ts", 'import "../cluster/get.ts";'),
    ].flat();
    expect(forbidden).toHaveLength(rules.length);
    for (const [position, [, breaks]] of rules.entries()) {
      expect(forbidden.filter(breaks)).toEqual([forbidden[position]]);
    }
  });
});
