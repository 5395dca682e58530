/** Lists the events of a cluster in pages. */

import type * as v from "valibot";
import { type Context, requireValid } from "../../context.ts";
import {
  type EventPage,
  eventPage,
  eventSchema,
  eventsSchema,
  type ListEventsOptions,
  ofOwner,
  readEvents,
} from "../../events/list.ts";
import type { Parsed } from "../../shared/validation.ts";
import { pointerKey } from "../../table/keys.ts";
import { eventTypes } from "../event-types.ts";
import { authorizeCluster, type ClusterPath } from "./get.ts";

/** Event of a cluster. */
export const ClusterEventResponse = eventSchema(eventTypes);
type ClusterEventResponse = v.InferOutput<typeof ClusterEventResponse>;

/** Events, newest first. */
export const ClusterEventsResponse = eventsSchema(ClusterEventResponse);

/** Request for events of a cluster. */
interface ListEventsInput extends ClusterPath {
  options: Parsed<ListEventsOptions>;
}

/**
 * Lists the events of the cluster that owns a slug, newest first, by its identity: also events from other environments. Two
 * database round trips. New events come before the first page and do not shift later pages.
 *
 * @throws AppError as `authorize`; not found; invalid with every problem of the options
 */
export async function listEvents(context: Context, input: ListEventsInput): Promise<EventPage<ClusterEventResponse>> {
  const { identity } = (await authorizeCluster(context, input)).cluster;
  const options = requireValid(context, ofOwner(identity, input.options));
  const items = await readEvents(context, pointerKey(identity).pk, options);
  return eventPage(context, items, identity, options.size);
}
