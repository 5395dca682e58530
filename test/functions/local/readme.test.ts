import { afterEach, expect, test } from "vitest";
import { bash, blocksOf } from "#test/support/documentation.ts";
import { cleanUp, start, temporary } from "#test/support/server.ts";

afterEach(cleanUp);

/** States and phases in recorded order; timing decides which of them share an event. */
const waysIn = (printed: string) => {
  const words = printed.split(/\s/);
  return [/^"status":/, /^[a-z]+$/, /^[A-Z_]+$/].map((kind) => words.filter((word) => kind.test(word)));
};

test("the sessions of README.md, docs/life-of-a-cluster.md and docs/acloud.md print what is documented, and a cluster is started within 15 s", async () => {
  const [[, first = ""] = [], [, listed = ""] = []] = blocksOf("README.md", "First steps");
  const [[, life = ""] = [], [, printed = ""] = []] = blocksOf("docs/life-of-a-cluster.md", "Try it");
  const [[, dialect = ""] = [], [, answered = ""] = []] = blocksOf("docs/acloud.md", "Example");
  const DATA_DIR = temporary();
  const server = await start({ DATA_DIR, LOG_LEVEL: "warn" });
  const script = [first, 'echo "----"', life, 'echo "----"', dialect]
    .join("\n")
    .replaceAll("http://127.0.0.1:4000", server.url)
    .replaceAll(".data/", `${DATA_DIR}/`);
  const [output = "", lived = "", fromDialect = ""] = (await bash(script, { DATA_DIR })).split("----\n");
  const [identity = ""] = output.split("\n");
  expect(identity).toMatch(/^[0-9a-f-]{36}$/);
  // The reconciler may have begun before the list is read, so the status may be later than the README's.
  const withoutStatus = (text: string) => text.replace(/status: '[a-z]+'/, "status: ''");
  expect(withoutStatus(output.slice(identity.length + 1))).toBe(withoutStatus(listed));
  expect(waysIn(lived)).toEqual(waysIn(printed));
  expect(fromDialect).toBe(answered);
  const [documented = ""] = printed.split("\n").filter((line) => line.startsWith("{"));
  expect(lived).toContain(documented);
  const at = (what: string) =>
    Date.parse(
      lived
        .split("\n")
        .find((line) => line.includes(what))
        ?.slice(0, 24) ?? "",
    );
  expect(at("started DONE") - at("cluster.created")).toBeLessThan(15_000);
  server.signal("SIGTERM");
  expect(await server.exited).toBe(0);
});
