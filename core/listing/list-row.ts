/** Row of the list index: the properties of a cluster by which lists are filtered and sorted, in one short text. */

import { clusterSlugOf, type Key, listPartition } from "../table/keys.ts";

/** Separates the properties of a row. The name is the last property, so it may contain the separator. */
const SEPARATOR = "|";

/** Number of properties of a row. */
const PROPERTIES = 9;

/** Radix of times in a row: the shortest that JavaScript can read and write. */
const RADIX = 36;

/** Largest distance of a time from 1970, in milliseconds: that of JavaScript's dates. */
const MAX_TIME_MS = 8.64e15;

/** Returns whether a number is a time: neither NaN nor too large. */
const isTime = (ms: number): boolean => Math.abs(ms) <= MAX_TIME_MS;

/** Properties of a cluster in a row. */
interface ListedCluster {
  readonly identity: string;
  readonly organisation: string;
  readonly slug: string;
  readonly name: string;
  readonly status: string;
  readonly version: string;
  readonly region: string;
  readonly cloudProvider: string;
  /** RFC 3339. */
  readonly createdAt: string;
  /** RFC 3339. */
  readonly modifiedAt: string;
  readonly maintenanceScheduleIdentity?: string | undefined;
}

/** Row of the list index, for filters and other orders. It may be some seconds older than the cluster. */
export interface ListRow extends Key {
  /** As `compactIdentity` returns it. */
  readonly identity: string;
  readonly slug: string;
  readonly name: string;
  readonly status: string;
  readonly version: string;
  readonly region: string;
  readonly cloudProvider: string;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  /** Milliseconds since 1970. */
  readonly modifiedAt: number;
  /** As `compactIdentity` returns it. */
  readonly maintenanceScheduleIdentity: string | undefined;
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Shortens an identity: a UUID to its 22 characters in Base64, other texts not at all. Different identities stay different. */
export const compactIdentity = (identity: string): string =>
  UUID.test(identity) ? Buffer.from(identity.replaceAll("-", ""), "hex").toString("base64url") : identity;

/**
 * Builds the attributes by which a cluster is in the list index: its partition and its row.
 *
 * @throws RangeError if a property cannot be stored in a row: a defect
 */
export const listAttributes = (cluster: ListedCluster): { listPk: string; row: string } => ({
  listPk: listPartition(cluster.organisation, cluster.identity),
  row: encodeRow(cluster),
});

function encodeRow(cluster: ListedCluster): string {
  const { identity, status, version, region, cloudProvider, maintenanceScheduleIdentity, name, slug } = cluster;
  const createdAt = Date.parse(cluster.createdAt);
  const modifiedAt = Date.parse(cluster.modifiedAt);
  const properties = [
    compactIdentity(identity),
    status,
    version,
    region,
    cloudProvider,
    createdAt.toString(RADIX),
    // The difference is shorter than the time.
    (modifiedAt - createdAt).toString(RADIX),
    maintenanceScheduleIdentity === undefined ? "" : compactIdentity(maintenanceScheduleIdentity),
  ];
  if (Number.isNaN(modifiedAt - createdAt) || properties.some((property) => property.includes(SEPARATOR))) {
    throw new RangeError(
      `cluster ${identity} has a property that the list index cannot store: ${properties.join(" ")}`,
    );
  }
  return [...properties, name === slug ? "" : name].join(SEPARATOR);
}

/**
 * Reads a row. Written without a schema, because a list reads up to 100,000 rows.
 *
 * @throws Error with the key if the text is not a row: a defect or a manual change
 */
export function decodeRow({ pk, sk }: Key, text: unknown): ListRow {
  const properties = String(text).split(SEPARATOR);
  const [identity = "", status = "", version = "", region = "", cloudProvider = "", created = "", age = ""] =
    properties;
  const createdAt = Number.parseInt(created, RADIX);
  const modifiedAt = createdAt + Number.parseInt(age, RADIX);
  if (properties.length < PROPERTIES || !isTime(createdAt) || !isTime(modifiedAt)) {
    throw new Error(`${pk} ${sk} has no valid row of the list index: ${JSON.stringify(text)}`);
  }
  const slug = clusterSlugOf(sk);
  const name =
    properties.length === PROPERTIES ? properties[PROPERTIES - 1] : properties.slice(PROPERTIES - 1).join(SEPARATOR);
  return {
    pk,
    sk,
    identity,
    slug,
    name: name || slug,
    status,
    version,
    region,
    cloudProvider,
    createdAt,
    modifiedAt,
    maintenanceScheduleIdentity: properties[PROPERTIES - 2] || undefined,
  };
}
