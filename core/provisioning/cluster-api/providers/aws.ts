/** Translation for Amazon Web Services. */

import { apiSources } from "../api-sources.ts";
import type { TranslationInput } from "../input.ts";
import { accountLabels } from "../labels.ts";
import { accountObjectName, namespaceOf, secretData } from "../manifest.ts";
import type { ProviderTranslation } from "../provider.ts";
import { PROVIDER_VERSION } from "../versions.ts";
import { startedZones } from "../zones.ts";

type Input = TranslationInput<"aws">;

/** Port of the API server on the load balancer. */
const API_PORT = 6443;

const IDENTITY = "AWSClusterStaticIdentity";

interface PortRule {
  description: string;
  protocol: "tcp" | "udp" | "4" | "-1";
  fromPort: number;
  toPort: number;
}

const port = (description: string, protocol: "tcp" | "udp", number: number): PortRule => ({
  description,
  protocol,
  fromPort: number,
  toPort: number,
});

/** Rules for the traffic between machines, without encryption. Without rules, the provider allows the ports of calico only. */
const NETWORK_RULES: Record<Input["cluster"]["cni"], readonly PortRule[]> = {
  cilium: [port("VXLAN", "udp", 8472), port("cilium health", "tcp", 4240)],
  calico: [port("BGP", "tcp", 179), { description: "IP in IP", protocol: "4", fromPort: -1, toPort: 65535 }],
  custom: [{ description: "network of the cluster", protocol: "-1", fromPort: -1, toPort: -1 }],
};

/** Port of WireGuard by network; undefined for a network that the customer installs. */
const ENCRYPTION_PORT = { cilium: 51871, calico: 51820, custom: undefined };

function networkRules({ cluster: { cni, enableNetworkEncryption } }: Input): PortRule[] {
  const encryption = enableNetworkEncryption ? ENCRYPTION_PORT[cni] : undefined;
  return [...NETWORK_RULES[cni], ...(encryption === undefined ? [] : [port("WireGuard", "udp", encryption)])];
}

/** Returns the ingress rules of the load balancer. Without rules, the provider allows all addresses. It adds those of NAT gateways. */
function ingressRules(input: Input) {
  const sources = apiSources(input);
  if (sources === undefined) return {};
  const { ipv4, ipv6 } = sources;
  const blocks = {
    ...(ipv4.length === 0 ? {} : { cidrBlocks: ipv4 }),
    ...(ipv6.length === 0 ? {} : { ipv6CidrBlocks: ipv6 }),
  };
  return { ingressRules: [{ ...port("API server", "tcp", API_PORT), ...blocks }] };
}

/** Translation of the provider type `aws`. */
export const aws: ProviderTranslation<"aws"> = {
  isCloud: true,
  spreadsPools: true,
  infrastructureCluster: (input) => ({
    apiVersion: PROVIDER_VERSION.aws,
    kind: "AWSCluster",
    // Load balancers of Services, and their security groups, would block the deletion of the VPC.
    annotations: { "aws.cluster.x-k8s.io/external-resource-gc": "true" },
    spec: {
      region: input.cluster.region,
      identityRef: { kind: IDENTITY, name: accountObjectName(input.account.identity) },
      // No subnets: the provider chooses and stores them.
      network: {
        vpc: {
          cidrBlock: input.settings.networkCidr,
          availabilityZoneUsageLimit: Math.max(1, startedZones(input).length),
          availabilityZoneSelection: "Ordered",
        },
        cni: { cniIngressRules: networkRules(input) },
      },
      controlPlaneLoadBalancer: {
        loadBalancerType: "nlb",
        scheme: "internet-facing",
        healthCheckProtocol: "HTTPS",
        ...ingressRules(input),
      },
    },
  }),
  machineTemplate({ cluster, settings }, { role, nodeSize, release }) {
    const isControlPlane = role === "controlPlane";
    return {
      apiVersion: PROVIDER_VERSION.aws,
      kind: "AWSMachineTemplate",
      spec: {
        template: {
          spec: {
            instanceType: nodeSize,
            ami: { id: release.image },
            iamInstanceProfile: isControlPlane ? settings.controlPlaneInstanceProfile : settings.nodeInstanceProfile,
            // Machines of the control plane are behind a load balancer.
            publicIP: !isControlPlane && !cluster.enableNATGateway,
            rootVolume: { size: settings.diskGiB, type: "gp3" },
            // Without this property, the provider uses a key pair named "default", which accounts may lack.
            sshKeyName: settings.sshKeyName ?? "",
            instanceMetadataOptions: {
              httpEndpoint: "enabled",
              httpTokens: "required",
              // A second hop lets controllers in pods, such as the EBS CSI driver, use the role of the machine.
              httpPutResponseHopLimit: 2,
              instanceMetadataTags: "disabled",
            },
          },
        },
      },
    };
  },
  // The cloud controller manager finds an instance by its private DNS name.
  kubeadm: () => ({ nodeName: "{{ ds.meta_data.local_hostname }}" }),
  identities: (input) => [
    {
      apiVersion: PROVIDER_VERSION.aws,
      kind: IDENTITY,
      metadata: { name: accountObjectName(input.account.identity), labels: accountLabels(input) },
      spec: {
        secretRef: accountObjectName(input.account.identity),
        allowedNamespaces: { list: [namespaceOf(input.organisationIdentity)] },
      },
    },
  ],
  secrets: (input, { accessKeyId = "", accessKeySecret = "" }) => [
    {
      apiVersion: "v1",
      kind: "Secret",
      metadata: {
        name: accountObjectName(input.account.identity),
        namespace: input.settings.controllerNamespace,
        labels: accountLabels(input),
      },
      type: "Opaque",
      data: secretData({ AccessKeyID: accessKeyId, SecretAccessKey: accessKeySecret }),
    },
  ],
};
