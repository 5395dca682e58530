/** Translation for Hetzner Cloud. */

import { parseCidr } from "../../../shared/ip.ts";
import type { TranslationInput } from "../input.ts";
import { clusterLabels } from "../labels.ts";
import { namespaceOf, secretData } from "../manifest.ts";
import { NETWORK_ZONES } from "../profile-rules.ts";
import type { ProviderTranslation } from "../provider.ts";
import { PROVIDER_VERSION } from "../versions.ts";
import { startedZones } from "../zones.ts";

/** Placement group of the control plane, so that its machines do not share a host. Its limit of ten servers is too low for pools. */
const PLACEMENT_GROUP = "control-plane";

/** Key of the token in the Secret. */
const TOKEN_KEY = "hcloud";

/** Maximum prefix length of the servers' subnet, which is the first block of this length in the network. */
const SUBNET_PREFIX_LENGTH = 24;

type Input = TranslationInput<"hetzner">;

/** Returns the name of the Secret. The controllers own it, so each cluster has one. */
const secretName = ({ objectName }: Pick<Input, "objectName">): string => `${objectName}-hetzner`;

/** Returns the locations of a new cluster. */
const newLocations = ({ cluster, settings: { locations } }: Input): readonly string[] =>
  cluster.enableMultiAvailabilityZones && locations.length > 1 ? locations : [cluster.region];

/** Returns the locations of the control plane and of pools without a zone. */
const locationsOf = (input: Input): readonly string[] => startedZones(input, newLocations);

function firstSubnet(network: string): string {
  const block = parseCidr(network);
  return typeof block === "string" || block.bits >= SUBNET_PREFIX_LENGTH
    ? network
    : `${block.address}/${SUBNET_PREFIX_LENGTH}`;
}

/** Returns the private network of a cluster whose nodes have no public addresses. */
const privateNetwork = ({ cluster, settings: { networkCidr } }: Input) => ({
  hcloudNetwork: {
    enabled: true,
    cidrBlock: networkCidr,
    subnetCidrBlock: firstSubnet(networkCidr),
    networkZone: NETWORK_ZONES[cluster.region],
  },
});

/** Translation of the provider type `hetzner`. */
export const hetzner: ProviderTranslation<"hetzner"> = {
  isCloud: true,
  spreadsPools: true,
  // Without a location, the provider selects one for each machine by the hash of its name.
  newZones: newLocations,
  poolZones: locationsOf,
  infrastructureCluster: (input) => ({
    apiVersion: PROVIDER_VERSION.hetzner,
    kind: "HetznerCluster",
    spec: {
      controlPlaneRegions: locationsOf(input),
      controlPlaneLoadBalancer: { enabled: true, region: input.cluster.region },
      hcloudPlacementGroups: [{ name: PLACEMENT_GROUP, type: "spread" }],
      hetznerSecretRef: { name: secretName(input), key: { hcloudToken: TOKEN_KEY } },
      // By default the token is copied into the cluster, where its users can read it.
      skipCreatingHetznerSecretInWorkloadCluster: true,
      sshKeys: { hcloud: input.settings.sshKeys.map((name) => ({ name })) },
      ...(input.cluster.enableNATGateway ? privateNetwork(input) : {}),
    },
  }),
  machineTemplate: ({ cluster }, { role, nodeSize, release }) => ({
    apiVersion: PROVIDER_VERSION.hetzner,
    kind: "HCloudMachineTemplate",
    spec: {
      template: {
        spec: {
          type: nodeSize,
          imageName: release.image,
          ...(role === "controlPlane" ? { placementGroupName: PLACEMENT_GROUP } : {}),
          ...(role === "node" && cluster.enableNATGateway
            ? { publicNetwork: { enableIPv4: false, enableIPv6: false } }
            : {}),
        },
      },
    },
  }),
  kubeadm: () => ({}),
  // A machine is restarted first, and replaced if that does not help.
  remediationTemplate: () => ({
    apiVersion: PROVIDER_VERSION.hetzner,
    kind: "HCloudRemediationTemplate",
    spec: { template: { spec: { strategy: { type: "Reboot", retryLimit: 1, timeout: "300s" } } } },
  }),
  secrets: (input, { apiKey = "" }) => [
    {
      apiVersion: "v1",
      kind: "Secret",
      metadata: {
        name: secretName(input),
        namespace: namespaceOf(input.organisationIdentity),
        labels: clusterLabels(input),
      },
      type: "Opaque",
      data: secretData({ [TOKEN_KEY]: apiKey }),
    },
  ],
};
