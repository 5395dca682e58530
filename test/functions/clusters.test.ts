import * as v from "valibot";
import { beforeAll, describe, expect, test } from "vitest";
import { createAccount } from "#core/admin/cloud-accounts.ts";
import { catalogueRevision, clusterVersions } from "#core/catalogue/index.ts";
import { ClusterResponse } from "#core/cluster/schema.ts";
import { simulatedTraits } from "#core/provisioning/simulated/traits.ts";
import { clusterKey, type Key, pointerKey, totalKey } from "#core/table/keys.ts";
import { overwrite as overwriteIn } from "#test/support/overwrite.ts";
import { changeReferences } from "#test/support/references.ts";
import { type Json, makeWorld, type Tenant, type TestResponse, type World } from "#test/support/world.ts";

const NOW = "2026-11-23T10:00:00.123Z";

let world: World;
let tenant: Tenant;

beforeAll(async () => {
  world = await makeWorld({ clock: () => new Date(NOW) });
  tenant = await world.tenant();
});

const create = (body: unknown, environment = "production") =>
  world.send("POST", tenant.path(environment), { token: tenant.admin, body });

const get = (cluster: string, query = "") =>
  world.send("GET", `${tenant.path("production", cluster)}${query}`, { token: tenant.admin });

let names = 0;
/** Creates a cluster with a new name. */
const createWith = (more: Record<string, unknown>) => create(tenant.creation({ name: `c ${++names}`, ...more }));

/** Writes one property in the database, because no operation can change it yet. */
const overwrite = (key: Key, path: readonly string[], value: unknown) => overwriteIn(world.table, key, path, value);

const keyOf = (slug: string, environment = "production") => clusterKey(tenant.slug, environment, slug);

function expectCreated(response: TestResponse): Json {
  expect(response.status, response.text).toBe(200);
  return response.body;
}

/** Expects one 400 that lists exactly these paths, in any order, and has a complete message. */
function expectProblems(response: TestResponse, paths: readonly string[]): string[] {
  expect(response.status, response.text).toBe(400);
  const { message, details, ...rest } = response.body;
  expect(rest).toEqual({});
  expect(details.map((detail: string) => detail.split(": ")[0]).sort()).toEqual([...paths].sort());
  expect(message).toBe(details.length === 1 ? details[0] : `${details[0]} (and ${details.length - 1} more)`);
  return details;
}

describe("creating a cluster", () => {
  test("creating a cluster returns the whole cluster with every default", async () => {
    const response = await create(tenant.creation({ name: "Web & Co  1" }));
    expect(response.status, response.text).toBe(200);
    v.parse(v.strictObject(ClusterResponse.entries), response.body);
    expect(response.body).toEqual({
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
      conditions: ["Provisioned", "Ready", "NodePoolsReady", "UpToDate", "Reconciled"].map((type) => ({
        type,
        status: type === "Reconciled" ? "Unknown" : "False",
        reason: "Accepted",
        message: "The cluster was accepted; provisioning has not started.",
        lastTransitionTime: "2026-11-23T10:00:00.123Z",
        observedGeneration: 1,
      })),
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
      generation: 1,
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
    expect(response.headers.get("content-type")).toBe("application/json; charset=utf-8");
    expect(response.headers.get("etag")).toMatch(new RegExp(`^"1\\.2\\.${catalogueRevision}"$`));
    expect(response.headers.get("location")).toBe(`http://localhost${tenant.path("production", "web-co-1")}`);
  });

  test("a created cluster has every property of the request, and GET returns the same", async () => {
    const { identity, windows } = tenant.schedule;
    const sent = {
      name: "everything",
      description: 'naïve ✓ "quoted" \u0000',
      addons: { logging: { enabled: true, customValues: { size: "1" } } },
      cni: "calico",
      enableAutoUpgrade: true,
      enableHA: true,
      enableMultiAvailabilityZones: true,
      enableNATGateway: true,
      enableNetworkEncryption: true,
      enablePodSecurityStandards: true,
      podSecurityStandardsProfile: "restricted",
      clusterPodSubnet: "10.0.0.0/16",
      serviceSubnet: { ipRange: "10.1.0.0/16" },
      ipWhitelist: [{ cidr: "192.0.2.0/24", description: "office" }],
      maintenanceScheduleIdentity: identity,
      version: "v1.34.3-u-ame.1",
      updateChannel: "v1.34",
    };
    const created = await create(tenant.creation(sent));
    const shown = expectCreated(created);
    expect(shown).toMatchObject({
      name: sent.name,
      description: sent.description,
      addons: sent.addons,
      cni: "calico",
      autoUpgrade: true,
      highlyAvailable: true,
      enableMultiAvailabilityZones: true,
      enableNATGateway: true,
      enableNetworkEncryption: true,
      podSecurityStandardsProfile: "restricted",
      clusterPodSubnet: "10.0.0.0/16",
      serviceSubnet: "10.1.0.0/16",
      ipWhitelist: sent.ipWhitelist,
      version: "v1.34.3-u-ame.1",
      updateChannel: { name: "v1.34", available: true, kubernetesClusterVersion: "v1.34.4-u-ame.2" },
    });
    expect(shown.maintenanceSchedule).toEqual({ identity, name: "weekend", windows });
    const got = await get("everything");
    expect(got.body).toEqual(shown);
    expect(got.headers.get("etag")).toBe(created.headers.get("etag"));
    expect(created.headers.get("etag")).toBe(`"1.3.${catalogueRevision}"`);
  });

  test.each([
    ["A&b C", "a-b-c"],
    ["  --Spaced & out-- ", "spaced-out"],
    ["a - & - b", "a-b"],
    ["7", "7"],
    [`${"x".repeat(31)} ${"Y".repeat(31)}`, `${"x".repeat(31)}-${"y".repeat(31)}`],
  ])("creating a cluster with the name %j keeps it and makes the slug %j", async (name, slug) => {
    expect(expectCreated(await create(tenant.creation({ name })))).toMatchObject({ name, slug: { slugValue: slug } });
    expect((await get(slug)).body.name).toBe(name);
  });

  test.each(["", " ", "-&-", "é", "a_b", "a.b", "a\n", "\ta", "a/b", "\u212a", "x".repeat(64), 7, true, {}, ["a"]])(
    "creating a cluster with the name %j is refused",
    async (name) => {
      const [detail] = expectProblems(await create(tenant.creation({ name })), ["name"]);
      expect(detail).toMatch(/ must (be|have) /);
    },
  );

  test("creating a cluster with a taken slug is refused with the owner of the slug", async () => {
    expectCreated(await create(tenant.creation({ name: "Held one" })));
    const response = await create(tenant.creation({ name: "held&ONE" }));
    expect(response.status).toBe(409);
    expect(response.body).toEqual({ message: expect.stringContaining('"Held one"'), details: [response.body.message] });
    expect(response.headers.get("retry-after")).toBeNull();
    expectCreated(await create(tenant.creation({ name: "held&ONE" }), "staging"));
  });

  test("a creation accepts identities in any case, null as absent, and the last of equal keys", async () => {
    const shown = expectCreated(
      await createWith({
        cloudAccountIdentity: tenant.account.identity.toUpperCase(),
        maintenanceScheduleIdentity: tenant.schedule.identity.toUpperCase(),
        description: null,
        cni: null,
        enableHA: null,
        clusterPodSubnet: null,
        ipWhitelist: null,
        addons: { gone: null, kept: { enabled: null } },
        updateChannel: null,
      }),
    );
    expect(shown).toMatchObject({ cni: "cilium", highlyAvailable: false, ipWhitelist: [], addons: { kept: {} } });
    expect(shown.addons).not.toHaveProperty("gone");
    expect(shown).not.toHaveProperty("description");
    expect(shown.cloudAccount.identity).toBe(tenant.account.identity);
    expect(shown.maintenanceSchedule.identity).toBe(tenant.schedule.identity);
    const raw = JSON.stringify(tenant.creation({ name: "overridden" })).replace("{", '{"region":7,"cni":"calico",');
    const twice = `${raw.slice(0, -1)},"name":"the last wins","cni":"custom"}`;
    const response = await world.send("POST", tenant.path("production"), { token: tenant.admin, raw: twice });
    expect(expectCreated(response)).toMatchObject({ name: "the last wins", cni: "custom" });
  });

  test("a creation requires name, region, version, account and pools, and null counts as absent", async () => {
    const required = ["cloudAccountIdentity", "name", "nodePools", "region", "version"];
    expectProblems(await create({}), required);
    expectProblems(await create(Object.fromEntries(required.map((name) => [name, null]))), required);
  });

  test.each([[null], [[]], ["text"], [7], [true]])(
    "a creation with the body %j is refused with a complete message",
    async (body) => {
      const response = await world.send("POST", tenant.path("production"), {
        token: tenant.admin,
        raw: JSON.stringify(body),
      });
      expect(response.status).toBe(400);
      expect(response.body.message).toMatch(/object|body/);
      expect(response.body.details).toEqual([response.body.message]);
    },
  );

  test.each([
    ["cloudAccountIdentity", "not-a-uuid"],
    ["cloudAccountIdentity", "6c21a795-758a-4887-a35e-965af0f50343"],
    ["maintenanceScheduleIdentity", "6c21a795-758a-4887-a35e-965af0f50343"],
    ["maintenanceScheduleIdentity", 7],
    ["cni", "flannel"],
    ["cni", "CILIUM"],
    ["podSecurityStandardsProfile", "none"],
    ["enableAutoUpgrade", "true"],
    ["enableHA", 1],
    ["enableHighAvailability", "yes"],
    ["enableMultiAvailabilityZones", {}],
    ["enableNATGateway", []],
    ["enableNetworkEncryption", 0],
    ["enablePodSecurityStandards", "x"],
    ["region", "westeurope"],
    ["region", ""],
    ["region", 7],
    ["updateChannel", "stable"],
    ["updateChannel", {}],
    ["description", 7],
    ["addons", []],
    ["ipWhitelist", {}],
    ["nodePools", {}],
  ])("a creation with %s %j is refused only for that property", async (path, value) => {
    const [detail = ""] = expectProblems(await createWith({ [path]: value }), [path]);
    const shown = typeof value === "string" ? JSON.stringify(value).slice(0, 60) : "";
    expect(detail).toContain(shown);
    expect(detail).toMatch(/ must be /);
  });

  test("a creation with an unknown region lists the available regions", async () => {
    const [detail] = expectProblems(await createWith({ region: "mars" }), ["region"]);
    expect(detail).toMatch(/"mars".*eu-west-1.*us-west-2/);
  });

  test.each([
    ["v1.33.4-u-ame.1", undefined, "v1.33.4-u-ame.1"],
    ["", "v1.33", "v1.33.8-u-ame.1"],
    ["", "v1.35", "v1.35.1-u-ame.1"],
    ["v1.35.0-u-ame.1", "", "v1.35.0-u-ame.1"],
  ])(
    "a creation with the version %j and the channel %j makes a cluster of %s",
    async (version, updateChannel, made) => {
      expect(expectCreated(await createWith({ version, updateChannel })).version).toBe(made);
    },
  );

  test.each([
    ["1.34", undefined],
    ["v1.34", undefined],
    ["v1.34.4", undefined],
    ["v1.34.4-u-ame.9", undefined],
    ["V1.34.4-U-AME.2", undefined],
    [" v1.34.4-u-ame.2", undefined],
    ["", undefined],
    ["", ""],
    [7, "v1.34"],
    [null, "v1.34"],
  ])("a creation with the version %j and the channel %j is refused", async (version, updateChannel) => {
    const [detail] = expectProblems(await createWith({ version, updateChannel }), ["version"]);
    if (typeof version !== "string") return;
    for (const known of clusterVersions) expect(detail).toContain(known.version);
  });

  test("a creation with an unknown channel and an empty version names only the channel and lists the channels", async () => {
    const [detail] = expectProblems(await createWith({ version: "", updateChannel: "v9" }), ["updateChannel"]);
    expect(detail).toMatch(/"v9".*v1\.33, v1\.34, v1\.35/);
  });

  test.each([
    [{ enableHA: true }, true],
    [{ enableHighAvailability: true }, true],
    [{ enableHA: true, enableHighAvailability: true }, true],
    [{ enableHA: false, enableHighAvailability: false }, false],
    [{ enableHA: null, enableHighAvailability: true }, true],
  ])("a creation with %j sets one value under both names", async (switches, highlyAvailable) => {
    expect(expectCreated(await createWith(switches)).highlyAvailable).toBe(highlyAvailable);
  });

  test.each([true, false])(
    "a creation with enableHA %j and the opposite enableHighAvailability is refused",
    async (enableHA) => {
      expectProblems(await createWith({ enableHA, enableHighAvailability: !enableHA }), ["enableHA"]);
    },
  );

  test.each([
    ["10.32.0.0/12", "10.96.0.0/12"],
    [{ ipRange: "192.168.1.0/24" }, "192.168.2.0/24"],
    ["10.0.0.0/16", { ipRange: "10.1.0.0/16" }],
  ])(
    "a creation accepts pods in %j and services in %j, and returns strings",
    async (clusterPodSubnet, serviceSubnet) => {
      const text = (range: string | { ipRange: string }) => (typeof range === "string" ? range : range.ipRange);
      const shown = expectCreated(await createWith({ clusterPodSubnet, serviceSubnet }));
      expect(shown.clusterPodSubnet).toBe(text(clusterPodSubnet));
      expect(shown.serviceSubnet).toBe(text(serviceSubnet));
    },
  );

  test.each([
    ["clusterPodSubnet", "10.0.0.1/16"],
    ["clusterPodSubnet", { ipRange: "10.0.0.1/16" }],
    ["clusterPodSubnet", "10.32.0.0/11"],
    ["clusterPodSubnet", "10.0.0.0/25"],
    ["clusterPodSubnet", "10.0.0.0/33"],
    ["clusterPodSubnet", "10.0.0.0"],
    ["clusterPodSubnet", "010.0.0.0/16"],
    ["clusterPodSubnet", "10.0/16"],
    ["clusterPodSubnet", " 10.0.0.0/16"],
    ["clusterPodSubnet", 7],
    ["clusterPodSubnet", { ipRange: 7 }],
    ["clusterPodSubnet", { ipRange: "10.0.0.0/25" }],
    ["clusterPodSubnet", { ipRange: "10.96.0.0/16" }],
    ["serviceSubnet", { ipRange: "10.244.128.0/24" }],
    ["clusterPodSubnet", "10.96.0.0/16"],
    ["clusterPodSubnet", "10.96.0.0/12"],
    ["serviceSubnet", "10.244.128.0/24"],
    ["serviceSubnet", "10.240.0.0/12"],
    ["serviceSubnet", "10.0.0.1/16"],
    ["clusterPodSubnet", "2001:db8::/112"],
    ...["clusterPodSubnet", "serviceSubnet"].flatMap((name) =>
      ["0.0.0.0/12", "0.16.0.0/16", "127.0.0.0/16", "127.255.255.0/24", "169.254.0.0/16", "169.254.169.0/24"]
        .concat("169.240.0.0/12", "224.0.0.0/12", "239.255.0.0/16", "240.0.0.0/12", "255.255.255.0/24", "fe80::/64")
        .map((range): [string, string] => [name, range]),
    ),
  ])("a creation with %s %j is refused", async (path, range) => {
    const response = await createWith({ [path]: range });
    expect(response.status, response.text).toBe(400);
    const sent = typeof range === "object" ? `${path}.ipRange` : path;
    expect(response.body.details).toEqual([expect.stringMatching(new RegExp(`^${sent}: .*must `))]);
  });

  test.each(["100.64.0.0/16", "198.18.0.0/16", "192.0.2.0/24", "192.88.99.0/24", "172.16.0.0/12", "169.253.0.0/16"])(
    "a creation with pods and services in %s, a range for private networks, succeeds",
    async (range) => {
      expectCreated(await createWith({ clusterPodSubnet: range }));
      expectCreated(await createWith({ serviceSubnet: range }));
    },
  );

  test("a creation with overlapping pod and service ranges is refused with one problem", async () => {
    const response = await createWith({ clusterPodSubnet: "10.0.0.0/12", serviceSubnet: "10.1.0.0/16" });
    expect(response.status).toBe(400);
    expect(response.body.details).toEqual([expect.stringMatching(/Subnet: .*overlap/)]);
  });

  test("a creation accepts whitelist ranges as strings and objects, of both families, and returns strings", async () => {
    const description = "d".repeat(100);
    const cidrs = ["192.0.2.0/24", "198.51.100.7/32", "0.0.0.0/0", "2001:db8::/32", "::/0"];
    const ipWhitelist = cidrs.map((cidr, at) => ({ cidr: at % 2 === 0 ? cidr : { ipRange: cidr }, description }));
    const shown = expectCreated(await createWith({ ipWhitelist }));
    expect(shown.ipWhitelist).toEqual(cidrs.map((cidr) => ({ cidr, description })));
  });

  test.each([
    ["192.0.2.1/24", "text"],
    ["2001:db8::1/32", "text"],
    ["::/129", "text"],
    ["anywhere", "text"],
    ["", "text"],
    [{ ipRange: "192.0.2.1/24" }, "text"],
    [undefined, "text"],
    ["0.0.0.0/0", undefined],
    ["0.0.0.0/0", 7],
    ["0.0.0.0/0", "d".repeat(101)],
  ])("a creation with the whitelist entry %j and the description %j is refused", async (cidr, description) => {
    const response = await createWith({
      ipWhitelist: [
        { cidr: "10.0.0.0/8", description: "good" },
        { cidr, description },
      ],
    });
    expect(response.status, response.text).toBe(400);
    const sent = typeof cidr === "object" ? "cidr.ipRange" : "cidr";
    const wrong = cidr === "0.0.0.0/0" ? "description" : sent;
    expect(response.body.details).toEqual([expect.stringContaining(`ipWhitelist[1].${wrong}: `)]);
  });

  test.each([
    ["0.0.0.0/32", "0.0.0.0/8"],
    ["127.0.0.1/32", "127.0.0.0/8"],
    ["169.254.0.0/16", "169.254.0.0/16"],
    ["224.0.0.0/4", "224.0.0.0/3"],
    ["255.255.255.255/32", "224.0.0.0/3"],
    ["::/128", "::/96"],
    ["::1/128", "::1/128"],
    ["fe80::/10", "fe80::/10"],
    ["ff02::/16", "ff00::/8"],
  ])("a creation with the whitelist range %s, which is within %s, is refused", async (cidr, within) => {
    const response = await createWith({ ipWhitelist: [{ cidr, description: "" }] });
    const [detail] = expectProblems(response, ["ipWhitelist[0].cidr"]);
    expect(detail).toContain(`must not be within ${within} (`);
  });

  test.each([
    ["10.0.0.0/8", "10.0.0.0/8"],
    ["0.0.0.0/0", { ipRange: "0.0.0.0/0" }],
    ["2001:db8::1/128", "2001:DB8:0:0:0:0:0:1/128"],
    ["2001:db8::c000:201/128", "2001:db8::192.0.2.1/128"],
  ])("a creation with the whitelist range %s repeated as %j is refused", async (cidr, repeated) => {
    const other = { cidr: "192.0.2.0/24", description: "" };
    const ipWhitelist = [other, { cidr, description: "one" }, { cidr: repeated, description: "two" }];
    const path = `ipWhitelist[2].cidr${typeof repeated === "string" ? "" : ".ipRange"}`;
    const [detail] = expectProblems(await createWith({ ipWhitelist }), [path]);
    expect(detail).toContain("ipWhitelist[1] is the same range");
  });

  test("a creation with overlapping, different whitelist ranges succeeds", async () => {
    const cidrs = ["0.0.0.0/0", "0.0.0.0/1", "10.0.0.0/8", "10.0.0.0/9", "::/0", "100::/64"];
    const ipWhitelist = cidrs.map((cidr) => ({ cidr, description: "" }));
    expect(expectCreated(await createWith({ ipWhitelist })).ipWhitelist).toEqual(ipWhitelist);
  });

  test("lengths count characters, as JSON Schema does, also characters of two UTF-16 units and four UTF-8 bytes", async () => {
    const emoji = (length: number) => "😀".repeat(length);
    const body = (more: number) => ({
      description: emoji(500 + more),
      ipWhitelist: [{ cidr: "192.0.2.0/24", description: emoji(100 + more) }],
      addons: { [emoji(63 + more)]: { customValues: { [emoji(63)]: emoji(1024 + more) } } },
    });
    const { ipWhitelist, addons, description } = body(0);
    expect(expectCreated(await createWith(body(0)))).toMatchObject({ ipWhitelist, addons, description });
    const response = await createWith(body(1));
    expect(response.status).toBe(400);
    expect(
      response.body.details.map((detail: string) => /must have at most \d+ characters/.exec(detail)?.[0]).sort(),
    ).toEqual([
      "must have at most 100 characters",
      "must have at most 1024 characters",
      "must have at most 500 characters",
      "must have at most 63 characters",
    ]);
  });

  test("names and values of add-ons are returned as sent, without additions", async () => {
    const addons = `{"__proto__":{"enabled":true},"constructor":{"customValues":{"__proto__":"p","toString":"","\\u0000":"\\u2028"}},
      "":{},"É \\uD83D\\uDE00":{"enabled":false,"customValues":{}},"${"n".repeat(63)}":{"customValues":{"k":"${"€".repeat(341)}"}}}`;
    const raw = JSON.stringify(tenant.creation({ name: "with addons" })).replace("{", `{"addons":${addons},`);
    const response = await world.send("POST", tenant.path("production"), { token: tenant.admin, raw });
    expectCreated(response);
    for (const shown of [response, await get("with-addons")]) {
      const { addons: kept } = shown.body;
      expect(Object.keys(kept).sort()).toEqual(Object.keys(JSON.parse(addons)).sort());
      expect(JSON.stringify(kept)).toBe(JSON.stringify(JSON.parse(addons)));
    }
  });

  const many = <Value>(count: number, value: Value): Record<string, Value> =>
    Object.fromEntries(Array.from({ length: count }, (_, at) => [`k${at}`, value]));

  test.each([
    ["a description of 500 characters", { description: "x".repeat(500) }],
    ["100 add-ons", { addons: many(100, {}) }],
    ["50 custom values", { addons: { a: { customValues: many(50, "") } } }],
    ["a custom value of 1 KB", { addons: { a: { customValues: { k: "x".repeat(1024) } } } }],
    ["11 KB of add-ons", { addons: { a: { customValues: many(11, "x".repeat(1000)) } } }],
  ])("a creation with %s is accepted", async (_, more) => {
    expect(expectCreated(await createWith(more))).toMatchObject(more);
  });

  test.each([
    ["a description of 501 characters", { description: "x".repeat(501) }, "description", /500/],
    ["101 add-ons", { addons: many(101, {}) }, "addons", /100/],
    ["an add-on's name of 64 characters", { addons: { ["x".repeat(64)]: {} } }, `addons.${"x".repeat(64)}`, /63/],
    ["an add-on that is not an object", { addons: { a: true } }, "addons.a", /object/],
    ["an add-on with an invalid switch", { addons: { a: { enabled: "on" } } }, "addons.a.enabled", /true or false/],
    ["51 custom values", { addons: { a: { customValues: many(51, "") } } }, "addons.a.customValues", /50/],
    ["a custom number", { addons: { a: { customValues: { k: 7 } } } }, "addons.a.customValues.k", /string/],
    [
      "a custom value of 1025 characters",
      { addons: { a: { customValues: { k: "€".repeat(1025) } } } },
      "addons.a.customValues.k",
      /1024/,
    ],
    [
      "501 ranges",
      { ipWhitelist: Array.from({ length: 501 }, () => ({ cidr: "10.0.0.0/8", description: "" })) },
      "ipWhitelist",
      /500/,
    ],
    ["13 KB of add-ons", { addons: { a: { customValues: many(13, "x".repeat(1000)) } } }, "addons", /12 ?KB|12288/],
    [
      "6 KB of add-ons and 7 KB of ranges",
      {
        addons: { a: { customValues: many(6, "x".repeat(1000)) } },
        ipWhitelist: Array.from({ length: 60 }, () => ({ cidr: "10.0.0.0/8", description: "d".repeat(80) })),
      },
      "ipWhitelist",
      /12 ?KB|12288/,
    ],
  ])("a creation with %s is refused", async (_, more, path, says) => {
    const [detail] = expectProblems(await createWith(more), [path]);
    expect(detail).toMatch(says);
  });

  test("a creation with several errors lists each of them with its path", async () => {
    const pool = { name: "workers", nodeSize: "t3.medium" };
    const response = await create({
      name: "no_name",
      region: "eu-west-1",
      version: "1.34",
      cloudAccountIdentity: tenant.account.identity,
      cni: "flannel",
      enableHA: true,
      enableHighAvailability: false,
      description: 7,
      maintenanceScheduleIdentity: tenant.account.identity,
      updateChannel: "v9",
      clusterPodSubnet: "10.0.0.0/8",
      ipWhitelist: [{ cidr: { ipRange: "10.0.0.1/8" }, description: 7 }],
      addons: { a: { enabled: 7 } },
      nodePools: [pool, { ...pool, minSize: -1 }, { name: "zoned", nodeSize: "huge", availabilityZone: "mars" }, 7],
    });
    expectProblems(response, [
      "addons.a.enabled",
      "clusterPodSubnet",
      "cni",
      "description",
      "enableHA",
      "ipWhitelist[0].cidr.ipRange",
      "ipWhitelist[0].description",
      "maintenanceScheduleIdentity",
      "name",
      "nodePools[1].minSize",
      "nodePools[1].name",
      "nodePools[2].availabilityZone",
      "nodePools[2].nodeSize",
      "nodePools[3]",
      "updateChannel",
      "version",
    ]);
  });

  test("a creation with a disabled account, or another organisation's account or schedule, is refused", async () => {
    const disabled = await createAccount(world.services, tenant.slug, { displayName: "Off", cloudProfile: "aws" });
    await changeReferences(world.table, tenant.slug, ["accounts", disabled.identity, "enabled"], false);
    const [detail] = expectProblems(await createWith({ cloudAccountIdentity: disabled.identity }), [
      "cloudAccountIdentity",
    ]);
    expect(detail).toMatch(/disabled/);
    const other = await world.tenant();
    const foreign = {
      cloudAccountIdentity: other.account.identity,
      maintenanceScheduleIdentity: other.schedule.identity,
    };
    expectProblems(await createWith(foreign), ["cloudAccountIdentity", "maintenanceScheduleIdentity"]);
  });

  test("a creation requires credentials only for providers with credentials, and never for the user's own machines", async () => {
    const needy = await makeWorld({ provisioner: { ...simulatedTraits, name: "needy", needsCredentials: () => true } });
    for (const [at, expected] of [
      [needy, 400],
      [world, 200],
    ] as const) {
      const there = await at.tenant();
      const bare = await createAccount(at.services, there.slug, { displayName: "Bare", cloudProfile: "aws" });
      const send = (more: Record<string, unknown>) =>
        at.send("POST", there.path("production"), { token: there.admin, body: there.creation(more) });
      const response = await send({ name: "bare", cloudAccountIdentity: bare.identity });
      expect(response.status, response.text).toBe(expected);
      if (expected === 400) expect(response.body.details).toEqual([expect.stringMatching(/^cloudAcc.*credentials/)]);
      else {
        expect(response.body.cloudAccount).toEqual({ displayName: "Bare", identity: bare.identity });
        expect(response.body).not.toHaveProperty("cloudCredentials");
        expect(response.headers.get("etag")).toBe(`"1.1.${catalogueRevision}"`);
      }
      expectCreated(await send({ name: "full" }));
      const own = { name: "own", cloudAccountIdentity: there.byonAccount.identity, region: "europe" };
      expect(expectCreated(await send(own)).cloudProvider).toBe("byon");
    }
  });

  test("a creation can take the slug of a deleting cluster, of which 32 may remain", async () => {
    const body = tenant.creation({ name: "phoenix" });
    let previous = expectCreated(await create(body));
    for (let deleting = 1; deleting <= 33; deleting++) {
      await overwrite(keyOf("phoenix"), ["status"], "deleting");
      expect((await get("phoenix")).body).toMatchObject({ identity: previous.identity, status: "deleting" });
      const response = await create(body);
      if (deleting === 33) {
        expect(response.status).toBe(409);
        expect(response.body.message).toMatch(/32/);
        expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0);
        continue;
      }
      expect(expectCreated(response).identity).not.toBe(previous.identity);
      previous = response.body;
      expect((await get("phoenix")).body.identity).toBe(previous.identity);
    }
  });

  test("a creation in an organisation with 100,000 clusters is refused with the limit", async () => {
    const full = await world.tenant();
    await overwrite(totalKey(full.slug), ["clusters"], 99_999);
    const send = (name: string) =>
      world.send("POST", full.path("production"), { token: full.admin, body: full.creation({ name }) });
    expectCreated(await send("last"));
    const response = await send("too many");
    expect(response.status).toBe(409);
    expect(response.body.message).toMatch(/100[ ,_]?000/);
  });
});

describe("getting a cluster", () => {
  test("GET of a cluster shows compute only with show-compute=true: the pools' minSize by node type", async () => {
    const nodePools = [
      { name: "a", nodeSize: "t3.medium", minSize: 3 },
      { name: "b", nodeSize: "m5.xlarge", minSize: 2, maxSize: 9, autoScaling: true },
      { name: "c", nodeSize: "r5.xlarge", minSize: 0 },
    ];
    expect(expectCreated(await create(tenant.creation({ name: "sized", nodePools })))).not.toHaveProperty("cpu");
    const shown = (await get("sized", "?show-compute=true")).body;
    expect(shown).toMatchObject({ cpu: 3 * 2 + 2 * 4, memory: 3 * 4096 + 2 * 16384 });
    for (const query of ["", "?show-compute=false", "?includeDetails=true"]) {
      const { cpu, memory, ...rest } = shown;
      expect((await get("sized", query)).body).toEqual(rest);
      expect([cpu, memory]).not.toContain(undefined);
    }
  });

  test("GET of a cluster shows the last observation only with includeDetails=true, and only when it exists", async () => {
    const { identity } = expectCreated(await create(tenant.creation({ name: "observed" })));
    expect((await get("observed", "?includeDetails=true")).body).not.toHaveProperty("actualState");
    const actualState = { collectedAt: NOW, status: "started", version: "v1.34.4-u-ame.2" };
    await overwrite(pointerKey(identity), ["observation"], actualState);
    expect((await get("observed", "?includeDetails=true")).body.actualState).toEqual(actualState);
    for (const query of ["", "?includeDetails=false", "?show-compute=true"]) {
      expect((await get("observed", query)).body).not.toHaveProperty("actualState");
    }
  });

  test.each([
    ["ACCEPTED", "ACCEPTED", false],
    ["OIDC_PROVISIONED", "OIDC_PROVISIONED", true],
    ["DONE", "DONE", true],
    ["UNKNOWN", "ACCEPTED", false],
    ["UNKNOWN", "CLUSTER_PROVISIONED", true],
  ])(
    "GET of a cluster in phase %s whose furthest phase is %s shows ameOIDC %j",
    async (provisionStatus, furthest, ameOIDC) => {
      const { slug } = expectCreated(await createWith({}));
      await overwrite(keyOf(slug.slugValue), ["provisionStatus"], provisionStatus);
      await overwrite(keyOf(slug.slugValue), ["furthestPhase"], furthest);
      expect((await get(slug.slugValue)).body).toMatchObject({ provisionStatus, ameOIDC });
    },
  );

  test("the ETag of a cluster contains the revisions of the other resources that it shows", async () => {
    const other = await world.tenant();
    const path = other.path("production", "one");
    const schedule = other.schedule.identity;
    const body = other.creation({ maintenanceScheduleIdentity: schedule });
    expectCreated(await world.send("POST", other.path("production"), { token: other.admin, body }));
    const tag = async () => (await world.send("GET", path, { token: other.admin })).headers.get("etag");
    expect(await tag()).toBe(`"1.3.${catalogueRevision}"`);
    await changeReferences(world.table, other.slug, ["schedules", schedule, "revision"], 5);
    expect(await tag()).toBe(`"1.7.${catalogueRevision}"`);
    await changeReferences(world.table, other.slug, ["accounts", other.account.identity, "revision"], 11);
    expect(await tag()).toBe(`"1.17.${catalogueRevision}"`);
  });

  test("GET of a missing cluster returns 404 with its name", async () => {
    const response = await get("nobody");
    expect(response.status).toBe(404);
    expect(response.body).toEqual({ message: expect.stringContaining('"nobody"'), details: [response.body.message] });
  });
});
