/** Shapes of cloud accounts in requests and responses. */

import * as v from "valibot";
import type { CloudProfile as CatalogueProfile } from "../../catalogue/index.ts";
import { catalogueRevision } from "../../catalogue/index.ts";
import { identity, maxCharacters, text, textOfBytes } from "../../shared/schemas.ts";
import { NAME_PATTERN } from "../../shared/slug.ts";
import type { CloudAccount } from "../../tenancy/references-entity.ts";
import { CloudProfile, toCloudProfile } from "../schema.ts";

/** Name of a cloud account, or of credentials. */
export const displayName = v.pipe(
  v.string(),
  v.minLength(1),
  v.maxLength(64),
  v.regex(NAME_PATTERN, "must be ASCII letters, digits, spaces, - and &, with at least one letter or digit"),
);

/** Further properties, which are stored and returned as sent. All accounts of an organisation share one item, so they are short. */
export const metadata = v.pipe(
  v.record(
    v.pipe(
      v.string(),
      v.regex(/^[A-Za-z][A-Za-z0-9_.-]{0,62}$/, "must be a letter and up to 62 letters, digits, _, . and -"),
    ),
    textOfBytes(160),
  ),
  v.maxEntries(10),
);

/** CreateCloudAccount of the API documentation. */
export const CreateCloudAccount = v.object({
  cloudProfile: v.pipe(text, maxCharacters(64), v.description("Identity of a cloud profile.")),
  displayName,
  metadata: v.optional(
    v.pipe(
      metadata,
      v.description("For example parentFolder, parentResourcePool, tenantId. Each value has at most 160 bytes."),
    ),
  ),
});
export type CreateCloudAccount = v.InferOutput<typeof CreateCloudAccount>;

/** UpdateCloudAccount of the API documentation. A property that is absent does not change. */
export const UpdateCloudAccount = v.object({
  displayName: v.optional(displayName),
  enabled: v.optional(v.boolean()),
  primaryCloudCredentials: v.optional(
    v.pipe(
      text,
      maxCharacters(64),
      v.description("Identity of credentials of this account. An empty text changes nothing."),
    ),
  ),
});
export type UpdateCloudAccount = v.InferOutput<typeof UpdateCloudAccount>;

/** CloudAccountResponse of the API documentation. */
export const CloudAccountResponse = v.object({
  cloudProfile: CloudProfile,
  displayName: v.string(),
  enabled: v.boolean(),
  identity,
  metadata: v.record(v.string(), v.string()),
  primaryCloudCredentialsIdentity: v.optional(identity),
});
export type CloudAccountResponse = v.InferOutput<typeof CloudAccountResponse>;

/** Builds the response for a cloud account. @param profile cloud profile of the account */
export const toCloudAccountResponse = (account: CloudAccount, profile: CatalogueProfile): CloudAccountResponse => ({
  cloudProfile: toCloudProfile(profile),
  displayName: account.displayName,
  enabled: account.enabled,
  identity: account.identity,
  metadata: account.metadata,
  primaryCloudCredentialsIdentity: account.primaryCloudCredentialsIdentity,
});

/**
 * Returns the entity tag of a cloud account, without quotes: its revision, and that of the catalogue, whose profile the response contains.
 * An identity is never used again, so the tag does not match a later account.
 */
export const cloudAccountEtag = ({ revision }: CloudAccount): string => `${revision}.${catalogueRevision}`;
