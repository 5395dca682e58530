import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import type { Cluster } from "#core/cluster/entity.ts";
import type { TranslationInput } from "#core/provisioning/cluster-api/input.ts";
import { translate, translateSecrets } from "#core/provisioning/cluster-api/translate.ts";
import { exampleOf } from "#test/support/cluster-api/examples.ts";
import { completeSettings, minimalSettings, type Settings } from "#test/support/cluster-api/provider-settings.ts";
import type { Json } from "#test/support/world.ts";

const full = exampleOf("openstack", "full");
const minimal: TranslationInput = { ...full, settings: minimalSettings("openstack") };

const ofKind = (input: TranslationInput, kind: string): Json[] =>
  translate(input).filter((manifest) => manifest.kind === kind);
const specOf = (input: TranslationInput): Json => ofKind(input, "OpenStackCluster")[0].spec;
const machineOf = (input: TranslationInput): Json => ofKind(input, "OpenStackMachineTemplate")[0].spec.template.spec;
const withSettings = (settings: object): TranslationInput => ({
  ...full,
  settings: { ...completeSettings("openstack"), ...settings } as Settings,
});

describe("credentials for openstack", () => {
  const cloudsOf = (input: TranslationInput) => {
    const [secret] = translateSecrets(input, { credentialId: "id: 1", credential: "a'b\"c" });
    const data = Object.entries(secret?.data ?? {}).map(([name, text]) => [
      name,
      Buffer.from(text, "base64").toString(),
    ]);
    return Object.fromEntries(data);
  };

  test("credentials for openstack are an application credential in clouds.yaml, without a project", () => {
    const { "clouds.yaml": text } = cloudsOf(full);
    expect(parse(text).clouds[specOf(full).identityRef.cloudName]).toMatchObject({
      auth_type: "v3applicationcredential",
      auth: {
        auth_url: "https://identity.example.com/v3",
        application_credential_id: "id: 1",
        application_credential_secret: "a'b\"c",
      },
      region_name: "RegionOne",
    });
    expect(text).not.toContain(full.account.metadata.tenantId);
  });

  test("credentials for openstack include a certificate authority only if the profile has caCertificate", () => {
    expect(cloudsOf(full).cacert).toContain("BEGIN CERTIFICATE");
    expect(cloudsOf(minimal)).not.toHaveProperty("cacert");
  });
});

describe("zones and regions of openstack", () => {
  test("zones and regions on openstack have the names in the profile, and their slugs without a name", () => {
    expect(specOf(full).controlPlaneAvailabilityZones).toEqual(["AZ1", "AZ2", "zone-3"]);
    const zones = ofKind(full, "MachineDeployment").map(({ spec }) => spec.template.spec.failureDomain);
    expect(zones).toEqual(["AZ1", "AZ2", "zone-3", "AZ2", "AZ1", "AZ2", "zone-3"]);
    expect(specOf(minimal).controlPlaneAvailabilityZones).toEqual(["zone-1", "zone-2", "zone-3"]);
    expect(specOf(full).identityRef.region).toBe("RegionOne");
    expect(specOf(minimal).identityRef.region).toBe("regionone");
  });

  test("a cluster on openstack without enableMultiAvailabilityZones names no zone", () => {
    const cluster: Cluster = { ...full.cluster, enableMultiAvailabilityZones: false };
    const spec = specOf({ ...full, cluster });
    expect(spec.controlPlaneOmitAvailabilityZone).toBe(true);
    expect(spec).not.toHaveProperty("controlPlaneAvailabilityZones");
  });
});

describe("machines on openstack", () => {
  test("machines on openstack have a root volume only with rootVolume, in the zone volumeZone", () => {
    expect(machineOf(withSettings({ rootVolume: false }))).not.toHaveProperty("rootVolume");
    const volumeOf = (settings: object) => machineOf(withSettings({ rootVolume: true, ...settings })).rootVolume;
    expect(volumeOf({ volumeZone: "nova" })).toEqual({
      sizeGiB: 80,
      type: "ssd",
      availabilityZone: { from: "Name", name: "nova" },
    });
    expect(volumeOf({ volumeZone: "machine" }).availabilityZone).toEqual({ from: "Machine" });
    expect(volumeOf({ volumeZone: undefined, volumeType: undefined })).toEqual({ sizeGiB: 80 });
  });

  test("machines on openstack have an image by UUID or by name", () => {
    const imageOf = (image: string) => machineOf({ ...full, release: { ...full.release, image } }).image;
    const id = "6c1b5f0a-0000-4000-8000-00000000000A";
    expect(imageOf(id)).toEqual({ id });
    expect(imageOf("node-v1.34.4")).toEqual({ filter: { name: "node-v1.34.4" } });
  });

  test("nodes on openstack register with the provider id that Cluster API expects", () => {
    for (const { spec } of ofKind(full, "KubeadmConfigTemplate")) {
      expect(spec.template.spec.joinConfiguration.nodeRegistration).toMatchObject({
        name: "{{ local_hostname }}",
        kubeletExtraArgs: expect.arrayContaining([{ name: "provider-id", value: "openstack:///{{ instance_id }}" }]),
      });
    }
  });
});

test("the load balancer on openstack gets only the IPv4 ranges of an IP whitelist, because its address is IPv4", () => {
  expect(specOf(full).apiServerLoadBalancer.allowedCIDRs).toEqual([
    "192.0.2.10/32",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
  ]);
  const both = ["2001:db8::/32", "203.0.113.0/24"].map((cidr) => ({ cidr, description: "" }));
  const mixed: Cluster = { ...full.cluster, ipWhitelist: both };
  expect(specOf({ ...full, cluster: mixed }).apiServerLoadBalancer.allowedCIDRs).not.toContain("2001:db8::/32");
  const open: Cluster = { ...full.cluster, ipWhitelist: [] };
  expect(specOf({ ...full, cluster: open }).apiServerLoadBalancer).toEqual({ enabled: true });
});
