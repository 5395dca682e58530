/** Sets whether a cluster inherits the Prometheus rules of its environment. */

import * as v from "valibot";
import type { Context, WriteOptions } from "../../context.ts";
import { deadlineIn } from "../../shared/retry.ts";
import { type Parsed, type Validated, validate } from "../../shared/validation.ts";
import { isDeleting } from "../rules/transitions.ts";
import { diffClusters, invalidState } from "../rules/update.ts";
import { retryOnConflict } from "../store/mutation.ts";
import { attemptUpdate } from "./update.ts";

/** Request body. The API documentation shows none; this one and a plain `true` or `false` are accepted. */
export const UpdatePrometheusRules = v.object({ environmentPrometheusRules: v.boolean() });
export type UpdatePrometheusRules = v.InferOutput<typeof UpdatePrometheusRules>;

/** Parses the body: an object, or a plain `true` or `false`. @param body as sent */
export const parsePrometheusRules = (body: unknown): Validated<UpdatePrometheusRules> =>
  validate(UpdatePrometheusRules, typeof body === "boolean" ? { environmentPrometheusRules: body } : body);

/** Response of the API documentation. */
export const MessageResponse = v.object({ message: v.string() });

/** Request to inherit the rules, or not to. */
export interface PrometheusRulesInput {
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
): Promise<{ body: v.InferOutput<typeof MessageResponse>; etag: string }> {
  const { organisation, environment, cluster } = input;
  const { problems, unknown, value: draft } = input.body;
  const inherits = draft?.environmentPrometheusRules === true;
  const verb = inherits ? "inherits" : "does not inherit";
  const message = `The cluster "${cluster}" ${verb} the Prometheus rules of environment "${environment}".`;
  const writtenBy = context.ids.identity();
  const done = await retryOnConflict(deadlineIn(context.writeTimeoutMs), (deadline) =>
    attemptUpdate(context, deadline, {
      path: { organisation, environment, cluster },
      options: input.options,
      target: undefined,
      targetPath: "",
      right: "developer",
      unknown,
      writtenBy,
      judge: () => problems,
      amend(present) {
        const after = { ...present, environmentPrometheusRules: inherits };
        if (isDeleting(present) && diffClusters(present, after).length > 0) {
          throw invalidState(present, "a cluster that is being deleted cannot be changed");
        }
        return after;
      },
      precondition: undefined,
      answer: (result, show) => ({ body: { message }, etag: show(result).etag }),
    }),
  );
  return done as { body: v.InferOutput<typeof MessageResponse>; etag: string };
}
