import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, test } from "vitest";
import { parse } from "yaml";
import { changedIds, checkCatalogue, missingEntries } from "#core/catalogue/check.ts";
import { shippedCatalogue } from "#core/catalogue/index.ts";
import type { CatalogueData } from "#core/catalogue/schema.ts";
import { AppError } from "#core/shared/errors.ts";

/** Content as a file has it: anything may be wrong. */
// biome-ignore lint/suspicious/noExplicitAny: the tests put wrong values into the content
type Content = any;

const copy = (): Content => structuredClone(shippedCatalogue);

/** Returns the problems of a changed copy of the shipped catalogue. */
function problemsOf(change: (content: Content) => unknown): readonly string[] {
  const content = copy();
  const replaced = change(content);
  try {
    checkCatalogue(replaced === null || Array.isArray(replaced) ? replaced : content, shippedCatalogue);
  } catch (error) {
    if (error instanceof AppError && error.kind === "invalid") return error.details;
    throw error;
  }
  return [];
}

const SHA256 = "a".repeat(64);
const NEW_PROFILE = "11111111-1111-4111-8111-111111111111";

/** Provider that the shipped catalogue lacks. */
const cyso = () => ({
  id: 20,
  slug: "cyso-cloud-ams2",
  type: "openstack",
  name: "Cyso Cloud",
  profile: NEW_PROFILE,
  regions: [{ id: 2001, slug: "ams2", name: "Amsterdam", zones: { 1: "ams2-a" } }],
  nodeTypes: { "s5.small": [2, 4096] },
});

describe("format of a catalogue file", () => {
  it.each<[what: string, change: (content: Content) => unknown, problem: string]>([
    ["a list", () => [], "The catalogue must be an object."],
    ["nothing", () => null, "The catalogue must be an object."],
    ["an unknown property", (c) => Object.assign(c, { provider: [] }), "provider: unknown property"],
    [
      "an unknown property of a region",
      (c) => Object.assign(c.providers[0].regions[1], { zone: {} }),
      "providers[0].regions[1].zone: unknown property",
    ],
    ["no providers", (c) => delete c.providers, "providers: is required"],
    [
      "an empty list of providers",
      (c) => Object.assign(c, { providers: [] }),
      "providers: an array is not allowed: must have at least 1 entry",
    ],
    [
      "a time without milliseconds",
      (c) => Object.assign(c, { createdAt: "2026-11-01T00:00:00Z" }),
      'createdAt: "2026-11-01T00:00:00Z" is not allowed: must be a time in UTC with milliseconds, 2026-11-01T00:00:00.000Z',
    ],
    [
      "an id of 0",
      (c) => Object.assign(c.providers[0], { id: 0 }),
      "providers[0].id: 0 is not allowed: must be at least 1",
    ],
    [
      "an id with a fraction",
      (c) => Object.assign(c.providers[0].regions[0], { id: 1.5 }),
      "providers[0].regions[0].id: 1.5 is not allowed: must be a whole number",
    ],
    [
      "an unknown type of provider",
      (c) => Object.assign(c.providers[0], { type: "gcp" }),
      'providers[0].type: "gcp" is not allowed: must be one of none, byon, aws, azure, multipass, openstack, digitalocean, hetzner, vsphere',
    ],
    [
      "a profile that is not a UUID",
      (c) => Object.assign(c.providers[0], { profile: "aws" }),
      'providers[0].profile: "aws" is not allowed: must be a UUID in lower case',
    ],
    [
      "a slug with capital letters",
      (c) => c.providers.push({ ...cyso(), slug: "Cyso" }),
      'providers[9].slug: "Cyso" is not allowed: must be a slug: 1 to 63 characters: a-z, 0-9 and -',
    ],
    [
      "a region without zones",
      (c) => Object.assign(c.providers[0].regions[0], { zones: {} }),
      "providers[0].regions[0].zones: an object is not allowed: must have at least one zone",
    ],
    [
      "a zone numbered 0",
      (c) => Object.assign(c.providers[0].regions[0].zones, { 0: "eu-west-1z" }),
      'providers[0].regions[0].zones.0: "0" is not allowed: must be a number of a zone, 1 to 99',
    ],
    [
      "a node type with text as memory",
      (c) => Object.assign(c.providers[0].nodeTypes, { "t3.medium": [2, "4 GiB"] }),
      "providers[0].nodeTypes.t3.medium: an array is not allowed: must be [cores, memory in MiB], two whole numbers",
    ],
    [
      "no node types",
      (c) => Object.assign(c.providers[2], { nodeTypes: {} }),
      "providers[2].nodeTypes: an object is not allowed: must have at least one node type",
    ],
    [
      "an incomplete version",
      (c) => Object.assign(c.versions[7], { version: "v1.35.1" }),
      'versions[7].version: "v1.35.1" is not allowed: must be a version such as v1.34.4-u-ame.2',
    ],
    [
      "a version of Kubernetes that YAML reads as a number",
      (c) => Object.assign(c.software["v1.34"], { pause: 3.1 }),
      "software.v1.34.pause: 3.1 is not allowed: must be a string",
    ],
    [
      "a checksum that is too short",
      (c) => Object.assign(c.checksums.kubelet["1.35.1"], { arm64: "abc" }),
      'checksums.kubelet.1.35.1.arm64: "abc" is not allowed: must be a SHA-256 checksum, 64 hexadecimal digits',
    ],
    [
      "a checksum for one architecture only",
      (c) => delete c.checksums.kubeadm["1.33.4"].arm64,
      "checksums.kubeadm.1.33.4.arm64: is required",
    ],
    [
      "a machine image without text",
      (c) => Object.assign(c.versions[0], { images: { aws: { "*": "" } } }),
      'versions[0].images.aws.*: "" is not allowed: must have at least 1 character',
    ],
    [
      "machine images without regions",
      (c) => Object.assign(c.versions[0], { images: { aws: "ami-0123456789abcdef0" } }),
      'versions[0].images.aws: "ami-0123456789abcdef0" is not allowed: must be an object',
    ],
    [
      "a machine image for a pattern of regions",
      (c) => Object.assign(c.versions[0], { images: { aws: { "eu-*": "ami-0123456789abcdef0" } } }),
      'versions[0].images.aws.eu-*: "eu-*" is not allowed: must be the slug of a region, or * for all',
    ],
    [
      "a channel with a space in its name",
      (c) => Object.assign(c.channels[0], { name: "v1 33" }),
      'channels[0].name: "v1 33" is not allowed: must be 1 to 63 characters: a-z, 0-9, . and -',
    ],
  ])("a catalogue with %s is refused", (_, change, problem) => {
    expect(problemsOf(change)).toContain(problem);
  });
});

describe("rules of a catalogue", () => {
  it("a catalogue with new entries is accepted", () => {
    const problems = problemsOf((content) => {
      content.providers.push(cyso());
      content.providers[0].regions.push({
        id: 399,
        slug: "us-west-1",
        name: "N. California",
        zones: { 1: "us-west-1a" },
      });
      content.providers[0].regions[4].unavailableZones = ["us-west-2d"];
      content.providers[0].unavailableNodeTypes = ["m5.large"];
      content.providers[1].available = false;
      content.checksums.kubeadm["1.35.2"] = { amd64: SHA256, arm64: SHA256 };
      content.checksums.kubelet["1.35.2"] = { amd64: SHA256, arm64: SHA256 };
      content.versions.push({ version: "v1.35.2-u-ame.1", kubernetes: "v1.35.2" });
      content.channels.push({ name: "stable", version: "v1.35.2-u-ame.1" });
      content.versions[0].images = {
        aws: { "eu-west-1": "ami-0123456789abcdef0", "*": "ami-0fedcba9876543210" },
        "cyso-cloud-ams2": { ams2: "node-v1.33.4-1" },
      };
    });
    expect(problems).toEqual([]);
  });

  it("a catalogue may lack entries of the shipped catalogue", () => {
    expect(problemsOf((content) => Object.assign(content, { providers: [cyso()] }))).toEqual([]);
  });

  it.each<[what: string, change: (content: Content) => unknown, problems: string[]]>([
    [
      "two providers with one id",
      (c) => c.providers.push({ ...cyso(), id: 3 }),
      [
        "providers[9].id: 3 is not allowed: it repeats providers[0].id",
        "providers[9].id: 3 is not allowed: it is the id of the provider aws; ids never change",
      ],
    ],
    [
      "two providers with one slug",
      (c) =>
        c.providers.push(cyso(), {
          ...cyso(),
          id: 21,
          profile: NEW_PROFILE.replace("1", "2"),
          regions: [{ ...cyso().regions[0], id: 2101 }],
        }),
      ['providers[10].slug: "cyso-cloud-ams2" is not allowed: it repeats providers[9].slug'],
    ],
    [
      "two providers with one profile",
      (c) =>
        c.providers.push(cyso(), { ...cyso(), id: 21, slug: "other", regions: [{ ...cyso().regions[0], id: 2101 }] }),
      [`providers[10].profile: "${NEW_PROFILE}" is not allowed: it repeats providers[9].profile`],
    ],
    [
      "two regions with one id in two providers",
      (c) => c.providers.push(cyso(), { ...cyso(), id: 21, slug: "other", profile: NEW_PROFILE.replace("1", "2") }),
      [
        "providers[10].regions[0].id: 2001 is not allowed: it repeats providers[9].regions[0].id",
        "providers[10].regions[0].zones.1: 200101 is not allowed: it repeats providers[9].regions[0].zones.1",
      ],
    ],
    [
      "two regions with one slug",
      (c) => c.providers[0].regions.push({ id: 398, slug: "eu-west-1", name: "Again", zones: { 9: "eu-west-1z" } }),
      [
        'providers[0].regions[31].slug: "eu-west-1" is not allowed: it repeats providers[0].regions[0].slug',
        "providers[0].regions[31].id: 398 is not allowed: the region aws/eu-west-1 has the id 301; ids never change",
      ],
    ],
    [
      "two zones with one name",
      (c) => Object.assign(c.providers[0].regions[0].zones, { 4: "eu-west-1a" }),
      [
        'providers[0].regions[0].zones.4: "eu-west-1a" is not allowed: it repeats providers[0].regions[0].zones.1',
        "providers[0].regions[0].zones.4: 30104 is not allowed: the zone aws/eu-west-1/eu-west-1a has the id 30101; ids never change",
      ],
    ],
    [
      "an unavailable zone that does not exist",
      (c) => Object.assign(c.providers[0].regions[0], { unavailableZones: ["eu-west-1z"] }),
      ['providers[0].regions[0].unavailableZones[0]: "eu-west-1z" is not allowed: there is no such zone'],
    ],
    [
      "an unavailable node type that does not exist",
      (c) => Object.assign(c.providers[0], { unavailableNodeTypes: ["t1.micro"] }),
      ['providers[0].unavailableNodeTypes[0]: "t1.micro" is not allowed: there is no such node type'],
    ],
    [
      "a node type of a cloud without memory",
      (c) => Object.assign(c.providers[0].nodeTypes, { "t3.zero": [1, 0] }),
      [
        "providers[0].nodeTypes.t3.zero: is not allowed: only a provider of the type byon may have node types without cores or memory",
      ],
    ],
    [
      "a provider for the user's own machines without the default node type",
      (c) => delete c.providers[7].nodeTypes.byon,
      ["providers[7].nodeTypes.byon: is required"],
    ],
    [
      "a version that occurs twice",
      (c) => c.versions.push({ ...c.versions[0] }),
      ['versions[8].version: "v1.33.4-u-ame.1" is not allowed: it repeats versions[0].version'],
    ],
    [
      "another version of Kubernetes than the version says",
      (c) => Object.assign(c.versions[0], { kubernetes: "v1.33.5" }),
      ['versions[0].kubernetes: "v1.33.5" is not allowed: must be v1.33.4, as in v1.33.4-u-ame.1'],
    ],
    [
      "a version without checksums",
      (c) => c.versions.push({ version: "v1.35.9-u-ame.1", kubernetes: "v1.35.9" }),
      [
        'versions[8].version: v1.35.9-u-ame.1 needs checksums.kubeadm["1.35.9"], which is missing',
        'versions[8].version: v1.35.9-u-ame.1 needs checksums.kubelet["1.35.9"], which is missing',
      ],
    ],
    [
      "a minor version without its software",
      (c) => delete c.software["v1.33"],
      [0, 1, 2].map(
        (at) =>
          `versions[${at}].version: ${shippedCatalogue.versions[at]?.version} needs software["v1.33"], which is missing`,
      ),
    ],
    [
      "software without checksums",
      (c) => Object.assign(c.software["v1.35"], { containerd: "2.2.0" }),
      ['software["v1.35"].containerd: "2.2.0" needs checksums.containerd["2.2.0"], which is missing'],
    ],
    [
      "machine images of providers that do not exist",
      (c) =>
        Object.assign(c.versions[1], { images: { gcp: { "*": "node" }, constructor: {}, hetzner: { "*": "node" } } }),
      ["gcp", "constructor"].map(
        (name) =>
          `versions[1].images.${name}: "${name}" is not allowed: must be one of the providers aws, azure, multipass, openstack, digitalocean, hetzner, vsphere, byon, none`,
      ),
    ],
    [
      "a machine image of a region that does not exist",
      (c) => Object.assign(c.versions[1], { images: { hetzner: { fsn1: "node", "eu-west-1": "node" } } }),
      [
        'versions[1].images.hetzner.eu-west-1: "eu-west-1" is not allowed: must be a region of hetzner, which are fsn1, nbg1, hel1, ash, hil, sin, or * for all',
      ],
    ],
    [
      "machine images of a provider without machines",
      (c) => Object.assign(c.versions[1], { images: { byon: { "*": "node" }, none: { "*": "node" } } }),
      ["byon", "none"].map(
        (type) =>
          `versions[1].images.${type}: "${type}" is not allowed: a provider of the type ${type} has no machine images`,
      ),
    ],
    [
      "a channel that occurs twice",
      (c) => c.channels.push({ ...c.channels[0] }),
      ['channels[3].name: "v1.33" is not allowed: it repeats channels[0].name'],
    ],
    [
      "a channel to an unknown version",
      (c) => Object.assign(c.channels[0], { version: "v1.33.9-u-ame.1" }),
      ['channels[0].version: "v1.33.9-u-ame.1" is not allowed: must be one of the versions'],
    ],
    [
      "an available channel to an unavailable version",
      (c) => Object.assign(c.versions[2], { available: false }),
      ['channels[0].version: "v1.33.8-u-ame.1" is not allowed: the version is not available, but the channel is'],
    ],
  ])("a catalogue with %s is refused", (_, change, problems) => {
    expect(problemsOf(change)).toEqual(problems);
  });

  it("problems of format, rules and ids are reported together", () => {
    const problems = problemsOf((content) => {
      delete content.providers[0].name;
      content.providers[1].regions[0].id = 999;
      content.versions[0].kubernetes = "v1.0.0";
      content.extra = true;
    });
    expect(problems).toEqual([
      "providers[0].name: is required",
      "extra: unknown property",
      'versions[0].kubernetes: "v1.0.0" is not allowed: must be v1.33.4, as in v1.33.4-u-ame.1',
      "providers[1].regions[0].id: 999 is not allowed: the region azure/westeurope has the id 401; ids never change",
      "providers[1].regions[0].zones.1: 99901 is not allowed: the zone azure/westeurope/1 has the id 40101; ids never change",
      "providers[1].regions[0].zones.2: 99902 is not allowed: the zone azure/westeurope/2 has the id 40102; ids never change",
      "providers[1].regions[0].zones.3: 99903 is not allowed: the zone azure/westeurope/3 has the id 40103; ids never change",
    ]);
  });
});

describe("comparison with another catalogue", () => {
  const changed = (change: (content: Content) => unknown): CatalogueData => {
    const content = copy();
    change(content);
    return content;
  };

  it("an id of an entry that another catalogue had for another entry is found, for each kind of id", () => {
    const swapped = changed((content) => {
      const [aws, azure] = content.providers;
      [aws.id, azure.id] = [azure.id, aws.id];
      [aws.profile, azure.profile] = [azure.profile, aws.profile];
    });
    expect(changedIds(swapped, shippedCatalogue).map(({ path }) => path)).toEqual([
      "providers[0].id",
      "providers[0].profile",
      "providers[1].id",
      "providers[1].profile",
    ]);
    expect(changedIds(copy(), shippedCatalogue)).toEqual([]);
  });

  it("every kind of entry that is missing is listed, and an unavailable one is not missing", () => {
    const fewer = changed((content) => {
      content.providers.splice(3, 1);
      content.providers[0].regions.splice(1);
      delete content.providers[1].regions[0].zones[3];
      delete content.providers[1].nodeTypes.Standard_B2ls_v2;
      content.providers[1].available = false;
      content.versions.splice(0, 1);
      content.channels.splice(2, 1);
    });
    const missing = missingEntries(fewer, shippedCatalogue);
    for (const each of [
      "provider openstack",
      "region aws/eu-central-1",
      "zone aws/eu-central-1/eu-central-1a",
      "zone azure/westeurope/3",
      "node type azure/Standard_B2ls_v2",
      "version v1.33.4-u-ame.1",
      "channel v1.35",
    ]) {
      expect(missing).toContain(each);
    }
    expect(missing.filter((each) => /^(provider|region) (azure|hetzner)/.test(each))).toEqual([]);
    expect(missingEntries(copy(), shippedCatalogue)).toEqual([]);
  });

  it("a machine image that is missing is listed, and a changed one or one for all regions is not missing", () => {
    const withImages = (images: object) => changed((content) => Object.assign(content.versions[0], { images }));
    const before = withImages({ aws: { "*": "a", "eu-west-1": "b", "eu-west-2": "c" }, hetzner: { fsn1: "d" } });
    expect(missingEntries(withImages({ aws: { "eu-west-1": "e" } }), before)).toEqual([
      "image v1.33.4-u-ame.1 of aws/*",
      "image v1.33.4-u-ame.1 of aws/eu-west-2",
      "image v1.33.4-u-ame.1 of hetzner/fsn1",
    ]);
    expect(missingEntries(withImages({ aws: { "*": "f" }, hetzner: { "*": "g" } }), before)).toEqual([]);
    const without = changed((content) => content.versions.splice(0, 1));
    expect(missingEntries(without, before)).toEqual(["version v1.33.4-u-ame.1"]);
  });
});

test("the example of docs/catalogue.md is a valid catalogue", () => {
  const page = readFileSync(join(import.meta.dirname, "../../../docs/catalogue.md"), "utf8");
  const [, example = ""] = /```yaml\n(.*?)```/s.exec(page) ?? [];
  const data = checkCatalogue(parse(example), shippedCatalogue);
  expect(data.providers[0]?.regions[1]).toMatchObject({ slug: "south", available: false });
  expect(data.versions[0]?.images).toEqual({ "our-cloud": { north: "node-v1.35.1-3", "*": "node-v1.35.1-2" } });
});
