/** Translation for OpenStack. */

import { apiSources } from "../api-sources.ts";
import type { TranslationInput } from "../input.ts";
import { clusterLabels } from "../labels.ts";
import { namespaceOf, secretData } from "../manifest.ts";
import type { AccountInput, AccountSecrets, ProviderTranslation } from "../provider.ts";
import { PROVIDER_VERSION } from "../versions.ts";
import { startedZones } from "../zones.ts";
import { zoneNameOf } from "./zone-names.ts";

type Input = TranslationInput<"openstack">;

/** Name of the cloud in clouds.yaml. */
const CLOUD = "openstack";

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Returns the name of the Secret with the credentials. Each cluster has one, which is needed until its last server is deleted. */
const credentialsName = (objectName: string): string => `${objectName}-cloud-config`;

const regionName = ({ cluster, settings }: AccountInput<"openstack">): string => settings.regionName ?? cluster.region;

/** Returns the name of a zone as OpenStack spells it. */
const zoneName = ({ settings }: Input, slug: string): string => zoneNameOf(settings, slug);

/** Returns clouds.yaml, as JSON, which is YAML. An application credential belongs to one project, and must not name it. */
const cloudsYaml = (input: AccountInput<"openstack">, { credentialId, credential }: AccountSecrets): string =>
  JSON.stringify({
    clouds: {
      [CLOUD]: {
        auth_type: "v3applicationcredential",
        auth: {
          auth_url: input.settings.authUrl,
          application_credential_id: credentialId,
          application_credential_secret: credential,
        },
        region_name: regionName(input),
        interface: "public",
        identity_api_version: 3,
      },
    },
  });

/** Returns the volume of a system disk. Without a zone, OpenStack chooses one. */
function rootVolume({ settings: { diskGiB, volumeType, volumeZone } }: Input) {
  const zone = volumeZone === "machine" ? { from: "Machine" } : { from: "Name", name: volumeZone };
  return {
    sizeGiB: diskGiB,
    ...(volumeType === undefined ? {} : { type: volumeType }),
    ...(volumeZone === undefined ? {} : { availabilityZone: zone }),
  };
}

/** Translation of the provider type `openstack`. */
export const openstack: ProviderTranslation<"openstack"> = {
  isCloud: true,
  spreadsPools: true,
  zoneName,
  infrastructureCluster(input) {
    const { settings, objectName } = input;
    const sources = apiSources(input);
    const zones = startedZones(input).map((zone) => zoneName(input, zone));
    const { dnsServers } = settings;
    return {
      apiVersion: PROVIDER_VERSION.openstack,
      kind: "OpenStackCluster",
      spec: {
        identityRef: {
          type: "Secret",
          name: credentialsName(objectName),
          cloudName: CLOUD,
          region: regionName(input),
        },
        externalNetwork: { id: settings.externalNetworkId },
        managedSubnets: [
          { cidr: settings.nodeCidr, ...(dnsServers.length === 0 ? {} : { dnsNameservers: dnsServers }) },
        ],
        // Includes the network of pods and its encryption.
        managedSecurityGroups: { allowAllInClusterTraffic: true },
        apiServerLoadBalancer: {
          enabled: true,
          // The provider adds the router and the subnet of the cluster. Its addresses are IPv4.
          ...(sources === undefined ? {} : { allowedCIDRs: sources.ipv4 }),
        },
        ...(zones.length === 0 ? { controlPlaneOmitAvailabilityZone: true } : { controlPlaneAvailabilityZones: zones }),
      },
    };
  },
  machineTemplate(input, { nodeSize, release: { image = "" } }) {
    const { settings } = input;
    return {
      apiVersion: PROVIDER_VERSION.openstack,
      kind: "OpenStackMachineTemplate",
      spec: {
        template: {
          spec: {
            flavor: nodeSize,
            image: UUID.test(image) ? { id: image } : { filter: { name: image } },
            ...(settings.sshKeyName === undefined ? {} : { sshKeyName: settings.sshKeyName }),
            ...(settings.rootVolume ? { rootVolume: rootVolume(input) } : {}),
          },
        },
      },
    };
  },
  // The provider sets this id on its machines, and Cluster API compares it with that of the node.
  kubeadm: () => ({
    nodeName: "{{ local_hostname }}",
    kubeletExtraArgs: [{ name: "provider-id", value: "openstack:///{{ instance_id }}" }],
  }),
  secrets: (input, credentials) => [
    {
      apiVersion: "v1",
      kind: "Secret",
      metadata: {
        name: credentialsName(input.objectName),
        namespace: namespaceOf(input.organisationIdentity),
        labels: clusterLabels(input),
      },
      type: "Opaque",
      data: secretData({
        "clouds.yaml": cloudsYaml(input, credentials),
        ...(input.settings.caCertificate === undefined ? {} : { cacert: input.settings.caCertificate }),
      }),
    },
  ],
};
