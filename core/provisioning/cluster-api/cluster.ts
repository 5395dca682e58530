/** Translates a cluster to a Cluster of Cluster API, and its organisation to a namespace. */

import { PRODUCT_PREFIX } from "../../node-pool/reserved-names.ts";
import { referenceTo } from "./control-plane.ts";
import type { TranslationInput } from "./input.ts";
import { ACCOUNT_ID, environmentLabels, organisationLabels, VERSION } from "./labels.ts";
import { canonicalJson, type Manifest, namespaceOf, shortHash } from "./manifest.ts";
import { CLUSTER_API_VERSION } from "./versions.ts";
import { zonesAnnotation } from "./zones.ts";

/** Translates an organisation to the namespace of its objects. */
export const translateNamespace = ({
  organisationIdentity,
}: Pick<TranslationInput, "organisationIdentity">): Manifest => ({
  apiVersion: "v1",
  kind: "Namespace",
  metadata: { name: namespaceOf(organisationIdentity), labels: organisationLabels(organisationIdentity) },
});

/**
 * Translates a cluster.
 *
 * @param controlPlane object of the control plane
 * @param infrastructure object of the infrastructure; undefined if the customer brings the machines
 * @param zones zones with which the cluster started
 */
export function translateCluster(
  input: TranslationInput,
  controlPlane: Manifest,
  infrastructure: Manifest | undefined,
  zones: readonly string[],
): Manifest {
  const { cluster, objectName, organisationIdentity } = input;
  const hasAddons = Object.keys(cluster.addons).length > 0;
  return {
    apiVersion: CLUSTER_API_VERSION.core,
    kind: "Cluster",
    metadata: {
      name: objectName,
      namespace: namespaceOf(organisationIdentity),
      labels: { ...environmentLabels(input), [ACCOUNT_ID]: input.account.identity },
      annotations: {
        [`${PRODUCT_PREFIX}name`]: cluster.name,
        ...(cluster.description === undefined ? {} : { [`${PRODUCT_PREFIX}description`]: cluster.description }),
        [VERSION]: cluster.version,
        ...zonesAnnotation(zones),
        ...(hasAddons ? { [`${PRODUCT_PREFIX}addons-hash`]: shortHash(canonicalJson(cluster.addons), 16) } : {}),
      },
    },
    spec: {
      clusterNetwork: {
        pods: { cidrBlocks: [cluster.clusterPodSubnet] },
        services: { cidrBlocks: [cluster.serviceSubnet] },
      },
      controlPlaneRef: referenceTo(controlPlane),
      ...(infrastructure === undefined ? {} : { infrastructureRef: referenceTo(infrastructure) }),
    },
  };
}
