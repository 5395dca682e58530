/** The table of operations that hand out configurations. */

import { type Operation, READ } from "./operation.ts";
import { prefer } from "./parameters.ts";

const CLUSTER = "/api/v1/orgs/{organisationSlug}/clusters/{environmentSlug}/{clusterSlug}";

/** Before its phase, and while the cluster is being deleted, there is none. */
const ERRORS = [...READ, 409] as const;

const join = {
  tag: "Configurations",
  parameters: [prefer],
  successes: {
    200: {
      description: "The join configuration, with a bootstrap token made for this answer.",
      body: { schema: "JoinConfigResponse" },
      headers: ["Cache-Control"],
    },
  },
  errors: ERRORS,
} as const satisfies Partial<Operation>;

/** The operations, in the order of the document. */
export const configurationOperations: readonly Operation[] = [
  {
    ...join,
    operationId: "getClusterJoinConfig",
    method: "GET",
    path: `${CLUSTER}/join-config`,
    summary: "Get join configuration of a cluster",
    description:
      "What a machine needs to become a node: a command, scripts and cloud-init user data, each with a bootstrap token that is good for 24 hours. At most 20 tokens of a cluster are good at a time. Needs an admin.",
  },
  {
    ...join,
    operationId: "getNodePoolJoinConfig",
    method: "GET",
    path: `${CLUSTER}/pools/{nodePoolId}/join-config`,
    summary: "Get join configuration of a node pool",
    description: "As the cluster's, with the labels, taints and reboot setting of the pool.",
  },
  {
    ...join,
    operationId: "createNodePoolJoinConfig",
    method: "POST",
    path: `${CLUSTER}/pools/{nodePoolId}/join-config`,
    summary: "Make join configuration of a node pool",
    description:
      "The same as by GET, as published clients ask for it. It takes no body, and is never kept for a repeat.",
  },
  {
    operationId: "getClusterOidcConfig",
    method: "GET",
    path: `${CLUSTER}/oidc-config`,
    tag: "Configurations",
    summary: "Get OIDC configuration of a cluster",
    description:
      "The cluster's own client with its OIDC issuer, from provisionStatus OIDC_PROVISIONED on. Needs a developer.",
    parameters: [prefer],
    successes: {
      200: {
        description: "The OIDC configuration.",
        body: { schema: "OidcConfigResponse" },
        headers: ["Cache-Control"],
      },
    },
    errors: ERRORS,
  },
  {
    operationId: "getClusterKubeconfig",
    method: "GET",
    path: `${CLUSTER}/kubeconfig`,
    tag: "Configurations",
    summary: "Get kubeconfig of a cluster",
    description:
      "With it kubectl logs in with the cluster's issuer, through its plugin oidc-login. JSON, or YAML where `Accept` prefers `application/yaml`. Needs a developer.",
    parameters: [prefer],
    successes: {
      200: {
        description: "The kubeconfig.",
        body: { schema: "KubeconfigResponse", alsoYaml: true },
        headers: ["Cache-Control", "Vary"],
      },
    },
    errors: ERRORS,
  },
];
