import { globSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";

const ROOT = resolve(import.meta.dirname, "../..");

const EXPORT = /^export (?:async )?(?:const|function|class|interface|type) (\w+)/;

/** Exports without a docstring. One docstring is enough for a value and for the type derived from it on the next line. */
function undocumented(source: string): string[] {
  const lines = source.split("\n");
  return lines.flatMap((line, at) => {
    const [, name] = EXPORT.exec(line) ?? [];
    const before = lines[at - 1] ?? "";
    const isDocumented = before.endsWith("*/");
    const isPair = line.startsWith("export type") && /^(export )?const |^}\)|^\]/.test(before);
    return name === undefined || isDocumented || isPair ? [] : [name];
  });
}

test("an export without a docstring is found", () => {
  expect(undocumented("/** One. */\nexport const a = 1;\nexport type A = typeof a;\n\nexport function b() {}")).toEqual(
    ["b"],
  );
});

test("every export has a docstring", () => {
  const found = globSync("{core,functions,stacks}/**/*.ts", { cwd: ROOT }).flatMap((file) =>
    undocumented(readFileSync(join(ROOT, file), "utf8")).map((name) => `${file}: ${name}`),
  );
  expect(found).toEqual([]);
});
