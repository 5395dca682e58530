/** Translates the container network interface to a ClusterResourceSet, which installs it in the cluster. */

import type { TranslationInput } from "./input.ts";
import { CLUSTER_ID, clusterLabels } from "./labels.ts";
import { contentName, type Manifest, namespaceOf, secretData } from "./manifest.ts";
import { CLUSTER_API_VERSION } from "./versions.ts";

/** Placeholders in the profile's manifests, and the properties of a cluster that replace them. */
export const PLACEHOLDERS = {
  podSubnet: "clusterPodSubnet",
  serviceSubnet: "serviceSubnet",
  encryption: "enableNetworkEncryption",
} as const;

/** Returns a placeholder as it is written in the profile's manifests, such as `{{podSubnet}}`. */
export const placeholder = (name: keyof typeof PLACEHOLDERS): string => `{{${name}}}`;

/**
 * Translates the network of a cluster.
 *
 * @returns the Secret with the manifests and the ClusterResourceSet that applies it; empty for the cni `custom`
 */
export function translateNetwork(input: TranslationInput): Manifest[] {
  const { cluster, objectName, organisationIdentity, profile } = input;
  const source = cluster.cni === "custom" ? undefined : profile.networkInterfaces[cluster.cni]?.manifests;
  if (source === undefined) return [];
  const objects = Object.entries(PLACEHOLDERS).reduce(
    (text, [name, property]) =>
      text.replaceAll(placeholder(name as keyof typeof PLACEHOLDERS), String(cluster[property])),
    source,
  );
  const namespace = namespaceOf(organisationIdentity);
  const name = `${objectName}-cni`;
  const content = {
    apiVersion: "v1",
    kind: "Secret",
    type: "addons.cluster.x-k8s.io/resource-set",
    data: secretData({ "cni.yaml": objects }),
  };
  const secret: Manifest = {
    ...content,
    metadata: { name: contentName(name, content), namespace, labels: clusterLabels(input) },
  };
  const set: Manifest = {
    apiVersion: CLUSTER_API_VERSION.addons,
    kind: "ClusterResourceSet",
    metadata: { name, namespace, labels: clusterLabels(input) },
    spec: {
      clusterSelector: { matchLabels: { [CLUSTER_ID]: cluster.identity } },
      resources: [{ kind: "Secret", name: secret.metadata.name }],
      strategy: "Reconcile",
    },
  };
  return [secret, set];
}
