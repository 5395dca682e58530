/** Requests for every bundle, with the changes that a gateway makes to them. */

import type { BundleName } from "#functions/build/bundles.ts";
import type { Tenant } from "#test/support/world.ts";
import type { ClientRequest } from "./client.ts";

/** Request with the function that serves it, and its expected status. */
export type Scenario = ClientRequest & { bundle: BundleName; status: number };

/** Number of initial clusters, whose page exceeds a function's uncompressed limit. */
export const LARGE_CLUSTERS = 100;

/** Property that makes such a cluster large. */
export const LARGE = {
  addons: Object.fromEntries(
    Array.from({ length: 11 }, (_, number) => [
      `addon-${number}`,
      { enabled: true, customValues: { values: "x".repeat(1_000) } },
    ]),
  ),
};

/** All requests, in sending order. */
export function scenarios(tenant: Tenant): Scenario[] {
  const token = ["Authorization", `Token ${tenant.admin}`] as const;
  const id = (text: string) => ["X-Request-Id", text] as const;
  const json = ["Content-Type", "application/json"] as const;
  const org = tenant.path();
  const at = (cluster?: string) => tenant.path("production", cluster);
  const body = (more: Record<string, unknown>) => JSON.stringify(tenant.creation(more));
  const clusters = (request: Partial<ClientRequest> & { target: string; status: number }): Scenario => ({
    bundle: "clusters",
    method: "GET",
    headers: [token, id("call")],
    ...request,
  });
  const create = (more: Record<string, unknown>, rest: Partial<Scenario> = {}): Scenario =>
    clusters({
      method: "POST",
      target: at(),
      headers: [token, id("make"), json],
      body: body(more),
      status: 200,
      ...rest,
    });
  const pools = [{ name: "web", nodeSize: "t3.medium" }];
  const keyed = [token, id("keyed"), json, ["Idempotency-Key", "key of one"]] as const;
  return [
    // Bodies: as text, as base64, with non-ASCII characters, repeated, broken, missing and too large.
    create({ name: "one", nodePools: pools }),
    create({ name: "two", description: "Grüße ☃ 𝒳" }, { isBase64Encoded: true }),
    create({ name: "three" }, { headers: keyed }),
    create({ name: "three" }, { headers: keyed }),
    create({ name: "three" }, { status: 409 }),
    create({ name: "none", region: "moon" }, { status: 400 }),
    create({}, { body: '{"name": ', status: 400 }),
    create({}, { body: Buffer.from([0x7b, 0xff]), isBase64Encoded: true, status: 400 }),
    create({}, { body: "", status: 400 }),
    create({}, { body: "name=one", headers: [token, id("form"), ["Content-Type", "text/plain"]], status: 415 }),
    create({}, { body: `{"name": "${"x".repeat(300_000)}"}`, status: 413 }),
    clusters({ method: "POST", target: `${at()}/one/undelete`, status: 404 }),
    create({ name: "dry" }, { target: `${at()}?dryRun=true` }),
    create({ name: "odd", oddity: 1, "ö dd": 2 }, { headers: [token, id("odd"), json, ["Prefer", "wait=1"]] }),
    create(
      { name: "strict", oddity: 1 },
      { headers: [token, id("strict"), json, ["Prefer", "wait=1"], ["Prefer", "handling=strict"]], status: 400 },
    ),
    // Headers: cookies, repeated names, empty values, other spellings, refused values.
    clusters({ target: at("one"), headers: [token, id("cookies"), ["Cookie", "a=1; b=2"]], status: 200 }),
    clusters({
      target: at("one"),
      headers: [token, id("many"), ["If-None-Match", '"0.0.0"'], ["If-None-Match", '"9.9.9"']],
      status: 200,
    }),
    clusters({ target: at("one"), headers: [["AUTHORIZATION", token[1]], id("upper")], status: 200 }),
    clusters({ target: at("one"), headers: [id("nobody")], status: 401 }),
    clusters({ target: at("one"), headers: [["Authorization", "Token ame_nonsense"], id("nonsense")], status: 401 }),
    clusters({ target: at("one"), headers: [token, ["X-Request-Id", "not one, is it"]], status: 200 }),
    clusters({ target: at("one"), headers: [token], status: 200 }),
    create({ name: "keyless" }, { headers: [token, id("empty"), json, ["Idempotency-Key", ""]], status: 400 }),
    clusters({
      method: "PATCH",
      target: at("one"),
      headers: [token, id("held"), json, ["If-Match", '"77"']],
      body: '{"description": "no"}',
      status: 412,
    }),
    clusters({
      method: "PATCH",
      target: at("one"),
      headers: [token, id("patch"), json, ["If-Match", "*"]],
      body: '{"description": "changed"}',
      status: 200,
    }),
    // Queries: repeated names, encoded, unknown, repeated.
    clusters({ target: `${org}?sort=name,desc&sort=region&pageSize=2&page=1`, status: 200 }),
    clusters({ target: `${org}?pageable=%7B%22size%22%3A1%7D`, status: 200 }),
    clusters({ target: `${org}?name=one&%C3%BC=1&a%20b=2&plus+plus=3&empty=&bare`, status: 200 }),
    clusters({ target: `${org}?pageSize=1&pageSize=2`, status: 400 }),
    clusters({ target: `${at()}?pageSize=0`, status: 400 }),
    clusters({ target: `${org}?status=nonsense%26more%3Dof%23it`, status: 400 }),
    // Paths: encoded without need, and with characters that end a path, a query or an escape.
    clusters({ target: at("one").replace("production", "produc%74ion"), status: 200 }),
    clusters({ target: `${at().replace("clusters", "%63lusters")}/%6Fne`, status: 200 }),
    ...["a%20b", "50%25", "%2541", "a%3Fb=1", "a%23b", "%C3%BC", "a%2Cb;c", "..a", "%22", "%7B%7D"].map((slug) =>
      clusters({ target: at(slug), status: 404 }),
    ),
    clusters({ target: `${at("one")}/`, status: 404 }),
    clusters({ target: `${at()}//`, status: 404 }),
    clusters({ target: "/api/v1/nothing%20here", status: 404 }),
    // Methods.
    clusters({ method: "HEAD", target: at("one"), status: 200 }),
    clusters({ method: "HEAD", target: `${org}?pageSize=2`, status: 200 }),
    clusters({ method: "HEAD", target: at("absent"), status: 404 }),
    clusters({ method: "DELETE", target: at("one"), status: 405 }),
    clusters({ method: "OPTIONS", target: at("one"), status: 204 }),
    // Stages: a prefix in the path and in every link.
    clusters({ stage: "dev", target: `${org}?pageSize=1`, status: 200 }),
    create({ name: "staged" }, { stage: "dev" }),
    clusters({ stage: "dev", target: "/developer", status: 404 }),
    // Leftovers of a cluster.
    clusters({ target: `${at("one")}/events?pageSize=1`, status: 200 }),
    clusters({
      method: "POST",
      target: `${org}/two/move`,
      headers: [token, id("move"), json],
      body: '{"currentEnvironment": "production", "newEnvironment": "staging"}',
      status: 200,
    }),
    // A page that is allowed only compressed.
    clusters({
      target: `${tenant.path("staging")}?pageSize=${LARGE_CLUSTERS}`,
      headers: [token, id("large"), ["Accept-Encoding", "gzip, deflate"]],
      status: 200,
    }),
    ...others(tenant, { token, id, json }),
  ];
}

type Header = readonly [name: string, value: string];

function others(
  tenant: Tenant,
  { token, id, json }: { token: Header; id: (text: string) => Header; json: Header },
): Scenario[] {
  const headers = [token, id("other")];
  const cluster = tenant.path("production", "one");
  const browser: Header[] = [
    ["Origin", "https://console.example.test"],
    ["Access-Control-Request-Method", "GET"],
  ];
  const reading = (bundle: BundleName, target: string, status = 200): Scenario => ({
    bundle,
    method: "GET",
    target,
    headers,
    status,
  });
  return [
    reading("node-pools", `${cluster}/pools`),
    reading("node-pools", `${cluster}/pools/w%65b`, 404),
    {
      bundle: "node-pools",
      method: "POST",
      target: `${cluster}/pools`,
      headers: [...headers, json],
      body: '{"name": "jobs", "nodeSize": "m5.large", "labels": {"a/b": "ü"}}',
      status: 400,
    },
    {
      bundle: "node-pools",
      method: "POST",
      target: `${cluster}/pools`,
      headers: [...headers, json],
      body: '{"name": "jobs", "nodeSize": "m5.large", "labels": {"a/b": "u"}}',
      status: 200,
    },
    reading("clusters", `${cluster}/upgrades`),
    reading("clusters", `${cluster}/upgrades?t%61rget=%20`),
    reading("scheduled-upgrades", `/api/v1/orgs/${tenant.slug}/scheduled-cluster-upgrades?statuses=REQUESTED`),
    reading("references", "/api/v1/memberships"),
    reading("references", "/api/v1/cluster-versions"),
    reading("organisations", `/api/v1/orgs/${tenant.slug}/environments`),
    reading("organisations", `/api/v1/organisations/${tenant.slug}/events?size=2`),
    reading("organisations", `/api/v1/organisations/${tenant.slug}/maintenance-schedule`),
    reading("cloud-accounts", `/api/v1/orgs/${tenant.slug}/cloud-accounts/${tenant.account.identity}/credentials`),
    {
      bundle: "organisations",
      method: "POST",
      target: `/api/v1/orgs/${tenant.slug}/environments`,
      headers: [...headers, json],
      body: '{"name": "Test & Demo", "type": "demo"}',
      status: 200,
    },
    {
      bundle: "observability",
      method: "POST",
      target: `/api/v1/orgs/${tenant.slug}/monitoring`,
      headers: [...headers, json],
      body: '{"name": "Web & Shop"}',
      status: 200,
    },
    {
      bundle: "observability",
      method: "POST",
      target: `/api/v1/orgs/${tenant.slug}/monitoring/web-shop/alertmanager`,
      headers: [...headers, json],
      body: '{"alertManagerConfig": "route: {}", "ruleFiles": {"a.yaml": "a: ["}}',
      status: 400,
    },
    {
      bundle: "observability",
      method: "POST",
      target: `/api/v1/orgs/${tenant.slug}/monitoring/web-shop/alertmanager`,
      headers: [...headers, json],
      body: '{"alertManagerConfig": "route: {}", "ruleFiles": {"a.yaml": "a: b # ü"}}',
      status: 200,
    },
    reading("observability", `/api/v1/orgs/${tenant.slug}/monitoring`),
    reading("observability", `/api/v1/orgs/${tenant.slug}/observability/web-shop/silences`),
    reading("references", "/api/v1/cloud-providers/a%20w%20s/nodetypes", 404),
    // Browser pages, which the functions answer themselves.
    { ...reading("references", "/api/v1/memberships", 204), method: "OPTIONS", headers: browser },
    { ...reading("references", "/api/v1/memberships"), headers: [...headers, ...browser] },
    {
      ...reading("references", "/api/v1/memberships", 204),
      method: "OPTIONS",
      headers: [["Origin", "https://evil.test"]],
    },
    reading("configurations", `${tenant.path("production", "ready")}/oidc-config`),
    reading("configurations", `${tenant.path("production", "ready")}/kubeconfig`),
    {
      ...reading("configurations", `${tenant.path("production", "ready")}/kubeconfig`),
      headers: [...headers, ["Accept", "application/yaml"]],
    },
    reading("configurations", `${cluster}/oidc-config`, 409),
    reading("health", "/healthz"),
    reading("health", "/readyz?full=1"),
    ...["/", "/docs", "/docs/page.js", "/docs/redoc.js", "/openapi.json"].map((path) =>
      reading("default", path, path === "/" ? 302 : 200),
    ),
    { ...reading("default", "/docs"), method: "HEAD" },
    { ...reading("default", "/docs", 405), method: "POST" },
    reading("default", "/nothing%20here%3F", 404),
    { ...reading("default", cluster, 405), method: "DELETE" },
    { ...reading("default", "/anywhere", 204), method: "OPTIONS", headers: [id("preflight"), ...browser] },
  ];
}
