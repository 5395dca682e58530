import { existsSync, globSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { commands } from "#functions/admin/commands.ts";
import { reconcilerGrants } from "#functions/api/grants.ts";
import { routeGroups } from "#functions/api/route-groups.ts";
import { ROOT } from "#test/support/server.ts";

const read = (file: string) => readFileSync(join(ROOT, file), "utf8");
const documents = globSync(["*.md", "docs/**/*.md", ".github/**/*.md"], { cwd: ROOT });

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

/** Returns the anchors of a document's headings, as GitHub builds them. */
function anchorsIn(markdown: string): string[] {
  const text = markdown.replace(/^ *```.*?^ *```$/gms, "");
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, "")
      .replace(/\s/g, "-"),
  );
}

/** Returns the relative links of a document that do not lead to a file, or not to a heading of it. */
function brokenLinks(file: string, markdown: string): string[] {
  const links = [...markdown.matchAll(/\]\((?![a-z]+:)([^)\s]+)\)/g)].map(([, link = ""]) => link);
  return links.filter((link) => {
    const [path = "", anchor] = link.split("#");
    const target = path === "" ? file : join(dirname(file), path);
    if (!existsSync(join(ROOT, target))) return true;
    return anchor !== undefined && !anchorsIn(path === "" ? markdown : read(target)).includes(anchor);
  });
}

/** Code in a document: spans in backticks, and the lines of code blocks. */
const codeIn = (markdown: string): string[] => [
  ...[...markdown.matchAll(/^ *```.*?^ *```$/gms)].flatMap(([block]) => block.split("\n").slice(1, -1)),
  ...[...markdown.replace(/^ *```.*?^ *```$/gms, "").matchAll(/`([^`]+)`/g)].map(([, span = ""]) => span),
];

/** Folders in .gitignore: an installation or a build makes them, and their paths depend on what ran before. */
const GENERATED = [...read(".gitignore").matchAll(/^(.+)\/$/gm)].map(([, folder]) => folder);
const FOLDERS = readdirSync(ROOT, { withFileTypes: true }).flatMap((each) =>
  each.isDirectory() && !GENERATED.includes(each.name) ? [each.name] : [],
);
const PATH = /(?<![\w./$<>-])[\w.-]+(?:\/(?:[\w.-]+|\{[\w,]+\}|<\w+>|\*+))*(?:\.(?:ts|md|json|sh))?(?![\w/])/g;

/**
 * Lists the paths of the project in code: they begin with one of its folders, or are names of TypeScript or Markdown files. The project
 * has no declaration files (`.d.ts`): readers generate those.
 */
const pathsIn = (code: string): string[] =>
  [...code.matchAll(PATH)]
    .map(([path]) => path.replace(/[.,:]$/, ""))
    .filter(
      (path) =>
        (path.includes("/") && FOLDERS.includes(path.split("/")[0] ?? "")) || /^[\w.-]+(?<!\.d)\.(ts|md)$/.test(path),
    )
    .filter((path) => !/[<*]/.test(path));

const projectFiles = globSync("{.ci,core,docs,functions,stacks,test}/**/*", {
  cwd: ROOT,
  exclude: (path) => GENERATED.includes(basename(path)),
}).concat(readdirSync(ROOT));

/** Returns whether a path in a document is a file or folder, or, like an argument of vitest, the start or the end of one. */
const isInProject = (path: string): boolean =>
  projectFiles.some((file) => file === path || file.startsWith(path) || file.endsWith(`/${path}`));

describe("documentation", () => {
  test("every documented operator's command exists with its options", () => {
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
    const documented = operations
      .split("\n")
      .filter((line) => line.startsWith("| `"))
      .flatMap((line) => [...(line.split("|")[1] ?? "").matchAll(/`(\w+)`/g)].map(([, name]) => name));
    expect(alarms.filter((alarm) => !documented.includes(alarm))).toEqual([]);
    expect(
      documented.filter((name) => /(Throttled|Errors)$|^Clusters/.test(name ?? "") && !alarms.includes(name)),
    ).toEqual([]);
  });

  test("every path of the project in the code of a Markdown file exists", () => {
    const written = documents
      .filter((file) => file !== "CHANGELOG.md")
      .flatMap((file) => codeIn(read(file)).flatMap((code) => pathsIn(code).map((path) => ({ file, path }))));
    expect(written.length).toBeGreaterThan(100);
    expect(written.filter(({ path }) => !isInProject(path))).toEqual([]);
    expect(pathsIn("npx vitest run test/core/missing --update")).toEqual(["test/core/missing"]);
    expect(pathsIn("missing.ts and generated.d.ts")).toEqual(["missing.ts"]);
    expect(isInProject("test/core/missing")).toBe(false);
    expect(projectFiles.filter((file) => file.includes("/node_modules/"))).toEqual([]);
  });

  test("every identifier in CONTRIBUTING.md is in the code", () => {
    const spans = codeIn(read("CONTRIBUTING.md")).filter((code) => !/^(npm|npx|bash) /.test(code));
    const names = spans.flatMap((code) => code.match(/\b(?:[A-Za-z]*[a-z][A-Z]\w*|[A-Z]+_[A-Z_]+)\b/g) ?? []);
    expect(names.length).toBeGreaterThan(12);
    const words = new Set(
      projectFiles.filter((file) => file.endsWith(".ts")).flatMap((file) => read(file).match(/\w+/g) ?? []),
    );
    expect(names.filter((name) => !words.has(name))).toEqual([]);
  });

  test("every relative link in a Markdown file leads to a file and to a heading", () => {
    const links = documents.flatMap((file) => [...read(file).matchAll(/\]\(/g)]);
    expect(links.length).toBeGreaterThan(40);
    expect(documents.flatMap((file) => brokenLinks(file, read(file)).map((link) => `${file}: ${link}`))).toEqual([]);
  });

  test.each([
    ["a missing file", "[a](docs/missing.md)", ["docs/missing.md"]],
    ["a missing heading of another file", "[a](docs/stages.md#missing)", ["docs/stages.md#missing"]],
    ["a missing heading of the same file", "# Here\n[a](#there)", ["#there"]],
    ["a heading inside a code block", "```sh\n# here\n```\n[a](#here)", ["#here"]],
    [
      "existing files and headings",
      "# It's `here`\n[a](#its-here) [b](docs/stages.md#commands) [c](https://a.test)",
      [],
    ],
  ])("a link to %s is reported as broken only if it is", (_, markdown, broken) => {
    expect(brokenLinks("README.md", markdown)).toEqual(broken);
  });
});
