/** Reads the OIDC configuration of a cluster and builds a kubeconfig from it. */

import type { Context } from "../context.ts";
import type { Keyring } from "../secrets/keyring.ts";
import { openSecret } from "../secrets/vault.ts";
import { authorizeConfiguration, type ConfigurationInput, notReadyError, secretExpiredError } from "./authorize.ts";
import { hasExpired, OIDC_CLIENT, OidcClientSecret, oidcClientEntity } from "./entity.ts";
import type { KubeconfigResponse, OidcConfigResponse } from "./schema.ts";

/** Reads and decrypts the OIDC client of a cluster. */
async function readClient(
  context: Context,
  keyring: Keyring,
  input: ConfigurationInput,
  options: { what: string; phase: "OIDC_PROVISIONED" | "CLUSTER_PROVISIONED" },
): Promise<OidcConfigResponse> {
  const configured = await authorizeConfiguration(context, input, { role: "developer", ...options });
  const { cluster, secrets, certificate, endpoint } = configured;
  const item = secrets.get(OIDC_CLIENT);
  const client = item && oidcClientEntity.read(item);
  const { clientId, issuer, expiresAt } = client ?? {};
  if (client !== undefined && expiresAt !== undefined && hasExpired(client, context.clock())) {
    throw secretExpiredError(options.what, cluster, expiresAt);
  }
  const secret = await openSecret(context.table, keyring, cluster.identity, secrets, OIDC_CLIENT, OidcClientSecret);
  if (clientId === undefined || issuer === undefined || secret === undefined)
    throw notReadyError(options.what, cluster);
  if (endpoint === undefined && options.phase === "CLUSTER_PROVISIONED") throw notReadyError(options.what, cluster);
  return {
    caCertificate: certificate,
    clientId,
    clientSecret: secret.clientSecret,
    ...(endpoint === undefined ? {} : { endpoint }),
    issuerUrl: issuer,
  };
}

/**
 * Returns the OIDC client of a cluster. Two round trips, and one more while a rotation re-encrypts its secrets.
 *
 * @param keyring keyring that decrypts the secret
 * @throws AppError as `authorizeConfiguration`, if the caller's role is below developer; conflict if the secret expired and is not
 *   renewed yet
 */
export const readOidcConfig = (
  context: Context,
  keyring: Keyring,
  input: ConfigurationInput,
): Promise<OidcConfigResponse> =>
  readClient(context, keyring, input, { what: "OIDC configuration", phase: "OIDC_PROVISIONED" });

/** Hint of the login plugin, which kubectl finds as `kubectl-oidc_login` (https://github.com/int128/kubelogin). */
const INSTALL_HINT = "Install kubelogin, the oidc-login plugin of kubectl: kubectl krew install oidc-login";

/**
 * Builds a kubeconfig.
 *
 * @param name name of its context, cluster and user
 * @param config OIDC client for the login plugin; its `endpoint` is the API server
 */
export function buildKubeconfig(name: string, config: OidcConfigResponse): KubeconfigResponse {
  const { endpoint = "", caCertificate, issuerUrl, clientId, clientSecret } = config;
  return {
    apiVersion: "v1",
    kind: "Config",
    clusters: [
      {
        name,
        cluster: { "certificate-authority-data": Buffer.from(caCertificate).toString("base64"), server: endpoint },
      },
    ],
    contexts: [{ name, context: { cluster: name, user: name } }],
    "current-context": name,
    users: [
      {
        name,
        user: {
          exec: {
            apiVersion: "client.authentication.k8s.io/v1",
            command: "kubectl",
            args: [
              "oidc-login",
              "get-token",
              `--oidc-issuer-url=${issuerUrl}`,
              `--oidc-client-id=${clientId}`,
              `--oidc-client-secret=${clientSecret}`,
            ],
            installHint: INSTALL_HINT,
            interactiveMode: "IfAvailable",
          },
        },
      },
    ],
  };
}

/**
 * Returns the name of the context, cluster and user in a kubeconfig: the slugs, joined with dots.
 *
 * Slugs contain no dot, so the name is unambiguous. Tools with a file for each context read a slash as a folder.
 */
const contextName = ({ organisation, environment, cluster }: ConfigurationInput): string =>
  [organisation, environment, cluster].join(".");

/**
 * Builds a kubeconfig with which kubectl logs in through the cluster's issuer. It contains no secret beyond those of the OIDC
 * configuration. Two round trips.
 *
 * @throws AppError as `readOidcConfig`; conflict before the control plane exists
 */
export async function readKubeconfig(
  context: Context,
  keyring: Keyring,
  input: ConfigurationInput,
): Promise<KubeconfigResponse> {
  const options = { what: "kubeconfig", phase: "CLUSTER_PROVISIONED" } as const;
  return buildKubeconfig(contextName(input), await readClient(context, keyring, input, options));
}
