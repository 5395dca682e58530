import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ServerType, serve } from "@hono/node-server";
import { Hono } from "hono";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { addDocs } from "#functions/openapi/docs-page.ts";
import { createLogger } from "#functions/runtime/log.ts";
import { acloud, committed, expectContract } from "#test/support/contract.ts";

const CHROMIUM = "/usr/bin/chromium";
const FILES = ["/docs/page.css", "/docs/page.js", "/docs/icon.svg", "/docs/redoc.js"];
const PATHS = [...FILES, "/openapi.json", "/docs", "/acloud/openapi.json", "/acloud/docs", "/acloud/docs/page.js"];

const quiet = createLogger("silent");
const app = addDocs(new Hono(), quiet);

describe("the served OpenAPI document", () => {
  test("the OpenAPI document is served as committed, and matches its own contract", async () => {
    const response = await app.request("/openapi.json");
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("application/json");
    const body = await response.json();
    expect(body).toEqual(committed);
    expectContract("GET", "/openapi.json", 200, response.headers, body);
  });

  test("the OpenAPI document names its server relatively, so that it is valid at any host", async () => {
    expect(await (await app.request("/openapi.json")).json()).toMatchObject({ servers: [{ url: "/" }] });
  });

  test("the OpenAPI document has an ETag of its content, and returns 304 for it", async () => {
    const etag = (await app.request("/openapi.json")).headers.get("etag") ?? "";
    expect(etag).toMatch(/^"[\w-]{43}"$/);
    const again = await app.request("/openapi.json", { headers: { "if-none-match": etag } });
    expect([again.status, await again.text()]).toEqual([304, ""]);
    expectContract("GET", "/openapi.json", 304, again.headers, undefined);
    expect((await app.request("/openapi.json", { headers: { "if-none-match": '"other"' } })).status).toBe(200);
    expect((await app.request("/docs")).headers.get("etag")).not.toBe(etag);
  });
});

describe("the OpenAPI document of the published clients' dialect", () => {
  test("the document is served as committed, and its page loads it", async () => {
    const response = await app.request("/acloud/openapi.json");
    expect([response.status, await response.json()]).toEqual([200, acloud]);
    const html = await (await app.request("/acloud/docs")).text();
    expect(html).toContain('<script src="/acloud/docs/page.js">');
    expect(await (await app.request("/acloud/docs/page.js")).text()).toContain('"/acloud/openapi.json"');
    expect(await (await app.request("/docs/page.js")).text()).not.toContain("acloud");
  });
});

describe("the docs page", () => {
  test("/ redirects to the docs page", async () => {
    const response = await app.request("/");
    expect([response.status, response.headers.get("location")]).toEqual([302, "/docs"]);
  });

  test.each(["/docs", "/acloud/docs"])(
    "%s names no other host and contains no inline script or style",
    async (page) => {
      const response = await app.request(page);
      expect(response.headers.get("content-type")).toBe("text/html; charset=utf-8");
      const html = await response.text();
      expect(html).not.toMatch(/https?:|\/\/[a-z]/i);
      expect(html).not.toMatch(/<style|<script(?! src="(\/acloud)?\/docs\/)|\son[a-z]+=/i);
      const loaded = [...html.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, path]) => path);
      for (const path of loaded) expect(PATHS).toContain(path);
    },
  );

  test.each(PATHS)("%s is served with a policy that allows only this server", async (path) => {
    const response = await app.request(path);
    expect(response.status).toBe(200);
    const policy = response.headers.get("content-security-policy") ?? "";
    expect(policy).toMatch(/^default-src 'none';/);
    const sources = policy.split("; ").flatMap((directive) => directive.split(" ").slice(1));
    expect(new Set(sources.map((source) => source.replace(/^'sha256-.*'$/, "'sha256'")))).toEqual(
      new Set(["'none'", "'self'", "'sha256'", "data:"]),
    );
    expect(response.headers.get("x-content-type-options")).toBe("nosniff");
    expect(response.headers.get("cache-control")).toBe("no-cache");
    expect(response.headers.get("x-request-id")).toMatch(/./);
  });

  test.each([
    "/docs/",
    "/docs/../package.json",
    "/docs/%2e%2e/package.json",
    "/docs/..%2f..%2fpackage.json",
    "/docs/redoc.js/..%5cdocs.ts",
    "/docs/redoc.standalone.js.map",
    "/openapi.json/",
    "//docs",
  ])("the docs page has nothing at %s", async (path) => {
    expect((await app.request(`http://localhost${path}`)).status).toBe(404);
  });

  test("the docs page is read-only", async () => {
    for (const path of ["/", ...PATHS]) {
      const response = await app.request(path, { method: "POST" });
      expect([response.status, response.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
      expectContract("POST", path, 405, response.headers, await response.json());
      const head = await app.request(path, { method: "HEAD" });
      expect([head.status, await head.text()]).toEqual([path === "/" ? 302 : 200, ""]);
    }
  });
});

const hasBrowser = existsSync(CHROMIUM);
if (!hasBrowser) process.stderr.write(`${CHROMIUM} is not installed: the docs page is not tested in a browser\n`);

describe.skipIf(!hasBrowser)(`the docs page in a browser (${CHROMIUM})`, () => {
  const requested: string[] = [];
  const profile = mkdtempSync(join(tmpdir(), "docs-"));
  let server: ServerType;
  let origin: string;

  beforeAll(async () => {
    const address = await new Promise<AddressInfo>((resolve) => {
      const watched = new Hono().use(async (c, next) => {
        requested.push(c.req.path);
        await next();
      });
      server = serve({ fetch: addDocs(watched, quiet).fetch, port: 0, hostname: "127.0.0.1" }, resolve);
    });
    origin = `http://127.0.0.1:${address.port}`;
  });
  afterAll(() => {
    server.close();
    rmSync(profile, { recursive: true, force: true });
  });

  /** Runs the browser until the page is idle. @returns its output and its log */
  function browse(path: string, ...flags: string[]): Promise<{ printed: string; logged: string }> {
    const given = [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--enable-logging=stderr",
      "--window-size=1400,1000",
      `--user-data-dir=${profile}`,
      "--virtual-time-budget=15000",
      ...flags,
      `${origin}${path}`,
    ];
    return new Promise((resolve, reject) => {
      const browser = spawn(CHROMIUM, given, { stdio: ["ignore", "pipe", "pipe"], timeout: 50_000 });
      const [printed, logged]: [Buffer[], Buffer[]] = [[], []];
      browser.stdout.on("data", (chunk) => printed.push(chunk));
      browser.stderr.on("data", (chunk) => logged.push(chunk));
      browser.once("error", reject);
      browser.once("close", () =>
        resolve({ printed: Buffer.concat(printed).toString(), logged: Buffer.concat(logged).toString() }),
      );
    });
  }

  test("the docs page shows every operation and sends requests only to this server", async () => {
    const { printed, logged } = await browse("/", "--dump-dom");
    const text = printed.replaceAll(/<[^>]*>/g, " ");
    const summaries = Object.values(committed.paths).flatMap((operations) =>
      Object.values(operations).map((operation) => (operation as { summary?: string }).summary ?? ""),
    );
    expect(summaries).toContain("Create cluster");
    for (const summary of summaries) expect(text).toContain(summary);
    expect(new Set(requested)).toEqual(new Set(["/", "/docs", "/openapi.json", ...FILES]));
    // The policy blocks only redoc's one image.
    const blocked = logged.split("\n").filter((line) => line.includes("Content Security Policy"));
    expect(blocked.filter((line) => !line.includes("Loading the image 'https://cdn.redoc.ly/"))).toEqual([]);
    expect(blocked).toHaveLength(1);
    expect(logged).not.toMatch(/Uncaught/);
  });
});
