/** Access to the API server of a workload cluster, with the kubeconfig that Cluster API stores in the management cluster. */

import { isKubernetesError } from "../../kubernetes/errors.ts";
import type { KubernetesClient } from "../../kubernetes/interface.ts";
import type { BootstrapToken } from "../provisioner.ts";
import { type Call, deleteObject, getObject, runTogether } from "./calls.ts";
import { SECRET } from "./kinds.ts";
import { type Manifest, secretData } from "./manifest.ts";

/** Namespace of bootstrap tokens. */
const KUBE_SYSTEM = "kube-system";

/** Group of kubeadm, which may join nodes. */
const BOOTSTRAP_GROUP = "system:bootstrappers:kubeadm:default-node-token";

/** Name and namespace of a Cluster. */
export interface NamespacedName {
  name: string;
  namespace: string;
}

/** Creates a client for the API server of a workload cluster. @param kubeconfig from a Secret that others can write, so not trusted */
export type OpenClient = (kubeconfig: string) => KubernetesClient;

/** Reads a value of the Secret `<name>-<suffix>` that Cluster API stores for a cluster. @returns undefined if it does not exist */
export async function secretValue(
  call: Call,
  { name, namespace }: NamespacedName,
  suffix: string,
  key: string,
): Promise<string | undefined> {
  const secret = await getObject(call, { ...SECRET, name: `${name}-${suffix}`, namespace });
  const value = secret?.data?.[key];
  return value === undefined ? undefined : Buffer.from(value, "base64").toString();
}

/**
 * Creates a client for the API server of a cluster. The caller closes it.
 *
 * @throws KubernetesError; Error if the management cluster has no kubeconfig of the cluster; AppError invalid for a kubeconfig that is
 *   not accepted
 */
export async function openWorkloadCluster(call: Call, located: NamespacedName, open: OpenClient): Promise<Call> {
  const kubeconfig = await secretValue(call, located, "kubeconfig", "value");
  if (kubeconfig === undefined) throw new Error(`the management cluster has no kubeconfig of ${located.name} yet`);
  return { client: open(kubeconfig), signal: call.signal };
}

const tokenName = (id: string) => `bootstrap-token-${id}`;

/** Translates a bootstrap token to its Secret: https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/ */
function tokenSecret({ token, expiresAt }: BootstrapToken): Manifest {
  const [id = "", secret = ""] = token.split(".");
  return {
    ...SECRET,
    metadata: { name: tokenName(id), namespace: KUBE_SYSTEM },
    type: "bootstrap.kubernetes.io/token",
    data: secretData({
      "token-id": id,
      "token-secret": secret,
      // Kubernetes reads no fractions of a second.
      expiration: `${expiresAt.slice(0, 19)}Z`,
      "usage-bootstrap-authentication": "true",
      "usage-bootstrap-signing": "true",
      "auth-extra-groups": BOOTSTRAP_GROUP,
    }),
  };
}

async function createToken({ client, signal }: Call, token: BootstrapToken): Promise<void> {
  try {
    await client.create(tokenSecret(token), { signal });
  } catch (error) {
    // An earlier attempt created it. A token never changes, and its id is random.
    if (!isKubernetesError(error, "already-exists")) throw error;
  }
}

/** Creates bootstrap tokens in a cluster, and deletes revoked ones. @throws KubernetesError */
export async function putBootstrapTokens(
  call: Call,
  tokens: readonly BootstrapToken[],
  revoked: readonly string[],
): Promise<void> {
  await runTogether(call, [
    ...tokens.map((token) => (each: Call) => createToken(each, token)),
    ...revoked.map(
      (id) => (each: Call) => deleteObject(each, { ...SECRET, name: tokenName(id), namespace: KUBE_SYSTEM }),
    ),
  ]);
}
