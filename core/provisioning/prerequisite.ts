/** Prerequisites: what the reconciler creates before the provisioner builds a cluster, and removes after its deletion. */

import type { Condition } from "../cluster/condition.ts";
import type { Cluster } from "../cluster/entity.ts";
import type { StoredSecrets } from "../secrets/vault.ts";
import type { Transaction } from "../table/transaction.ts";
import type { Observation, Provisioner, Target } from "./provisioner.ts";

/** Cluster with its stored secrets. */
export interface PrerequisiteContext {
  cluster: Cluster;
  secrets: StoredSecrets;
}

/** Commits the result of a step under the worker's lease. @returns true if it is committed */
export type Write = (transaction: Transaction) => Promise<boolean>;

/** Failure with a delay before the next attempt. */
export class RetryableError extends Error {
  /** Minimum delay before the next attempt, in milliseconds; undefined for the backoff alone. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, options: { cause?: unknown; retryAfterMs?: number | undefined } = {}) {
    super(message, { cause: options.cause });
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** Failure of a prerequisite, with its reason for the condition Reconciled. */
export class PrerequisiteError extends RetryableError {
  readonly reason: Condition["reason"];

  constructor(
    reason: Condition["reason"],
    message: string,
    options: ConstructorParameters<typeof RetryableError>[1] = {},
  ) {
    super(message, options);
    this.reason = reason;
  }
}

/** Step that follows from an observation of a cluster, such as recording its certificate authority. */
export interface FollowUp {
  /** Name of the operation in errors. */
  readonly operation: string;
  /** Returns true if the observation and the stored secrets show that there is something to do. */
  isDue(context: PrerequisiteContext, observation: Observation): boolean;
  /** Does it. @returns false if the result was not committed: another worker has the lease, or the cluster changed */
  run(context: FollowUpContext, write: Write, signal: AbortSignal): Promise<boolean>;
}

/** Cluster with its stored secrets and its observation. */
export interface FollowUpContext extends PrerequisiteContext, Target {
  observation: Observation;
  provisioner: Provisioner;
}

/** Prerequisite of a cluster. Its methods may be interrupted at any moment and are then called again. */
export interface Prerequisite {
  /** Name of the operation in errors, such as "creating the certificate authority". */
  readonly operation: string;
  /** Returns true if the stored secrets show that it is satisfied. */
  isDone(context: PrerequisiteContext): boolean;
  /** Returns the time at which it has to be satisfied again; undefined for never. */
  dueAt?(context: PrerequisiteContext): Date | undefined;
  /** Satisfies it. @returns false if the result was not committed: another worker has the lease, or the cluster changed */
  prepare(context: PrerequisiteContext, write: Write, signal: AbortSignal): Promise<boolean>;
  /** Removes what it created outside of the table; the secrets in the table are deleted with the cluster. */
  remove?(context: PrerequisiteContext, signal: AbortSignal): Promise<void>;
}
