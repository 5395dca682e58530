/** Moves a cluster to another environment. */

import { authorize } from "../../access/authorize.ts";
import type { Context, WriteOptions } from "../../context.ts";
import type { Precondition } from "../../request/preconditions.ts";
import { readWriteOptions, type WriteResult } from "../../request/write.ts";
import { invalid } from "../../shared/errors.ts";
import { type Parsed, type Validated, validate } from "../../shared/validation.ts";
import { textProperty } from "../rules/update.ts";
import { type ClusterResponse, MoveCluster } from "../schema.ts";
import { runUpdate } from "./update.ts";

/** Parsed body of a move. */
interface ParsedMove extends Validated<MoveCluster> {
  /** Text for the environment to move to, also if it is no slug. */
  target: string | undefined;
}

/** Parses the body of a move. @param body as sent */
export const parseMove = (body: unknown): ParsedMove => ({
  ...validate(MoveCluster, body),
  target: textProperty(body, "newEnvironment"),
});

/** Request to move a cluster; the body names both environments. */
interface MoveInput {
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
 * @throws AppError as `authorize`, for its current environment; forbidden unless admin in both; invalid; preconditionFailed;
 *   conflict if the slug is taken there, or the cluster is being deleted
 */
export async function move(context: Context, input: MoveInput): Promise<WriteResult<ClusterResponse>> {
  const { organisation, cluster, options, body, precondition } = input;
  const { value: draft, problems: found, unknown, target } = body;
  const environment = draft?.currentEnvironment;
  if (environment === undefined) {
    await authorize(context, { path: { organisation, cluster }, role: "admin" });
    throw invalid([...readWriteOptions(context, options, unknown).problems, ...found]);
  }
  // An empty text is a value too: no environment has this slug.
  const empty = { path: "newEnvironment", message: '"" is not allowed: must be an environment of the organisation' };
  const problems = draft?.newEnvironment === "" ? [...found, empty] : found;
  return await runUpdate(context, {
    path: { organisation, environment, cluster },
    options,
    role: "admin",
    update: { problems, unknown, value: { input: {}, clears: new Set() }, target },
    targetProperty: "newEnvironment",
    precondition,
  });
}
