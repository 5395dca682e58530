/** Translation for Cluster API's in-memory provider: clusters without machines, for trials, demonstrations and tests. */

import { PRODUCT_PREFIX } from "../../../node-pool/reserved-names.ts";
import type { ProviderTranslation } from "../provider.ts";
import { PROVIDER_VERSION } from "../versions.ts";

const startup = { provisioning: { startupDuration: "1s" } };

/** Translation of the provider type `none`. */
export const none: ProviderTranslation<"none"> = {
  isCloud: false,
  spreadsPools: false,
  infrastructureCluster: () => ({
    apiVersion: PROVIDER_VERSION.none,
    kind: "DevCluster",
    spec: { backend: { inMemory: {} } },
    // The in-memory provider fails for a DevCluster without any annotation.
    annotations: { [`${PRODUCT_PREFIX}provider`]: "none" },
  }),
  machineTemplate: (_, { role }) => ({
    apiVersion: PROVIDER_VERSION.none,
    kind: "DevMachineTemplate",
    spec: {
      template: {
        spec: {
          backend: {
            inMemory: {
              vm: startup,
              node: startup,
              ...(role === "controlPlane" ? { apiServer: startup, etcd: startup } : {}),
            },
          },
        },
      },
    },
  }),
  kubeadm: () => ({}),
  secrets: () => [],
};
