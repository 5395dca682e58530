/** Sets whether a cluster inherits the Prometheus rules of its environment. */

import * as v from "valibot";
import type { Context } from "../../context.ts";
import type { RawQuery } from "../../request/query.ts";
import { validate } from "../../shared/validation.ts";
import { runUpdate } from "./update.ts";
import type { WriteResult } from "./write-result.ts";

/** Request body. The API documentation shows none; this one and a plain `true` or `false` are accepted. */
export const UpdatePrometheusRules = v.object({ environmentPrometheusRules: v.boolean() });

/** Response of the API documentation. */
export const MessageResponse = v.object({ message: v.string() });

/** Request to inherit the rules, or not to. */
export interface PrometheusRulesInput {
  organisation: string;
  environment: string;
  cluster: string;
  query: RawQuery;
  body: unknown;
}

/**
 * Sets whether a cluster inherits the Prometheus rules of its environment. Two database round trips.
 *
 * @throws AppError as `update`
 */
export async function updatePrometheusRules(
  context: Context,
  input: PrometheusRulesInput,
): Promise<WriteResult<v.InferOutput<typeof MessageResponse>>> {
  const { organisation, environment, cluster, query } = input;
  const body = typeof input.body === "boolean" ? { environmentPrometheusRules: input.body } : input.body;
  const { problems, unknown, draft } = validate(UpdatePrometheusRules, body);
  const environmentPrometheusRules = draft?.environmentPrometheusRules === true;
  const result = await runUpdate(context, {
    path: { organisation, environment, cluster },
    query,
    role: "developer",
    update: { problems, unknown, request: { input: {}, clears: new Set(), environmentPrometheusRules } },
    target: undefined,
    precondition: undefined,
  });
  const verb = environmentPrometheusRules ? "inherits" : "does not inherit";
  const message = `The cluster "${cluster}" ${verb} the Prometheus rules of environment "${environment}".`;
  return { ...result, body: { message } };
}
