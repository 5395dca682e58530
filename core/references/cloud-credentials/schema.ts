/** Shapes of cloud credentials in requests and responses. */

import * as v from "valibot";
import { type CloudProviderType, cloudProviderTypes } from "../../catalogue/index.ts";
import { dateTime, identity, maxCharacters, text } from "../../shared/schemas.ts";
import { SECRET } from "../../shared/validation.ts";
import type { CloudAccount, CloudCredentials } from "../../tenancy/references-entity.ts";
import { displayName, metadata } from "../cloud-accounts/schema.ts";

const secret = v.pipe(text, v.minLength(1), maxCharacters(2_000), v.metadata(SECRET));

/** A secret that may be left out. Clients send an empty text for no value. */
const optionalSecret = v.optional(v.pipe(text, maxCharacters(2_000), v.metadata(SECRET)));

/** Credentials by the type of the provider that needs them. */
export const secretsByType = {
  aws: v.object({ accessKeyId: secret, accessKeySecret: secret }),
  azure: v.object({ clientId: secret, clientSecret: secret, subscriptionId: secret, tenantId: secret }),
  digitalocean: v.object({ apiKey: secret }),
  hetzner: v.object({ apiKey: secret }),
  openstack: v.object({ credential: secret, credentialId: secret }),
  vsphere: v.object({
    password: secret,
    provisionPassword: optionalSecret,
    provisionUsername: optionalSecret,
    username: secret,
  }),
} as const satisfies Partial<Record<CloudProviderType, v.GenericSchema>>;

/** Type of a provider whose accounts have credentials. */
type CloudType = keyof typeof secretsByType;

/** Types of providers whose accounts have credentials. */
export const cloudTypes = Object.keys(secretsByType) as CloudType[];

/** Returns whether a text is the type of a provider whose accounts have credentials. */
export const isCloudType = (given: string): given is CloudType => Object.hasOwn(secretsByType, given);

/** Names and values of secrets. */
export type Secrets = Record<string, string>;

const optionalMetadata = v.optional(metadata);

/** Builds the shape of a creation. @param credentials secrets of the provider's type */
const creationWith = <Of extends v.GenericSchema>(credentials: Of) =>
  v.object({ credentials, displayName, metadata: optionalMetadata });

/** Builds the shape of a change. @param credentials secrets of the provider's type */
const changeWith = <Of extends v.GenericSchema>(credentials: Of) =>
  v.object({
    credentials: v.optional(credentials),
    displayName: v.optional(displayName),
    metadata: optionalMetadata,
  });

/** Shapes of creations, by the type of the provider. */
export const creationsByType = byType(creationWith);
/** Shapes of changes, by the type of the provider. */
export const changesByType = byType(changeWith);

function byType<Made>(make: (credentials: v.GenericSchema<Secrets>) => Made): Readonly<Record<CloudType, Made>> {
  const made = Object.entries(secretsByType).map(([type, schema]) => [type, make(schema as v.GenericSchema<Secrets>)]);
  return Object.fromEntries(made);
}

/** Shape of a creation for a type that has no credentials: its secrets are not validated, and never shown. */
export const CreationOfUnknownType = creationWith(
  v.pipe(v.record(v.string(), v.string()), v.metadata(SECRET)) as v.GenericSchema<Secrets>,
);

const AnySecrets = v.pipe(
  v.union(Object.values(secretsByType)),
  v.description("Those that the type of the provider needs. They are encrypted, and no response contains them."),
);

/** CreateCloudCredentials of the API documentation. */
export const CreateCloudCredentials = creationWith(AnySecrets);
export type CreateCloudCredentials = v.InferOutput<(typeof creationsByType)[CloudType]>;

/** UpdateCloudCredentials of the API documentation. A property that is absent does not change; `credentials` replaces all secrets. */
export const UpdateCloudCredentials = changeWith(AnySecrets);
export type UpdateCloudCredentials = v.InferOutput<(typeof changesByType)[CloudType]>;

/** CloudCredentialsResponse of the API documentation, without secrets. */
export const CloudCredentialsResponse = v.object({
  cloudAccountIdentity: identity,
  cloudType: v.picklist(cloudProviderTypes),
  createdAt: dateTime,
  displayName: v.string(),
  identity,
  isPrimary: v.boolean(),
  metadata: v.record(v.string(), v.string()),
});
export type CloudCredentialsResponse = v.InferOutput<typeof CloudCredentialsResponse>;

/** Builds the response for the public part of credentials. @param account cloud account of the credentials */
export function toCloudCredentialsResponse(
  credentials: CloudCredentials,
  account: CloudAccount,
): CloudCredentialsResponse {
  return {
    cloudAccountIdentity: account.identity,
    cloudType: credentials.cloudType,
    createdAt: credentials.createdAt,
    displayName: credentials.displayName,
    identity: credentials.identity,
    isPrimary: credentials.identity === account.primaryCloudCredentialsIdentity,
    metadata: credentials.metadata,
  };
}

/**
 * Returns the entity tag of credentials, without quotes: their revision, and that of the account, which says whether they are primary. An
 * identity is never used again, so the tag does not match later credentials.
 */
export const cloudCredentialsEtag = ({ revision }: CloudCredentials, account: CloudAccount): string =>
  `${revision}.${account.revision}`;
