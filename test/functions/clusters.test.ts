import * as v from "valibot";
import { beforeAll, describe, expect, test } from "vitest";
import { ClusterResponse } from "#core/cluster/schema.ts";
import { makeWorld, type Tenant, type World } from "#test/support/world.ts";

let world: World;
let tenant: Tenant;

beforeAll(async () => {
  world = await makeWorld({ clock: () => new Date("2026-11-23T10:00:00.123Z") });
  tenant = await world.tenant();
});

const create = (body: unknown, environment = "production") =>
  world.send("POST", tenant.path(environment), { token: tenant.admin, body });

describe("creating a cluster", () => {
  test("answers the whole cluster with every default", async () => {
    const answer = await create(tenant.creation({ name: "Web & Co  1" }));
    expect(answer.status, answer.text).toBe(200);
    v.parse(v.strictObject(ClusterResponse.entries), answer.body);
    expect(answer.body).toEqual({
      addons: {},
      ameOIDC: false,
      autoUpgrade: false,
      cloudAccount: {
        displayName: "AWS",
        identity: tenant.account.identity,
        primaryCloudCredentials: { displayName: "main", identity: expect.any(String), isPrimary: true },
      },
      cloudCredentials: { displayName: "main", identity: expect.any(String), isPrimary: true },
      cloudProvider: "aws",
      clusterPodSubnet: "10.244.0.0/16",
      cni: "cilium",
      createdAt: "2026-11-23T10:00:00.123Z",
      customerIdentity: tenant.identity,
      customerSlug: { slugValue: tenant.slug },
      deleteProtection: false,
      desiredStatus: "starting",
      enableMultiAvailabilityZones: false,
      enableNATGateway: false,
      enableNetworkEncryption: false,
      environmentIdentity: tenant.environments.production?.identity,
      environmentPrometheusRules: true,
      environmentSlug: { slugValue: "production" },
      highlyAvailable: false,
      identity: expect.stringMatching(/^[0-9a-f]{8}-/),
      ipWhitelist: [],
      modifiedAt: "2026-11-23T10:00:00.123Z",
      name: "Web & Co  1",
      podSecurityStandardsProfile: "privileged",
      poolID: 1,
      poolName: "default",
      provisionStatus: "ACCEPTED",
      region: "eu-west-1",
      serviceSubnet: "10.96.0.0/12",
      slug: { slugValue: "web-co-1" },
      status: "new",
      version: "v1.34.4-u-ame.2",
    });
    expect(answer.headers.get("content-type")).toBe("application/json; charset=utf-8");
    expect(answer.headers.get("etag")).toMatch(/^"1\.2\.1"$/);
    expect(answer.headers.get("location")).toBe(`http://localhost${tenant.path("production", "web-co-1")}`);
  });
});
