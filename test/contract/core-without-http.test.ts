import { globSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";

const ROOT = resolve(import.meta.dirname, "../..");

/** Files that call HTTP servers: the clients of OIDC issuers and of Kubernetes' API servers. */
const HTTP_CLIENTS = /^core\/(cluster-access\/(identity-provider|registration-response)\.ts$|kubernetes\/)/;

/** Files with ids of zones that look like statuses, and with the statuses of the AWS SDK. */
const OTHER_NUMBERS = /^core\/(catalogue\/providers|table\/errors)\.ts$/;

/** File with the actions of Azure's security rules. */
const AZURE_RULES = /^core\/provisioning\/cluster-api\/providers\/azure\.ts$/;

/** Parts of HTTP that only the edge knows, each with an example that its pattern finds. */
const FORBIDDEN: readonly [name: string, pattern: RegExp, example: string, exempt?: RegExp][] = [
  [
    "names of headers with a hyphen",
    /\b(if-(none-)?match|idempotency-(key|replayed)|retry-after|(content|accept)-(type|length|encoding)|www-authenticate|preference-applied|x-(request|forwarded)-\w+)\b/i,
    "`If-Match: does not match`",
  ],
  [
    "names of headers in quotes, or followed by a colon",
    /["'`](Link|Location|Warning|Allow|Accept|Authorization|Vary)\b|\b(Prefer|Authorization): |\b(ETag|Prefer)\b/,
    'message: "unknown property (Prefer: handling=strict)"',
    AZURE_RULES,
  ],
  ["the syntax of a query", /\bURLSearchParams\b|\bnode:querystring\b/, "new URLSearchParams({ size })"],
  ["percent-encoding", /\b(en|de)codeURI(Component)?\b/, "encodeURIComponent(name)"],
  [
    "statuses of responses",
    /\b(30[1-8]|40[1-9]|41[0-8]|42[2-9]|50[1-4])\b|\bstatus(Code)?\b\W{1,5}[1-5]\d\d\b/i,
    "refuses with 404",
    OTHER_NUMBERS,
  ],
];

const sources = globSync("core/**/*.ts", { cwd: ROOT })
  .filter((file) => !HTTP_CLIENTS.test(file))
  .map((file) => ({ file, lines: readFileSync(join(ROOT, file), "utf8").split("\n") }));

test.each(FORBIDDEN)("core does not contain %s", (_, pattern, example, exempt) => {
  expect(example).toMatch(pattern);
  const found = sources
    .filter(({ file }) => exempt?.test(file) !== true)
    .flatMap(({ file, lines }) => lines.filter((line) => pattern.test(line)).map((line) => `${file}: ${line.trim()}`));
  expect(found).toEqual([]);
});

test("the check for HTTP reads all files of core but the clients of OIDC issuers and of Kubernetes", () => {
  expect(sources.length).toBeGreaterThan(100);
  const all = globSync("core/**/*.ts", { cwd: ROOT });
  const clients = all.filter((file) => HTTP_CLIENTS.test(file) && !file.startsWith("core/kubernetes/"));
  expect(clients).toHaveLength(2);
  expect(sources.filter(({ file }) => file.startsWith("core/provisioning/")).length).toBeGreaterThan(20);
});
