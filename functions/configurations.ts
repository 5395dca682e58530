/** The routes to what nodes and clients of a cluster need. */

import { required } from "#core/config.ts";
import { joinConfig, kubeconfig, oidcConfig } from "#core/configuration/index.ts";
import type { Keyring } from "#core/secrets/keyring.ts";
import { kmsKeyring } from "#core/secrets/kms-keyring.ts";
import { toYaml } from "#core/yaml.ts";
import { type ApiRequest, type AppDependencies, createApp, type HandlerAnswer, type Route } from "./http/app.ts";
import { lambda } from "./http/lambda.ts";

const CLUSTER = "/api/v1/orgs/:organisation/clusters/:environment/:cluster";
const POOL = `${CLUSTER}/pools/:nodePool`;

const ofCluster = ({ segment, query }: ApiRequest) => ({
  organisation: segment("organisation"),
  environment: segment("environment"),
  cluster: segment("cluster"),
  query,
});

const YAML = "application/yaml";

/**
 * Whether a client would rather have YAML, under its registered name or an older one, than JSON. Of equal weight the first counts; what
 * has no weight is not wanted.
 */
function prefersYaml(accept = ""): boolean {
  let best = { isYaml: false, weight: 0 };
  for (const range of accept.toLowerCase().split(",")) {
    const [type = "", ...parameters] = range.split(";").map((part) => part.trim());
    const isYaml = /^(application|text)\/(x-)?yaml$/.test(type);
    if (!isYaml && type !== "application/json") continue;
    const weight = Number(parameters.find((each) => each.startsWith("q="))?.slice("q=".length) ?? 1);
    if (weight > best.weight) best = { isYaml, weight };
  }
  return best.isYaml;
}

/** An answer that nobody on its way may keep. */
const unstored = (body: unknown): HandlerAnswer => ({ body, headers: { "cache-control": "no-store" } });

/** How each configuration is reached. @param keyring with which secrets were encrypted */
export function configurationRoutes(keyring: Keyring): readonly Route[] {
  const joinPool = async (request: ApiRequest) =>
    unstored(await joinConfig(request.context, { ...ofCluster(request), nodePool: request.segment("nodePool") }));
  return [
    {
      method: "GET",
      path: `${CLUSTER}/join-config`,
      refusesHead: true,
      handle: async (request) => unstored(await joinConfig(request.context, ofCluster(request))),
    },
    { method: "GET", path: `${POOL}/join-config`, refusesHead: true, handle: joinPool },
    // As published clients ask for it, without a body.
    { method: "POST", path: `${POOL}/join-config`, ignoresIdempotencyKey: true, handle: joinPool },
    {
      method: "GET",
      path: `${CLUSTER}/oidc-config`,
      handle: async (request) => unstored(await oidcConfig(request.context, keyring, ofCluster(request))),
    },
    {
      method: "GET",
      path: `${CLUSTER}/kubeconfig`,
      async handle(request) {
        const body = await kubeconfig(request.context, keyring, ofCluster(request));
        const { headers, ...answer } = unstored(body);
        const isYaml = prefersYaml(request.header("accept"));
        return {
          ...answer,
          headers: { ...headers, vary: "Accept" },
          ...(isYaml ? { media: { type: YAML, text: toYaml(body) } } : {}),
        };
      },
    },
  ];
}

/** Makes the app of this route group. */
export const createConfigurationsApp = (dependencies: AppDependencies, keyring: Keyring) =>
  createApp(dependencies, configurationRoutes(keyring));

/** The Lambda of this route group. */
export const handler = lambda((dependencies, config) =>
  createConfigurationsApp(dependencies, kmsKeyring(required(config, "KMS_KEY_ID"))),
);
