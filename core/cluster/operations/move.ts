/** Moving a cluster to another environment. */

import { authorize } from "../../access/authorize.ts";
import { type Context, reportUnknown } from "../../context.ts";
import { parseWriteQuery } from "../../request/dry-run.ts";
import { withReplay } from "../../request/idempotency.ts";
import type { Precondition } from "../../request/preconditions.ts";
import type { RawQuery } from "../../request/query.ts";
import { invalid } from "../../shared/errors.ts";
import { type Deadline, deadlineIn } from "../../shared/retry.ts";
import { validate } from "../../shared/validation.ts";
import { type ClusterResponse, MoveCluster } from "../schema.ts";
import { retryOnConflict } from "../store/mutation.ts";
import type { Representation } from "./create.ts";
import { attemptUpdate, stringProperty } from "./update.ts";

/** A request to move a cluster; the body says from where to where. */
export interface MoveInput {
  organisation: string;
  cluster: string;
  query: RawQuery;
  body: unknown;
  precondition?: Precondition;
}

/**
 * Moves a cluster: its slug and identity stay, and what belongs to it goes with it. Readers by path see it in the one
 * environment or in the other. Two waits on the database.
 *
 * @throws AppError as `enter`, for the environment it is in; forbidden unless admin in both; invalid; preconditionFailed;
 *   conflict where the slug is held there, or the cluster is being deleted
 */
export async function move(context: Context, input: MoveInput): Promise<Representation<ClusterResponse>> {
  const { organisation, cluster } = input;
  const { draft, problems, unknown } = validate(MoveCluster, input.body);
  // An empty text names an environment too: one that cannot exist.
  const environment = draft?.currentEnvironment;
  const blank = draft?.newEnvironment === "";
  const found = blank
    ? [...problems, { path: "newEnvironment", message: '"" is not allowed: must be an environment' }]
    : problems;
  if (environment === undefined) {
    await authorize(context, { path: { organisation, cluster }, role: "admin" });
    const query = parseWriteQuery(input.query);
    throw invalid([...query.problems, ...reportUnknown(context, query.unknown, unknown), ...problems]);
  }
  const writtenBy = context.ids.identity();
  const work = (deadline: Deadline) =>
    attemptUpdate(context, deadline, {
      path: { organisation, environment, cluster },
      query: input.query,
      target: stringProperty(input.body, "newEnvironment"),
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
