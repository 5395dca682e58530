/** Shapes of environments in requests and responses. */

import * as v from "valibot";
import { dateTime, identity, int64, maxCharacters, Slug, text } from "../../shared/schemas.ts";
import { NAME_PATTERN } from "../../shared/slug.ts";
import { type Environment, environmentTypes } from "../../tenancy/environment.ts";

const name = v.pipe(
  v.string(),
  v.minLength(1),
  v.maxLength(25),
  v.regex(NAME_PATTERN, "must be ASCII letters, digits, spaces, - and &, with at least one letter or digit"),
);
const purpose = v.optional(v.pipe(text, maxCharacters(255)));
const description = v.optional(v.pipe(text, maxCharacters(500)));
const type = v.picklist(environmentTypes);

/** CreateEnvironment of the API documentation. */
export const CreateEnvironment = v.object({
  description,
  name,
  purpose,
  type: v.optional(v.pipe(type, v.description("Default: other."))),
});
export type CreateEnvironment = v.InferOutput<typeof CreateEnvironment>;

/** UpdateEnvironment of the API documentation. A property that is absent does not change. */
export const UpdateEnvironment = v.object({ description, name: v.optional(name), purpose, type: v.optional(type) });
export type UpdateEnvironment = v.InferOutput<typeof UpdateEnvironment>;

/** EnvironmentResponse of the API documentation. The totals count clusters that are not deleting: cores and MiB. */
export const EnvironmentResponse = v.object({
  createdAt: dateTime,
  deletedAt: v.optional(dateTime),
  description: v.string(),
  id: int64,
  identity,
  modifiedAt: dateTime,
  name: v.string(),
  organisationSlug: Slug,
  purpose: v.string(),
  slug: Slug,
  totalClusters: int64,
  totalCpu: int64,
  totalMemory: int64,
  type,
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

/**
 * Returns the entity tag of an environment, without quotes. Its first part identifies the revision, also of a later environment with the
 * same slug; the second part changes with the totals, which change without a new revision.
 */
export const environmentEtag = (environment: Environment): string => {
  const { revision, identity, totalClusters, totalCpu, totalMemory } = environment;
  return `${revision}-${identity.slice(0, 8)}.${totalClusters}-${totalCpu}-${totalMemory}`;
};
