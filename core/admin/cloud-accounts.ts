/** Creates and lists the cloud accounts of an organisation. */

import * as v from "valibot";
import { cloudProfiles, profileByIdentity } from "../catalogue/index.ts";
import type { Services } from "../context.ts";
import { conflict, invalid } from "../shared/errors.ts";
import { maxCharacters, text, textOfBytes } from "../shared/schemas.ts";
import { NAME_PATTERN } from "../shared/slug.ts";
import { formatValue, validate } from "../shared/validation.ts";
import { addReference, readReferences } from "../tenancy/references.ts";
import { type CloudAccount, MAX_REFERENCES } from "../tenancy/references-entity.ts";

// All accounts of an organisation share one item of at most 400 KB; this limit keeps it below that.
const metadataValue = textOfBytes(160);

const displayName = v.pipe(
  v.string(),
  v.minLength(1),
  v.maxLength(64),
  v.regex(NAME_PATTERN, "must be ASCII letters, digits, spaces, - and &, with at least one letter or digit"),
);

const CreateAccount = v.object({
  displayName,
  /** The cloud profile's identity, or its provider's slug. */
  cloudProfile: v.pipe(text, maxCharacters(64)),
  metadata: v.optional(
    v.object({
      parentFolder: v.optional(metadataValue),
      parentResourcePool: v.optional(metadataValue),
      tenantId: v.optional(metadataValue),
    }),
    {},
  ),
  /** Name of a credentials record to create with the account; it contains no secret. */
  credentials: v.optional(displayName),
});

/**
 * Creates a cloud account, enabled.
 *
 * @param organisation slug of the organisation
 * @param input displayName, cloudProfile (identity, or slug of the provider), metadata, credentials (a name: creates a record
 *   of primary credentials without a secret, for provisioners that need none)
 * @throws AppError invalid; not found; conflict if the provider has an account of this name, or a limit is reached
 */
export async function createAccount(services: Services, organisation: string, input: unknown): Promise<CloudAccount> {
  const checked = validate(CreateAccount, input);
  if (checked.problems.length > 0) throw invalid(checked.problems);
  const { displayName, cloudProfile, metadata, credentials } = checked.complete();
  const profile =
    profileByIdentity(cloudProfile.toLowerCase()) ??
    cloudProfiles.find(({ cloudProvider }) => cloudProvider === cloudProfile);
  if (profile === undefined) {
    const known = cloudProfiles.map(({ cloudProvider }) => cloudProvider).join(", ");
    throw invalid([
      {
        path: "cloudProfile",
        message: `${formatValue(cloudProfile)} is not allowed: must be the identity of a cloud profile, or one of ${known}`,
      },
    ]);
  }
  const now = services.clock().toISOString();
  const record = credentials === undefined ? [] : [{ displayName: credentials, identity: services.ids.identity() }];
  const account: CloudAccount = {
    identity: services.ids.identity(),
    displayName,
    enabled: true,
    cloudProfile: profile.identity,
    metadata: Object.fromEntries(
      Object.entries(metadata).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
    ),
    primaryCloudCredentialsIdentity: record[0]?.identity,
    credentials: record.map((each) => ({
      ...each,
      cloudType: profile.type,
      metadata: {},
      createdAt: now,
      revision: 1,
    })),
    createdAt: now,
    revision: 1,
  };
  await addReference(services, organisation, account.identity, ({ accounts, schedules }) => {
    const others = Object.values(accounts);
    if (others.length >= MAX_REFERENCES) {
      throw conflict(
        "account.limit",
        `Limit reached: an organisation can have at most ${MAX_REFERENCES} cloud accounts.`,
      );
    }
    if (others.some((each) => each.displayName === displayName && each.cloudProfile === profile.identity)) {
      throw conflict(
        "account.name_taken",
        `displayName: the organisation already has a cloud account "${displayName}" of ${profile.displayName}; choose another name`,
      );
    }
    return { accounts: { ...accounts, [account.identity]: account }, schedules };
  });
  return account;
}

/** Lists the cloud accounts of an organisation, oldest first. @throws AppError not found */
export async function listAccounts(services: Services, organisation: string): Promise<CloudAccount[]> {
  const { accounts } = await readReferences(services, organisation);
  return Object.values(accounts).sort((one, other) => (one.createdAt < other.createdAt ? -1 : 1));
}
