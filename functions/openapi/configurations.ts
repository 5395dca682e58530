/** The table of operations that hand out configurations. */

import * as examples from "./examples.ts";
import { type Operation, READ } from "./operation.ts";
import { prefer } from "./parameters.ts";

const CLUSTER = "/api/v1/orgs/{organisationSlug}/clusters/{environmentSlug}/{clusterSlug}";

/** Before its phase, and while the cluster is being deleted, there is none. */
const ERRORS = [...READ, 409] as const;

/** The operations, in the order of the document. */
export const configurationOperations: readonly Operation[] = [
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
        body: { schema: "OidcConfigResponse", example: examples.oidcConfig },
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
      "With it kubectl logs in with the cluster's issuer, through its plugin oidc-login. JSON, or YAML where `Accept` names `application/yaml`. Needs a developer.",
    parameters: [prefer],
    successes: {
      200: {
        description: "The kubeconfig.",
        body: { schema: "KubeconfigResponse", example: examples.kubeconfig, alsoYaml: true },
        headers: ["Cache-Control", "Vary"],
      },
    },
    errors: ERRORS,
  },
];
