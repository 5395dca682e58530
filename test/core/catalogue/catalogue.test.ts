import { afterEach, describe, expect, it } from "vitest";
import { buildCatalogue } from "#core/catalogue/build.ts";
import { checkCatalogue } from "#core/catalogue/check.ts";
import {
  type CloudProvider,
  catalogueRevision,
  channelByName,
  cloudProfiles,
  cloudProviders,
  cloudProviderTypes,
  clusterVersions,
  compareVersions,
  isAvailableVersion,
  isBringYourOwn,
  machineImageOf,
  nodeTypeOf,
  parseVersion,
  profileByIdentity,
  providerBySlug,
  type Region,
  regionOf,
  shippedCatalogue,
  updateChannels,
  useCatalogue,
  zoneOf,
} from "#core/catalogue/index.ts";
import known from "./ids.json" with { type: "json" };

const KNOWN_FILE = "test/core/catalogue/ids.json";
const SLUG = /^[a-z0-9-]+$/;
const DATE = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const UUID_V4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

const regions = cloudProviders.flatMap((provider) => provider.regions);
const zones = regions.flatMap((region) => region.availabilityZones);

const repeated = <T>(values: readonly T[]): T[] => values.filter((value, at) => values.indexOf(value) !== at);

function providerOf(slug: string): CloudProvider {
  const provider = providerBySlug(slug);
  if (provider === undefined) throw new Error(`provider ${slug} not found`);
  return provider;
}

function regionIn(provider: string, slug: string): Region {
  const region = regionOf(providerOf(provider), slug);
  if (region === undefined) throw new Error(`region ${slug} of ${provider} not found`);
  return region;
}

describe("providers of the catalogue", () => {
  it("each provider type occurs once and is the slug of its provider", () => {
    expect([...cloudProviderTypes]).toEqual([
      "none",
      "byon",
      "aws",
      "azure",
      "multipass",
      "openstack",
      "digitalocean",
      "hetzner",
      "vsphere",
    ]);
    expect(cloudProviders.map((provider) => provider.type).sort()).toEqual([...cloudProviderTypes].sort());
    expect(cloudProviders.map((provider) => provider.slug)).toEqual(cloudProviders.map((provider) => provider.type));
  });

  it("providers are listed with clouds first, then bring-your-own-nodes and the provider without machines", () => {
    expect(cloudProviders.map((provider) => provider.slug)).toEqual([
      "aws",
      "azure",
      "multipass",
      "openstack",
      "digitalocean",
      "hetzner",
      "vsphere",
      "byon",
      "none",
    ]);
  });

  it.each(cloudProviders)(
    "the provider $slug has at least two regions, three zones per region and four node types",
    (provider) => {
      expect(provider.regions.length).toBeGreaterThanOrEqual(2);
      for (const region of provider.regions) {
        expect(region.provider).toBe(provider.slug);
        // Each of these locations of Hetzner is alone in its network zone.
        const least = ["ash", "hil", "sin"].includes(region.slug) ? 1 : 3;
        expect(region.availabilityZones.length, region.slug).toBeGreaterThanOrEqual(least);
      }
      expect(provider.nodeTypes.length).toBeGreaterThanOrEqual(4);
    },
  );

  it("the shipped catalogue passes its own checks", () => {
    expect(checkCatalogue(shippedCatalogue, shippedCatalogue)).toEqual(shippedCatalogue);
  });

  it("the names of DigitalOcean's sizes agree with their cores and memory", () => {
    for (const { type, cpu, memory } of providerOf("digitalocean").nodeTypes) {
      const [, cores, gigabytes] = /-(\d+)vcpu-(\d+)gb/.exec(type) ?? [];
      if (cores !== undefined) expect([type, cpu, memory]).toEqual([type, Number(cores), Number(gigabytes) * 1024]);
    }
  });

  it("sizes that clients ask for in examples exist, with the cores and memory of their providers", () => {
    const sizeOf = (provider: string, type: string) => {
      const { cpu, memory } = nodeTypeOf(providerOf(provider), type) ?? {};
      return [cpu, memory];
    };
    expect(sizeOf("aws", "t3.small")).toEqual([2, 2048]);
    expect(sizeOf("aws", "m7g.16xlarge")).toEqual([64, 262_144]);
    expect(sizeOf("azure", "Standard_E96s_v5")).toEqual([96, 688_128]);
    expect(sizeOf("hetzner", "cpx21")).toEqual([3, 4096]);
    expect(sizeOf("openstack", "SCS-2V-8")).toEqual([2, 8192]);
  });

  it("catalogue ids are unique, positive, safe integers", () => {
    for (const rows of [cloudProviders, regions, zones]) {
      const ids = rows.map((row) => row.id);
      expect(repeated(ids)).toEqual([]);
      expect(ids.filter((id) => !(Number.isSafeInteger(id) && id > 0))).toEqual([]);
    }
  });

  it("catalogue slugs are valid in a path and unique within their parent", () => {
    for (const rows of [
      cloudProviders,
      ...cloudProviders.map((provider) => provider.regions),
      ...regions.map((region) => region.availabilityZones),
    ]) {
      const slugs = rows.map((row) => row.slug);
      expect(slugs.filter((slug) => !SLUG.test(slug) || slug.length > 63)).toEqual([]);
      expect(repeated(slugs)).toEqual([]);
    }
  });

  it("catalogue entries have names, and dates in UTC with milliseconds", () => {
    for (const row of [...cloudProviders, ...regions, ...zones]) {
      expect(row.name).not.toBe("");
      expect(row.createdAt).toMatch(DATE);
      expect(row.modifiedAt).toMatch(DATE);
      expect(Date.parse(row.modifiedAt)).toBeGreaterThanOrEqual(Date.parse(row.createdAt));
    }
  });

  it.each(cloudProviders)(
    "node types of the provider $slug have whole cores and megabytes and unique names",
    ({ nodeTypes }) => {
      expect(repeated(nodeTypes.map((nodeType) => nodeType.type))).toEqual([]);
      for (const { type, cpu, memory } of nodeTypes) {
        // Only providers of the user's own machines may have an unknown size.
        const least = type === "byon" ? 0 : 1;
        expect(Number.isSafeInteger(cpu) && cpu >= least, type).toBe(true);
        expect(Number.isSafeInteger(memory) && memory >= least * 1024, type).toBe(true);
      }
    },
  );

  it("node types of providers of the user's own machines begin with byon, of unknown size", () => {
    expect(providerOf("byon").nodeTypes[0]).toEqual({ type: "byon", cpu: 0, memory: 0, available: true });
  });

  it("providers are served with all properties", () => {
    const { regions: _, nodeTypes: __, ...aws } = providerOf("aws");
    const date = "2026-11-01T00:00:00.000Z";
    expect(aws).toEqual({
      id: 3,
      name: "Amazon Web Services",
      slug: "aws",
      type: "aws",
      available: true,
      createdAt: date,
      modifiedAt: date,
    });
    const { availabilityZones, ...ireland } = regionIn("aws", "eu-west-1");
    expect(ireland).toEqual({
      id: 301,
      provider: "aws",
      name: "Europe (Ireland)",
      slug: "eu-west-1",
      available: true,
      restricted: false,
      createdAt: date,
      modifiedAt: date,
    });
    expect(availabilityZones[0]).toEqual({
      id: 30101,
      name: "eu-west-1a",
      slug: "eu-west-1a",
      available: true,
      createdAt: date,
      modifiedAt: date,
    });
  });
});

describe("profiles of the catalogue", () => {
  it("each provider has one enabled, public profile with all of its regions", () => {
    expect(cloudProfiles.map(({ identity: _, ...profile }) => profile)).toEqual(
      cloudProviders.map((provider) => ({
        displayName: provider.name,
        metadata: {},
        cloudProvider: provider.slug,
        regions: provider.regions.map((region) => region.slug),
        enabled: true,
        public: true,
        type: provider.type,
      })),
    );
  });

  it("profile identities are unique UUIDs", () => {
    const identities = cloudProfiles.map((profile) => profile.identity);
    expect(identities.filter((identity) => !UUID_V4.test(identity))).toEqual([]);
    expect(repeated(identities)).toEqual([]);
  });
});

describe("Kubernetes versions of the catalogue", () => {
  const numbers = clusterVersions.map(({ version }) => {
    const parsed = parseVersion(version);
    if (parsed === undefined) throw new Error(`${version} is not a version`);
    return { version, ...parsed };
  });

  it("the catalogue lists the versions that nodes can be installed with, oldest first", () => {
    expect(clusterVersions).toEqual(
      [
        "v1.33.4-u-ame.1",
        "v1.33.4-u-ame.2",
        "v1.33.8-u-ame.1",
        "v1.34.3-u-ame.1",
        "v1.34.4-u-ame.1",
        "v1.34.4-u-ame.2",
        "v1.35.0-u-ame.1",
        "v1.35.1-u-ame.1",
      ].map((version) => ({ version, kubernetes: version.split("-")[0], available: true })),
    );
    expect(repeated(clusterVersions.map(({ version }) => version))).toEqual([]);
  });

  it("versions span at least three minors with two patches each, and one patch has two builds", () => {
    const byMinor = Object.values(Object.groupBy(numbers, ({ minor }) => minor)).map((rows) => rows ?? []);
    expect(byMinor.length).toBeGreaterThanOrEqual(3);
    for (const rows of byMinor) expect(new Set(rows.map(({ patch }) => patch)).size).toBeGreaterThanOrEqual(2);
    const builds = Object.values(Object.groupBy(numbers, ({ minor, patch }) => `${minor}.${patch}`));
    expect(Math.max(...builds.map((rows) => rows?.length ?? 0))).toBeGreaterThanOrEqual(2);
  });

  it("each minor has a channel that leads to its newest version", () => {
    expect(updateChannels).toEqual([
      { name: "v1.33", available: true, kubernetesClusterVersion: "v1.33.8-u-ame.1" },
      { name: "v1.34", available: true, kubernetesClusterVersion: "v1.34.4-u-ame.2" },
      { name: "v1.35", available: true, kubernetesClusterVersion: "v1.35.1-u-ame.1" },
    ]);
    expect(updateChannels.map(({ name }) => name)).toEqual([
      ...new Set(numbers.map(({ major, minor }) => `v${major}.${minor}`)),
    ]);
    for (const { name, kubernetesClusterVersion } of updateChannels) {
      const newer = numbers.filter(
        ({ version, minor }) => name === `v1.${minor}` && compareVersions(version, kubernetesClusterVersion) > 0,
      );
      expect(newer).toEqual([]);
      expect(isAvailableVersion(kubernetesClusterVersion)).toBe(true);
    }
  });

  it("a version is parsed into numbers", () => {
    expect(parseVersion("v1.33.4-u-ame.2")).toEqual({ major: 1, minor: 33, patch: 4, build: 2 });
    expect(parseVersion("v1.0.0-u-ame.0")).toEqual({ major: 1, minor: 0, patch: 0, build: 0 });
    expect(parseVersion("v1.9999.10-u-ame.120")).toEqual({ major: 1, minor: 9999, patch: 10, build: 120 });
  });

  it.each([
    "",
    "1.33.4-u-ame.2",
    "v1.33",
    "v1.33.4",
    "v1.33.4-u-ame",
    "v1.33.4-u-ame.",
    "v2.33.4-u-ame.2",
    "v1.033.4-u-ame.2",
    "v1.33.04-u-ame.2",
    "v1.33.4-u-ame.02",
    "v1.33.4-u-ame.2 ",
    " v1.33.4-u-ame.2",
    "v1.33.4-u-ame.2\n",
    "v1.33.4-u-ame.2.1",
    "v1.33.4-U-AME.2",
    "v1.33.-4-u-ame.2",
    "v1.33.4-u-ame.1e1",
    "v1.33.4-u-ame.99999",
    "v1x33x4-u-ame.2",
  ])("%j is not parsed as a version", (text) => {
    expect(parseVersion(text)).toBeUndefined();
  });

  it("versions are ordered by number, not by text", () => {
    expect(compareVersions("v1.10.0-u-ame.1", "v1.9.0-u-ame.1")).toBeGreaterThan(0);
    expect(compareVersions("v1.33.10-u-ame.1", "v1.33.9-u-ame.1")).toBeGreaterThan(0);
    expect(compareVersions("v1.33.4-u-ame.10", "v1.33.4-u-ame.9")).toBeGreaterThan(0);
    expect(compareVersions("v1.33.9-u-ame.1", "v1.33.10-u-ame.1")).toBeLessThan(0);
    expect(compareVersions("v1.33.4-u-ame.1", "v1.33.4-u-ame.1")).toBe(0);
  });

  it("versions are ordered by minor, then patch, then build", () => {
    expect(compareVersions("v1.34.0-u-ame.0", "v1.33.9-u-ame.9")).toBeGreaterThan(0);
    expect(compareVersions("v1.33.5-u-ame.0", "v1.33.4-u-ame.9")).toBeGreaterThan(0);
  });

  it("versions sort after texts that are not versions", () => {
    expect(compareVersions("latest", "v1.33.4-u-ame.1")).toBeLessThan(0);
    expect(compareVersions("v1.33.4-u-ame.1", "")).toBeGreaterThan(0);
    expect(compareVersions("latest", "newest")).toBe(0);
  });
});

describe("catalogue lookups", () => {
  it("a provider is found by its slug", () => {
    for (const provider of cloudProviders) expect(providerBySlug(provider.slug)).toBe(provider);
    for (const slug of ["", "AWS", "gcp", "constructor"]) expect(providerBySlug(slug)).toBeUndefined();
  });

  it("a region is found only within its provider", () => {
    for (const provider of cloudProviders) {
      for (const region of provider.regions) expect(regionOf(provider, region.slug)).toBe(region);
    }
    for (const slug of ["", "westeurope", "length"]) expect(regionOf(providerOf("aws"), slug)).toBeUndefined();
  });

  it("a zone is found only within its region", () => {
    for (const region of regions) {
      for (const zone of region.availabilityZones) expect(zoneOf(region, zone.slug)).toBe(zone);
    }
    const ireland = regionIn("aws", "eu-west-1");
    for (const slug of ["", "eu-central-1a", "1"]) expect(zoneOf(ireland, slug)).toBeUndefined();
  });

  it("a node type is found only within its provider, in its exact spelling", () => {
    for (const provider of cloudProviders) {
      for (const nodeType of provider.nodeTypes) expect(nodeTypeOf(provider, nodeType.type)).toBe(nodeType);
    }
    for (const type of ["", "T3.medium", "cx23"]) expect(nodeTypeOf(providerOf("aws"), type)).toBeUndefined();
  });

  it("a profile is found by its identity", () => {
    for (const profile of cloudProfiles) expect(profileByIdentity(profile.identity)).toBe(profile);
    for (const identity of ["", "aws", "00000000-0000-4000-8000-000000000000"]) {
      expect(profileByIdentity(identity)).toBeUndefined();
    }
  });

  it("a channel is found by its name", () => {
    for (const channel of updateChannels) expect(channelByName(channel.name)).toBe(channel);
    for (const name of ["", "1.34", "v1.36", "v1.34.4-u-ame.2"]) expect(channelByName(name)).toBeUndefined();
  });

  it("a version is found only by its full name", () => {
    for (const { version } of clusterVersions) expect(isAvailableVersion(version)).toBe(true);
    for (const text of ["", "1.34", "v1.34", "v1.34.4", "v1.34.4-u-ame.3", "v1.34.4-u-ame.02"]) {
      expect(isAvailableVersion(text)).toBe(false);
    }
  });

  it("providers of the user's own machines are recognised", () => {
    expect(cloudProviderTypes.filter(isBringYourOwn)).toEqual(["byon"]);
  });
});

describe("catalogue ids never change", () => {
  type Ids = Readonly<Record<string, number | string>>;

  /** Describes the errors of the served ids, each with the action to take. */
  function drift(served: Ids, golden: Ids): string[] {
    const problems: string[] = [];
    for (const [key, id] of Object.entries(golden)) {
      if (!Object.hasOwn(served, key)) {
        problems.push(`${key} is missing, but clusters may use it: restore the row with id ${id}, as unavailable`);
      } else if (served[key] !== id) {
        problems.push(`${key} had id ${id} and now has ${served[key]}, but clients have stored the old id: restore it`);
      }
    }
    for (const [key, id] of Object.entries(served)) {
      if (!Object.hasOwn(golden, key)) {
        problems.push(`${key} is new: check its id, then add ${JSON.stringify({ [key]: id })} to ${KNOWN_FILE}`);
      }
    }
    return problems;
  }

  it("the ids of providers do not change", () => {
    const served = cloudProviders.map(({ slug, id }) => [slug, id] as const);
    expect(drift(Object.fromEntries(served), known.providers)).toEqual([]);
  });

  it("the ids of regions do not change", () => {
    const served = regions.map(({ provider, slug, id }) => [`${provider}/${slug}`, id] as const);
    expect(drift(Object.fromEntries(served), known.regions)).toEqual([]);
  });

  it("the ids of zones do not change", () => {
    const served = regions.flatMap((region) =>
      region.availabilityZones.map(({ slug, id }) => [`${region.provider}/${region.slug}/${slug}`, id] as const),
    );
    expect(drift(Object.fromEntries(served), known.zones)).toEqual([]);
  });

  it("node types, versions and channels stay, also if they are no longer offered", () => {
    const lacking = (recorded: string, served: readonly string[]) =>
      recorded.split(" ").filter((name) => !served.includes(name));
    for (const { slug, nodeTypes } of cloudProviders) {
      const recorded = (known.nodeTypes as Record<string, string>)[slug] ?? "";
      const served = nodeTypes.map(({ type }) => type);
      expect(lacking(recorded, served), `restore them in ${slug}, and add them to unavailableNodeTypes`).toEqual([]);
      expect(lacking(served.join(" "), recorded.split(" ")), `add them to ${KNOWN_FILE}`).toEqual([]);
    }
    const versions = clusterVersions.map(({ version }) => version);
    expect(lacking(known.versions, versions), "restore them, as unavailable").toEqual([]);
    expect(lacking(versions.join(" "), known.versions.split(" ")), `add them to ${KNOWN_FILE}`).toEqual([]);
    const channels = updateChannels.map(({ name }) => name);
    expect(lacking(known.channels, channels), "restore them, as unavailable").toEqual([]);
    expect(lacking(channels.join(" "), known.channels.split(" ")), `add them to ${KNOWN_FILE}`).toEqual([]);
  });

  it("the ids of profiles do not change", () => {
    const served = cloudProfiles.map(({ cloudProvider, identity }) => [cloudProvider, identity] as const);
    expect(drift(Object.fromEntries(served), known.profiles)).toEqual([]);
  });
});

it("the catalogue's revision follows its content", () => {
  expect(catalogueRevision).toBe(buildCatalogue(shippedCatalogue).revision);
  expect(catalogueRevision).toMatch(/^[0-9a-f]{12}$/);
  const [first, ...others] = shippedCatalogue.versions;
  if (first === undefined) throw new Error("no version");
  const changed = { ...shippedCatalogue, versions: [{ ...first, available: false }, ...others] };
  expect(buildCatalogue(changed).revision).not.toBe(catalogueRevision);
});

describe("machine images", () => {
  const images = { aws: { "eu-west-1": "ami-1", "*": "ami-2" }, hetzner: { fsn1: "node-1" } };
  const withImages = {
    ...shippedCatalogue,
    versions: shippedCatalogue.versions.map((row, index) => (index === 0 ? { ...row, images } : row)),
  };

  // Other test files share the catalogue of the process.
  afterEach(() => useCatalogue(shippedCatalogue));

  it("an image is found by version, provider and region, or else for all regions of the provider", () => {
    useCatalogue(withImages);
    const [first, second] = ["v1.33.4-u-ame.1", "v1.33.4-u-ame.2"] as const;
    expect(machineImageOf(first, "aws", "eu-west-1")).toBe("ami-1");
    expect(machineImageOf(first, "aws", "eu-west-2")).toBe("ami-2");
    expect(machineImageOf(first, "hetzner", "fsn1")).toBe("node-1");
    for (const [version, provider, region] of [
      [second, "aws", "eu-west-1"],
      [first, "hetzner", "nbg1"],
      [first, "azure", "westeurope"],
      [first, "constructor", "name"],
    ] as const) {
      expect(machineImageOf(version, provider, region)).toBeUndefined();
    }
  });

  it("the shipped catalogue has no images", () => {
    for (const { version } of clusterVersions) {
      for (const { provider, slug } of regions) expect(machineImageOf(version, provider, slug)).toBeUndefined();
    }
  });

  it("images change neither the list of versions nor the revision, which is part of entity tags", () => {
    const before = clusterVersions;
    useCatalogue(withImages);
    expect(clusterVersions).toEqual(before);
    expect(catalogueRevision).toBe(buildCatalogue(shippedCatalogue).revision);
  });
});
