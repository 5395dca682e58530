/** Profiles of the tests: the example of the documentation, with a network for every cluster. */

import type { Profiles } from "#core/provisioning/cluster-api/profiles.ts";

/** Objects that stand for a network, because no pods run in the clusters of the tests. */
const NETWORK = `apiVersion: v1
kind: ConfigMap
metadata: {name: network, namespace: kube-system}
data: {pods: "{{podSubnet}}", services: "{{serviceSubnet}}", encryption: "{{encryption}}"}
`;

/** Profiles of clusters on the in-memory provider. */
export const NONE_PROFILES: Profiles = {
  networkInterfaces: { cilium: { manifests: NETWORK }, calico: { manifests: NETWORK } },
  installsAddons: false,
  providers: { none: { settings: { egress: [] }, regions: {} } },
};
