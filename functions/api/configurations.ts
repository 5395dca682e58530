/** The routes to what nodes and clients of a cluster need. */

import { issueJoinConfig, readKubeconfig, readOidcConfig } from "#core/cluster-access/index.ts";
import type { Keyring } from "#core/secrets/keyring.ts";
import { createKmsKeyring } from "#core/secrets/kms-keyring.ts";
import { toYaml } from "#core/shared/yaml.ts";
import { requireVariable } from "#functions/runtime/config.ts";
import { type ApiRequest, type AppDependencies, createApp, type HandlerResponse, type Route } from "../http/app.ts";
import { lambda } from "../http/lambda.ts";
import { type Handlers, type OperationIdOf, routesWith } from "./routes.ts";

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
const noStore = (body: unknown): HandlerResponse => ({ body, headers: { "cache-control": "no-store" } });

/** Returns the routes of the operations that hand out configurations. @param keyring with which secrets were encrypted */
export function configurationRoutes(keyring: Keyring): readonly Route[] {
  const joinPool = async (request: ApiRequest) =>
    noStore(await issueJoinConfig(request.context, { ...ofCluster(request), nodePool: request.segment("nodePool") }));
  const handlers: Handlers<OperationIdOf<"Configurations">> = {
    getClusterJoinConfig: async (request) => noStore(await issueJoinConfig(request.context, ofCluster(request))),
    getNodePoolJoinConfig: joinPool,
    // Published clients send a POST without a body.
    createNodePoolJoinConfig: joinPool,
    getClusterOidcConfig: async (request) =>
      noStore(await readOidcConfig(request.context, keyring, ofCluster(request))),
    async getClusterKubeconfig(request) {
      const body = await readKubeconfig(request.context, keyring, ofCluster(request));
      const { headers, ...response } = noStore(body);
      const isYaml = prefersYaml(request.header("accept"));
      return {
        ...response,
        headers: { ...headers, vary: "Accept" },
        ...(isYaml ? { media: { type: YAML, text: toYaml(body) } } : {}),
      };
    },
  };
  return routesWith(handlers);
}

/** Makes the app of this route group. */
export const createConfigurationsApp = (dependencies: AppDependencies, keyring: Keyring) =>
  createApp(dependencies, configurationRoutes(keyring));

/** The Lambda of this route group. */
export const handler = lambda((dependencies, config) =>
  createConfigurationsApp(dependencies, createKmsKeyring(requireVariable(config, "KMS_KEY_ID"))),
);
