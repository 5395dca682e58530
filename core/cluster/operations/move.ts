/** Moves a cluster to another environment. */

import { authorize } from "../../access/authorize.ts";
import type { Context } from "../../context.ts";
import type { Precondition } from "../../request/preconditions.ts";
import type { RawQuery } from "../../request/query.ts";
import { invalid } from "../../shared/errors.ts";
import { validate } from "../../shared/validation.ts";
import { type ClusterResponse, MoveCluster } from "../schema.ts";
import { runUpdate, stringProperty } from "./update.ts";
import { readWriteOptions, type WriteResult } from "./write-result.ts";

/** Request to move a cluster; the body names both environments. */
export interface MoveInput {
  organisation: string;
  cluster: string;
  query: RawQuery;
  body: unknown;
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
  const { organisation, cluster, query, body, precondition } = input;
  const { draft, problems: found, unknown } = validate(MoveCluster, body);
  const environment = draft?.currentEnvironment;
  if (environment === undefined) {
    await authorize(context, { path: { organisation, cluster }, role: "admin" });
    throw invalid([...readWriteOptions(context, query, unknown).problems, ...found]);
  }
  // An empty text is a value too: no environment has this slug.
  const empty = { path: "newEnvironment", message: '"" is not allowed: must be an environment of the organisation' };
  const problems = draft?.newEnvironment === "" ? [...found, empty] : found;
  const target = stringProperty(body, "newEnvironment");
  return await runUpdate(context, {
    path: { organisation, environment, cluster },
    query,
    role: "admin",
    update: { problems, unknown, request: { input: {}, clears: new Set() } },
    target: target === undefined ? undefined : { environment: target, property: "newEnvironment" },
    precondition,
  });
}
