/** What a person's client needs to log in: the OIDC configuration, and a kubeconfig made of it. */

import type { Context } from "../context.ts";
import type { Keyring } from "../secrets/keyring.ts";
import { openSecret } from "../secrets/vault.ts";
import { authorizeConfiguration, type ConfigurationInput, expired, notReady } from "./authorize.ts";
import { hasExpired, OIDC_CLIENT, OidcClientSecret, oidcClientEntity } from "./entity.ts";
import type { KubeconfigResponse, OidcConfigResponse } from "./schema.ts";

/** What a client of a cluster gets to know. */
async function clientOf(
  context: Context,
  keyring: Keyring,
  input: ConfigurationInput,
  wanted: { what: string; phase: "OIDC_PROVISIONED" | "CLUSTER_PROVISIONED" },
): Promise<OidcConfigResponse> {
  const configured = await authorizeConfiguration(context, input, { right: "developer", ...wanted });
  const { cluster, held, certificate, endpoint } = configured;
  const item = held.get(OIDC_CLIENT);
  const client = item && oidcClientEntity.read(item);
  const { clientId, issuer, expiresAt } = client ?? {};
  if (client !== undefined && expiresAt !== undefined && hasExpired(client, context.clock())) {
    throw expired(wanted.what, cluster, expiresAt);
  }
  const secret = await openSecret(context.table, keyring, cluster.identity, held, OIDC_CLIENT, OidcClientSecret);
  if (clientId === undefined || issuer === undefined || secret === undefined) throw notReady(wanted.what, cluster);
  if (endpoint === undefined && wanted.phase === "CLUSTER_PROVISIONED") throw notReady(wanted.what, cluster);
  return {
    caCertificate: certificate,
    clientId,
    clientSecret: secret.clientSecret,
    ...(endpoint === undefined ? {} : { endpoint }),
    issuerUrl: issuer,
  };
}

/**
 * Hands out the OIDC client of a cluster. Two waits on the database, one more while its secrets are being encrypted anew.
 *
 * @param keyring with which the secret was encrypted
 * @throws AppError as `authorizeConfiguration`, of a caller who has not the right of a developer; conflict where the secret has expired
 *   and is not renewed yet
 */
export const oidcConfig = (
  context: Context,
  keyring: Keyring,
  input: ConfigurationInput,
): Promise<OidcConfigResponse> =>
  clientOf(context, keyring, input, { what: "OIDC configuration", phase: "OIDC_PROVISIONED" });

/** The plugin that logs in: kubectl finds it as `kubectl-oidc_login` (https://github.com/int128/kubelogin). */
const INSTALL_HINT = "Install kubelogin, the oidc-login plugin of kubectl: kubectl krew install oidc-login";

/**
 * Builds a kubeconfig.
 *
 * @param name the name of its context, cluster and user
 * @param config what its plugin logs in with; its `endpoint` is the API server
 */
export function kubeconfigOf(name: string, config: OidcConfigResponse): KubeconfigResponse {
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
 * Returns the name of a cluster's context, cluster and user in a kubeconfig: its slugs, joined with dots.
 *
 * No slug contains a dot, so the name is unambiguous. A slash is read as a folder by tools that keep a file for each context.
 */
const contextName = ({ organisation, environment, cluster }: ConfigurationInput): string =>
  [organisation, environment, cluster].join(".");

/**
 * Makes a kubeconfig with which kubectl logs in with the cluster's issuer. It holds no secret that the OIDC configuration does
 * not hand out. Two waits on the database.
 *
 * @throws AppError as `oidcConfig`; conflict before the control plane is built
 */
export async function kubeconfig(
  context: Context,
  keyring: Keyring,
  input: ConfigurationInput,
): Promise<KubeconfigResponse> {
  const wanted = { what: "kubeconfig", phase: "CLUSTER_PROVISIONED" } as const;
  return kubeconfigOf(contextName(input), await clientOf(context, keyring, input, wanted));
}
