/** The admission webhooks of the providers whose webhooks can be built. */

import { beforeAll, expect, test } from "vitest";
import { createNamespace, managementCluster } from "./lab.ts";

let namespace: string;
beforeAll(async () => {
  namespace = await createNamespace();
});

/** Specifications of machine templates that the schemas allow, and the refusals of the webhooks. */
const REFUSED = [
  {
    apiVersion: "infrastructure.cluster.x-k8s.io/v1beta2",
    kind: "AWSMachineTemplate",
    spec: { instanceType: "t3.large", providerID: "aws:///a/b" },
    message: "spec.template.spec.providerID: Forbidden: cannot be set in templates",
  },
  {
    apiVersion: "infrastructure.cluster.x-k8s.io/v1beta1",
    kind: "AzureMachineTemplate",
    spec: {
      vmSize: "Standard_D2s_v3",
      osDisk: { osType: "Linux" },
      disableExtensionOperations: true,
      vmExtensions: [{ name: "a", publisher: "b", version: "1" }],
    },
    message: "VMExtensions must be empty when DisableExtensionOperations is true",
  },
  {
    apiVersion: "infrastructure.cluster.x-k8s.io/v1beta1",
    kind: "OpenStackMachineTemplate",
    spec: { flavor: "small", image: { filter: { name: "a" } }, providerID: "openstack:///a" },
    message: "spec.template.spec.providerID: Forbidden: cannot be set in templates",
  },
  {
    apiVersion: "infrastructure.cluster.x-k8s.io/v1beta2",
    kind: "VSphereMachineTemplate",
    spec: { template: "a", network: { devices: [{ networkName: "a" }] }, providerID: "vsphere://a" },
    message: "spec.template.spec.providerID: Forbidden: cannot be set in templates",
  },
];

test.each(REFUSED)("a value of $kind that its schema allows is refused by the provider's webhook", async (template) => {
  const { apiVersion, kind, spec, message } = template;
  const object = { apiVersion, kind, metadata: { name: "a", namespace }, spec: { template: { spec } } };
  const { status, body } = await managementCluster().apply(object, { dryRun: "All" });
  expect([status, body.message]).toEqual([422, expect.stringContaining(message)]);
});
