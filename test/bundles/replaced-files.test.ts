import { createHash, randomUUID } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import * as dynamodb from "@aws-sdk/client-dynamodb";
import * as kms from "@aws-sdk/client-kms";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTable, type Table } from "#core/table/client.ts";
import { createTable } from "#core/table/create.ts";
import { type BuiltBundle, buildBundle, optionsFor } from "#functions/build/build.ts";
import { type BundleName, bundles } from "#functions/build/bundles.ts";
import { preservedErrors, removeErrors, replacedFiles } from "#functions/build/replaced-files.ts";
import { type Engine, startEngine } from "#functions/local/engine.ts";

const ROOT = join(import.meta.dirname, "../..");
const SHIMS = "functions/build/shims";
const names = Object.keys(bundles) as BundleName[];
const built: BuiltBundle[] = [];

beforeAll(async () => {
  for (const name of names) built.push(await buildBundle(name));
});

/** Returns the names that a module exports, without loading it. */
async function exportsOf(file: string): Promise<string[]> {
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: [file],
    format: "esm",
    metafile: true,
    write: false,
    outdir: ".",
  });
  return Object.values(metafile.outputs)
    .flatMap((output) => output.exports)
    .sort();
}

describe.each(replacedFiles)("the replacement of $file", ({ file, shim, sha256 }) => {
  test(`${file} has the SHA-256 of the version that its replacement was written for`, () => {
    const source = readFileSync(join(ROOT, "node_modules", file));
    expect(createHash("sha256").update(source).digest("hex")).toBe(sha256);
  });

  test(`the replacement of ${file} exports the same names`, async () => {
    expect(await exportsOf(`${SHIMS}/${shim}`)).toEqual(await exportsOf(`node_modules/${file}`));
  });

  test(`a bundle contains the replacement of ${file}, and no bundle contains the file`, () => {
    const bytesOf = (path: string) => built.map(({ inputs }) => inputs.get(path) ?? 0);
    expect(Math.max(...bytesOf(`${SHIMS}/${shim}`))).toBeGreaterThan(0);
    expect(Math.max(...bytesOf(`node_modules/${file}`))).toBe(0);
  });
});

type ErrorClass = new (options: object) => Error & { $retryable?: object };

/** Every error of a service that the SDK has a class for. */
const classesOf = (client: object, base: string): [name: string, ErrorClass][] =>
  Object.entries(client).filter(
    ([name, value]) => name !== base && typeof value === "function" && value.prototype instanceof Error,
  );

const errors = [...classesOf(dynamodb, "DynamoDBServiceException"), ...classesOf(kms, "KMSServiceException")] as const;

describe("errors of the SDK in bundles", () => {
  test("bundles keep the class of each error whose class marks the call as retryable", () => {
    const retryable = errors.filter(([, Class]) => new Class({ message: "" }).$retryable !== undefined);
    expect(retryable.map(([name]) => name)).toEqual(["ReplicatedWriteConflictException"]);
    for (const [name] of retryable) expect(preservedErrors).toContain(name);
  });

  test("bundles refer to no error class that was removed", () => {
    expect(errors.length).toBeGreaterThan(50);
    for (const { code } of built) {
      const text = Buffer.from(code).toString();
      const referred = errors.filter(([name]) => new RegExp(`com\\.amazonaws\\.\\w+#${name}\\b`).test(text));
      expect(referred.map(([name]) => name).filter((name) => !preservedErrors.has(name))).toEqual([]);
    }
  });

  test("removeErrors throws for schemas of another form, and for an error that another schema refers to", () => {
    const registered = `export var AError$ = [-3, n0, _A,\n    { [_e]: _c },\n    [_m],\n    [0]\n];\nn0_registry.registerError(AError$, AError);\n`;
    expect(removeErrors(`${registered}export var B$ = [3, n0, _B];\n`)).toBe("export var B$ = [3, n0, _B];\n");
    expect(() => removeErrors("export var B$ = [3, n0, _B];\n")).toThrow("do not register errors");
    expect(() => removeErrors(`${registered}export var B$ = [3, n0, _B, () => AError$];\n`)).toThrow("AError");
  });
});

const ENTRY = `
  import { TransactWriteCommand } from "@aws-sdk/lib-dynamodb";
  import { DynamoDBServiceException, TransactionCanceledException } from "@aws-sdk/client-dynamodb";
  export { openTable } from "./core/table/client.ts";
  export const isServiceError = (error) => error instanceof DynamoDBServiceException;
  export const isCancellation = (error) => error instanceof TransactionCanceledException;
  export const cancel = (table) => table.client.send(new TransactWriteCommand({ TransactItems: [{ ConditionCheck: {
    TableName: table.name, Key: { pk: "none", sk: "none" }, ConditionExpression: "attribute_exists(pk)" } }] }));`;

/** Exports of the two bundles. */
interface Compared {
  openTable: typeof openTable;
  isServiceError(error: unknown): boolean;
  isCancellation(error: unknown): boolean;
  cancel(table: Table): Promise<unknown>;
}

describe("a call that fails", () => {
  let engine: Engine;
  let folder: string;
  const variants: Compared[] = [];

  beforeAll(async () => {
    engine = await startEngine();
    folder = mkdtempSync(join(tmpdir(), "replaced-"));
    const { entryPoints: _, ...shared } = optionsFor("functions/api/clusters.ts");
    const stdin = { contents: ENTRY, resolveDir: ROOT, loader: "ts" } as const;
    for (const [name, left] of Object.entries({ replaced: {}, whole: { alias: {}, plugins: [] } })) {
      const { outputFiles } = await build({ ...shared, ...left, stdin, sourcemap: false });
      const file = join(folder, `${name}.mjs`);
      writeFileSync(file, outputFiles[0]?.contents ?? "");
      variants.push((await import(pathToFileURL(file).href)) as Compared);
    }
  });
  afterAll(async () => {
    await engine.stop();
    rmSync(folder, { recursive: true });
  });

  const options = (name: string) => ({
    name,
    endpoint: engine.endpoint,
    client: { region: "eu-west-1", credentials: { accessKeyId: "local", secretAccessKey: "local" } },
  });

  /** Returns what code reads of an error, without what differs between two calls. */
  async function failureOf(call: Promise<unknown>) {
    const error = await call.then(
      () => new Error("the call did not fail"),
      (thrown) => thrown,
    );
    const { name, message, $fault, $metadata, CancellationReasons } = error;
    return { error, read: { name, message, $fault, status: $metadata?.httpStatusCode, CancellationReasons } };
  }

  test("a failed call throws an error with the same name, message and metadata if its class was removed", async () => {
    const name = `none-${randomUUID()}`;
    const [replaced, whole] = await Promise.all(
      variants.map(async (each) => {
        const { error, read } = await failureOf(each.openTable(options(name)).get([{ pk: "a", sk: "b" }]));
        return { ...read, isServiceError: each.isServiceError(error) };
      }),
    );
    expect(whole).toMatchObject({ name: "ResourceNotFoundException", status: 400, isServiceError: true });
    expect(replaced).toEqual(whole);
  });

  test("a failed call throws the same class with the same reasons if its class is kept", async () => {
    const name = `cancelled-${randomUUID()}`;
    await createTable(openTable(options(name)));
    const failures = await Promise.all(
      variants.map(async (each) => {
        const { error, read } = await failureOf(each.cancel(each.openTable(options(name))));
        return { ...read, isCancellation: each.isCancellation(error) };
      }),
    );
    const [replaced, whole] = failures;
    expect(whole).toMatchObject({ isCancellation: true, CancellationReasons: [{ Code: "ConditionalCheckFailed" }] });
    expect(replaced).toEqual(whole);
  });
});
