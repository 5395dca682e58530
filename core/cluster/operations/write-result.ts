/** Results of writes, and the parts that all writes share. */

import type { Authorized } from "../../access/authorize.ts";
import { type Context, reportUnknown } from "../../context.ts";
import { parseWriteQuery } from "../../request/dry-run.ts";
import { type Representation, withReplay } from "../../request/idempotency.ts";
import type { RawQuery } from "../../request/query.ts";
import type { Problem } from "../../shared/errors.ts";
import { type Deadline, deadlineIn } from "../../shared/retry.ts";
import { retryOnConflict } from "../../table/transaction.ts";
import type { Cluster } from "../entity.ts";
import type { Consequence } from "../rules/consequences.ts";
import type { ClusterResponse } from "../schema.ts";
import { clusterEtag, toClusterResponse } from "../store/items.ts";

/** Result of a dry run. It has no entity tag, because nothing is stored. */
export interface DryRun<Body> {
  kind: "dryRun";
  /** Body that the write would return, without the properties that the server would generate. */
  body: Partial<Body>;
  consequences: readonly Consequence[];
}

/** Result of a write. */
export type WriteResult<Body> = Representation<Body> | DryRun<Body>;

/** Options of a write, with their problems. */
interface WriteOptions {
  dryRun: boolean;
  /** Problems of the query, and unknown properties of a strict request. */
  problems: readonly Problem[];
}

/** Parses the query of a write and reports its unknown parameters. @param unknown unknown properties of the body */
export function readWriteOptions(context: Context, query: RawQuery, unknown: readonly string[]): WriteOptions {
  const { values, problems, unknown: parameters } = parseWriteQuery(query);
  return { dryRun: values.dryRun, problems: [...problems, ...reportUnknown(context, parameters, unknown)] };
}

/**
 * Runs a write: retries it after concurrent changes, and replays the stored response to a retry of the same request.
 *
 * @param attempt reads everything again; returns undefined after a concurrent change
 * @throws AppError of the attempt; unavailable at the deadline
 */
export const runWrite = <Body>(
  context: Context,
  attempt: (deadline: Deadline) => Promise<WriteResult<Body> | undefined>,
): Promise<WriteResult<Body>> =>
  withReplay<Body, DryRun<Body>>(context, () => retryOnConflict(deadlineIn(context.writeTimeoutMs), attempt));

/** Builds the representation of a cluster in the response to a write. */
export const representCluster = (
  cluster: Cluster,
  { organisation, references }: Pick<Authorized, "organisation" | "references">,
): Representation<ClusterResponse> => ({
  kind: "representation",
  body: toClusterResponse(cluster, { organisation, references, showCompute: false }),
  etag: clusterEtag(cluster, references),
});
