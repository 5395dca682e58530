import { globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { commands } from "#functions/admin/commands.ts";
import { reconcilerGrants, routeGroups } from "#functions/api/route-groups.ts";
import { ROOT } from "#test/support/server.ts";

const read = (file: string) => readFileSync(join(ROOT, file), "utf8");
const documents = ["README.md", "CONTRIBUTING.md", ...globSync("docs/**/*.md", { cwd: ROOT })];

/** Lists the operator's commands in a text, with their options. */
const commandsIn = (text: string) =>
  [...text.matchAll(/npm run (?:-s |--silent )?admin -- ([a-z][^`\n#]*)|functions\/admin\.ts ([a-z][^`\n#]*)/g)].map(
    ([, one, other]) => (one ?? other ?? "").trim(),
  );

/** Returns the error of a command as it is written, or nothing for a valid command. */
function problemIn(line: string): string | undefined {
  const words = line.split(/\s+/);
  const name = [2, 1].map((count) => words.slice(0, count).join(" ")).find((each) => Object.hasOwn(commands, each));
  const command = name === undefined ? undefined : commands[name];
  if (command === undefined) return `${line}: there is no such command`;
  const options = [...line.matchAll(/--([a-z-]+)/g)].map(([, option = ""]) => option);
  const unknown = options.filter((option) => !Object.hasOwn(command.options, option));
  return unknown.length === 0 ? undefined : `${line}: there is no --${unknown.join(", --")}`;
}

describe("the operator's documentation", () => {
  test("the operator's documentation names only existing commands and options", () => {
    const written = documents.flatMap((file) => commandsIn(read(file)));
    expect(written.length).toBeGreaterThan(40);
    expect(written.map(problemIn).filter((problem) => problem !== undefined)).toEqual([]);
    expect(problemIn("backup export --to file")).toBe("backup export --to file: there is no --to");
    expect(problemIn("backup restore")).toBe("backup restore: there is no such command");
  });

  test("every alarm has instructions in the operator's documentation", () => {
    const operations = read("docs/operations.md");
    const named = [...read("stacks/alarms.ts").matchAll(/alarm\(\s*"(\w+)"/g)].map(([, name]) => name);
    const functions = [...Object.keys(routeGroups), ...Object.keys(reconcilerGrants), "Default"];
    const alarms = [...named, ...functions.flatMap((name) => [`${name}Throttled`, `${name}Errors`])];
    expect(alarms.length).toBeGreaterThan(12);
    const told = operations
      .split("\n")
      .filter((line) => line.startsWith("| `"))
      .flatMap((line) => [...(line.split("|")[1] ?? "").matchAll(/`(\w+)`/g)].map(([, name]) => name));
    expect(alarms.filter((alarm) => !told.includes(alarm))).toEqual([]);
    expect(told.filter((name) => /(Throttled|Errors)$|^Clusters/.test(name ?? "") && !alarms.includes(name))).toEqual(
      [],
    );
  });

  test("every file linked from the operator's documentation exists", () => {
    const links = documents.flatMap((file) =>
      [...read(file).matchAll(/\]\((?!https?:)([^)#\s]+)/g)].map(([, to = ""]) => join(dirname(file), to)),
    );
    expect(links.length).toBeGreaterThan(20);
    const there = new Set(globSync("**/*", { cwd: ROOT, exclude: ["node_modules", ".git", ".build", ".sst"] }));
    expect(links.filter((link) => !there.has(link))).toEqual([]);
  });
});
