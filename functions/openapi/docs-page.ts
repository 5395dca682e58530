/** Serves the OpenAPI documents and their reference pages. The pages load only files of this server. */

import { createHash, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Hono, Context as HonoContext } from "hono";
import type { AppError } from "#core/shared/errors.ts";
import { encodeBody, varyByCoding } from "../http/content-coding.ts";
import { type ApiResponse, errorResponse, etagHeader, methodNotAllowed } from "../http/errors.ts";
import type { GatewayEvent } from "../http/gateway.ts";
import { unmodifiedTag } from "../http/preconditions.ts";
import { requestIdOf } from "../http/request.ts";
import type { Logger } from "../runtime/log.ts";

/**
 * Content security policy: the page may load only files of this server. The hashes are those of the empty style, which redoc fills by
 * script, and of the one style in its bundle. The picture on redoc's own host stays blocked.
 */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=' 'sha256-QMIg+bpjm3JdElJ388KYke01izlUW0UoNOeKjpMxdgc='",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** Builds the page of a document. @param documentPath path of the document @param script path of the page's script */
const page = (documentPath: string, script: string) => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>AME Clusters API</title>
<link rel="icon" href="/docs/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/docs/page.css">
</head>
<body>
<div id="reference"><noscript>This page needs JavaScript; the document itself is at ${documentPath}.</noscript></div>
<script src="/docs/redoc.js"></script>
<script src="${script}"></script>
</body>
</html>
`;

// Search is off, because it needs a worker from a blob, which the policy forbids.
const script = (documentPath: string) => `Redoc.init(
  "${documentPath}",
  {
    disableSearch: true,
    hideHostname: true,
    nativeScrollbars: true,
    requiredPropsFirst: true,
    theme: {
      colors: { primary: { main: "#1f5fa8" } },
      typography: {
        fontFamily: "system-ui, sans-serif",
        headings: { fontFamily: "system-ui, sans-serif" },
        code: { fontFamily: "ui-monospace, monospace" },
      },
    },
  },
  document.getElementById("reference"),
);
`;

const STYLE = "body { margin: 0; padding: 0; font-family: system-ui, sans-serif; }\n";

const ICON = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><path fill="#1f5fa8" d="M8 0l7 4v8l-7 4-7-4V4z"/></svg>\n`;

/** File in memory. */
interface File {
  type: string;
  bytes: Buffer<ArrayBuffer>;
  etag: string;
}

const file = (type: string, content: string | Buffer): File => {
  const bytes = Buffer.from(content);
  return { type, bytes, etag: createHash("sha256").update(bytes).digest("base64url") };
};

/** Locations of files that are read from disk. */
export interface DocsSources {
  /** Document of the documented dialect. */
  document: URL;
  /** Document of the published clients' dialect. */
  acloudDocument: URL;
  /** Redoc, in one file. */
  script: URL;
}

/** Locations in the project. */
const SOURCES: DocsSources = {
  document: new URL("./openapi.json", import.meta.url),
  acloudDocument: new URL("./acloud-openapi.json", import.meta.url),
  get script() {
    return new URL(import.meta.resolve("redoc/bundles/redoc.standalone.js"));
  },
};

/** Files by path. No part of a request becomes a path on disk. */
const PATHS: Record<string, (sources: DocsSources) => File> = {
  "/openapi.json": ({ document }) => file("application/json", readFileSync(document)),
  "/acloud/openapi.json": ({ acloudDocument }) => file("application/json", readFileSync(acloudDocument)),
  "/docs": () => file("text/html; charset=utf-8", page("/openapi.json", "/docs/page.js")),
  "/acloud/docs": () => file("text/html; charset=utf-8", page("/acloud/openapi.json", "/acloud/docs/page.js")),
  "/docs/page.css": () => file("text/css; charset=utf-8", STYLE),
  "/docs/page.js": () => file("text/javascript; charset=utf-8", script("/openapi.json")),
  "/acloud/docs/page.js": () => file("text/javascript; charset=utf-8", script("/acloud/openapi.json")),
  "/docs/icon.svg": () => file("image/svg+xml", ICON),
  "/docs/redoc.js": ({ script }) => file("text/javascript; charset=utf-8", readFileSync(script)),
};

const READING = ["GET", "HEAD"];

/** Response with an error or a file's bytes. */
type FileResponse = Omit<ApiResponse, "body"> & { body?: string | Buffer<ArrayBuffer> };

function buildFileResponse(c: HonoContext, { type, bytes, etag }: File): FileResponse {
  const unmodified = unmodifiedTag(c.req.header("if-none-match"), etag);
  const headers: Record<string, string> = {
    ...etagHeader(unmodified ?? etag),
    // Validated at every request, so that a new version is used at once; sent only if it changed.
    "cache-control": "no-cache",
    "content-security-policy": POLICY,
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
  };
  if (unmodified !== undefined) return { status: 304, headers: varyByCoding(headers) };
  return { status: 200, headers: { ...headers, "content-type": type }, body: bytes };
}

/**
 * Adds `/openapi.json`, the page at `/docs` with its files, the same below `/acloud`, and a redirect from `/`. Each file is read once, at its first request.
 *
 * @param app app to which the routes are added
 * @param sources locations of files; by default those in the project
 * @returns the same app
 */
export function addDocs(app: Hono, log: Logger, sources: DocsSources = SOURCES): Hono {
  const read = new Map<string, File>();
  const fileAt = (path: string, make: (sources: DocsSources) => File): File => {
    const found = read.get(path) ?? make(sources);
    read.set(path, found);
    return found;
  };
  const routes: [path: string, serve: (c: HonoContext) => FileResponse][] = [
    ["/", () => ({ status: 302, headers: { location: "/docs" } })],
    ...Object.entries(PATHS).map(([path, make]): [string, (c: HonoContext) => FileResponse] => [
      path,
      (c) => buildFileResponse(c, fileAt(path, make)),
    ]),
  ];
  for (const [path, serve] of routes) {
    app.all(path, (c, next) => {
      // The router also matches a slash at the end, which no path of this API has.
      if (new URL(c.req.url).pathname !== path) return next();
      const isRead = c.req.method === "GET" || c.req.method === "HEAD";
      return writeFileResponse(
        c,
        log,
        path,
        isRead ? serve(c) : buildErrorResponse(methodNotAllowed(c.req.method, READING), READING),
      );
    });
  }
  return app;
}

const JSON_TYPE = "application/json; charset=utf-8";

/** Builds the response to an error. @param allowed methods of the path */
export function buildErrorResponse(error: AppError, allowed: readonly string[] = []): FileResponse {
  const { body, status, headers } = errorResponse(error);
  const allow = allowed.length === 0 ? {} : { allow: allowed.join(", ") };
  return {
    status,
    headers: { ...headers, ...allow, "content-type": JSON_TYPE },
    body: JSON.stringify(body),
  };
}

/** Writes a response, and logs it. @param route undefined if no route matches */
export async function writeFileResponse(
  c: HonoContext,
  log: Logger,
  route: string | undefined,
  { status, headers, body }: FileResponse,
): Promise<Response> {
  const requestId = requestIdOf(c.req.header("x-request-id")) ?? randomUUID();
  const gatewayRequestId = (c.env as { event?: GatewayEvent } | undefined)?.event?.requestContext.requestId;
  log.info("request", { requestId, gatewayRequestId, method: c.req.method, route, status });
  const encoded =
    body === undefined ? { body: null, headers } : await encodeBody({ body, headers }, c.req.header("accept-encoding"));
  return new Response(encoded.body, { status, headers: { ...encoded.headers, "x-request-id": requestId } });
}
