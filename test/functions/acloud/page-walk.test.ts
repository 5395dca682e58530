import { beforeAll, expect, test } from "vitest";
import { acloudClient } from "#test/support/acloud.ts";
import { fill } from "#test/support/filling.ts";
import { clustersOf } from "#test/support/invariants.ts";
import { makeWorld, type Tenant, type World } from "#test/support/world.ts";

/** Number of clusters, and the maximum number of requests of a walk. */
const CLUSTERS = 5_000;
const REQUESTS = 102;

let world: World;
let tenant: Tenant;

beforeAll(async () => {
  world = await makeWorld();
  tenant = await world.tenant();
  const creation = { token: tenant.admin, body: tenant.creation({ name: "c000000" }) };
  expect((await world.send("POST", tenant.path("production"), creation)).status).toBe(200);
  const [template] = await clustersOf(world.services, tenant.slug);
  if (template === undefined) throw new Error("cluster not found");
  await fill(world, tenant, template, CLUSTERS);
}, 120_000);

test.each(["/orgs/{org}/clusters", "/orgs/{org}/clusters/production"])(
  "a walk over the pages of %s reads 5,000 clusters, each once, within the limit of requests",
  async (path) => {
    const walk = await acloudClient(world, tenant).pages(
      "ClusterResponse",
      `${path}?includeDetails=true&show-compute=true`,
    );
    expect(new Set(walk.elements.map(({ identity }) => identity)).size).toBe(CLUSTERS);
    expect([walk.elements.length, walk.last.totalElements]).toEqual([CLUSTERS, CLUSTERS]);
    expect(walk.requests).toBeLessThanOrEqual(REQUESTS);
    expect(walk.requests).toBe(CLUSTERS / 1_000);
  },
  120_000,
);
