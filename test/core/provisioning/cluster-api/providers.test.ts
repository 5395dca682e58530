import { expect, test } from "vitest";
import type { TranslationInput } from "#core/provisioning/cluster-api/input.ts";
import { digitalocean } from "#core/provisioning/cluster-api/providers/digitalocean.ts";
import { hetzner } from "#core/provisioning/cluster-api/providers/hetzner.ts";
import { exampleOf } from "#test/support/cluster-api/examples.ts";

const onHetzner = (region: string, settings: object, cluster: object = {}): TranslationInput<"hetzner"> => {
  const input = exampleOf("hetzner", "minimal") as TranslationInput<"hetzner">;
  return {
    ...input,
    cluster: { ...input.cluster, region, ...cluster },
    settings: { ...input.settings, hasRouter: true, ...settings },
  };
};

test.each([
  ["fsn1", "eu-central"],
  ["hel1", "eu-central"],
  ["ash", "us-east"],
  ["hil", "us-west"],
  ["sin", "ap-southeast"],
])("a private network of Hetzner in %s is in the network zone %s", (region, networkZone) => {
  const input = onHetzner(region, { networkCidr: "10.64.0.0/16" }, { enableNATGateway: true });
  expect(hetzner.infrastructureCluster(input).spec).toMatchObject({
    hcloudNetwork: { enabled: true, cidrBlock: "10.64.0.0/16", subnetCidrBlock: "10.64.0.0/24", networkZone },
  });
});

test("a private network of Hetzner with fewer addresses than a subnet has one subnet of its size", () => {
  const input = onHetzner("fsn1", { networkCidr: "10.64.0.0/26" }, { enableNATGateway: true });
  expect(hetzner.infrastructureCluster(input).spec).toMatchObject({
    hcloudNetwork: { cidrBlock: "10.64.0.0/26", subnetCidrBlock: "10.64.0.0/26" },
  });
});

test("a cluster on Hetzner without several zones, and one in a region without other locations, is in its region only", () => {
  const locations = ["nbg1", "fsn1"];
  const inAll = onHetzner("fsn1", { locations }, { enableMultiAvailabilityZones: true });
  const regionsOf = (input: TranslationInput<"hetzner">) => ({
    controlPlane: (hetzner.infrastructureCluster(input).spec as { controlPlaneRegions: string[] }).controlPlaneRegions,
    pools: hetzner.poolZones?.(input),
  });
  expect(regionsOf(inAll)).toEqual({ controlPlane: locations, pools: locations });
  expect(regionsOf(onHetzner("fsn1", { locations }))).toEqual({ controlPlane: ["fsn1"], pools: ["fsn1"] });
  const inOne = onHetzner("ash", { locations: [] }, { enableMultiAvailabilityZones: true });
  expect(regionsOf(inOne)).toEqual({ controlPlane: ["ash"], pools: ["ash"] });
});

test("ids of images and SSH keys of DigitalOcean are numbers, and slugs and fingerprints are texts", () => {
  const input = exampleOf("digitalocean", "minimal") as TranslationInput<"digitalocean">;
  const sshKeys = ["3b:16", "289794", 12];
  const specOf = (image: string) => {
    const group = { role: "node" as const, nodeSize: "s", owner: "one", release: { ...input.release, image } };
    return digitalocean.machineTemplate({ ...input, settings: { ...input.settings, sshKeys } }, group).spec;
  };
  expect(specOf("13442")).toEqual({
    template: { spec: { size: "s", image: 13_442, sshKeys: ["3b:16", 289_794, 12] } },
  });
  expect(specOf("ubuntu-24-04-x64")).toMatchObject({ template: { spec: { image: "ubuntu-24-04-x64" } } });
});
