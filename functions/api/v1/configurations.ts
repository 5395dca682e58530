/** Requests and responses of the operations on configurations in `/api/v1`. */

import { toYaml } from "#core/shared/yaml.ts";
import type { ApiRequest, HandlerResponse } from "../../http/app.ts";
import type { configurationOperations } from "../configurations.ts";
import type { Dialect } from "../dialect.ts";
import { API_PREFIX } from "../routes.ts";
import { clusterOf, noOptions } from "./request.ts";

const configurationOf = (request: ApiRequest) => ({ ...clusterOf(request), ...noOptions(request) });

const nodePoolOf = (request: ApiRequest) => ({ ...configurationOf(request), nodePool: request.segment("nodePool") });

/**
 * Returns whether a client prefers YAML, under its registered name or an older one, to JSON. Of equal weight the first counts; a
 * type without weight is not accepted.
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

/** Builds a response that no cache may store. */
const encodeSecret = (body: unknown): HandlerResponse => ({ body, headers: { "cache-control": "no-store" } });

/** Operations on configurations in `/api/v1`. */
export const configurationDialect: Dialect<ReturnType<typeof configurationOperations>> = {
  prefix: API_PREFIX,
  decode: {
    getClusterJoinConfig: configurationOf,
    getNodePoolJoinConfig: nodePoolOf,
    createNodePoolJoinConfig: nodePoolOf,
    getClusterOidcConfig: configurationOf,
    getClusterKubeconfig: configurationOf,
  },
  encode: {
    getClusterJoinConfig: encodeSecret,
    getNodePoolJoinConfig: encodeSecret,
    createNodePoolJoinConfig: encodeSecret,
    getClusterOidcConfig: encodeSecret,
    getClusterKubeconfig(body, request) {
      const { headers, ...response } = encodeSecret(body);
      return {
        ...response,
        headers: { ...headers, vary: "Accept" },
        ...(prefersYaml(request.header("accept")) ? { media: { type: "application/yaml", text: toYaml(body) } } : {}),
      };
    },
  },
};
