/** Descriptions of the operations that return configurations. */

import type { OperationIdOf } from "../api/routes.ts";
import { type Description, type Descriptions, READ } from "./operation.ts";

/** 409: before the phase that creates the configuration, and while the cluster is being deleted. */
const ERRORS = [...READ, 409] as const;

const join = {
  tag: "Configurations",
  successes: {
    200: {
      description: "The join configuration, with a new bootstrap token.",
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
      "Documents with which a machine becomes a node: a command, scripts and cloud-init user data, each with a bootstrap token that is valid for 24 hours. A cluster has at most 20 valid tokens. Requires the role admin.",
  },
  getNodePoolJoinConfig: {
    ...join,
    summary: "Get join configuration of a node pool",
    description: "The cluster's join configuration with the labels, taints and reboot setting of the pool.",
  },
  createNodePoolJoinConfig: {
    ...join,
    summary: "Make join configuration of a node pool",
    description:
      "The same as by GET, for published clients that send POST. It has no body, and its response is not stored for a retry.",
  },
  getClusterOidcConfig: {
    tag: "Configurations",
    summary: "Get OIDC configuration of a cluster",
    description:
      "The cluster's client at its OIDC issuer, from provisionStatus OIDC_PROVISIONED on. Requires the role developer.",
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
      "Configuration with which kubectl logs in at the cluster's issuer, through its plugin oidc-login. JSON, or YAML if `Accept` prefers `application/yaml`. Requires the role developer.",
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
