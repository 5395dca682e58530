import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createAccount } from "#core/admin/cloud-accounts.ts";
import { shippedCatalogue, useCatalogue } from "#core/catalogue/index.ts";
import { finishDeletion } from "#test/support/deletion.ts";
import {
  catalogueWithImages,
  generousProfiles,
  type LimitedProvisioner,
  limitedProvisioner,
  ONE_CORE,
  strictProfiles,
  WITHOUT_IMAGE,
} from "#test/support/limited-provisioner.ts";
import { makeReconciledWorld, type ReconciledWorld } from "#test/support/reconciling.ts";
import type { Json, Tenant, TestResponse } from "#test/support/world.ts";

let world: ReconciledWorld;
let tenant: Tenant;
let provisioner: LimitedProvisioner;
/** Cloud accounts by the slug of their provider. */
const accounts: Record<string, string> = {};
let profiles: Record<"strict" | "generous", ReturnType<typeof strictProfiles>>;

/** A region and a node type of each provider. */
const PLACES = {
  none: ["region-1", "small"],
  byon: ["europe", "byon"],
  aws: ["eu-west-1", "t3.medium"],
  azure: ["westeurope", "Standard_D2s_v5"],
  openstack: ["regionone", "m1.medium"],
  digitalocean: ["ams3", "s-2vcpu-4gb"],
  hetzner: ["fsn1", "cx33"],
  vsphere: ["datacenter-1", "medium"],
} as const;
type Provider = keyof typeof PLACES;
const providers = Object.keys(PLACES) as Provider[];

beforeAll(async () => {
  useCatalogue(catalogueWithImages());
  provisioner = limitedProvisioner();
  world = await makeReconciledWorld({ provisioner });
  tenant = await world.tenant();
  for (const slug of [...providers, "multipass"]) {
    const account = {
      displayName: slug,
      cloudProfile: slug,
      ...(slug === "byon" || slug === "none" ? {} : { credentials: "main" }),
    };
    accounts[slug] = (await createAccount(world.services, tenant.slug, account)).identity;
  }
  const token = accounts.digitalocean ?? "";
  profiles = { strict: strictProfiles(token), generous: generousProfiles(token) };
});
// The catalogue belongs to the process, which the test files of a worker share.
afterAll(() => useCatalogue(shippedCatalogue));

const send = (method: string, path: string, body?: unknown) => world.send(method, path, { token: tenant.admin, body });

let count = 0;
const creation = (provider: Provider, more: Record<string, unknown> = {}) =>
  tenant.creation({
    name: `cluster-${++count}`,
    cloudAccountIdentity: accounts[provider],
    region: PLACES[provider][0],
    ...more,
  });
const pool = (provider: Provider, more: Record<string, unknown> = {}) => ({
  name: "web",
  nodeSize: PLACES[provider][1],
  ...more,
});

function create(mode: keyof typeof profiles, body: Record<string, unknown>, query = ""): Promise<TestResponse> {
  provisioner.use(profiles[mode]);
  return send("POST", `${tenant.path("production")}${query}`, body);
}

/** Creates a cluster. @returns its path */
async function created(mode: keyof typeof profiles, body: Record<string, unknown>): Promise<string> {
  const response = await create(mode, body);
  expect(response.status, response.text).toBe(200);
  return tenant.path("production", String(body.name));
}

function expectRefused(response: TestResponse, ...details: (string | RegExp)[]): void {
  expect(response.status, response.text).toBe(400);
  expect(response.body.details).toEqual(
    details.map((each) => (typeof each === "string" ? expect.stringContaining(each) : expect.stringMatching(each))),
  );
}

/** Settings that published clients send as defaults. */
const DEFAULTS = {
  addons: {},
  enableAutoUpgrade: false,
  enableHA: false,
  enableMultiAvailabilityZones: false,
  enableNATGateway: false,
  enableNetworkEncryption: false,
  ipWhitelist: [],
};
const POOL_DEFAULTS = {
  annotations: {},
  autoScaling: false,
  availabilityZone: "",
  enableNodeAutoReplacement: true,
  enableNodeReboots: false,
  labels: {},
  minSize: 1,
  maxSize: 1,
  securityUpdatesOnJoin: "OFF",
  taints: [],
  upgradeStrategy: "REPLACE",
};

/** Settings that a strict profile file refuses, by provider, with the path and a part of the reason of each. */
const REFUSED: Record<Provider, [settings: Json, nodePool: Json, details: string[]]> = {
  none: [{ addons: { grafana: {} } }, {}, ['addons: "grafana" is not allowed: the platform installs no add-ons']],
  byon: [
    {
      enableNATGateway: true,
      ipWhitelist: [{ cidr: "203.0.113.0/24", description: "" }],
      cni: "calico",
      version: "v1.35.0-u-ame.1",
    },
    { autoScaling: true, upgradeStrategy: "REPLACE_MINOR_INPLACE_PATCH" },
    [
      'version: "v1.35.0-u-ame.1" is not allowed: the platform cannot run control planes with this version of Kubernetes yet; choose another version, or ask the operator; possible: v1.33.4-u-ame.1, v1.33.4-u-ame.2, v1.33.8-u-ame.1, v1.34.3-u-ame.1, v1.34.4-u-ame.1, v1.34.4-u-ame.2',
      'cni: "calico" is not allowed: the platform does not install this network; choose another one, or custom to install a network yourself; possible: custom, cilium',
      'ipWhitelist: "203.0.113.0/24" is not allowed: no load balancer',
      "enableNATGateway: true is not allowed: the platform cannot give these machines a private network",
      "nodePools[0].autoScaling: true is not allowed: the platform cannot add machines of yours",
      'nodePools[0].upgradeStrategy: "REPLACE_MINOR_INPLACE_PATCH" is not allowed: the platform cannot replace',
    ],
  ],
  aws: [
    {
      region: "eu-central-1",
      version: WITHOUT_IMAGE,
      enableNetworkEncryption: true,
    },
    { availabilityZone: "eu-central-1b", securityUpdatesOnJoin: "INSTALL" },
    [
      'region: "eu-central-1" is not allowed: the platform has no settings for clusters in this region; choose another region, or ask the operator; possible: eu-west-1, eu-north-1',
      `version: "${WITHOUT_IMAGE}" is not allowed: the platform has no machine image`,
      "enableNetworkEncryption: true is not allowed: the platform installs this network without encryption",
      'nodePools[0].availabilityZone: "eu-central-1b" is not allowed: the cluster has no subnets in this zone; choose one of its zones, or create it with enableMultiAvailabilityZones; possible: eu-central-1a',
      'nodePools[0].securityUpdatesOnJoin: "INSTALL" is not allowed: machines are made from the platform\'s images',
    ],
  ],
  azure: [
    { enableMultiAvailabilityZones: true, serviceSubnet: "172.16.0.0/20" },
    { availabilityZone: "1", annotations: { "sigs.k8s.io/cluster-api-provider-azure-last-applied-tags-vm": "x" } },
    [
      "enableMultiAvailabilityZones: true is not allowed: the platform does not have several zones in this region; send false, or choose another region; no region allows it",
      'serviceSubnet: "172.16.0.0/20" is not allowed: it overlaps the network of the machines or of the API servers; choose another subnet; it must not overlap 172.16.0.0/16',
      'nodePools[0].availabilityZone: "1" is not allowed: the platform has no zones in this region',
      'nodePools[0].annotations.sigs.k8s.io/cluster-api-provider-azure-last-applied-tags-vm: "x" is not allowed: Cluster API',
    ],
  ],
  openstack: [
    {
      ipWhitelist: ["203.0.113.0/24", "2001:db8::/32"].map((cidr) => ({ cidr, description: "" })),
      clusterPodSubnet: { ipRange: "10.6.0.0/16" },
    },
    { securityUpdatesOnJoin: "INSTALL_AND_REBOOT" },
    [
      'ipWhitelist: "203.0.113.0/24" is not allowed: the load balancers of this region do not filter',
      'clusterPodSubnet.ipRange: "10.6.0.0/16" is not allowed: it overlaps',
      'nodePools[0].securityUpdatesOnJoin: "INSTALL_AND_REBOOT" is not allowed',
    ],
  ],
  digitalocean: [
    { enableNATGateway: true, ipWhitelist: [{ cidr: "203.0.113.0/24", description: "" }] },
    { availabilityZone: "zone-1" },
    [
      'ipWhitelist: "203.0.113.0/24" is not allowed: the load balancers of this provider do not filter',
      "enableNATGateway: true is not allowed: the platform cannot give",
      'nodePools[0].availabilityZone: "zone-1" is not allowed: DigitalOcean has no availability zones; leave it out',
    ],
  ],
  hetzner: [
    { enableNATGateway: true, enableMultiAvailabilityZones: true, clusterPodSubnet: "10.0.0.0/20" },
    {},
    [
      "enableNATGateway: true is not allowed: the platform has no router",
      "enableMultiAvailabilityZones: true is not allowed: the platform does not have several zones",
      'clusterPodSubnet: "10.0.0.0/20" is not allowed: it overlaps',
    ],
  ],
  vsphere: [
    {
      enableNATGateway: true,
      enableMultiAvailabilityZones: true,
      ipWhitelist: [{ cidr: "203.0.113.0/24", description: "" }],
      clusterPodSubnet: "10.9.0.0/20",
    },
    { availabilityZone: "zone-1", nodeSize: ONE_CORE },
    [
      'ipWhitelist: "203.0.113.0/24" is not allowed: no load balancer that could filter',
      "enableNATGateway: true is not allowed: the platform has no router",
      "enableMultiAvailabilityZones: true is not allowed: the platform does not have several zones",
      'clusterPodSubnet: "10.9.0.0/20" is not allowed: it overlaps',
      'nodePools[0].availabilityZone: "zone-1" is not allowed: the platform has no zones in this region',
      `nodePools[0].nodeSize: "${ONE_CORE}" is not allowed: Cluster API's provider for vSphere makes machines with at least two cores; choose a larger node type; possible: small, medium`,
    ],
  ],
};

describe("the creation of a cluster that Cluster API cannot express", () => {
  test.each(providers)(
    "on %s is refused with every setting and its reason, and a dry run reports the same",
    async (provider) => {
      const [settings, nodePool, details] = REFUSED[provider];
      const body = creation(provider, { ...settings, nodePools: [pool(provider, nodePool)] });
      expectRefused(await create("strict", body), ...details);
      expectRefused(await create("strict", body, "?dryRun=true"), ...details);
    },
  );

  test.each(providers)("does not include the defaults that clients send for a cluster on %s", async (provider) => {
    const body = creation(provider, { ...DEFAULTS, nodePools: [pool(provider, POOL_DEFAULTS)] });
    await created("strict", body);
    await created("strict", creation(provider, { nodePools: [pool(provider)] }));
  });

  test("is refused with its other problems, and a property with a problem gets no second one", async () => {
    const body = creation("hetzner", {
      name: "",
      cni: "flannel",
      enableNetworkEncryption: true,
      enableNATGateway: true,
      ipWhitelist: [{ cidr: "203.0.113.0/24", description: "" }],
      nodePools: [
        pool("hetzner"),
        pool("hetzner", { name: "jobs", availabilityZone: "moon", securityUpdatesOnJoin: "INSTALL" }),
        pool("hetzner", { name: "x", securityUpdatesOnJoin: "SOMETIMES" }),
      ],
    });
    expectRefused(
      await create("strict", body),
      /^cni: "flannel" is not allowed: must be one of/,
      /^name: /,
      /^nodePools\[2\]\.securityUpdatesOnJoin: .*must be one of/,
      /^nodePools\[1\]\.availabilityZone: .*must be a zone/,
      /^ipWhitelist: .*do not filter/,
      /^enableNATGateway: .*no router/,
      /^nodePools\[1\]\.securityUpdatesOnJoin: .*platform's images/,
    );
  });

  test("with a provider or an account that the platform does not use is refused", async () => {
    const multipass = tenant.creation({ cloudAccountIdentity: accounts.multipass, region: "local-1" });
    expectRefused(await create("generous", multipass), "Cluster API has no provider for Multipass");
    const { identity } = await createAccount(world.services, tenant.slug, {
      displayName: "Other",
      cloudProfile: "digitalocean",
    });
    const other = creation("digitalocean", { cloudAccountIdentity: identity });
    expectRefused(
      await create("generous", other),
      `cloudAccountIdentity: "${identity}" is not allowed: the platform makes`,
    );
  });

  test("with subnets of which one overlaps the network of the machines, and both each other, is refused for both reasons", async () => {
    const subnets = { clusterPodSubnet: "10.0.0.0/16", serviceSubnet: { ipRange: "10.0.0.0/12" } };
    expectRefused(
      await create("generous", creation("aws", subnets)),
      'serviceSubnet.ipRange: "10.0.0.0/12" is not allowed: must not overlap clusterPodSubnet',
      'clusterPodSubnet: "10.0.0.0/16" is not allowed: it overlaps the network of the machines',
    );
  });

  test("with a whitelist is refused where the platform would lock itself out, or where an IPv6 range cannot reach the API server", async () => {
    const ranges = ["203.0.113.0/24", "2001:db8::/32"].map((cidr) => ({ cidr, description: "" }));
    expectRefused(
      await create("strict", creation("aws", { ipWhitelist: ranges })),
      /^ipWhitelist: "203.*are not configured/,
    );
    expectRefused(
      await create("generous", creation("azure", { ipWhitelist: ranges })),
      /^ipWhitelist: "2001:db8::\/32".*IPv4/,
    );
    await created("generous", creation("aws", { ipWhitelist: ranges, enableNATGateway: true }));
  });

  test("with a whitelist is refused where nodes could not reach the API server: on aws with public addresses, on azure without an internal load balancer", async () => {
    const ipWhitelist = [{ cidr: "203.0.113.0/24", description: "" }];
    expectRefused(
      await create("generous", creation("aws", { ipWhitelist })),
      /^ipWhitelist: "203.*create the cluster with enableNATGateway true/,
    );
    expectRefused(
      await create("strict", creation("azure", { ipWhitelist })),
      /^ipWhitelist: "203.*choose another region/,
    );
    const path = await created("generous", creation("aws"));
    expectRefused(await send("PATCH", path, { ipWhitelist }), /^ipWhitelist: "203.*enableNATGateway/);
  });

  test("with subnets inside of the VPC of its region is refused", async () => {
    expectRefused(
      await create("generous", creation("aws", { clusterPodSubnet: "10.0.128.0/20", serviceSubnet: "10.0.0.0/20" })),
      /^clusterPodSubnet: "10.0.128.0\/20" is not allowed: it overlaps/,
      /^serviceSubnet: "10.0.0.0\/20" is not allowed: it overlaps/,
    );
  });

  test("with network encryption is refused for a custom network only, if the platform encrypts the others", async () => {
    const encrypted = (cni?: string) => creation("aws", { enableNetworkEncryption: true, cni });
    expectRefused(
      await create("generous", encrypted("custom")),
      /^enableNetworkEncryption: true .*encrypt it there; send false/,
    );
    await created("generous", encrypted("calico"));
    await created("generous", encrypted());
  });

  test("is accepted with everything that the operator's settings allow", async () => {
    const multi = { enableMultiAvailabilityZones: true, addons: { grafana: { enabled: true } }, cni: "calico" };
    const nat = { enableNATGateway: true };
    const ipWhitelist = [{ cidr: "203.0.113.0/24", description: "" }];
    await created(
      "generous",
      creation("aws", { ...multi, ...nat, ipWhitelist, nodePools: [pool("aws", { availabilityZone: "eu-west-1c" })] }),
    );
    await created(
      "generous",
      creation("azure", { ...multi, ...nat, ipWhitelist, nodePools: [pool("azure", { availabilityZone: "2" })] }),
    );
    await created("generous", creation("openstack", { ...multi, ...nat, ipWhitelist }));
    await created("generous", creation("hetzner", { ...multi, ...nat }));
    await created(
      "generous",
      creation("vsphere", { ...multi, ...nat, nodePools: [pool("vsphere", { availabilityZone: "zone-2" })] }),
    );
    await created("generous", creation("byon", { ...multi, ipWhitelist }));
    expectRefused(
      await create("generous", creation("hetzner", { ...multi, region: "ash" })),
      /^enableMultiAvailabilityZones: true .*choose another region; possible in the regions fsn1$/,
    );
  });

  test("in the published clients' dialect is refused with the paths of its request", async () => {
    provisioner.use(profiles.strict);
    const body = creation("hetzner", {
      clusterPodSubnet: "10.0.0.0/20",
      enableNATGateway: true,
      ipWhitelist: [{ cidr: "203.0.113.0/24" }],
    });
    expectRefused(
      await send("POST", `/acloud${tenant.path("production")}`, body),
      /^ipWhitelist: /,
      /^enableNATGateway: /,
      /^clusterPodSubnet: /,
    );
  });
});

describe("a change of a cluster that Cluster API cannot express", () => {
  test("is refused with its other problems, and a dry run reports the same", async () => {
    const path = await created("strict", creation("hetzner"));
    const body = {
      addons: { grafana: { enabled: true }, velero: { enabled: false } },
      enableNetworkEncryption: true,
      ipWhitelist: [{ cidr: { ipRange: "203.0.113.0/24" }, description: "" }],
      updateChannel: "weekly",
      version: WITHOUT_IMAGE,
    };
    const details = [
      /^updateChannel: "weekly" is not allowed/,
      /^version: "v1.34.4-u-ame.1" is not allowed: the platform has no machine image .*; possible: v1.33.4-u-ame.1, /,
      /^enableNetworkEncryption: true is not allowed/,
      /^addons: "grafana" is not allowed/,
      /^ipWhitelist: "203.0.113.0\/24" is not allowed/,
    ];
    expectRefused(await send("PATCH", path, body), ...details);
    expectRefused(await send("PATCH", `${path}?dryRun=true`, body), ...details);
    expectRefused(await send("PATCH", path, { version: "v1.99.0-u-ame.1" }), /^version: .*must be one of/);
  });

  test("of another setting is accepted while stored settings are refused, which cannot change to other refused ones", async () => {
    const ipWhitelist = [{ cidr: "203.0.113.0/24", description: "office" }];
    const body = creation("openstack", {
      ...{ ipWhitelist, addons: { grafana: {} }, cni: "calico", enableNetworkEncryption: true },
      nodePools: [pool("openstack", { availabilityZone: "zone-1" })],
    });
    const path = await created("generous", body);
    provisioner.use(profiles.strict);
    const response = await send("PATCH", path, { deleteProtection: true, enableHighAvailability: true, ipWhitelist });
    expect(response.status, response.text).toBe(200);
    expectRefused(
      await send("PATCH", path, {
        ipWhitelist: [...ipWhitelist, { cidr: "192.0.2.0/24", description: "" }],
        addons: { velero: {} },
      }),
      /^addons: "velero"/,
      // A cluster cannot change its region, so no regions are listed.
      /^ipWhitelist: "203.* choose another region$/,
    );
    const without = await send("PATCH", path, { ipWhitelist: [], addons: {}, enableNetworkEncryption: false });
    expect(without.status, without.text).toBe(200);
    expectRefused(await send("PATCH", path, { enableNetworkEncryption: true }), /^enableNetworkEncryption: true/);
    expect((await send("GET", path)).body).toMatchObject({
      addons: {},
      ipWhitelist: [],
      cni: "calico",
      deleteProtection: true,
    });
  });

  test("of its version is refused for an older Kubernetes than its control plane has, and accepted for another build", async () => {
    const path = await created("generous", creation("aws", { version: "v1.34.4-u-ame.2" }));
    const patch = (version: string) => send("PATCH", path, { version });
    expect((await patch("v1.34.3-u-ame.1")).status, "before a control plane exists").toBe(200);
    expect((await patch("v1.34.4-u-ame.2")).status).toBe(200);
    await world.settle();
    const older =
      /^version: "v1.34.3-u-ame.1" is not allowed: the control plane has a newer version .*; the control plane has v1.34.4-u-ame.2; possible: (?!.*v1.34.3)v1.34.4-u-ame.2, .*v1.35.0-u-ame.1/;
    expectRefused(await patch("v1.34.3-u-ame.1"), older);
    const { reachable, newer } = (await send("GET", `${path}/upgrades`)).body;
    const blocks = (list: Json[], version: string) => list.find((each) => each.version === version)?.blockedBy;
    expect(blocks(reachable, "v1.34.3-u-ame.1")).toEqual([expect.stringMatching(/control plane has a newer version/)]);
    expect(blocks(reachable, WITHOUT_IMAGE)).toEqual([expect.stringMatching(/no machine image/)]);
    expect(blocks(newer, "v1.35.0-u-ame.1")).toEqual([]);
    useCatalogue(catalogueWithImages("v1.35.0-u-ame.1"));
    expect((await patch(WITHOUT_IMAGE)).status, "another build").toBe(200);
    useCatalogue(catalogueWithImages());
  });

  test("of the version of a stopped cluster in the request that starts it is refused on byon only", async () => {
    for (const provider of ["byon", "aws"] as const) {
      const path = await created("generous", creation(provider, { version: "v1.34.4-u-ame.2" }));
      await world.settle();
      expect((await send("PATCH", path, { status: "stopping" })).status).toBe(200);
      await world.settle();
      const response = await send("PATCH", path, { status: "starting", version: "v1.35.0-u-ame.1" });
      if (provider === "aws") expect(response.status, response.text).toBe(200);
      else expectRefused(response, /^version: .*start the cluster, and change its version when it is started/);
      expect((await send("PATCH", path, { status: "starting" })).status).toBe(200);
    }
  });

  test("of its credentials is refused unless they are the primary ones, where clusters share them", async () => {
    for (const provider of ["vsphere", "openstack"] as const) {
      const path = await created("generous", creation(provider));
      const account = `/api/v1/orgs/${tenant.slug}/cloud-accounts/${accounts[provider]}`;
      const secrets = { vsphere: { username: "u", password: "p" }, openstack: { credentialId: "i", credential: "s" } }[
        provider
      ];
      const made = await send("POST", `${account}/credentials/${provider}`, {
        displayName: "other",
        credentials: secrets,
      });
      expect(made.status, made.text).toBe(200);
      const change = { cloudCredentialsIdentity: made.body.identity };
      const response = await send("PATCH", path, change);
      if (provider === "openstack") expect(response.status, response.text).toBe(200);
      else {
        expectRefused(response, /^cloudCredentialsIdentity: .*make these the primary credentials/);
        expect((await send("PATCH", account, { primaryCloudCredentials: made.body.identity })).status).toBe(200);
        expect((await send("PATCH", path, change)).status).toBe(200);
      }
    }
  });
});

describe("a node pool that Cluster API cannot express", () => {
  test("is refused when it is created or changed, and an unchanged setting is accepted", async () => {
    const path = await created("generous", creation("aws"));
    const pools = `${path}/pools`;
    const body = pool("aws", { availabilityZone: "eu-west-1b", securityUpdatesOnJoin: "INSTALL", minSize: -1 });
    const details = [
      /^minSize: /,
      /^availabilityZone: "eu-west-1b".*possible: eu-west-1a$/,
      /^securityUpdatesOnJoin: "INSTALL"/,
    ];
    expectRefused(await send("POST", pools, body), ...details);
    expectRefused(await send("POST", `${pools}?dryRun=true`, body), ...details);
    const made = await send("POST", pools, pool("aws", { availabilityZone: "eu-west-1a" }));
    expect(made.status, made.text).toBe(200);
    const own = `${pools}/${made.body.id}`;
    expectRefused(
      await send("PUT", own, { securityUpdatesOnJoin: "INSTALL_AND_REBOOT", minSize: 2 }),
      /^securityUpdatesOnJoin/,
    );
    expect((await send("PUT", own, { ...pool("aws"), minSize: 2 })).body).toMatchObject({ minSize: 2 });
  });

  test("keeps a setting that was accepted before", async () => {
    provisioner.use(profiles.generous);
    const path = await created("generous", creation("byon"));
    provisioner.use({ ...profiles.generous, providers: {} });
    const made = await send("POST", `${path}/pools`, pool("byon"));
    expect(made.status, made.text).toBe(200);
    expectRefused(
      await send("PUT", `${path}/pools/${made.body.id}`, { autoScaling: true, maxSize: 3 }),
      /^autoScaling: true/,
    );
  });
});

test("a deleted cluster that Cluster API cannot express any more is not restored, with every reason", async () => {
  const body = creation("vsphere", {
    enableNATGateway: true,
    nodePools: [pool("vsphere", { availabilityZone: "zone-2" })],
  });
  const path = await created("generous", body);
  const slug = path.split("/").at(-1) ?? "";
  await send("PATCH", path, { status: "deleting" });
  await finishDeletion(world.services, tenant.slug, "production", slug);
  provisioner.use(profiles.strict);
  const refused = await send("POST", `${path}/undelete`);
  expect(refused.status, refused.text).toBe(409);
  expect(refused.body.details).toEqual([
    expect.stringMatching(/^enableNATGateway: true is not allowed: the platform has no router/),
    expect.stringMatching(/^nodePools\[web\/zone-2\]\.availabilityZone: "zone-2" is not allowed/),
  ]);
  provisioner.use(profiles.generous);
  expect((await send("POST", `${path}/undelete`)).status).toBe(200);
});
