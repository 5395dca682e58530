/** Builds every key of the table. Attribute names carry no meaning, only these values do. */

import { createHash } from "node:crypto";

/** Primary key: partition key and sort key. */
export interface Key {
  readonly pk: string;
  readonly sk: string;
}

/**
 * Number of partitions of the due index, which pending work is spread over. Sweeps divide them, so it also limits the number of
 * parallel sweeps; docs/performance.md has the calculation. Every due pointer contains the number of its partition.
 */
export const DUE_SHARDS = 32;

/**
 * Number of partitions of the list index over which the clusters of an organisation are spread. A list reads all of them in parallel,
 * each with at least half a read unit; docs/decisions/list-index.md has the calculation. Every cluster contains its partition.
 */
export const LIST_SHARDS = 4;

const PART = /^[A-Za-z0-9_.:-]{1,100}$/;

/**
 * Validates one part of a key. A separator inside a part could give two inputs the same key, so it is refused instead of removed.
 * User input is validated earlier, so an error here is a defect.
 */
function part(value: string): string {
  if (!PART.test(value)) {
    throw new RangeError(`invalid part of a key: ${JSON.stringify(value.slice(0, 100))}`);
  }
  return value;
}

/** Returns a key as one text, for a Map. `|` cannot occur in a part. */
export const keyText = (key: Key): string => `${key.pk}|${key.sk}`;

const ORGANISATION_PARTITION = "ORG#";
const inOrganisation = (organisation: string, sk: string): Key => ({
  pk: `${ORGANISATION_PARTITION}${part(organisation)}`,
  sk,
});
const CLUSTER_PARTITION = "CLUSTER#";
const ofCluster = (identity: string, sk: string): Key => ({ pk: `${CLUSTER_PARTITION}${part(identity)}`, sk });

/** Key of an organisation, by slug. */
export const organisationKey = (organisation: string) => inOrganisation(organisation, "ORG");

/** Key of an environment, by slug. */
export const environmentKey = (organisation: string, environment: string) =>
  inOrganisation(organisation, `ENV#${part(environment)}`);

/** Sort key prefix of environments. */
export const ENVIRONMENT_PREFIX = "ENV#";

/** Key of a user's membership, which contains the user's roles in environments. */
export const memberKey = (organisation: string, user: string) => inOrganisation(organisation, `MEMBER#${part(user)}`);

/** Sort key prefix of memberships. */
export const MEMBER_PREFIX = "MEMBER#";

/**
 * Key of the link from an e-mail address to the member who has it, which makes addresses unique in an organisation.
 *
 * @param emailHash SHA-256 of the address in lower case, in hexadecimal: an address can contain separators
 */
export const memberEmailKey = (organisation: string, emailHash: string) =>
  inOrganisation(organisation, `EMAIL#${part(emailHash)}`);

/** Key of the cloud accounts, public parts of credentials and maintenance schedules of an organisation. */
export const referencesKey = (organisation: string) => inOrganisation(organisation, "REFERENCES");

/** Key of the counters of an organisation. */
export const totalKey = (organisation: string) => inOrganisation(organisation, "TOTAL");

/** Key of an observability tenant, by slug. */
export const observabilityTenantKey = (organisation: string, tenant: string) =>
  inOrganisation(organisation, `${OBSERVABILITY_TENANT_PREFIX}${part(tenant)}`);

/** Sort key prefix of observability tenants. */
export const OBSERVABILITY_TENANT_PREFIX = "OBSERVABILITY#";

const OBSERVABILITY_PARTITION = "OBSERVABILITY#";

/**
 * Key of the Alertmanager configuration of an observability tenant. What a tenant has is in a partition of its own, because a write of a
 * large configuration takes half of what a partition can write in a second.
 */
export const alertmanagerKey = (organisation: string, tenant: string): Key => ({
  pk: `${OBSERVABILITY_PARTITION}${part(organisation)}#${part(tenant)}`,
  sk: "ALERTMANAGER",
});

/** Key of the silences of an observability tenant. */
export const silencesKey = (organisation: string, tenant: string): Key => ({
  ...alertmanagerKey(organisation, tenant),
  sk: "SILENCES",
});

/** Key of the number of clusters that use a cloud account or a maintenance schedule. */
export const usageKey = (organisation: string, identity: string) =>
  inOrganisation(organisation, `${USAGE_PREFIX}${part(identity)}`);

/** Key of a scheduled upgrade, by its identity. */
export const scheduledUpgradeKey = (organisation: string, identity: string) =>
  inOrganisation(organisation, `${SCHEDULED_UPGRADE_PREFIX}${part(identity)}`);

/** Sort key prefix of scheduled upgrades. */
export const SCHEDULED_UPGRADE_PREFIX = "UPGRADE#";

/** Sort key prefix of usage counters. */
export const USAGE_PREFIX = "USE#";

/** Key of the encrypted secrets of cloud credentials, by the identity of the credentials. */
export const cloudSecretKey = (organisation: string, credentials: string) =>
  inOrganisation(organisation, `${CLOUD_SECRET_PREFIX}${part(credentials)}`);

/** Sort key prefix of the secrets of cloud credentials. */
export const CLOUD_SECRET_PREFIX = "SECRET#";

/** Sort key prefix of an organisation's clusters. */
export const CLUSTER_PREFIX = "CLUSTER#";

/** Sort key prefix of an organisation's tombstones. */
export const TOMBSTONE_PREFIX = "DELETED#";

/** Key of the cluster that owns a slug. Sort keys have the order of pages: environment, slug, owner of the slug first. */
export const clusterKey = (organisation: string, environment: string, slug: string) =>
  inOrganisation(organisation, `${CLUSTER_PREFIX}${part(environment)}#${part(slug)}`);

/** Key of a deleting cluster whose slug another cluster has taken. */
export const supersededClusterKey = (organisation: string, environment: string, slug: string, identity: string) =>
  inOrganisation(organisation, `${clusterKey(organisation, environment, slug).sk}#${part(identity)}`);

/**
 * Returns the lower bound of the sort keys of an environment's clusters from a slug on; `""` is before every slug.
 *
 * @param from separator of the page index
 */
export const clustersStart = (environment: string, from: string) =>
  `${CLUSTER_PREFIX}${part(environment)}#${from === "" ? "" : part(from)}`;

/**
 * Returns the upper bound before a sort key, because DynamoDB's ranges include their end: the last character lowered by one, then
 * `~`, which sorts after every character of a part.
 */
const lastBefore = (sk: string): string =>
  `${sk.slice(0, -1)}${String.fromCharCode(sk.charCodeAt(sk.length - 1) - 1)}~`;

/**
 * Returns the upper bound of the sort keys of an environment's clusters whose slug is below a separator.
 *
 * @param separator separator of the page index, not empty
 */
export const clustersBefore = (environment: string, separator: string) =>
  lastBefore(clustersStart(environment, separator));

/** Returns the upper bound of an environment's clusters, before those of the next environment: `$` sorts after `#` and before `-`. */
export const clustersEnd = (environment: string) => `${CLUSTER_PREFIX}${part(environment)}$`;

/** Returns the slug in the sort key of a cluster, which owns its slug or is displaced. */
export function clusterSlugOf(sk: string): string {
  const start = sk.indexOf("#", CLUSTER_PREFIX.length) + 1;
  const end = sk.indexOf("#", start);
  return end === -1 ? sk.slice(start) : sk.slice(start, end);
}

/** Returns the slug of the environment in the sort key of a cluster. */
export const clusterEnvironmentOf = (sk: string): string =>
  sk.slice(CLUSTER_PREFIX.length, sk.indexOf("#", CLUSTER_PREFIX.length));

/** Key of the tombstone of a deleted cluster. */
export const tombstoneKey = (organisation: string, environment: string, slug: string, identity: string) =>
  inOrganisation(organisation, `${TOMBSTONE_PREFIX}${part(environment)}#${part(slug)}#${part(identity)}`);

/** Sort key prefix of the tombstones of a slug in an environment. */
export const tombstonePrefix = (environment: string, slug: string) =>
  `${TOMBSTONE_PREFIX}${part(environment)}#${part(slug)}#`;

/** Key of a chunk of the page index. The first of an environment has the lower bound `""`. */
export const indexChunkKey = (organisation: string, environment: string, lowerBound: string) =>
  inOrganisation(organisation, `INDEX#${part(environment)}#${lowerBound === "" ? "" : part(lowerBound)}`);

/** Sort key prefix of the chunks of the page index. */
export const INDEX_PREFIX = "INDEX#";

const POINTER = "CLUSTER";

/** Key of a cluster's pointer, by identity: it contains path, lease and due time. */
export const pointerKey = (identity: string) => ofCluster(identity, POINTER);

/** Key of a cluster in the simulated provisioner. */
export const simulationKey = (identity: string): Key => ({ pk: `SIMULATION#${part(identity)}`, sk: "CLUSTER" });

/** Key of a node pool, by the identity of its cluster and its numeric id. */
export const nodePoolKey = (clusterIdentity: string, id: number) => ofCluster(clusterIdentity, `POOL#${part(`${id}`)}`);

/** Sort key prefix of node pools. */
export const NODE_POOL_PREFIX = "POOL#";

/** Returns the range of a cluster's partition that contains its node pools and its secrets, and nothing else. */
export const poolsAndSecretsRange = (clusterIdentity: string): { pk: string; from: string; to: string } => ({
  pk: pointerKey(clusterIdentity).pk,
  from: NODE_POOL_PREFIX,
  to: `${SECRET_PREFIX}~`,
});

/** Key of a secret of a cluster, or of the data key of its secrets. @param name such as `KEY` */
export const secretKey = (clusterIdentity: string, name: string) => ofCluster(clusterIdentity, `SECRET#${part(name)}`);

/** Sort key prefix of a cluster's secrets. */
export const SECRET_PREFIX = "SECRET#";

/** Key of the lock during an import of a backup. */
export const importKey: Key = { pk: "BACKUP", sk: "IMPORT" };

/** Key of the record of the keyring's keys that stored secrets need. */
export const keyringKey: Key = { pk: "SECRETS", sk: "KEYRING" };

/** Key of the record of the last rotation of secrets. */
export const rotationKey: Key = { pk: "SECRETS", sk: "ROTATION" };

/** Key of the record of the management cluster with which the table is used. */
export const managementClusterKey: Key = { pk: "PROVISIONER", sk: "MANAGEMENT-CLUSTER" };

/**
 * Key of an event of a cluster. Events are ordered by time.
 *
 * @param at RFC 3339 with milliseconds, UTC
 * @param ulid distinguishes events of the same millisecond
 */
export const eventKey = (clusterIdentity: string, at: string, ulid: string) =>
  ofCluster(clusterIdentity, eventSortKey(at, ulid));

/**
 * Key of an event of an organisation. They have a partition of their own, so that writes of events add no load to the organisation's.
 *
 * @param at and `ulid`, as in the key of an event of a cluster
 */
export const organisationEventKey = (organisation: string, at: string, ulid: string): Key => ({
  pk: organisationEventsPartition(organisation),
  sk: eventSortKey(at, ulid),
});

/** Partition key of the events of an organisation. */
export const organisationEventsPartition = (organisation: string) => `EVENTS#${part(organisation)}`;

/** Sort key prefix of events. */
export const EVENT_PREFIX = "EVENT#";

const eventSortKey = (at: string, ulid: string) => `${EVENT_PREFIX}${part(at)}#${part(ulid)}`;

/** Returns the upper bound of the events of a log that are older than one. @param at and `ulid`, as in its key */
export const eventsBefore = (at: string, ulid: string) => lastBefore(eventSortKey(at, ulid));

/** Returns the ranges of a cluster's partition that contain all its items except events. */
export const rangesExceptEvents = (clusterIdentity: string): { pk: string; from: string; to: string }[] => {
  const { pk } = pointerKey(clusterIdentity);
  // `$` sorts after the `#` at the end of a prefix; sort keys contain only characters between a space and `~`.
  return [
    { pk, from: " ", to: lastBefore(EVENT_PREFIX) },
    { pk, from: EVENT_PREFIX.replace("#", "$"), to: "~" },
  ];
};

/** Key of a personal access token, by id. */
export const tokenKey = (id: string): Key => ({ pk: `TOKEN#${part(id)}`, sk: "TOKEN" });

const USER_PARTITION = "USER#";
const userPartition = (user: string) => `${USER_PARTITION}${part(user)}`;

/** Key of the link from a user to one of its tokens, for listing. */
export const userTokenKey = (user: string, id: string): Key => ({ pk: userPartition(user), sk: `TOKEN#${part(id)}` });

/** Sort key prefix of a user's tokens. */
export const USER_TOKEN_PREFIX = "TOKEN#";

/** Key of the number of tokens that a user created. */
export const userTokenCountKey = (user: string): Key => ({ pk: userPartition(user), sk: "TOKENS" });

/** Key of the link from a user to one of its organisations, for listing. */
export const userOrganisationKey = (user: string, organisation: string): Key => ({
  pk: userPartition(user),
  sk: `ORG#${part(organisation)}`,
});

/** Sort key prefix of a user's organisations. */
export const USER_ORGANISATION_PREFIX = "ORG#";

/**
 * Key of the stored response to a request with an idempotency key.
 *
 * @param tokenId id of the token, the scope of the idempotency key
 * @param keyHash SHA-256 of the idempotency key, in hexadecimal
 */
export const idempotencyKey = (tokenId: string, keyHash: string): Key => ({
  pk: `IDEMPOTENCY#${part(tokenId)}#${part(keyHash)}`,
  sk: "RECORD",
});

/** Spreads clusters evenly over a number of partitions, at most 256. */
function shardOf(identity: string, shards: number): number {
  const [byte = 0] = createHash("sha256").update(part(identity)).digest();
  return byte % shards;
}

/** Returns the partition of the due index that contains a cluster's pending work. @param identity identity of the cluster */
export const dueShard = (identity: string): string => `DUE#${shardOf(identity, DUE_SHARDS)}`;

/** Partitions of the due index. */
export const dueShards: readonly string[] = Array.from({ length: DUE_SHARDS }, (_, shard) => `DUE#${shard}`);

/** Returns the partition of the list index that contains the row of a cluster. */
export const listPartition = (organisation: string, identity: string): string =>
  `${part(organisation)}#${shardOf(identity, LIST_SHARDS)}`;

/** Returns all partitions of the list index that contain rows of an organisation. */
export const listPartitions = (organisation: string): string[] =>
  Array.from({ length: LIST_SHARDS }, (_, shard) => `${part(organisation)}#${shard}`);

/** Returns the identity of the cluster that a pointer key belongs to; undefined for any other key. */
export const clusterIdentityOf = ({ pk, sk }: Key): string | undefined =>
  pk.startsWith(CLUSTER_PARTITION) && sk === POINTER ? pk.slice(CLUSTER_PARTITION.length) : undefined;

const afterPrefix = (prefix: string, text: string) => (text.startsWith(prefix) ? text.slice(prefix.length) : undefined);

/** Returns the slug of the organisation that a key belongs to; undefined for any other key. */
export const organisationOf = ({ pk }: Key): string | undefined => afterPrefix(ORGANISATION_PARTITION, pk);

/** Returns the user whose partition contains a key; undefined for any other key. */
export const userOf = ({ pk }: Key): string | undefined => afterPrefix(USER_PARTITION, pk);

/** Returns the pointer key of the cluster whose partition contains a key; undefined for any other key. */
export const pointerKeyOf = ({ pk }: Key): Key | undefined =>
  pk.startsWith(CLUSTER_PARTITION) ? { pk, sk: POINTER } : undefined;

/** Returns the key of the observability tenant whose partition contains a key; undefined for any other key. */
export function observabilityTenantKeyOf({ pk }: Key): Key | undefined {
  const [organisation, tenant] = afterPrefix(OBSERVABILITY_PARTITION, pk)?.split("#") ?? [];
  return organisation === undefined || tenant === undefined ? undefined : observabilityTenantKey(organisation, tenant);
}
