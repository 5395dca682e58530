/**
 * Translation for DigitalOcean. Its controller has the token of one account as an environment variable, so the objects refer to no
 * credentials.
 */

import type { ProviderTranslation } from "../provider.ts";
import { PROVIDER_VERSION } from "../versions.ts";

const API_SERVER_PORT = 6443;

/** Returns a number for the text of a number: the schema distinguishes ids from slugs and fingerprints by their type. */
const idOr = (text: string | number): string | number =>
  typeof text === "string" && /^[0-9]+$/.test(text) ? Number(text) : text;

/** Translation of the provider type `digitalocean`. */
export const digitalocean: ProviderTranslation<"digitalocean"> = {
  isCloud: true,
  // Regions have no zones.
  spreadsPools: false,
  infrastructureCluster: ({ cluster, objectName, settings: { domain, vpcUuid } }) => ({
    apiVersion: PROVIDER_VERSION.digitalocean,
    kind: "DOCluster",
    spec: {
      region: cluster.region,
      // A recreated load balancer has another address, for which the certificate is not valid. The name does not change.
      ...(domain === undefined ? {} : { controlPlaneDNS: { domain, name: objectName } }),
      network: {
        ...(vpcUuid === undefined ? {} : { vpc: { vpc_uuid: vpcUuid } }),
        apiServerLoadbalancers: { port: API_SERVER_PORT, healthCheck: { interval: 10, timeout: 5 } },
      },
    },
  }),
  machineTemplate: ({ settings: { sshKeys } }, { nodeSize, release }) => ({
    apiVersion: PROVIDER_VERSION.digitalocean,
    kind: "DOMachineTemplate",
    spec: { template: { spec: { size: nodeSize, image: idOr(release.image ?? ""), sshKeys: sshKeys.map(idOr) } } },
  }),
  kubeadm: () => ({
    nodeName: "{{ ds.meta_data.local_hostname }}",
    kubeletExtraArgs: [{ name: "provider-id", value: "digitalocean://{{ ds.meta_data.instance_id }}" }],
  }),
  secrets: () => [],
};
