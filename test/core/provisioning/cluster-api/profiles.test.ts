import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, test } from "vitest";
import { stringify } from "yaml";
import { cloudProviders, providerBySlug } from "#core/catalogue/index.ts";
import type { TranslatedType } from "#core/provisioning/cluster-api/input.ts";
import { parseProfiles } from "#core/provisioning/cluster-api/parse-profiles.ts";
import { settingsByType } from "#core/provisioning/cluster-api/profile.ts";
import { settingsOf } from "#core/provisioning/cluster-api/profiles.ts";
import { AppError } from "#core/shared/errors.ts";

const EXAMPLE = join(import.meta.dirname, "../../../../docs/examples/cluster-api-profiles.yaml");
const example = readFileSync(EXAMPLE, "utf8");

const OBJECTS = "# {{podSubnet}}\napiVersion: v1\nkind: ConfigMap\nmetadata: { name: network }\n";

/** Agents of a network. @param more properties of their pod template */
const agents = (more: string) =>
  `---\napiVersion: apps/v1\nkind: DaemonSet\nmetadata: { name: agents }\nspec: { template: { ${more} } }\n`;

const noFile = (path: string): string => {
  throw new Error(`ENOENT: no such file ${path}`);
};

const parse = (content: unknown, readFile = noFile) =>
  parseProfiles(typeof content === "string" ? content : stringify(content), readFile);

/** Returns the problems of a profile file. */
function problemsOf(content: unknown, readFile = noFile): readonly string[] {
  try {
    parse(content, readFile);
  } catch (error) {
    if (error instanceof AppError && error.kind === "invalid") return error.details;
    throw error;
  }
  return [];
}

const PUBLIC_KEY = `ssh-ed25519 ${"A".repeat(68)} me@example.com`;

/** Settings of each type that are complete. */
const complete = {
  none: {},
  byon: {},
  aws: { controlPlaneNodeSize: "m5.large" },
  azure: { controlPlaneNodeSize: "Standard_D2s_v5", sshPublicKey: PUBLIC_KEY },
  openstack: {
    controlPlaneNodeSize: "m1.medium",
    authUrl: "https://keystone.example.com/v3",
    externalNetworkId: "8a1d7c52-5d2a-4b1b-9c9d-0a1f0a6f7a11",
  },
  digitalocean: { controlPlaneNodeSize: "s-2vcpu-4gb" },
  hetzner: { controlPlaneNodeSize: "cpx32" },
  vsphere: {
    controlPlaneNodeSize: "medium",
    server: "vcenter.example.com",
    thumbprint: Array(20).fill("AB").join(":"),
    datacenter: "dc1",
    datastore: "vsan",
    network: "clusters",
    apiAddresses: "192.0.2.128/25",
    kubeVipImage: "ghcr.io/kube-vip/kube-vip:v1.0.1",
  },
} as const satisfies Record<TranslatedType, object>;

const types = Object.keys(complete) as TranslatedType[];

describe("settings by region", () => {
  it.each(types)("a provider of the type %s with its required settings gets the defaults of the others", (type) => {
    const profiles = parse({ providers: { [type]: complete[type] } });
    for (const { slug } of providerBySlug(type)?.regions ?? []) {
      expect(settingsOf(profiles, type, slug)).toMatchObject({ ...complete[type], egress: [] });
    }
  });

  it("a region has the settings of its provider, overridden by its own settings", () => {
    const profiles = parse({
      providers: {
        aws: {
          controlPlaneNodeSize: "m5.large",
          egress: ["203.0.113.0/24"],
          sshKeyName: "ops",
          regions: { "eu-central-1": { diskGiB: 80, egress: ["198.51.100.0/24"], sshKeyName: null }, "eu-west-2": {} },
        },
      },
    });
    const [ireland, frankfurt, london] = ["eu-west-1", "eu-central-1", "eu-west-2"].map((region) =>
      settingsOf(profiles, "aws", region),
    );
    expect(ireland).toMatchObject({ diskGiB: 40, egress: ["203.0.113.0/24"], sshKeyName: "ops" });
    expect(frankfurt).toMatchObject({
      controlPlaneNodeSize: "m5.large",
      diskGiB: 80,
      egress: ["198.51.100.0/24"],
      controllerNamespace: "capa-system",
    });
    expect(frankfurt).not.toHaveProperty("sshKeyName");
    expect(london).toEqual(ireland);
    expect(settingsOf(profiles, "azure", "westeurope")).toBeUndefined();
    expect(settingsOf(profiles, "constructor", "name")).toBeUndefined();
  });

  it("with a required setting only in regions, only these regions have settings", () => {
    const { server, apiAddresses, ...shared } = complete.vsphere;
    const profiles = parse({
      providers: { vsphere: { ...shared, regions: { "datacenter-1": { server, apiAddresses } } } },
    });
    expect(settingsOf(profiles, "vsphere", "datacenter-1")).toMatchObject({ server, network: "clusters" });
    expect(settingsOf(profiles, "vsphere", "datacenter-2")).toBeUndefined();
    expect(settingsOf(profiles, "vsphere", "constructor")).toBeUndefined();
  });

  it("profiles do not change when a build writes them as JSON and reads them again", () => {
    const profiles = parse(example);
    expect(JSON.parse(JSON.stringify(profiles))).toEqual(profiles);
  });
});

describe("format of a profile file", () => {
  it.each<[what: string, content: unknown, problems: unknown[]]>([
    ["a list", [], ["The profile file must be an object."]],
    ["no content", "", ["The profile file must be an object."]],
    ["no providers", { installsAddons: true }, ["providers: is required"]],
    [
      "an empty map of providers",
      { providers: {} },
      ["providers: an object is not allowed: must have at least one provider"],
    ],
    [
      "a provider without settings",
      "providers:\n  aws:\n  azure: 1",
      ["providers.azure: 1 is not allowed: must be an object"],
    ],
    ["text that is no YAML", "providers: [\nx: }", [expect.stringMatching(/at line 2/), expect.any(String)]],
    [
      "a provider that occurs twice",
      "providers:\n  aws: { controlPlaneNodeSize: m5.large }\n  aws: { controlPlaneNodeSize: m5.xlarge }",
      [expect.stringMatching(/^Map keys must be unique at line 3, column 3/)],
    ],
    [
      "a setting that occurs twice",
      "providers:\n  aws:\n    diskGiB: 40\n    controlPlaneNodeSize: m5.large\n    diskGiB: 80",
      [expect.stringMatching(/^Map keys must be unique at line 5, column 5/)],
    ],
    [
      "unknown properties",
      {
        provider: {},
        providers: { none: { disk: 1 } },
        networkInterfaces: { weave: {}, cilium: { manifests: OBJECTS, url: "x" } },
      },
      [
        "provider: unknown property",
        "networkInterfaces.weave: unknown property",
        "networkInterfaces.cilium.url: unknown property",
        "providers.none.disk: unknown property",
      ],
    ],
    [
      "settings of the wrong format",
      {
        installsAddons: "yes",
        providers: { aws: { controlPlaneNodeSize: "m5.large", diskGiB: 5, egress: ["10.0.0.1"] } },
      },
      [
        'installsAddons: "yes" is not allowed: must be true or false',
        'providers.aws.egress[0]: "10.0.0.1" is not allowed: must be an IPv4 or IPv6 range in CIDR notation, such as 10.0.0.0/16',
        "providers.aws.diskGiB: 5 is not allowed: must be at least 10",
      ],
    ],
    [
      "a version that YAML reads as a number",
      "providers:\n  byon: { newestVersion: 1.30 }",
      ["providers.byon.newestVersion: 1.3 is not allowed: must be a string"],
    ],
    [
      "regions that are no map",
      { providers: { none: { regions: ["region-1"] }, byon: { regions: { europe: 1 } } } },
      [
        "providers.none.regions: an array is not allowed: must be an object",
        "providers.byon.regions.europe: 1 is not allowed: must be an object with the settings that differ; {} for none",
      ],
    ],
  ])("a profile file with %s is refused", (_, content, problems) => {
    expect(problemsOf(content)).toEqual(problems);
  });
});

describe("rules of a profile file", () => {
  const everyRegion = providerBySlug("aws")
    ?.regions.map(({ slug }) => slug)
    .join(", ");
  const usable = "aws, azure, openstack, digitalocean, hetzner, vsphere, byon, none";

  it.each<[what: string, providers: Record<string, object>, problems: string[]]>([
    [
      "a provider that the catalogue lacks",
      { gcp: {} },
      [`providers.gcp: "gcp" is not allowed: must be one of the catalogue's providers ${usable}`],
    ],
    [
      "a provider of a type without translation",
      { multipass: {} },
      [
        `providers.multipass: "multipass" is not allowed: Cluster API has no provider of the type multipass; must be one of the catalogue's providers ${usable}`,
      ],
    ],
    [
      "a version that is no minor version",
      { byon: { newestVersion: "v1.34.4" } },
      ['providers.byon.newestVersion: "v1.34.4" is not allowed: must be a minor version of Kubernetes, such as "1.34"'],
    ],
    [
      "a region that the catalogue lacks",
      { aws: { ...complete.aws, regions: { "eu-west-9": {} } } },
      [
        `providers.aws.regions.eu-west-9: "eu-west-9" is not allowed: must be a region of aws, which are ${everyRegion}`,
      ],
    ],
    ["a required setting that is missing", { aws: {} }, ["providers.aws.controlPlaneNodeSize: is required"]],
    [
      "a required setting that is missing in one of its regions",
      { aws: { regions: { "eu-west-1": { controlPlaneNodeSize: "m5.large" }, "eu-west-2": {} } } },
      ["providers.aws.regions.eu-west-2.controlPlaneNodeSize: is required, here or in providers.aws"],
    ],
    [
      "a required setting that is missing, and no region",
      { aws: { regions: {} } },
      ["providers.aws.controlPlaneNodeSize: is required"],
    ],
    [
      "an unknown node type",
      { aws: { controlPlaneNodeSize: "cpx32" } },
      ['providers.aws.controlPlaneNodeSize: "cpx32" is not allowed: must be a node type of aws in the catalogue'],
    ],
    [
      "a node type on which kubeadm makes no control plane",
      { openstack: { ...complete.openstack, controlPlaneNodeSize: "m1.small" } },
      [
        'providers.openstack.controlPlaneNodeSize: "m1.small" is not allowed: has 1 cores and 2048 MiB, but a control plane needs at least 2 and 1700 MiB',
      ],
    ],
    [
      "all addresses as egress",
      { none: { egress: ["10.0.0.0/8", "0.0.0.0/0", "::/0"] } },
      ["0.0.0.0/0", "::/0"].map(
        (block, index) =>
          `providers.none.egress[${index + 1}]: "${block}" is not allowed: must not contain all addresses, because the egress is added to every IP whitelist`,
      ),
    ],
    [
      "a namespace with capital letters",
      { aws: { ...complete.aws, controllerNamespace: "CAPA" } },
      [
        'providers.aws.controllerNamespace: "CAPA" is not allowed: must be a namespace: 1 to 63 characters: a-z, 0-9 and -',
      ],
    ],
    ...(
      [
        ["10.0.0.0/15", "must have a prefix length of 16 to 24"],
        ["10.0.0.0/25", "must have a prefix length of 16 to 24"],
        ["fd00::/56", "must be an IPv4 block"],
      ] as const
    ).map(([block, must]): [string, Record<string, object>, string[]] => [
      `${block} as the network of a VPC`,
      { aws: { ...complete.aws, networkCidr: block } },
      [`providers.aws.networkCidr: "${block}" is not allowed: ${must}`],
    ]),
    [
      "a disk that is too large for Azure",
      { azure: { ...complete.azure, diskGiB: 2049 } },
      ["providers.azure.diskGiB: 2049 is not allowed: must be at most 2048 on azure"],
    ],
    [
      "an SSH key of a type that Azure lacks",
      { azure: { ...complete.azure, sshPublicKey: `ecdsa-sha2-nistp256 ${"A".repeat(68)}` } },
      [
        `providers.azure.sshPublicKey: "ecdsa-sha2-nistp256 ${"A".repeat(44)}"… (88 characters) is not allowed: must be one line of an authorized_keys file, ssh-rsa or ssh-ed25519`,
      ],
    ],
    [
      "subnets of Azure outside of the network, too small or overlapping",
      {
        azure: {
          ...complete.azure,
          networkCidr: "10.8.0.0/16",
          controlPlaneCidr: "10.8.0.0/30",
          nodeCidr: "10.8.0.0/15",
        },
      },
      [
        'providers.azure.controlPlaneCidr: "10.8.0.0/30" is not allowed: must have a prefix length of at most 29',
        'providers.azure.nodeCidr: "10.8.0.0/15" is not allowed: must be inside networkCidr, 10.8.0.0/16',
        'providers.azure.nodeCidr: "10.8.0.0/15" is not allowed: must not overlap controlPlaneCidr, 10.8.0.0/30',
      ],
    ],
    [
      "a network of Azure in one region that does not contain the subnets of all regions",
      { azure: { ...complete.azure, regions: { westeurope: { networkCidr: "10.0.0.0/8" }, northeurope: {} } } },
      ['controlPlaneCidr: "172.16.0.0/24"', 'nodeCidr: "172.16.1.0/24"'].map(
        (text) => `providers.azure.regions.westeurope.${text} is not allowed: must be inside networkCidr, 10.0.0.0/8`,
      ),
    ],
    [
      "an IPv6 network of Azure and of Hetzner",
      {
        azure: { ...complete.azure, networkCidr: "fd00::/48" },
        hetzner: { ...complete.hetzner, networkCidr: "fd00::/48" },
      },
      [
        'providers.azure.networkCidr: "fd00::/48" is not allowed: must be an IPv4 block',
        'providers.azure.controlPlaneCidr: "172.16.0.0/24" is not allowed: must be inside networkCidr, fd00::/48',
        'providers.azure.nodeCidr: "172.16.1.0/24" is not allowed: must be inside networkCidr, fd00::/48',
        'providers.hetzner.networkCidr: "fd00::/48" is not allowed: must be an IPv4 block',
      ],
    ],
    [
      "values that OpenStack refuses",
      {
        openstack: {
          ...complete.openstack,
          authUrl: "keystone:5000/v3",
          externalNetworkId: "public",
          dnsServers: ["198.51.100.53", "dns.example.com"],
          caCertificate: "MIIB",
          zoneNames: { "zone-1": "AZ1", nova: "nova" },
        },
      },
      [
        'providers.openstack.caCertificate: "MIIB" is not allowed: must be PEM',
        'providers.openstack.authUrl: "keystone:5000/v3" is not allowed: must be an http or https URL without a query',
        'providers.openstack.externalNetworkId: "public" is not allowed: must be the UUID of a network',
        'providers.openstack.dnsServers[1]: "dns.example.com" is not allowed: must be an IP address',
        'providers.openstack.zoneNames.nova: "nova" is not allowed: must be a zone of openstack, which are zone-1, zone-2, zone-3',
      ],
    ],
    [
      "values that DigitalOcean refuses",
      {
        digitalocean: {
          ...complete.digitalocean,
          vpcUuid: "mine",
          domain: "Example",
          account: "ours",
          sshKeys: [true],
        },
      },
      [
        "providers.digitalocean.sshKeys[0]: true is not allowed: must be the id or the fingerprint of a key",
        'providers.digitalocean.vpcUuid: "mine" is not allowed: must be the UUID of a VPC',
        'providers.digitalocean.domain: "Example" is not allowed: must be a domain name in lower case',
        'providers.digitalocean.account: "ours" is not allowed: must be the identity of a cloud account, a UUID',
      ],
    ],
    [
      "locations of several network zones, and unknown ones",
      {
        hetzner: {
          ...complete.hetzner,
          regions: { fsn1: { locations: ["fsn1", "ash"] }, nbg1: { locations: ["nbg1", "ams1"] } },
        },
      },
      [
        'providers.hetzner.regions.fsn1.locations: "fsn1, ash" is not allowed: must be locations of one network zone, and these are of eu-central and us-east',
        'providers.hetzner.regions.nbg1.locations[1]: "ams1" is not allowed: must be a region of hetzner, which are fsn1, nbg1, hel1, ash, hil, sin',
      ],
    ],
    [
      "locations that lack a region with these settings",
      {
        hetzner: {
          ...complete.hetzner,
          locations: ["fsn1", "nbg1", "hel1"],
          regions: { ash: { locations: [] }, hil: {} },
        },
      },
      ["hil", "sin"].map(
        (region) =>
          `providers.hetzner.regions.${region}.locations: lacks ${region}, so its control planes would be in fsn1, nbg1, hel1; add ${region}, or set [] for one location`,
      ),
    ],
    [
      "a fingerprint of a certificate without colons",
      { vsphere: { ...complete.vsphere, thumbprint: "AB".repeat(20) } },
      [
        `providers.vsphere.thumbprint: "${"AB".repeat(20)}" is not allowed: must be a SHA-1 or SHA-256 fingerprint, such as 12:AB:… with 20 or 32 bytes`,
      ],
    ],
    [
      "the name of a zone that vSphere lacks, and a name that no object can have",
      {
        vsphere: {
          ...complete.vsphere,
          zoneLabels: { zoned: "true" },
          zoneNames: { "zone-1": "a", "zone-2": "Zone 2", nova: "c" },
        },
      },
      [
        'providers.vsphere.zoneNames.nova: "nova" is not allowed: must be a zone of vsphere, which are zone-1, zone-2, zone-3',
        'providers.vsphere.zoneNames.zone-2: "Zone 2" is not allowed: must be the name of a VSphereDeploymentZone: at most 253 characters, a-z, 0-9, - and .',
      ],
    ],
    [
      "zones of vSphere of which some have no name, or with labels or names only",
      {
        vsphere: {
          ...complete.vsphere,
          regions: {
            "datacenter-1": { zoneLabels: { zoned: "true" }, zoneNames: { "zone-2": "dc1-b" } },
            "datacenter-2": { zoneNames: { "zone-1": "dc2-a" } },
          },
        },
      },
      [
        "providers.vsphere.regions.datacenter-1.zoneNames: lacks zone-1, zone-3: with zoneLabels, each zone of datacenter-1 needs the name of its VSphereDeploymentZone",
        "providers.vsphere.regions.datacenter-2.zoneNames: has no effect without zoneLabels; add zoneLabels, or remove zoneNames",
      ],
    ],
    [
      "zones of vSphere with the same name in two regions, and in one",
      {
        vsphere: {
          ...complete.vsphere,
          zoneLabels: { zoned: "true" },
          zoneNames: { "zone-1": "a", "zone-2": "b", "zone-3": "c" },
          regions: { "datacenter-1": { zoneNames: { "zone-1": "a", "zone-2": "b", "zone-3": "a" } } },
        },
      },
      [
        ["datacenter-1", "zone-3", "a", "zone-1"],
        ["datacenter-2", "zone-1", "a", "zone-1"],
        ["datacenter-2", "zone-2", "b", "zone-2"],
      ].map(
        ([region, zone, name, owner]) =>
          `providers.vsphere.regions.${region}.zoneNames.${zone}: "${name}" is not allowed: it is the VSphereDeploymentZone of ${owner} in datacenter-1 already; each zone needs its own`,
      ),
    ],
    ...(
      [
        ["10.0.0.0/15", "must have a prefix length of 16 to 32"],
        ["fd00::/120", "must be an IPv4 block"],
        ["224.0.0.0/24", "must not be in 224.0.0.0/3, which is multicast or reserved"],
        ["10.0.0.1/24", "must have no bits set after its prefix length"],
      ] as const
    ).map(([block, must]): [string, Record<string, object>, string[]] => [
      `${block} as addresses for API servers`,
      { vsphere: { ...complete.vsphere, apiAddresses: block } },
      [`providers.vsphere.apiAddresses: "${block}" is not allowed: ${must}`],
    ]),
  ])("a profile file with %s is refused", (_, providers, problems) => {
    expect(problemsOf({ providers })).toEqual(problems);
  });

  it("an invalid setting of a provider is reported once, and an invalid override with the path of its region", () => {
    const problems = problemsOf({
      providers: {
        aws: { controlPlaneNodeSize: "none", diskGiB: 1, regions: { "eu-west-1": {}, "eu-west-2": { diskGiB: 2 } } },
      },
    });
    expect(problems.map((each) => each.split(": ")[0])).toEqual([
      "providers.aws.diskGiB",
      "providers.aws.controlPlaneNodeSize",
      "providers.aws.regions.eu-west-2.diskGiB",
    ]);
  });

  it("apiAddresses can be a block of one address, and a block on loopback", () => {
    for (const apiAddresses of ["192.0.2.1/32", "127.20.0.0/16"]) {
      expect(problemsOf({ providers: { vsphere: { ...complete.vsphere, apiAddresses } } })).toEqual([]);
    }
  });

  it("all problems of a profile file are reported in one error", () => {
    const problems = problemsOf({
      unknown: 1,
      networkInterfaces: { cilium: { file: "./cilium.yaml" } },
      providers: { gcp: {}, aws: {} },
    });
    expect(problems).toEqual([
      "unknown: unknown property",
      'networkInterfaces.cilium.file: "./cilium.yaml" cannot be read: ENOENT: no such file ./cilium.yaml',
      expect.stringMatching(/^providers\.gcp: "gcp" is not allowed/),
      "providers.aws.controlPlaneNodeSize: is required",
    ]);
  });
});

describe("networks of a profile file", () => {
  const providers = { none: {} };
  const problemsWith = (cilium: object, readFile?: (path: string) => string) =>
    problemsOf({ networkInterfaces: { cilium }, providers }, readFile);

  it("manifests of a network are read from the profile file, or from the file that it names", () => {
    const source = `${OBJECTS}data: { pods: "{{podSubnet}}" }\n---\n# nothing\n---\n${OBJECTS}`;
    const read: string[] = [];
    const profiles = parse(
      {
        networkInterfaces: { cilium: { file: "./c.yaml" }, calico: { manifests: OBJECTS } },
        installsAddons: true,
        providers,
      },
      (path) => {
        read.push(path);
        return source;
      },
    );
    expect(profiles).toEqual({
      networkInterfaces: { cilium: { manifests: source }, calico: { manifests: OBJECTS } },
      installsAddons: true,
      providers: { none: { settings: { egress: [] }, regions: {} } },
    });
    expect(read).toEqual(["./c.yaml"]);
  });

  it("placeholders are accepted anywhere in the manifests of a network, also without quotes", () => {
    const manifests = `${OBJECTS}data: { a: {{encryption}}, b: {{podSubnet}}, c: "{{serviceSubnet}}", d: "{{ .Node }}" }`;
    expect(problemsWith({ manifests })).toEqual([]);
  });

  it.each<[what: string, cilium: object, problems: string[]]>([
    ["without objects", {}, ["networkInterfaces.cilium: must have either manifests or file"]],
    [
      "with objects and a file",
      { manifests: OBJECTS, file: "x" },
      ["networkInterfaces.cilium: must have either manifests or file"],
    ],
    [
      "with an empty document only",
      { manifests: "---\n" },
      ["networkInterfaces.cilium.manifests: contains no objects"],
    ],
    [
      "with documents that are no objects of Kubernetes",
      { manifests: `${OBJECTS}---\n- a list\n---\nkind: ConfigMap\nmetadata: {}` },
      [2, 3].map(
        (index) =>
          `networkInterfaces.cilium.manifests: document ${index} is not an object with apiVersion, kind and metadata.name`,
      ),
    ],
    [
      "with a name that is spelled differently",
      { manifests: `${OBJECTS}data: { a: "{{ podSubnet }}", b: "{{PodSubnet}}" }` },
      ["{{ podSubnet }}", "{{PodSubnet}}"].map(
        (name) =>
          `networkInterfaces.cilium.manifests: "${name}" is not replaced: must be one of {{podSubnet}}, {{serviceSubnet}}, {{encryption}}`,
      ),
    ],
  ])("a network %s is refused", (_, cilium, problems) => {
    expect(problemsWith(cilium)).toEqual(problems);
  });

  it("objects without the subnet of pods are refused, also if another placeholder is in them", () => {
    const manifests = OBJECTS.replace("podSubnet", "serviceSubnet");
    expect(problemsWith({ manifests })).toEqual([
      "networkInterfaces.cilium.manifests: lacks {{podSubnet}}, so pods would ignore the clusterPodSubnet of their cluster; write it where the network has its range, or in a comment if the network uses the ranges that Kubernetes assigns to nodes",
    ]);
  });

  it.each<[what: string, manifests: string, isRefused: boolean]>([
    ["in a ConfigMap, and in no pod template", `${OBJECTS}data: { a: "{{encryption}}" }\n${agents("")}`, true],
    [
      "in a ConfigMap, and in an annotation of the agents",
      `${OBJECTS}data: { a: "{{encryption}}" }\n${agents('metadata: { annotations: { a: "{{encryption}}" } }')}`,
      false,
    ],
    ["in a ConfigMap, without agents", `${OBJECTS}data: { a: "{{encryption}}" }\n`, false],
    [
      "in an object that agents watch",
      `${OBJECTS.replace("ConfigMap", "FelixConfiguration")}spec: { wireguardEnabled: {{encryption}} }\n${agents("")}`,
      false,
    ],
    ["in a comment beside a ConfigMap only", `# {{encryption}}\n${OBJECTS}data: { a: b }\n${agents("")}`, false],
  ])(
    "objects with the encryption %s are refused if a change would not start the agents again",
    (_, manifests, isRefused) => {
      const message =
        'networkInterfaces.cilium.manifests: has {{encryption}} in the ConfigMap network, but in the pod template of no DaemonSet, so running agents would ignore a change; add the annotation ame-clusters/encryption: "{{encryption}}" to the pod template';
      expect(problemsWith({ manifests })).toEqual(isRefused ? [message] : []);
    },
  );

  it("objects with a syntax error are refused with its line", () => {
    expect(problemsWith({ file: "c.yaml" }, () => `${OBJECTS}---\na: [\nb: 1`)).toEqual(
      [expect.stringMatching(/^networkInterfaces\.cilium\.file: document 2: .* at line 7/), expect.any(String)].slice(
        0,
        1,
      ),
    );
  });

  it("manifests that do not fit into a Secret are refused", () => {
    const large = (bytes: number) => `${OBJECTS}data: { a: "${"é".repeat(bytes / 2)}" }`;
    expect(problemsWith({ file: "c.yaml" }, () => large(690_000))).toEqual([]);
    expect(problemsWith({ file: "c.yaml" }, () => large(700_000))).toEqual([
      expect.stringMatching(/^networkInterfaces\.cilium\.file: has 700\d{3} bytes, but at most 700000 are allowed$/),
    ]);
  });
});

describe("docs/examples/cluster-api-profiles.yaml", () => {
  test("the example profile file has valid settings for every provider", () => {
    const profiles = parse(example);
    const usable = cloudProviders.filter(({ type }) => type in settingsByType).map(({ slug }) => slug);
    expect(Object.keys(profiles.providers).sort()).toEqual(usable.sort());
  });

  test("the example profile file names every setting of every provider", () => {
    const [, providers = ""] = example.split("\nproviders:\n");
    const sections = new Map(providers.split(/\n(?= {2}\w+:)/).map((text) => [/(\w+):/.exec(text)?.[1] ?? "", text]));
    for (const type of types) {
      if (type === "none") continue;
      const names = Object.keys(settingsByType[type].entries);
      const missing = names.filter((name) => !new RegExp(`[\\s{]${name}:`).test(sections.get(type) ?? ""));
      expect([type, missing]).toEqual([type, []]);
    }
  });

  test("the settings in comments of the example profile file are valid", () => {
    const lines = example.split("\n").map((line) => line.replace(/^( *)# ((?: {2})*\w+:( |$))/, "$1$2"));
    const text = lines.join("\n").replace(/caCertificate: \|[\s\S]*?END CERTIFICATE-----\n/, "");
    const files: string[] = [];
    const profiles = parse(text, (path) => {
      files.push(path);
      return OBJECTS;
    });
    expect(files).toEqual(["./cilium.yaml", "./calico.yaml"]);
    expect(settingsOf(profiles, "digitalocean", "ams3")).toMatchObject({ domain: "clusters.example.com" });
    expect(settingsOf(profiles, "vsphere", "datacenter-1")).toMatchObject({
      zoneLabels: { datacenter: "dc1" },
      zoneNames: { "zone-1": "dc1-zone-1" },
    });
  });
});
