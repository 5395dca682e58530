/** Lists the events of an organisation in pages. */

import type * as v from "valibot";
import { authorize } from "../access/authorize.ts";
import { type Context, requireValid } from "../context.ts";
import {
  type EventPage,
  eventPage,
  eventSchema,
  eventsSchema,
  type ListEventsOptions,
  ofOwner,
  readEvents,
} from "../events/list.ts";
import { organisationEventTypes } from "../events/organisation-events.ts";
import type { Parsed } from "../shared/validation.ts";
import { organisationEventsPartition } from "../table/keys.ts";
import { roleIn, satisfies } from "../tenancy/role.ts";

/** Event of an organisation. */
export const OrganisationEventResponse = eventSchema(organisationEventTypes);
type OrganisationEventResponse = v.InferOutput<typeof OrganisationEventResponse>;

/** Events, newest first. */
export const OrganisationEventsResponse = eventsSchema(OrganisationEventResponse);

/**
 * Lists the events of an organisation, newest first. One database round trip. Events about environments in which the caller has no role
 * are left out. New events come before the first page and do not shift later pages.
 *
 * @throws AppError as `authorize`; invalid with every problem of the options
 */
export async function listOrganisationEvents(
  context: Context,
  input: { organisation: string; options: Parsed<ListEventsOptions> },
): Promise<EventPage<OrganisationEventResponse>> {
  const { organisation, options } = input;
  const authorized = await authorize(context, {
    path: { organisation },
    role: "viewer",
    alongside: () => readEvents(context, organisationEventsPartition(organisation), options.value),
  });
  const { member } = authorized;
  const { identity } = authorized.organisation;
  const { size } = requireValid(context, ofOwner(identity, options));
  return eventPage(
    context,
    authorized.alongside ?? [],
    identity,
    size,
    ({ environmentIdentity }) =>
      environmentIdentity === undefined || satisfies(roleIn(member, environmentIdentity), "viewer"),
  );
}
