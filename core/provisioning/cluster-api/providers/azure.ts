/** Translation for Microsoft Azure. */

import { Address, parseCidr } from "../../../shared/ip.ts";
import { apiSources } from "../api-sources.ts";
import { type AccountDetails, MAX_ZONES, type TranslationInput } from "../input.ts";
import { accountLabels } from "../labels.ts";
import { accountObjectName, namespaceOf, secretData, shortHash } from "../manifest.ts";
import type { AccountInput, KubeadmSettings, ProviderTranslation } from "../provider.ts";
import { PROVIDER_VERSION } from "../versions.ts";
import { startedZones } from "../zones.ts";

type Input = TranslationInput<"azure">;

const IDENTITY = "AzureClusterIdentity";

/** Version of an image in a community gallery. All other images have a resource id. */
const COMMUNITY_IMAGE = /^\/communityGalleries\/([^/]+)\/images\/([^/]+)\/versions\/([^/]+)$/i;

function detailsOf({ account, accountDetails }: AccountInput<"azure">): AccountDetails {
  if (accountDetails === undefined)
    throw new Error(`the translation for azure needs the subscription of the cloud account ${account.identity}`);
  return accountDetails;
}

const inbound = (destinationPorts: string) => ({
  protocol: "Tcp",
  direction: "Inbound",
  sourcePorts: "*",
  destination: "*",
  destinationPorts,
});

/**
 * Returns the security rules of the control plane's subnet. Without rules for the ports 22 and 6443, the provider adds rules that allow all
 * addresses. It compares existing rules by name and port only, so a rule with other sources needs another name.
 */
function securityRules(input: Input) {
  const sources = apiSources(input, [input.settings.networkCidr])?.ipv4;
  const suffix = sources === undefined ? "" : `_${shortHash(sources.join(), 8)}`;
  return [
    {
      name: `allow_apiserver${suffix}`,
      description: "API server",
      priority: 2201,
      ...inbound("6443"),
      ...(sources === undefined ? { source: "*" } : { sources }),
      action: "Allow",
    },
    {
      name: "deny_ssh",
      description: "no SSH",
      priority: 2200,
      ...inbound("22"),
      source: "*",
      action: "Deny",
    },
  ];
}

/** Returns the DNS name of the API server. It is unique in the region, because `objectName` contains a hash of the identity. */
const apiHost = ({ objectName, cluster }: Input): string => `${objectName}.${cluster.region}.cloudapp.azure.com`;

/** Returns the address of the internal load balancer: the last one of the subnet that Azure does not reserve. */
function internalAddress({ settings: { controlPlaneCidr } }: Input): string {
  const block = parseCidr(controlPlaneCidr);
  if (typeof block === "string") throw new Error(`controlPlaneCidr ${controlPlaneCidr} ${block}`);
  const { address, bits } = block;
  return new Address(4, address.value + (1n << BigInt(address.length - bits)) - 2n).toString();
}

/** Returns the frontend IPs of the load balancer. The provider creates a public one by default, but not in addition to an internal one. */
function frontends(input: Input) {
  if (!input.settings.internalLoadBalancer) return {};
  const name = `${input.objectName}-api`;
  return {
    frontendIPs: [
      { name, publicIP: { name, dnsName: apiHost(input) } },
      { name: `${name}-internal`, privateIP: internalAddress(input) },
    ],
  };
}

/** Returns the zones of a new cluster: several, or the only one with its control plane. */
const newZones = ({ cluster, zones, settings }: Input): readonly string[] =>
  settings.hasZones ? zones.slice(0, cluster.enableMultiAvailabilityZones ? MAX_ZONES : 1) : [];

/**
 * Excludes all zones of the region except that of the cluster from the control plane. By default the provider reports all of them as usable,
 * also those that the catalogue gets later.
 */
function failureDomains(input: Input) {
  const { cluster, zones } = input;
  const own = startedZones(input, newZones);
  if (own.length === 0 || cluster.enableMultiAvailabilityZones) return {};
  const all = [...new Set([...own, ...zones])].sort();
  return {
    failureDomains: Object.fromEntries(all.map((zone) => [zone, { controlPlane: own.includes(zone) }])),
  };
}

/**
 * Returns commands with which machines reach the API server inside the virtual network. From outside they would have the address of the NAT
 * gateway or of the load balancer. These addresses are not known in advance, so no IP whitelist can contain them. A machine behind an
 * internal load balancer cannot reach itself through it, so machines of the control plane use their own API server as soon as it runs.
 */
function hostCommands(input: Input, role: "controlPlane" | "node"): KubeadmSettings {
  if (!input.settings.internalLoadBalancer) return {};
  const [host, address] = [apiHost(input), internalAddress(input)];
  const add = (to: string) => `echo '${to} ${host}' >> /etc/hosts`;
  if (role === "node") return { preKubeadmCommands: [add(address)] };
  return {
    preKubeadmCommands: [`if [ -f /run/kubeadm/kubeadm.yaml ]; then ${add("127.0.0.1")}; else ${add(address)}; fi`],
    postKubeadmCommands: [`sed -i 's/^${address} ${host}$/127.0.0.1 ${host}/' /etc/hosts`],
  };
}

function imageOf(image: string) {
  const [, gallery, name, version] = COMMUNITY_IMAGE.exec(image) ?? [];
  return gallery === undefined ? { id: image } : { computeGallery: { gallery, name, version } };
}

/** Translation of the provider type `azure`. */
export const azure: ProviderTranslation<"azure"> = {
  isCloud: true,
  spreadsPools: true,
  newZones,
  poolZones: (input) => (input.cluster.enableMultiAvailabilityZones ? startedZones(input, newZones) : []),
  infrastructureCluster(input) {
    const { cluster, objectName, settings } = input;
    return {
      apiVersion: PROVIDER_VERSION.azure,
      kind: "AzureCluster",
      spec: {
        location: cluster.region,
        resourceGroup: objectName,
        subscriptionID: detailsOf(input).subscriptionId,
        identityRef: {
          apiVersion: PROVIDER_VERSION.azure,
          kind: IDENTITY,
          name: accountObjectName(input.account.identity),
        },
        ...failureDomains(input),
        networkSpec: {
          vnet: { name: objectName, cidrBlocks: [settings.networkCidr] },
          apiServerLB: { type: "Public", ...frontends(input) },
          subnets: [
            {
              name: "control-plane",
              role: "control-plane",
              cidrBlocks: [settings.controlPlaneCidr],
              securityGroup: { name: `${objectName}-control-plane`, securityRules: securityRules(input) },
            },
            {
              name: "node",
              role: "node",
              cidrBlocks: [settings.nodeCidr],
              securityGroup: { name: `${objectName}-node` },
              // The provider creates a NAT gateway for every cluster with IPv4. Its name must not change.
              natGateway: { name: `${objectName}-nat`, ip: { name: `${objectName}-nat` } },
            },
          ],
        },
      },
    };
  },
  machineTemplate: ({ settings }, { nodeSize, release: { image = "" } }) => ({
    apiVersion: PROVIDER_VERSION.azure,
    kind: "AzureMachineTemplate",
    spec: {
      template: {
        spec: {
          vmSize: nodeSize,
          image: imageOf(image),
          osDisk: {
            osType: "Linux",
            diskSizeGB: settings.diskGiB,
            managedDisk: { storageAccountType: settings.diskType },
          },
          // Without a key, the webhook generates one, and the template would differ at every application.
          sshPublicKey: Buffer.from(settings.sshPublicKey).toString("base64"),
        },
      },
    },
  }),
  kubeadm: (input, { role }, templateName) => ({
    nodeName: '{{ ds.meta_data["local_hostname"] }}',
    // The cloud controller manager assigns the ranges of pods and routes to nodes.
    controllerManagerExtraArgs: [
      { name: "allocate-node-cidrs", value: "false" },
      { name: "cluster-name", value: input.objectName },
    ],
    // The provider creates this Secret for each template, with the credentials of the account.
    files: [
      {
        path: "/etc/kubernetes/azure.json",
        owner: "root:root",
        permissions: "0600",
        contentFrom: {
          secret: {
            name: `${templateName}-azure-json`,
            key: role === "controlPlane" ? "control-plane-azure.json" : "worker-node-azure.json",
          },
        },
      },
    ],
    ...hostCommands(input, role),
  }),
  identities(input) {
    const { tenantId, clientId } = detailsOf(input);
    const name = accountObjectName(input.account.identity);
    const namespace = namespaceOf(input.organisationIdentity);
    return [
      {
        apiVersion: PROVIDER_VERSION.azure,
        kind: IDENTITY,
        metadata: { name, namespace, labels: accountLabels(input) },
        spec: {
          type: "ServicePrincipal",
          tenantID: tenantId,
          clientID: clientId,
          clientSecret: { name, namespace },
          allowedNamespaces: { list: [namespace] },
        },
      },
    ];
  },
  secrets: (input, { clientSecret = "" }) => [
    {
      apiVersion: "v1",
      kind: "Secret",
      metadata: {
        name: accountObjectName(input.account.identity),
        namespace: namespaceOf(input.organisationIdentity),
        labels: accountLabels(input),
      },
      type: "Opaque",
      data: secretData({ clientSecret }),
    },
  ],
};
