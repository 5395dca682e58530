import { beforeAll, expect, test } from "vitest";
import { committed } from "#test/support/contract.ts";
import { makeWorld, type Tenant, type World } from "#test/support/world.ts";

/** World whose client sends every call once, so that the operation sees each failure. */
let world: World;
let tenant: Tenant;
let values: Record<string, string>;

beforeAll(async () => {
  world = await makeWorld({ maxAttempts: 1 });
  tenant = await world.tenant();
  const body = tenant.creation({ nodePools: [{ name: "web", nodeSize: "t3.medium" }] });
  const response = await world.send("POST", tenant.path("production"), { token: tenant.admin, body });
  expect(response.status, response.text).toBe(200);
  const pools = await world.send("GET", `${tenant.path("production", "one")}/pools`, { token: tenant.admin });
  const send = (method: string, path: string, body?: unknown) =>
    world.send(method, path, { token: tenant.admin, body });
  const upgrade = await send("POST", `/api/v1/orgs/${tenant.slug}/scheduled-cluster-upgrades`, {
    clusterIdentity: response.body.identity,
    version: "v1.35.1-u-ame.1",
  });
  const observed = await send("POST", `/api/v1/orgs/${tenant.slug}/monitoring`, { name: "Web shop" });
  const own = await send("GET", `/api/v1/organisations/${tenant.slug}/me`);
  const [credentials] = tenant.account.credentials;
  values = {
    scheduledUpgradeIdentity: upgrade.body.identity,
    observabilityTenantSlug: observed.body.slug.slugValue ?? observed.body.slug,
    memberIdentity: own.body.memberIdentity,
    cloudCredentials: credentials?.identity ?? "",
    organisationSlug: tenant.slug,
    environmentSlug: "production",
    clusterSlug: "one",
    nodePoolId: `${pools.body[0].id}`,
    cloudAccountIdentity: tenant.account.identity,
    maintenanceScheduleIdentity: tenant.schedule.identity,
    cloudProviderSlug: "aws",
    regionSlug: "eu-west-1",
  };
});

const reads = Object.entries(committed.paths)
  .filter(([path, { get }]) => path.startsWith("/api/v1/") && get !== undefined)
  .flatMap(([path]) =>
    path.endsWith("/clusters") ? [path, `${path}?sort=name`, `${path}?includeDetails=true`] : [path],
  );

test.each(reads)(
  "GET %s with a failing database call returns 503 with Retry-After, whichever call fails",
  async (template) => {
    const path = template.replaceAll(/\{(\w+)\}/g, (_, name: string) => values[name] ?? `no value for ${name}`);
    const send = () => world.send("GET", path, { token: tenant.admin });
    world.wire.spans.length = 0;
    const { status } = await send();
    expect([200, 409]).toContain(status);
    const calls = world.wire.spans.length;
    expect(calls).toBeGreaterThan(0);
    for (const fault of ["before", "throttle"] as const) {
      for (let position = 0; position < calls; position++) {
        let call = 0;
        world.wire.fault = () => (call++ === position ? fault : undefined);
        const response = await send();
        world.wire.fault = () => undefined;
        expect([position, response.status, response.headers.get("retry-after")]).toEqual([position, 503, "1"]);
        expect(response.body.details).toEqual([response.body.message]);
      }
    }
    expect((await send()).status).toBe(status);
  },
);
