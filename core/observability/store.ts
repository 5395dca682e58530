/** Builds the transactions that write observability tenants and what they have. Each one contains its event. */

import type { Services } from "../context.ts";
import type { Requester } from "../events/event-log.ts";
import { appendOrganisationEvent, type OrganisationEvent } from "../events/organisation-events.ts";
import { alertmanagerKey, observabilityTenantKey, silencesKey, totalKey } from "../table/keys.ts";
import { type Expression, Transaction } from "../table/transaction.ts";
import { MAX_OBSERVABILITY_TENANTS } from "../tenancy/organisation.ts";
import {
  type Configuration,
  configurationEntity,
  type Silences,
  silencesEntity,
  type Tenant,
  tenantEntity,
} from "./entity.ts";
import { tenantPath, tenantSettings } from "./tenant-rules.ts";

/** Organisation of a write (its slug), its request, and its time (RFC 3339). */
export interface WriteSource {
  organisation: string;
  requester: Requester;
  at: string;
}

type Ids = Pick<Services, "ids">;

/** Builds the transaction that creates a tenant: item, counter of the organisation, event. */
export function createTransaction(services: Ids, tenant: Tenant, source: WriteSource): Transaction {
  const { organisation } = source;
  const transaction = new Transaction()
    .create("tenant", tenantEntity.write(observabilityTenantKey(organisation, tenant.slug), tenant))
    .update("total", totalKey(organisation), "ADD #observabilityTenants :one", {
      condition:
        "attribute_exists(#pk) AND (attribute_not_exists(#observabilityTenants) OR #observabilityTenants < :most)",
      values: { ":one": 1, ":most": MAX_OBSERVABILITY_TENANTS },
    });
  const changes = [{ path: tenantPath(tenant), to: tenantSettings(tenant) }];
  appendOrganisationEvent(services, transaction, { type: "observability-tenant.created", changes }, source);
  return transaction;
}

/** Requires a tenant as it was read. */
const unchangedTenant = ({ identity, revision }: Tenant) => ({
  condition: "#identity = :identity AND #revision = :read",
  values: { ":identity": identity, ":read": revision },
});

/** Builds the transaction that changes a tenant. @param before tenant as read; the transaction requires its revision */
export function updateTransaction(
  services: Ids,
  before: Tenant,
  after: Tenant,
  event: OrganisationEvent,
  source: WriteSource,
): Transaction {
  const key = observabilityTenantKey(source.organisation, before.slug);
  const transaction = new Transaction().put("tenant", tenantEntity.write(key, after), unchangedTenant(before));
  appendOrganisationEvent(services, transaction, event, source);
  return transaction;
}

/**
 * Builds the transaction that deletes a tenant with everything that it has. Writes of what it has require the tenant, so nothing
 * of it can be left over.
 *
 * @param tenant tenant as read; the transaction requires its revision
 */
export function deleteTransaction(services: Ids, tenant: Tenant, source: WriteSource): Transaction {
  const { organisation } = source;
  const transaction = new Transaction()
    .delete("tenant", observabilityTenantKey(organisation, tenant.slug), unchangedTenant(tenant))
    .delete("configuration", alertmanagerKey(organisation, tenant.slug))
    .delete("silences", silencesKey(organisation, tenant.slug))
    .update("total", totalKey(organisation), "ADD #observabilityTenants :less", { values: { ":less": -1 } });
  const changes = [{ path: tenantPath(tenant), from: tenantSettings(tenant) }];
  appendOrganisationEvent(services, transaction, { type: "observability-tenant.deleted", changes }, source);
  return transaction;
}

/** Requires the revision of an item as it was read. @param read undefined if it did not exist */
const unchangedItem = (read: { revision: number } | undefined): Expression =>
  read === undefined
    ? { condition: "attribute_not_exists(#pk)" }
    : { condition: "#revision = :read", values: { ":read": read.revision } };

/** Starts a transaction on what a tenant has: it requires that the tenant exists. */
const ofTenant = (organisation: string, { slug, identity }: Tenant): Transaction =>
  new Transaction().check("tenant", observabilityTenantKey(organisation, slug), {
    condition: "#identity = :identity",
    values: { ":identity": identity },
  });

/** Builds the transaction that writes a configuration. @param read stored one as read, if there was one */
export function configurationTransaction(
  services: Ids,
  tenant: Tenant,
  { read, after }: { read: Configuration | undefined; after: Configuration },
  event: OrganisationEvent,
  source: WriteSource,
): Transaction {
  const { organisation } = source;
  const item = configurationEntity.write(alertmanagerKey(organisation, tenant.slug), after);
  const transaction = ofTenant(organisation, tenant).put("configuration", item, unchangedItem(read));
  appendOrganisationEvent(services, transaction, event, source);
  return transaction;
}

/** Builds the transaction that writes the silences of a tenant. @param read stored item as read, if there was one */
export function silencesTransaction(
  services: Ids,
  tenant: Tenant,
  { read, after }: { read: Silences | undefined; after: Silences },
  event: OrganisationEvent,
  source: WriteSource,
): Transaction {
  const { organisation } = source;
  const item = silencesEntity.write(silencesKey(organisation, tenant.slug), after);
  const transaction = ofTenant(organisation, tenant).put("silences", item, unchangedItem(read));
  appendOrganisationEvent(services, transaction, event, source);
  return transaction;
}
