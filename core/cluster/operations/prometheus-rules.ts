/** Sets whether a cluster inherits the Prometheus rules of its environment. */

import * as v from "valibot";
import type { Context, WriteOptions } from "../../context.ts";
import type { WriteResult } from "../../request/write.ts";
import { type Parsed, type Validated, validate } from "../../shared/validation.ts";
import { runUpdate } from "./update.ts";

/** Request body. The API documentation shows none; this one and a plain `true` or `false` are accepted. */
export const UpdatePrometheusRules = v.object({ environmentPrometheusRules: v.boolean() });
export type UpdatePrometheusRules = v.InferOutput<typeof UpdatePrometheusRules>;

/** Parses the body: an object, or a plain `true` or `false`. @param body as sent */
export const parsePrometheusRules = (body: unknown): Validated<UpdatePrometheusRules> =>
  validate(UpdatePrometheusRules, typeof body === "boolean" ? { environmentPrometheusRules: body } : body);

/** Response of the API documentation. */
export const MessageResponse = v.object({ message: v.string() });

/** Request to inherit the rules, or not to. */
interface PrometheusRulesInput {
  organisation: string;
  environment: string;
  cluster: string;
  options: Parsed<WriteOptions>;
  body: Validated<UpdatePrometheusRules>;
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
  const { organisation, environment, cluster, options } = input;
  const { problems, unknown, value: draft } = input.body;
  const environmentPrometheusRules = draft?.environmentPrometheusRules === true;
  const result = await runUpdate(context, {
    path: { organisation, environment, cluster },
    options,
    role: "developer",
    update: {
      problems,
      unknown,
      value: { input: {}, clears: new Set(), environmentPrometheusRules },
      target: undefined,
    },
    targetProperty: "",
    precondition: undefined,
  });
  const verb = environmentPrometheusRules ? "inherits" : "does not inherit";
  const message = `The cluster "${cluster}" ${verb} the Prometheus rules of environment "${environment}".`;
  return { ...result, body: { message } };
}
