/** What a cluster needs before a provisioner builds it, and what has to go once it is torn down: the reconciler's own steps. */

import type { Condition } from "../cluster/condition.ts";
import type { Cluster } from "../cluster/entity.ts";
import type { StoredSecrets } from "../secrets/vault.ts";
import type { Transaction } from "../table/transaction.ts";

/** A cluster, and what is stored of its secrets. */
export interface PrerequisiteContext {
  cluster: Cluster;
  held: StoredSecrets;
}

/** Writes what a step made, fenced by the worker's lease. @returns whether it is written */
export type Write = (transaction: Transaction) => Promise<boolean>;

/** A failure of a step that says when to try again. */
export class RetryableError extends Error {
  /** How long to wait before the next try, in milliseconds; undefined leaves it to the back-off. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, options: { cause?: unknown; retryAfterMs?: number | undefined } = {}) {
    super(message, { cause: options.cause });
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** A failure of a step with a reason of its own on the condition Reconciled. */
export class PrerequisiteError extends RetryableError {
  readonly reason: Condition["reason"];
  /** Whether the step waits until an operator allows another try. */
  readonly waitsForOperator: boolean;

  constructor(
    reason: Condition["reason"],
    message: string,
    options: ConstructorParameters<typeof RetryableError>[1] & { waitsForOperator?: boolean } = {},
  ) {
    super(message, options);
    this.reason = reason;
    this.waitsForOperator = options.waitsForOperator ?? false;
  }
}

/** One step. It may be killed at any moment, and is then begun again. */
export interface Prerequisite {
  /** What is told where it fails, such as "making the certificate authority". */
  readonly operation: string;
  /** Whether there is nothing to do, by what is stored. */
  isDone(prepared: PrerequisiteContext): boolean;
  /** Returns when there is something to do again, though nothing is asked for; undefined for never. */
  dueAt?(prepared: PrerequisiteContext): Date | undefined;
  /** Does it. @returns false where its result was not written: another worker has the cluster, or it changed meanwhile */
  prepare(prepared: PrerequisiteContext, write: Write, signal: AbortSignal): Promise<boolean>;
  /** Undoes what lies elsewhere than in the table, from which the cluster's secrets go with the cluster. */
  remove?(prepared: PrerequisiteContext, signal: AbortSignal): Promise<void>;
}
