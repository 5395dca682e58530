import { globSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";

const ROOT = resolve(import.meta.dirname, "../..");

/** Attributes of a pointer that decide when it is reconciled, in an expression. */
const SCHEDULING = /#(duePk|dueAt|requestedAt|wakes|attempts|leaseUntil)\b/;

test("only core/cluster/store/pointer.ts updates the scheduling attributes of a pointer", () => {
  const files = globSync("{core,functions,stacks}/**/*.ts", { cwd: ROOT });
  expect(files).toContain("core/cluster/store/pointer.ts");
  expect(files.filter((file) => SCHEDULING.test(readFileSync(join(ROOT, file), "utf8")))).toEqual([
    "core/cluster/store/pointer.ts",
  ]);
});
