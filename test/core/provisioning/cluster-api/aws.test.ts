import { describe, expect, test } from "vitest";
import type { Cluster } from "#core/cluster/entity.ts";
import type { TranslationInput } from "#core/provisioning/cluster-api/input.ts";
import { translate } from "#core/provisioning/cluster-api/translate.ts";
import { exampleOf } from "#test/support/cluster-api/examples.ts";
import { minimalSettings } from "#test/support/cluster-api/provider-settings.ts";
import type { Json } from "#test/support/world.ts";

const full = exampleOf("aws", "full");

const withCluster = (cluster: Partial<Cluster>): TranslationInput => ({
  ...full,
  cluster: { ...full.cluster, ...cluster },
});

const networkOf = (input: TranslationInput): Json =>
  (translate(input).find(({ kind }) => kind === "AWSCluster") as Json).spec;

const ranges = (...cidrs: string[]) => cidrs.map((cidr) => ({ cidr, description: "" }));

describe("machines on aws", () => {
  const machinesOf = (input: TranslationInput) =>
    translate(input)
      .filter(({ kind }) => kind === "AWSMachineTemplate")
      .map((manifest: Json) => ({
        isControlPlane: manifest.metadata.name.includes("-cp-"),
        ...manifest.spec.template.spec,
      }));

  test.each([true, false])(
    "nodes on aws have public addresses unless enableNATGateway is true (%s), and control plane machines have none",
    (enableNATGateway) => {
      const machines = machinesOf(withCluster({ enableNATGateway }));
      expect(machines.map(({ isControlPlane, publicIP }) => [isControlPlane, publicIP])).toEqual([
        [true, false],
        [false, !enableNATGateway],
        [false, !enableNATGateway],
        [false, !enableNATGateway],
      ]);
    },
  );

  test("without sshKeyName in the profile, machines on aws have an empty one, so that no key pair is used", () => {
    const [machine] = machinesOf({ ...full, settings: minimalSettings("aws") });
    expect(machine?.sshKeyName).toBe("");
  });
});

describe("the network of a cluster on aws", () => {
  test("the ingress rules on aws have the ports of the cni, and the port of WireGuard with enableNetworkEncryption", () => {
    const portsOf = (cluster: Partial<Cluster>) =>
      networkOf(withCluster(cluster)).network.cni.cniIngressRules.map(
        ({ protocol, fromPort, toPort }: Json) => `${protocol} ${fromPort} ${toPort}`,
      );
    expect(portsOf({ cni: "cilium", enableNetworkEncryption: false })).toEqual(["udp 8472 8472", "tcp 4240 4240"]);
    expect(portsOf({ cni: "cilium", enableNetworkEncryption: true })).toContain("udp 51871 51871");
    expect(portsOf({ cni: "calico", enableNetworkEncryption: false })).toEqual(["tcp 179 179", "4 -1 65535"]);
    expect(portsOf({ cni: "calico", enableNetworkEncryption: true })).toContain("udp 51820 51820");
    expect(portsOf({ cni: "custom" })).toEqual(["-1 -1 -1"]);
  });

  test("a cluster on aws uses up to three zones with enableMultiAvailabilityZones, and one zone otherwise", () => {
    const limitOf = (enableMultiAvailabilityZones: boolean, zones: string[]) =>
      networkOf({ ...withCluster({ enableMultiAvailabilityZones }), zones }).network.vpc.availabilityZoneUsageLimit;
    expect(limitOf(true, ["a", "b", "c", "d"])).toBe(3);
    expect(limitOf(true, ["a", "b"])).toBe(2);
    expect(limitOf(false, ["a", "b", "c"])).toBe(1);
  });
});

describe("the IP whitelist of a cluster on aws", () => {
  const rulesOf = (...cidrs: string[]) =>
    networkOf(withCluster({ ipWhitelist: ranges(...cidrs) })).controlPlaneLoadBalancer.ingressRules;

  test("the IP whitelist on aws contains the egress blocks of the management cluster", () => {
    expect(rulesOf("203.0.113.0/24")).toEqual([
      {
        description: "API server",
        protocol: "tcp",
        fromPort: 6443,
        toPort: 6443,
        cidrBlocks: ["192.0.2.10/32", "198.51.100.0/24", "203.0.113.0/24"],
      },
    ]);
  });

  test("an empty IP whitelist on aws gives no ingress rules, so that all addresses are allowed", () => {
    expect(rulesOf()).toBeUndefined();
  });

  test("the IP whitelist on aws has each block once, in the provider's spelling, and no block inside another one", () => {
    const [rule] = rulesOf("10.1.0.0/16", "2001:DB8:0::/48", "10.0.0.0/8", "2001:db8::/48", "10.1.2.3/32");
    expect(rule.cidrBlocks).toEqual(["10.0.0.0/8", "192.0.2.10/32", "198.51.100.0/24"]);
    expect(rule.ipv6CidrBlocks).toEqual(["2001:db8::/48"]);
  });
});
