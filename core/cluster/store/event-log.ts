/** Appends events of clusters to the transaction of the change. */

import type { Services } from "../../context.ts";
import { appendTo, type Requester } from "../../events/event-log.ts";
import { eventKey } from "../../table/keys.ts";
import type { Transaction } from "../../table/transaction.ts";
import type { EventOf } from "../event-types.ts";

/** Cluster and time of an event, and the request that caused it. */
interface EventSource {
  clusterIdentity: string;
  /** Time of the change, RFC 3339; the same as in the changed item. */
  at: string;
  /** Absent for a change by the reconciler or an operator. */
  requester?: Requester;
}

/** Appends an event of a cluster to the transaction of the change. The operation has the label `event`. */
export function appendEvent(
  services: Pick<Services, "ids">,
  transaction: Transaction,
  event: EventOf,
  source: EventSource,
): void {
  appendTo(services, transaction, (ulid) => eventKey(source.clusterIdentity, source.at, ulid), event, source);
}
