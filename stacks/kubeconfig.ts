/// <reference path="../.sst/platform/config.d.ts" />
/** Kubeconfig of the management cluster, which only the reconciler reads. */

import type { Settings } from "./settings.ts";
import type { Stage } from "./stage.ts";

/** Inputs of the kubeconfig's stack. */
interface KubeconfigInputs {
  stage: Stage;
  settings: Settings;
}

/**
 * Creates the secret with the kubeconfig, whose value is the secret `ClusterApiKubeconfig` of SST. It is in Secrets Manager, because the
 * environment variables of a function have at most 4 KB, which a kubeconfig with certificates exceeds.
 *
 * @returns environment variables and permissions of the functions that read it; undefined for a stage without real clusters
 */
export function createKubeconfig({ stage, settings }: KubeconfigInputs) {
  if (!settings.usesClusterApi) return undefined;
  // Required: SST refuses a deployment without it.
  const given = new sst.Secret("ClusterApiKubeconfig");
  const secret = new aws.secretsmanager.Secret("ManagementKubeconfig", {
    name: `${$app.name}-${stage.name}-management-kubeconfig`,
    description: `Kubeconfig of the management cluster of ${$app.name}, stage ${stage.name}`,
    // A stage that is removed and deployed again needs the name at once.
    recoveryWindowInDays: stage.isEphemeral ? 0 : 30,
  });
  const version = new aws.secretsmanager.SecretVersion("ManagementKubeconfigValue", {
    secretId: secret.id,
    secretString: given.value,
  });
  const permissions: sst.aws.FunctionPermissionArgs[] = [
    { actions: ["secretsmanager:GetSecretValue"], resources: [secret.arn] },
  ];
  return {
    environment: {
      CLUSTER_API_KUBECONFIG_SECRET: secret.arn,
      // A new version restarts the functions, which keep what they have read.
      CLUSTER_API_KUBECONFIG_VERSION: version.versionId,
    },
    permissions,
  };
}
