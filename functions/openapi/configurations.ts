/** Descriptions of the operations that hand out configurations. */

import type { OperationIdOf } from "../api/routes.ts";
import { type Description, type Descriptions, READ } from "./operation.ts";

/** Before its phase, and while the cluster is being deleted, there is none. */
const ERRORS = [...READ, 409] as const;

const join = {
  tag: "Configurations",
  successes: {
    200: {
      description: "The join configuration, with a bootstrap token made for this answer.",
      headers: ["Cache-Control"],
    },
  },
  errors: ERRORS,
} as const satisfies Partial<Description>;

/** Descriptions of the operations by their ids. */
export const configurationDescriptions: Descriptions<OperationIdOf<"Configurations">> = {
  getClusterJoinConfig: {
    ...join,
    summary: "Get join configuration of a cluster",
    description:
      "What a machine needs to become a node: a command, scripts and cloud-init user data, each with a bootstrap token that is good for 24 hours. At most 20 tokens of a cluster are good at a time. Needs an admin.",
  },
  getNodePoolJoinConfig: {
    ...join,
    summary: "Get join configuration of a node pool",
    description: "As the cluster's, with the labels, taints and reboot setting of the pool.",
  },
  createNodePoolJoinConfig: {
    ...join,
    summary: "Make join configuration of a node pool",
    description:
      "The same as by GET, as published clients ask for it. It takes no body, and is never kept for a repeat.",
  },
  getClusterOidcConfig: {
    tag: "Configurations",
    summary: "Get OIDC configuration of a cluster",
    description:
      "The cluster's own client with its OIDC issuer, from provisionStatus OIDC_PROVISIONED on. Needs a developer.",
    successes: {
      200: {
        description: "The OIDC configuration.",
        headers: ["Cache-Control"],
      },
    },
    errors: ERRORS,
  },
  getClusterKubeconfig: {
    tag: "Configurations",
    summary: "Get kubeconfig of a cluster",
    description:
      "With it kubectl logs in with the cluster's issuer, through its plugin oidc-login. JSON, or YAML where `Accept` prefers `application/yaml`. Needs a developer.",
    successes: {
      200: {
        description: "The kubeconfig.",
        alsoYaml: true,
        headers: ["Cache-Control", "Vary"],
      },
    },
    errors: ERRORS,
  },
};
