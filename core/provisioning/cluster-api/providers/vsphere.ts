/** Translation for VMware vSphere. */

import type { TranslationInput } from "../input.ts";
import { accountLabels } from "../labels.ts";
import { accountObjectName, namespaceOf, secretData } from "../manifest.ts";
import type { MachineGroup, ProviderTranslation } from "../provider.ts";
import { PROVIDER_VERSION } from "../versions.ts";
import { kubeVip } from "./kube-vip.ts";
import { zoneNameOf } from "./zone-names.ts";

const API_SERVER_PORT = 6443;

/** Time for the shutdown of a machine before it is powered off, in seconds. */
const SHUTDOWN_SECONDS = 300;

/** Commands that set the host name of a machine and make it resolvable. */
const NAME_COMMANDS = [
  'hostnamectl set-hostname "{{ ds.meta_data.hostname }}"',
  'echo "::1 localhost ip6-localhost ip6-loopback" >/etc/hosts',
  'echo "127.0.0.1 {{ ds.meta_data.hostname }} {{ local_hostname }} localhost" >>/etc/hosts',
];

type Input = TranslationInput<"vsphere">;

function addressOf({ rollout: { apiAddress } }: Input): string {
  if (apiAddress === undefined) throw new Error("a cluster on vSphere needs an allocated address for its API server");
  return apiAddress;
}

function sizeOf({ nodeTypes, settings }: Input, nodeSize: string) {
  const type = nodeTypes.get(nodeSize);
  if (type === undefined) throw new Error(`the catalogue has no node type ${nodeSize} of vSphere`);
  return { numCPUs: type.cpu, memoryMiB: type.memory, diskGiB: settings.diskGiB };
}

function machineSpec(input: Input, { nodeSize, release }: MachineGroup) {
  const { settings, account } = input;
  const { parentFolder, parentResourcePool } = account.metadata;
  return {
    // No server and no thumbprint: machines use those of the VSphereCluster, so a renewed certificate replaces no machine.
    datacenter: settings.datacenter,
    datastore: settings.datastore,
    ...(parentFolder === undefined ? {} : { folder: parentFolder }),
    ...(parentResourcePool === undefined ? {} : { resourcePool: parentResourcePool }),
    template: release.image,
    // A linked clone ignores the size of the disk.
    cloneMode: "fullClone",
    ...sizeOf(input, nodeSize),
    powerOffMode: "trySoft",
    guestSoftPowerOffTimeoutSeconds: SHUTDOWN_SECONDS,
    // Required also if a zone brings its own network.
    network: { devices: [{ networkName: settings.network, dhcp4: true }] },
  };
}

/** Translation of the provider type `vsphere`. */
export const vsphere: ProviderTranslation<"vsphere"> = {
  isCloud: true,
  spreadsPools: true,
  // The name of a VSphereDeploymentZone. The control plane gets these names from the objects that the labels select.
  zoneName: ({ settings }, slug) => zoneNameOf(settings, slug),
  infrastructureCluster: (input) => {
    const { cluster, account, settings } = input;
    const { enableMultiAvailabilityZones } = cluster;
    return {
      apiVersion: PROVIDER_VERSION.vsphere,
      kind: "VSphereCluster",
      spec: {
        server: settings.server,
        thumbprint: settings.thumbprint,
        controlPlaneEndpoint: { host: addressOf(input), port: API_SERVER_PORT },
        identityRef: { kind: "VSphereClusterIdentity", name: accountObjectName(account.identity) },
        ...(enableMultiAvailabilityZones && settings.zoneLabels !== undefined
          ? { failureDomainSelector: { matchLabels: settings.zoneLabels } }
          : {}),
      },
    };
  },
  machineTemplate: (input, group) => ({
    apiVersion: PROVIDER_VERSION.vsphere,
    kind: "VSphereMachineTemplate",
    spec: { template: { spec: machineSpec(input, group) } },
  }),
  kubeadm: (input, { role }) => {
    const nodeName = "{{ local_hostname }}";
    if (role === "node") return { nodeName, preKubeadmCommands: NAME_COMMANDS };
    const { files, preKubeadmCommands } = kubeVip({
      address: addressOf(input),
      port: API_SERVER_PORT,
      image: input.settings.kubeVipImage,
      networkInterface: input.settings.kubeVipInterface,
    });
    return { nodeName, files, preKubeadmCommands: [...NAME_COMMANDS, ...preKubeadmCommands] };
  },
  identities: (input) => [
    {
      apiVersion: PROVIDER_VERSION.vsphere,
      kind: "VSphereClusterIdentity",
      metadata: { name: accountObjectName(input.account.identity), labels: accountLabels(input) },
      spec: {
        secretName: accountObjectName(input.account.identity),
        allowedNamespaces: {
          selector: { matchLabels: { "kubernetes.io/metadata.name": namespaceOf(input.organisationIdentity) } },
        },
      },
    },
  ],
  secrets: (input, { username = "", password = "", provisionUsername, provisionPassword }) => [
    {
      apiVersion: "v1",
      kind: "Secret",
      metadata: {
        name: accountObjectName(input.account.identity),
        namespace: input.settings.controllerNamespace,
        labels: accountLabels(input),
      },
      type: "Opaque",
      data: secretData({ username: provisionUsername ?? username, password: provisionPassword ?? password }),
    },
  ],
};
