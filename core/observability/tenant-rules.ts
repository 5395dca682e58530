/** Decides about writes of observability tenants. Pure functions. */

import type { Change } from "../events/entity.ts";
import type { OrganisationEvent } from "../events/organisation-events.ts";
import type { Representation } from "../request/idempotency.ts";
import { type Precondition, revisionMismatch } from "../request/preconditions.ts";
import { type AppError, conflict, invalid, notFound, type Problem } from "../shared/errors.ts";
import { slugOf } from "../shared/slug.ts";
import type { Validated } from "../shared/validation.ts";
import { MAX_OBSERVABILITY_TENANTS, type Total } from "../tenancy/organisation.ts";
import type { Tenant } from "./entity.ts";
import {
  type CreateObservabilityTenant,
  type TenantResponse,
  toTenantResponse,
  type UpdateObservabilityTenant,
} from "./schema.ts";

/** Values that the server generates for a new tenant, the same for all attempts: an own write is recognised by them. */
export interface GeneratedIds {
  identity: string;
  /** Numeric id. */
  id: number;
}

/** Request to create a tenant, and the state that decides about it. */
interface CreateState {
  body: Validated<CreateObservabilityTenant>;
  /** Problems of the request in addition to those of the body. */
  problems: readonly Problem[];
  /** Tenant that has the slug. */
  owner: Tenant | undefined;
  total: Total;
  generated: GeneratedIds;
  /** RFC 3339. */
  now: string;
}

/** Decision about the creation of a tenant. `exists`: an earlier attempt of this request wrote it. */
type CreateDecision = { kind: "refuse"; error: AppError } | { kind: "exists" | "write"; tenant: Tenant };

/** Returns the slug of a new tenant, if its name has one: the first read needs it before the request is validated. */
export const slugIn = (name: string | undefined): string | undefined =>
  (name === undefined ? "" : slugOf(name.slice(0, 63))) || undefined;

/** Returns the path of a tenant in the changes of events. */
export const tenantPath = ({ slug }: Pick<Tenant, "slug">) => `observabilityTenants[${slug}]` as const;

/** Returns the properties of a tenant that events of its creation and deletion contain. */
export const tenantSettings = ({ identity, name, ipWhiteList }: Tenant) => ({ identity, name, ipWhiteList });

/** Returns the entity tag of a tenant, without quotes. It identifies the revision, also of a later tenant with the same slug. */
const tenantEtag = ({ revision, identity }: Pick<Tenant, "revision" | "identity">): string =>
  `${revision}-${identity.slice(0, 8)}`;

/** Builds the representation of a tenant. @param organisation slug of its organisation */
export const representTenant = (tenant: Tenant, organisation: string): Representation<TenantResponse> => ({
  kind: "representation",
  body: toTenantResponse(tenant, organisation),
  etag: tenantEtag(tenant),
});

/** Builds the error for a path whose tenant does not exist. */
export const tenantNotFound = (tenant: string, organisation: string): AppError =>
  notFound(
    "observability_tenant.missing",
    `There is no observability tenant "${tenant}" in organisation "${organisation}".`,
  );

/** Decides about the creation of a tenant, in the contract's order: problems, conflicts. */
export function decideCreate({ body, problems, owner, total, generated, now }: CreateState): CreateDecision {
  const all = [...problems, ...body.problems];
  if (all.length > 0) return { kind: "refuse", error: invalid(all) };
  // An earlier attempt succeeded, and its response was lost.
  if (owner?.identity === generated.identity) return { kind: "exists", tenant: owner };
  if (owner !== undefined) {
    const text = `name: the slug "${owner.slug}" is already used by the observability tenant ${JSON.stringify(owner.name)}`;
    return { kind: "refuse", error: conflict("observability_tenant.slug_taken", text) };
  }
  if ((total.observabilityTenants ?? 0) >= MAX_OBSERVABILITY_TENANTS) {
    const text = `Limit reached: an organisation can have at most ${MAX_OBSERVABILITY_TENANTS} observability tenants.`;
    return { kind: "refuse", error: conflict("organisation.observability_tenant_limit", text) };
  }
  const { name, ipWhiteList = "" } = body.complete();
  const tenant = { ...generated, slug: slugOf(name), name, ipWhiteList, createdAt: now, modifiedAt: now, revision: 1 };
  return { kind: "write", tenant };
}

/** Request to change or delete a tenant, and the state that decides about it. */
interface WriteState {
  tenant: Tenant;
  /** Problems of the request in addition to those of a body. */
  problems: readonly Problem[];
  precondition: Precondition | undefined;
}

const UPDATABLE = ["name", "ipWhiteList"] as const satisfies readonly (keyof UpdateObservabilityTenant)[];

/** Decision about a change of a tenant. */
type UpdateDecision =
  | { kind: "refuse"; error: AppError }
  | { kind: "unchanged" }
  | { kind: "write"; after: Tenant; properties: readonly string[]; event: OrganisationEvent };

/**
 * Decides about a change of a tenant, in the contract's order: problems, precondition. The slug never changes, because paths and the
 * keys of what the tenant has contain it.
 */
export function decideUpdate(state: WriteState, body: Validated<UpdateObservabilityTenant>): UpdateDecision {
  const { tenant: before, precondition } = state;
  const problems = [...state.problems, ...body.problems];
  if (problems.length > 0) return { kind: "refuse", error: invalid(problems) };
  const mismatch = revisionMismatch(precondition, tenantEtag(before));
  if (mismatch !== undefined) return { kind: "refuse", error: mismatch };
  const { name = before.name, ipWhiteList = before.ipWhiteList } = body.complete();
  const after: Tenant = { ...before, name, ipWhiteList };
  const properties = UPDATABLE.filter((property) => after[property] !== before[property]);
  if (properties.length === 0) return { kind: "unchanged" };
  const path = tenantPath(before);
  const changes = properties.map(
    (property): Change<`${typeof path}.${typeof property}`> => ({
      path: `${path}.${property}`,
      from: before[property],
      to: after[property],
    }),
  );
  return { kind: "write", after, properties, event: { type: "observability-tenant.updated", changes } };
}

/** Decides about the deletion of a tenant. @returns the error that refuses it */
export function refuseDelete({ tenant, problems, precondition }: WriteState): AppError | undefined {
  return problems.length > 0 ? invalid(problems) : revisionMismatch(precondition, tenantEtag(tenant));
}
