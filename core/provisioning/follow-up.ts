/**
 * Runs the steps that follow from an observation. They are retried on their own: the API server of a cluster may be unreachable for this
 * process for hours, for example behind a list of allowed addresses, and that must not delay the other work on the cluster.
 */

import type { Pointer } from "../cluster/entity.ts";
import { backoffDelay } from "./backoff.ts";
import { callWithTimeout } from "./call.ts";
import type { Write } from "./prerequisite.ts";
import type { Observation } from "./provisioner.ts";
import type { ReconcilerServices } from "./services.ts";
import type { StoredState, Unfinished } from "./step.ts";

/** Failed follow-up, as stored. */
export type FailedFollowUp = NonNullable<Pointer["followUp"]>;

/**
 * Runs the first follow-up that is due, unless it failed and is to be retried later.
 *
 * @param failed follow-up that failed in an earlier step
 * @returns its success; the failed follow-up if it failed now or waits; undefined if there is nothing to do
 */
export async function runFollowUp(
  services: ReconcilerServices,
  write: Write,
  { cluster, pools: nodePools, secrets }: StoredState,
  observation: Observation | undefined,
  failed: FailedFollowUp | undefined,
): Promise<FailedFollowUp | Unfinished | undefined> {
  if (observation === undefined) return failed;
  const due = services.followUps.filter((each) => each.isDue({ cluster, secrets }, observation));
  const waits = (operation: string) =>
    failed?.operation === operation && Date.parse(failed.retryAt) > services.clock().getTime();
  const next = due.find(({ operation }) => !waits(operation));
  if (next === undefined) return due.length === 0 ? undefined : failed;
  const { operation } = next;
  const context = { cluster, nodePools, secrets, observation, provisioner: services.provisioner };
  const { value: isCommitted, error } = await callWithTimeout(services, operation, (signal) =>
    next.run(context, write, signal),
  );
  if (error === undefined) return isCommitted === true ? "prepared" : "changed";
  const attempts = (failed?.operation === operation ? failed.attempts : 0) + 1;
  const delay = Math.max(backoffDelay(attempts), error.retryAfterMs ?? 0);
  const { message, isTimeout } = error;
  const retryAt = new Date(services.clock().getTime() + delay).toISOString();
  return { operation, message, isTimeout, attempts, retryAt };
}

/** Returns the delay before a failed follow-up is retried, in milliseconds; undefined if there is none. */
export const retryDelay = (
  { clock }: Pick<ReconcilerServices, "clock">,
  failed: FailedFollowUp | undefined,
): number | undefined => failed && Math.max(0, Date.parse(failed.retryAt) - clock().getTime());
