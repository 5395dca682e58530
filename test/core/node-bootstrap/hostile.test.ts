import fc from "fast-check";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { buildJoinDocuments } from "#core/node-bootstrap/documents.ts";
import { buildWriteCommand } from "#core/node-bootstrap/script.ts";
import { quote, quoteAlways, toComment } from "#core/node-bootstrap/shell.ts";
import { clusterToJoin, poolToJoin } from "./inputs.ts";
import { checkSyntax, run } from "./tools.ts";

const HOSTILE = [
  "",
  "'",
  "''\\''",
  '"; rm -rf / #',
  "$(touch /tmp/x)",
  "`touch /tmp/x`",
  `\${HOME}`,
  "a\nb",
  "EOF\nrm -rf /\n",
  "-n",
  "\\",
  "!!",
  "~",
  "*",
  "ä\u2028ö",
  "- a: &b *b",
  "%{}[]|>@",
  "\u0007\u001b[31m",
];

/** Returns the words that a shell reads from a text, each ended by a NUL. */
const wordsOf = (words: string) =>
  run("bash", ["-c", `set -eu; printf '%s\\0' ${words}`])
    .split("\0")
    .slice(0, -1);

test("a quoted text is one shell word, whatever its characters", () => {
  const texts = fc
    .sample(fc.string({ unit: "grapheme", minLength: 0, maxLength: 20 }), { numRuns: 500, seed: 1 })
    .map((each) => each.replaceAll("\0", ""));
  const every = [...HOSTILE, ...texts];
  expect(wordsOf(every.map(quote).join(" "))).toEqual(every);
  expect(wordsOf(every.map(quoteAlways).join(" "))).toEqual(every);
  expect(() => quote("a\0b")).toThrow("NUL");
});

test("a comment with any text remains a comment", () => {
  const comments = HOSTILE.map((text) => `# ${toComment(text)}`).join("\n");
  expect(run("bash", ["-c", `${comments}\necho only this`])).toBe("only this\n");
  expect(toComment("a\nb\r\u2028c\u0007")).toBe("a b  c ");
});

test("a file is written unchanged, whatever its characters", () => {
  const pathOf = (text: string) => `/etc/${text || "x"}`;
  const commands = HOSTILE.map((text) => buildWriteCommand(pathOf(text), "0644", text)).join("\n");
  const written = run("bash", ["-c", `set -eu; write() { printf '%s\\0' "$@"; }\n${commands}`]);
  expect(written.split("\0").slice(0, -1)).toEqual(HOSTILE.flatMap((text) => [pathOf(text), "0644", text]));
});

test("an endpoint is one word of the join command", () => {
  for (const host of ["$(id)", "'a'", "a;b", "`id`", "a&&b", "*"]) {
    const { joinCommand } = buildJoinDocuments(clusterToJoin({ endpoint: `https://${host}:6443` }));
    expect(wordsOf(joinCommand)[2]).toBe(`${host}:6443`);
  }
});

test("hostile taints, domains and names reach the kubelet unchanged and do not change the script", () => {
  const plain = buildJoinDocuments(clusterToJoin({ pool: poolToJoin() }));
  const scripts: string[] = [];
  for (const text of HOSTILE) {
    const taints = [{ key: text, value: text, effect: "NoSchedule" as const }];
    const pool = poolToJoin({ name: text, taints });
    const documents = buildJoinDocuments(clusterToJoin({ pool, clusterDomain: text }));
    const configuration = Buffer.from(documents.kubeletConfigBase64, "base64").toString();
    expect(parse(configuration)).toMatchObject({ registerWithTaints: taints, clusterDomain: text });
    for (const name of ["installScriptBase64", "upgradeScriptBase64"] as const) {
      const script = Buffer.from(documents[name], "base64").toString();
      scripts.push(script);
      expect(script).toContain(quoteAlways(configuration));
      // Except for the places of these values, it is the script of any other pool.
      const without = (whole: string, its: string) =>
        whole
          .replace(quoteAlways(its), "")
          .replaceAll("# shellcheck disable=SC2016\n", "")
          .split("\n")
          .slice(2)
          .join("\n");
      const [plainScript, plainConfiguration] = [plain[name], plain.kubeletConfigBase64].map((each) =>
        Buffer.from(each, "base64").toString(),
      );
      expect(without(script, configuration)).toBe(without(plainScript ?? "", plainConfiguration ?? ""));
    }
  }
  checkSyntax(scripts);
});

test("an invalid Kubernetes label is refused, so that no part of it reaches systemd", () => {
  for (const text of HOSTILE.filter((each) => each !== "" && each !== "-n")) {
    expect(() => buildJoinDocuments(clusterToJoin({ pool: poolToJoin({ labels: { role: text } }) }))).toThrow(
      "Invalid labels",
    );
    expect(() => buildJoinDocuments(clusterToJoin({ pool: poolToJoin({ labels: { [text]: "a" } }) }))).toThrow(
      "Invalid labels",
    );
  }
  const labels = { "a b": "1", c: "d,e=f" };
  expect(() => buildJoinDocuments(clusterToJoin({ pool: poolToJoin({ labels }) }))).toThrow(
    '["a b","1"], ["c","d,e=f"]',
  );
});
