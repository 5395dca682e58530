/** Results of writes, and the parts that all writes share. */

import { type Context, reportUnknown, type WriteOptions } from "../context.ts";
import { type Deadline, deadlineIn } from "../shared/retry.ts";
import type { Parsed } from "../shared/validation.ts";
import { retryOnConflict } from "../table/transaction.ts";
import { type Representation, withReplay } from "./idempotency.ts";

/** Effect on nodes: they stay, or are replaced or removed. */
export type Effect = "inPlace" | "rollsNodes";

/** Property that would change, and the pools that it would affect; `nodes` is the minimum number of nodes of a pool. */
export interface Consequence {
  property: string;
  effect: Effect;
  nodePools: { identity: string; nodes: number }[];
}

/** Result of a dry run. It has no entity tag, because nothing is stored. */
export interface DryRun<Body> {
  kind: "dryRun";
  /** Body that the write would return, without the properties that the server would generate. */
  body: Partial<Body>;
  consequences: readonly Consequence[];
  /** Objects that the provisioner would make, without secrets; absent unless the request asks for them. */
  manifests?: readonly object[];
}

/** Result of a write. */
export type WriteResult<Body> = Representation<Body> | DryRun<Body>;

/**
 * Reads the options of a write and reports unknown ones.
 *
 * @param unknown unknown properties of the body
 * @returns the options, with their problems and the unknown properties of a strict request
 */
export const readWriteOptions = (context: Context, options: Parsed<WriteOptions>, unknown: readonly string[]) => ({
  dryRun: options.value.dryRun,
  problems: [...options.problems, ...reportUnknown(context, options.unknown, unknown)],
});

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
