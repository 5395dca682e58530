/** Moves a cluster to another environment. */

import { authorize } from "../../access/authorize.ts";
import { type Context, reportUnknown, type WriteOptions } from "../../context.ts";
import { withReplay } from "../../request/idempotency.ts";
import type { Precondition } from "../../request/preconditions.ts";
import { invalid } from "../../shared/errors.ts";
import { type Deadline, deadlineIn } from "../../shared/retry.ts";
import { type Parsed, type Validated, validate } from "../../shared/validation.ts";
import { textProperty } from "../rules/update.ts";
import { type ClusterResponse, MoveCluster } from "../schema.ts";
import { retryOnConflict } from "../store/mutation.ts";
import type { Representation } from "./create.ts";
import { attemptUpdate } from "./update.ts";

/** Parsed body of a move. */
export interface ParsedMove extends Validated<MoveCluster> {
  /** Text for the environment to move to, also if it is no slug. */
  target: string | undefined;
}

/** Parses the body of a move. @param body as sent */
export const parseMove = (body: unknown): ParsedMove => ({
  ...validate(MoveCluster, body),
  target: textProperty(body, "newEnvironment"),
});

/** Request to move a cluster; the body names both environments. */
export interface MoveInput {
  organisation: string;
  cluster: string;
  options: Parsed<WriteOptions>;
  body: ParsedMove;
  precondition?: Precondition;
}

/**
 * Moves a cluster with everything that belongs to it; slug and identity do not change. A reader by path finds it in exactly one
 * of the environments. Two database round trips.
 *
 * @throws AppError as `enter`, for its current environment; forbidden unless admin in both; invalid; preconditionFailed;
 *   conflict if the slug is taken there, or the cluster is being deleted
 */
export async function move(context: Context, input: MoveInput): Promise<Representation<ClusterResponse>> {
  const { organisation, cluster } = input;
  const { value: draft, problems, unknown, target } = input.body;
  // An empty text is a value too: no environment has this slug.
  const environment = draft?.currentEnvironment;
  const blank = draft?.newEnvironment === "";
  const found = blank
    ? [
        ...problems,
        { path: "newEnvironment", message: '"" is not allowed: must be an environment of the organisation' },
      ]
    : problems;
  if (environment === undefined) {
    await authorize(context, { path: { organisation, cluster }, role: "admin" });
    const { options } = input;
    throw invalid([...options.problems, ...reportUnknown(context, options.unknown, unknown), ...problems]);
  }
  const writtenBy = context.ids.identity();
  const work = (deadline: Deadline) =>
    attemptUpdate(context, deadline, {
      path: { organisation, environment, cluster },
      options: input.options,
      target,
      targetPath: "newEnvironment",
      right: "admin",
      unknown,
      writtenBy,
      judge: () => found,
      amend: (present) => present,
      precondition: input.precondition,
    });
  const done = await withReplay(context, () => retryOnConflict(deadlineIn(context.writeTimeoutMs), work));
  return done as Representation<ClusterResponse>;
}
