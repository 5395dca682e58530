/** Builds the transactions that create and change environments. */

import type { Services } from "../../context.ts";
import type { Requester } from "../../events/event-log.ts";
import { appendOrganisationEvent } from "../../events/organisation-events.ts";
import { buildFirstChunk, newBucketId } from "../../listing/page-index.ts";
import { environmentKey, totalKey } from "../../table/keys.ts";
import { Transaction } from "../../table/transaction.ts";
import {
  type Environment,
  environmentEntity,
  environmentPath,
  environmentSettings,
} from "../../tenancy/environment.ts";
import { MAX_ENVIRONMENTS } from "../../tenancy/organisation.ts";
import type { UpdateDecision } from "./rules.ts";

/** Organisation of a write (its slug), and the request that causes it; absent for an operator. */
export interface WriteSource {
  organisation: string;
  requester: Requester | undefined;
}

/** Builds the transaction that creates an environment: item, first chunk of the page index, counter of the organisation, event. */
export function createTransaction(
  services: Pick<Services, "ids">,
  environment: Environment,
  { organisation, requester }: WriteSource,
): Transaction {
  const { slug, identity, createdAt: at } = environment;
  const transaction = new Transaction()
    .create("environment", environmentEntity.write(environmentKey(organisation, slug), environment))
    .put("index", buildFirstChunk(organisation, environment, newBucketId(services.ids.number())))
    .update("total", totalKey(organisation), "ADD #environments :one", {
      condition: "#environments < :most",
      values: { ":one": 1, ":most": MAX_ENVIRONMENTS },
    });
  const changes = [{ path: environmentPath(environment), to: environmentSettings(environment) }];
  const source = { organisation, environmentIdentity: identity, at, requester };
  appendOrganisationEvent(services, transaction, { type: "environment.created", changes }, source);
  return transaction;
}

/**
 * Builds the transaction that changes an environment: only the changed properties, because clusters change the totals at the same time.
 *
 * @param before environment as read; the transaction requires its revision
 * @param after environment to store, with the next revision
 */
export function updateTransaction(
  services: Pick<Services, "ids">,
  before: Environment,
  after: Environment,
  { properties, event }: UpdateDecision & { kind: "write" },
  { organisation, requester }: WriteSource,
): Transaction {
  const written = [...properties, "modifiedAt", "writtenBy", "revision"] as const;
  const transaction = new Transaction().update(
    "environment",
    environmentKey(organisation, before.slug),
    `SET ${written.map((name) => `#${name} = :${name}`).join(", ")}`,
    {
      condition: "#identity = :identity AND #revision = :read AND attribute_not_exists(#deletedAt)",
      values: {
        ":identity": before.identity,
        ":read": before.revision,
        ...Object.fromEntries(written.map((name) => [`:${name}`, after[name]])),
      },
    },
  );
  const source = { organisation, environmentIdentity: before.identity, at: after.modifiedAt, requester };
  appendOrganisationEvent(services, transaction, event, source);
  return transaction;
}
