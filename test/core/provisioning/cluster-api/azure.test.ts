import { describe, expect, test } from "vitest";
import type { Cluster } from "#core/cluster/entity.ts";
import type { TranslationInput } from "#core/provisioning/cluster-api/input.ts";
import { translate } from "#core/provisioning/cluster-api/translate.ts";
import { problemsOf } from "#test/support/cluster-api/crd-validator.ts";
import { exampleOf } from "#test/support/cluster-api/examples.ts";
import type { Json } from "#test/support/world.ts";

const full = exampleOf("azure", "full");
const internal: TranslationInput = {
  ...full,
  settings: { ...full.settings, internalLoadBalancer: true } as TranslationInput["settings"],
};

const withCluster = (cluster: Partial<Cluster>, input = full): TranslationInput => ({
  ...input,
  cluster: { ...input.cluster, ...cluster },
});

const ofKind = (input: TranslationInput, kind: string): Json[] =>
  translate(input).filter((manifest) => manifest.kind === kind);
const specOf = (input: TranslationInput): Json => ofKind(input, "AzureCluster")[0].spec;

describe("rules of the control plane's subnet on azure", () => {
  const rulesOf = (...cidrs: string[]): Json[] => {
    const ipWhitelist = cidrs.map((cidr) => ({ cidr, description: "" }));
    return specOf(withCluster({ ipWhitelist })).networkSpec.subnets[0].securityGroup.securityRules;
  };
  const ruleFor = (rules: Json[], port: string) => rules.find(({ destinationPorts }) => destinationPorts === port);

  test("the control plane subnet on azure has a rule for 6443 and one for 22, because the provider would open ports without a rule", () => {
    for (const rules of [rulesOf(), rulesOf("203.0.113.0/24")]) {
      expect(rules).toHaveLength(2);
      expect(ruleFor(rules, "22")).toMatchObject({ action: "Deny", source: "*" });
      expect(ruleFor(rules, "6443")).toMatchObject({ action: "Allow" });
    }
    expect(ruleFor(rulesOf(), "6443")).toMatchObject({ source: "*" });
  });

  test("an IP whitelist on azure allows its ranges, the management cluster and the virtual network", () => {
    const rule = ruleFor(rulesOf("203.0.113.0/24"), "6443");
    expect(rule.sources).toEqual(["172.20.0.0/16", "192.0.2.10/32", "198.51.100.0/24", "203.0.113.0/24"]);
    expect(rule).not.toHaveProperty("source");
  });

  test("another IP whitelist on azure gives a rule with another name, because the provider compares only name and port", () => {
    const names = [rulesOf(), rulesOf("203.0.113.0/24"), rulesOf("192.0.2.0/24")].map(
      (rules) => ruleFor(rules, "6443").name,
    );
    expect(new Set(names).size).toBe(3);
    expect(ruleFor(rulesOf("203.0.113.0/24"), "6443").name).toBe(names[1]);
  });
});

describe("the API server on azure", () => {
  test("an API server on azure without internalLoadBalancer has the provider's default address, and machines use it", () => {
    expect(specOf(full).networkSpec.apiServerLB).toEqual({ type: "Public" });
    expect(ofKind(full, "KubeadmControlPlane")[0].spec.kubeadmConfigSpec).not.toHaveProperty("preKubeadmCommands");
    expect(ofKind(full, "KubeadmConfigTemplate")[0].spec.template.spec).not.toHaveProperty("preKubeadmCommands");
  });

  test("with internalLoadBalancer, machines on azure use a second address: the last usable one of the subnet", () => {
    const { objectName } = full;
    const host = `${objectName}.westeurope.cloudapp.azure.com`;
    const { frontendIPs } = specOf(internal).networkSpec.apiServerLB;
    expect(frontendIPs).toEqual([
      { name: `${objectName}-api`, publicIP: { name: `${objectName}-api`, dnsName: host } },
      { name: `${objectName}-api-internal`, privateIP: "172.20.0.254" },
    ]);
    const settings = ofKind(internal, "KubeadmControlPlane")[0].spec.kubeadmConfigSpec;
    expect(settings.preKubeadmCommands).toEqual([
      `if [ -f /run/kubeadm/kubeadm.yaml ]; then echo '127.0.0.1 ${host}' >> /etc/hosts; else echo '172.20.0.254 ${host}' >> /etc/hosts; fi`,
    ]);
    expect(settings.postKubeadmCommands).toEqual([`sed -i 's/^172.20.0.254 ${host}$/127.0.0.1 ${host}/' /etc/hosts`]);
    for (const { spec } of ofKind(internal, "KubeadmConfigTemplate")) {
      expect(spec.template.spec.preKubeadmCommands).toEqual([`echo '172.20.0.254 ${host}' >> /etc/hosts`]);
    }
    expect(translate(internal).flatMap((manifest) => problemsOf(manifest))).toEqual([]);
  });

  test("the internal address in a /29 subnet on azure is the last one that Azure does not reserve", () => {
    const settings = { ...internal.settings, controlPlaneCidr: "172.20.0.8/29" } as TranslationInput["settings"];
    expect(specOf({ ...internal, settings }).networkSpec.apiServerLB.frontendIPs[1].privateIP).toBe("172.20.0.14");
  });
});

describe("zones on azure", () => {
  test("a cluster in one zone on azure excludes the other zones from its control plane", () => {
    expect(specOf(withCluster({ enableMultiAvailabilityZones: false })).failureDomains).toEqual({
      1: { controlPlane: true },
      2: { controlPlane: false },
      3: { controlPlane: false },
    });
  });

  test("a cluster on azure in several zones, or in a region without zones, excludes no zone", () => {
    expect(specOf(withCluster({ enableMultiAvailabilityZones: true }))).not.toHaveProperty("failureDomains");
    const settings = { ...full.settings, hasZones: false } as TranslationInput["settings"];
    const single = withCluster({ enableMultiAvailabilityZones: false }, { ...full, settings });
    expect(specOf(single)).not.toHaveProperty("failureDomains");
  });
});

describe("machines on azure", () => {
  test("machines on azure get the file azure.json of their template", () => {
    const templates = new Set(ofKind(full, "AzureMachineTemplate").map(({ metadata }) => metadata.name));
    const secrets = [
      ...ofKind(full, "KubeadmControlPlane").map(({ spec }) => spec.kubeadmConfigSpec),
      ...ofKind(full, "KubeadmConfigTemplate").map(({ spec }) => spec.template.spec),
    ].map(({ files }) => files.at(-1).contentFrom.secret);
    expect(secrets.map(({ key }) => key)).toEqual([
      "control-plane-azure.json",
      ...Array(3).fill("worker-node-azure.json"),
    ]);
    expect(new Set(secrets.map(({ name }) => name.replace(/-azure-json$/, "")))).toEqual(templates);
  });

  test("machines on azure have an image with a resource id or from a community gallery", () => {
    const imageOf = (image: string) =>
      ofKind({ ...full, release: { ...full.release, image } }, "AzureMachineTemplate")[0].spec.template.spec.image;
    const id = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/galleries/a/images/b/versions/1.0.0";
    expect(imageOf(id)).toEqual({ id });
    expect(imageOf("/CommunityGalleries/nodes-1/Images/ubuntu/Versions/1.34.4")).toEqual({
      computeGallery: { gallery: "nodes-1", name: "ubuntu", version: "1.34.4" },
    });
  });
});

test("a translation for azure without the details of the account fails, and names the account", () => {
  expect(() => translate({ ...full, accountDetails: undefined })).toThrow(full.account.identity);
});
