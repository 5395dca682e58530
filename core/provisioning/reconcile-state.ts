/** Builds the state of the reconciler that is stored on the pointer of a cluster. */

import type { Cluster, Pointer } from "../cluster/entity.ts";
import type { ReconcileState } from "../cluster/store/pointer.ts";
import type { Services } from "../context.ts";
import { observedStatus } from "./planning.ts";
import type { Step } from "./step.ts";

/** Builds the state that is stored on the pointer. If the cluster was not observed, the last observation stays. */
export function stateAfter(
  { clock }: Services,
  cluster: Cluster,
  pointer: Pointer,
  { observation, isUnobservable, error, followUp }: Step,
  attempts: number,
): ReconcileState {
  const at = clock().toISOString();
  const observed = isUnobservable
    ? pointer.observation
    : {
        collectedAt: observation?.collectedAt ?? at,
        status: observation?.health ?? observedStatus(observation, cluster.desiredStatus),
        version: observation?.version,
        endpoint: observation?.endpoint,
      };
  const failed = error ?? followUp;
  return {
    ...(observed === undefined ? {} : { observation: observed }),
    attempts,
    ...(failed === undefined ? {} : { lastError: { at, operation: failed.operation, message: failed.message } }),
    ...(followUp === undefined ? {} : { followUp }),
  };
}
