/** Every key of the one table. Meaning lives in the values built here, never in attribute names. */

import { createHash } from "node:crypto";

/** A primary key: partition key and sort key. */
export interface Key {
  readonly pk: string;
  readonly sk: string;
}

/**
 * How many partitions of the due index pending work is spread over. Sweeps share them out, so it also limits how many sweeps
 * run side by side; docs/performance.md has the arithmetic. Every pointer that is due carries the number of its partition.
 */
export const DUE_SHARDS = 32;

const PART = /^[A-Za-z0-9_.:-]{1,100}$/;

/**
 * Guards one part of a key. A separator inside a part would let two different inputs become one key, so it is refused
 * instead of stripped; callers have checked user input long before, and reach this only by a defect.
 */
function part(value: string): string {
  if (!PART.test(value)) {
    throw new RangeError(`not a part of a key: ${JSON.stringify(value.slice(0, 100))}`);
  }
  return value;
}

/** One text for a key, to use it in a Map. `|` cannot occur in a part. */
export const keyText = (key: Key): string => `${key.pk}|${key.sk}`;

const ORGANISATION_PARTITION = "ORG#";
const inOrganisation = (organisation: string, sk: string): Key => ({
  pk: `${ORGANISATION_PARTITION}${part(organisation)}`,
  sk,
});
const CLUSTER_PARTITION = "CLUSTER#";
const ofCluster = (identity: string, sk: string): Key => ({ pk: `${CLUSTER_PARTITION}${part(identity)}`, sk });

/** The organisation itself, by slug. */
export const organisationKey = (organisation: string) => inOrganisation(organisation, "ORG");

/** An environment, by its slug. */
export const environmentKey = (organisation: string, environment: string) =>
  inOrganisation(organisation, `ENV#${part(environment)}`);

/** What all environments' sort keys begin with. */
export const ENVIRONMENT_PREFIX = "ENV#";

/** A user's membership, with all of the user's environment overrides. */
export const memberKey = (organisation: string, user: string) => inOrganisation(organisation, `MEMBER#${part(user)}`);

/** What all memberships' sort keys begin with. */
export const MEMBER_PREFIX = "MEMBER#";

/** Cloud accounts, public parts of credentials and maintenance schedules of an organisation. */
export const referencesKey = (organisation: string) => inOrganisation(organisation, "REFERENCES");

/** Counters of an organisation. */
export const totalKey = (organisation: string) => inOrganisation(organisation, "TOTAL");

/** How many clusters use a cloud account or a maintenance schedule. */
export const usageKey = (organisation: string, identity: string) =>
  inOrganisation(organisation, `${USAGE_PREFIX}${part(identity)}`);

/** What the sort keys of all counters of use begin with. */
export const USAGE_PREFIX = "USE#";

/** What the sort keys of all clusters of an organisation begin with. */
export const CLUSTER_PREFIX = "CLUSTER#";

/** What the sort keys of all tombstones of an organisation begin with. */
export const TOMBSTONE_PREFIX = "DELETED#";

/** The present holder of a slug. Its sort key orders as pages do: environment, slug, present holder first. */
export const clusterKey = (organisation: string, environment: string, slug: string) =>
  inOrganisation(organisation, `${CLUSTER_PREFIX}${part(environment)}#${part(slug)}`);

/** A deleting cluster whose slug was taken again. */
export const supersededClusterKey = (organisation: string, environment: string, slug: string, identity: string) =>
  inOrganisation(organisation, `${clusterKey(organisation, environment, slug).sk}#${part(identity)}`);

/**
 * What sort keys of an environment's clusters from a slug on begin at; `""` is before every slug.
 *
 * @param from a separator of the page index
 */
export const clustersStart = (environment: string, from: string) =>
  `${CLUSTER_PREFIX}${part(environment)}#${from === "" ? "" : part(from)}`;

/**
 * What comes right before a sort key, for DynamoDB's ranges include their end. The last character one lower and then `~`,
 * which follows everything that parts are made of.
 */
const lastBefore = (sk: string): string =>
  `${sk.slice(0, -1)}${String.fromCharCode(sk.charCodeAt(sk.length - 1) - 1)}~`;

/**
 * Comes after every cluster of an environment whose slug is below a separator, and before all others.
 *
 * @param separator of the page index, not empty
 */
export const clustersBefore = (environment: string, separator: string) =>
  lastBefore(clustersStart(environment, separator));

/** Comes after every cluster of an environment and before the next environment's: `$` follows `#` and precedes `-`. */
export const clustersEnd = (environment: string) => `${CLUSTER_PREFIX}${part(environment)}$`;

/** What is left of a deleted cluster. */
export const tombstoneKey = (organisation: string, environment: string, slug: string, identity: string) =>
  inOrganisation(organisation, `${TOMBSTONE_PREFIX}${part(environment)}#${part(slug)}#${part(identity)}`);

/** What the sort keys of all tombstones of a place begin with. */
export const tombstonePrefix = (environment: string, slug: string) =>
  `${TOMBSTONE_PREFIX}${part(environment)}#${part(slug)}#`;

/** One chunk of the page index. The first of an environment has the lower bound `""`. */
export const indexChunkKey = (organisation: string, environment: string, lowerBound: string) =>
  inOrganisation(organisation, `INDEX#${part(environment)}#${lowerBound === "" ? "" : part(lowerBound)}`);

/** What all chunks of the page index begin with. */
export const INDEX_PREFIX = "INDEX#";

const POINTER = "CLUSTER";

/** What a cluster's identity leads to: its path, lease and due mark. */
export const pointerKey = (identity: string) => ofCluster(identity, POINTER);

/** A cluster in the simulated provisioner's world. */
export const simulationKey = (identity: string): Key => ({ pk: `SIMULATION#${part(identity)}`, sk: "CLUSTER" });

/** A node pool, by the identity of its cluster and its numeric id. */
export const nodePoolKey = (clusterIdentity: string, id: number) => ofCluster(clusterIdentity, `POOL#${part(`${id}`)}`);

/** What all node pools' sort keys begin with. */
export const NODE_POOL_PREFIX = "POOL#";

/** A secret of a cluster, or the data key of all of them. @param name such as `KEY` */
export const secretKey = (clusterIdentity: string, name: string) => ofCluster(clusterIdentity, `SECRET#${part(name)}`);

/** What the sort keys of a cluster's secrets begin with. */
export const SECRET_PREFIX = "SECRET#";

/** That the table is being filled from a backup. */
export const importKey: Key = { pk: "BACKUP", sk: "IMPORT" };

/** Which keys of the keyring stored secrets may name. */
export const keyringKey: Key = { pk: "SECRETS", sk: "KEYRING" };

/** When secrets were last rotated. */
export const rotationKey: Key = { pk: "SECRETS", sk: "ROTATION" };

/**
 * An event of a cluster; events order by time.
 *
 * @param at RFC 3339 with milliseconds, UTC
 * @param ulid tells events of one millisecond apart
 */
export const eventKey = (clusterIdentity: string, at: string, ulid: string) =>
  ofCluster(clusterIdentity, `EVENT#${part(at)}#${part(ulid)}`);

/** What all events' sort keys begin with. */
export const EVENT_PREFIX = "EVENT#";

/** Comes after every event of a cluster that is older than one, and before that one. @param at and `ulid`, as in its key */
export const eventsBefore = (at: string, ulid: string) => lastBefore(`${EVENT_PREFIX}${part(at)}#${part(ulid)}`);

/** Where everything of a cluster lies but its events, as ranges of its partition. */
export const rangesExceptEvents = (clusterIdentity: string): { pk: string; from: string; to: string }[] => {
  const { pk } = pointerKey(clusterIdentity);
  // `$` follows the `#` that a kind ends with; sort keys are made of what lies between a space and `~`.
  return [
    { pk, from: " ", to: lastBefore(EVENT_PREFIX) },
    { pk, from: EVENT_PREFIX.replace("#", "$"), to: "~" },
  ];
};

/** A personal access token, by its id. */
export const tokenKey = (id: string): Key => ({ pk: `TOKEN#${part(id)}`, sk: "TOKEN" });

const USER_PARTITION = "USER#";
const userPartition = (user: string) => `${USER_PARTITION}${part(user)}`;

/** One of a user's tokens, to list them. */
export const userTokenKey = (user: string, id: string): Key => ({ pk: userPartition(user), sk: `TOKEN#${part(id)}` });

/** What the sort keys of a user's tokens begin with. */
export const USER_TOKEN_PREFIX = "TOKEN#";

/** One of a user's organisations, to list them. */
export const userOrganisationKey = (user: string, organisation: string): Key => ({
  pk: userPartition(user),
  sk: `ORG#${part(organisation)}`,
});

/** What the sort keys of a user's organisations begin with. */
export const USER_ORGANISATION_PREFIX = "ORG#";

/**
 * The answer that a request with an idempotency key got.
 *
 * @param tokenId keys are a token's own
 * @param keyHash SHA-256 of the key, in hexadecimal
 */
export const idempotencyKey = (tokenId: string, keyHash: string): Key => ({
  pk: `IDEMPOTENCY#${part(tokenId)}#${part(keyHash)}`,
  sk: "RECORD",
});

/**
 * The partition of the due index a cluster's pending work is found in.
 *
 * @param identity of the cluster; its hash spreads clusters evenly
 */
export function dueShard(identity: string): string {
  const [byte = 0] = createHash("sha256").update(part(identity)).digest();
  return `DUE#${byte % DUE_SHARDS}`;
}

/** All partitions of the due index. */
export const dueShards: readonly string[] = Array.from({ length: DUE_SHARDS }, (_, shard) => `DUE#${shard}`);

/** The identity of the cluster that a key is the pointer of; undefined for any other key. */
export const clusterIdentityOf = ({ pk, sk }: Key): string | undefined =>
  pk.startsWith(CLUSTER_PARTITION) && sk === POINTER ? pk.slice(CLUSTER_PARTITION.length) : undefined;

const afterPrefix = (prefix: string, text: string) => (text.startsWith(prefix) ? text.slice(prefix.length) : undefined);

/** The slug of the organisation that a key is in; undefined for any other key. */
export const organisationOf = ({ pk }: Key): string | undefined => afterPrefix(ORGANISATION_PARTITION, pk);

/** The user that a key is in the partition of; undefined for any other key. */
export const userOf = ({ pk }: Key): string | undefined => afterPrefix(USER_PARTITION, pk);

/** The pointer of the cluster that a key is in the partition of; undefined for any other key. */
export const pointerKeyOf = ({ pk }: Key): Key | undefined =>
  pk.startsWith(CLUSTER_PARTITION) ? { pk, sk: POINTER } : undefined;
