/** Definitions of the kinds that the test server serves, with the labels that releases of the providers have. */

import { resourceOf } from "#core/kubernetes/resources.ts";
import { hasOlderContract, isCustom, servedResources } from "../kubernetes/kinds.ts";
import type { KubernetesServer } from "../kubernetes-server.ts";

const CRD = { apiVersion: "apiextensions.k8s.io/v1", kind: "CustomResourceDefinition" };

/** Returns the name of the definition of a kind. */
export const definitionName = ({ plural, group }: { plural: string; group: string }): string => `${plural}.${group}`;

/** Stores the definition of each kind. */
export function installDefinitions({ store }: KubernetesServer): void {
  const served = Map.groupBy(servedResources.filter(isCustom), definitionName);
  for (const [name, resources] of served) {
    const contract = resources.some(({ kind }) => hasOlderContract(kind)) ? "v1beta1" : "v1beta2";
    const labels = { [`cluster.x-k8s.io/${contract}`]: resources.map(({ version }) => version).join("_") };
    store.create(resourceOf(CRD), { ...CRD, metadata: { name, labels } }, "clusterctl");
  }
}
