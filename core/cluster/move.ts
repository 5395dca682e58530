/** Moving a cluster to another environment. */

import { enter } from "../access/enter.ts";
import type { Precondition } from "../conditional.ts";
import { type Context, noteUnknown } from "../context.ts";
import { readWriteQuery } from "../dry-run.ts";
import { invalid } from "../errors.ts";
import { orKept } from "../idempotency.ts";
import type { RawQuery } from "../query.ts";
import { type Deadline, deadlineIn } from "../table/pause.ts";
import { check } from "../validation.ts";
import { untilDone } from "./change.ts";
import type { Shown } from "./create.ts";
import { type ClusterResponse, MoveCluster } from "./schema.ts";
import { change, textOf } from "./update.ts";

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
export async function move(context: Context, input: MoveInput): Promise<Shown<ClusterResponse>> {
  const { organisation, cluster } = input;
  const { draft, problems, unknown } = check(MoveCluster, input.body);
  // An empty text names an environment too: one that cannot exist.
  const environment = draft?.currentEnvironment;
  const blank = draft?.newEnvironment === "";
  const found = blank
    ? [...problems, { path: "newEnvironment", text: '"" is not allowed: must be an environment' }]
    : problems;
  if (environment === undefined) {
    await enter(context, { path: { organisation, cluster }, right: "admin" });
    const query = readWriteQuery(input.query);
    throw invalid([...query.problems, ...noteUnknown(context, query.unknown, unknown), ...problems]);
  }
  const writtenBy = context.draw.identity();
  const work = (deadline: Deadline) =>
    change(context, deadline, {
      path: { organisation, environment, cluster },
      query: input.query,
      target: textOf(input.body, "newEnvironment"),
      targetPath: "newEnvironment",
      right: "admin",
      unknown,
      writtenBy,
      judge: () => found,
      amend: (present) => present,
      precondition: input.precondition,
    });
  const done = await orKept(context, () => untilDone(deadlineIn(context.patienceMs), work));
  return done as Shown<ClusterResponse>;
}
