/** Response shapes of environments. */

import * as v from "valibot";
import { Slug } from "../shared/schemas.ts";
import { type Environment, environmentTypes } from "../tenancy/environment.ts";

const dateTime = v.pipe(v.string(), v.isoTimestamp());

/** EnvironmentResponse of the API documentation. The totals count clusters that are not deleting: cores and MiB. */
export const EnvironmentResponse = v.object({
  createdAt: dateTime,
  deletedAt: v.optional(dateTime),
  description: v.string(),
  id: v.number(),
  identity: v.string(),
  modifiedAt: dateTime,
  name: v.string(),
  organisationSlug: Slug,
  purpose: v.string(),
  slug: Slug,
  totalClusters: v.number(),
  totalCpu: v.number(),
  totalMemory: v.number(),
  type: v.picklist(environmentTypes),
});
export type EnvironmentResponse = v.InferOutput<typeof EnvironmentResponse>;

/** Builds the response for an environment. @param organisation slug of its organisation */
export function toEnvironmentResponse(environment: Environment, organisation: string): EnvironmentResponse {
  return {
    createdAt: environment.createdAt,
    description: environment.description,
    id: environment.id,
    identity: environment.identity,
    modifiedAt: environment.modifiedAt,
    name: environment.name,
    organisationSlug: { slugValue: organisation },
    purpose: environment.purpose,
    slug: { slugValue: environment.slug },
    totalClusters: environment.totalClusters,
    totalCpu: environment.totalCpu,
    totalMemory: environment.totalMemory,
    type: environment.type,
  };
}
