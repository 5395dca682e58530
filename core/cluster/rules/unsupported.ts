/** Finds settings of requests that the provisioner's clusters cannot have. Pure functions. */

import { type CloudProvider, providerBySlug, type Region } from "../../catalogue/index.ts";
import type { RequestedCluster, RequestedConfiguration } from "../../configuration/requested.ts";
import type { ProvisionerTraits } from "../../context.ts";
import type { NodePool } from "../../node-pool/entity.ts";
import { nodePoolPath } from "../../node-pool/rules.ts";
import type { CreateNodePool } from "../../node-pool/schema.ts";
import type { Problem } from "../../shared/errors.ts";
import type { Draft, Validated } from "../../shared/validation.ts";
import type { References } from "../../tenancy/references-entity.ts";
import type { Cluster, Tombstone } from "../entity.ts";
import type { CreateUndocumentedCluster } from "../undocumented.ts";
import { MAX_VALIDATED_NODE_POOLS, simpleSettings } from "./settings.ts";
import { subnetPath, subnets } from "./subnets.ts";

/** Provisioner, as far as it decides about settings. */
type Judge = Pick<ProvisionerTraits, "problemsOf">;

/** Parts of a request for a new cluster that were validated before. */
interface CreationParts {
  /** Undefined if the request has none that is valid; likewise the region and the version. */
  provider: CloudProvider | undefined;
  region: Region | undefined;
  version: string | undefined;
  references: References;
  /** Returns whether a property, or a part of it, has a problem already. */
  isFaulty(path: string): boolean;
}

const primaryOf = (accounts: References["accounts"], account: string | undefined): string | undefined =>
  account !== undefined && Object.hasOwn(accounts, account)
    ? accounts[account]?.primaryCloudCredentialsIdentity
    : undefined;

/** Returns an object without the properties that have a problem. */
const withoutFaulty = <T extends object>(settings: T, path: string, { isFaulty }: CreationParts): Partial<T> =>
  Object.fromEntries(Object.entries(settings).filter(([name]) => !isFaulty(`${path}${name}`))) as Partial<T>;

/** Finds settings of a new cluster and its node pools that the provisioner's clusters cannot have. */
export function creationProblems(
  shape: Validated<CreateUndocumentedCluster>,
  parts: CreationParts,
  provisioner: Judge,
): Problem[] {
  const { provider, region, version, references } = parts;
  const { value: draft = {} } = shape;
  if (provider === undefined) return [];
  const cluster: RequestedCluster = {
    ...withoutFaulty({ ...simpleSettings(draft), addons: definedIn(draft.addons ?? {}) }, "", parts),
    cloudAccountIdentity: draft.cloudAccountIdentity,
    ipWhitelist: (draft.ipWhitelist ?? []).flatMap((entry) =>
      entry?.cidr?.ipRange === undefined ? [] : [{ cidr: entry.cidr.ipRange }],
    ),
    region: region?.slug,
    version,
  };
  const pools = (draft.nodePools ?? []).slice(0, MAX_VALIDATED_NODE_POOLS).flatMap((pool, index) => {
    const path = `nodePools[${index}]`;
    return pool === undefined ? [] : [{ path, pool: withoutFaulty(pool, `${path}.`, parts), storedPool: undefined }];
  });
  const problems = provisioner.problemsOf({
    provider,
    primaryCredentials: primaryOf(references.accounts, draft.cloudAccountIdentity),
    cluster,
    storedCluster: undefined,
    nodePools: pools,
  });
  return problems.map(({ path, message }) => ({ path: sentPath(shape, path), message }));
}

const definedIn = <T>(map: Readonly<Record<string, T | undefined>>): Record<string, T> =>
  Object.fromEntries(Object.entries(map).flatMap(([name, each]) => (each === undefined ? [] : [[name, each]])));

/** Returns the path of a property as the request has it. */
function sentPath(shape: Validated<CreateUndocumentedCluster>, path: string): string {
  const subnet = subnets.find((name) => name === path);
  return subnet === undefined ? path : subnetPath(shape, subnet);
}

/** Asks the provisioner about a stored cluster. Nothing is refused for a provider that left the catalogue, of which no type is known. */
function problemsOfStored(
  provisioner: Judge,
  accounts: References["accounts"],
  given: Pick<RequestedConfiguration, "storedCluster" | "nodePools"> & { cluster: Cluster | Tombstone },
): Problem[] {
  const provider = providerBySlug(given.cluster.cloudProvider);
  if (provider === undefined) return [];
  const primaryCredentials = primaryOf(accounts, given.cluster.cloudAccountIdentity);
  return provisioner.problemsOf({ ...given, provider, primaryCredentials });
}

/**
 * Finds changes of a cluster that the provisioner's clusters cannot have.
 *
 * @param after cluster after the change, with its status
 */
export const changeProblems = (
  before: Cluster,
  after: Cluster,
  references: References,
  provisioner: Judge,
): Problem[] =>
  problemsOfStored(provisioner, references.accounts, { cluster: after, storedCluster: before, nodePools: [] });

/** Finds settings of a new or changed node pool that the provisioner's clusters cannot have. @param stored undefined for a new pool */
export const nodePoolChangeProblems = (
  cluster: Cluster,
  pool: Draft<CreateNodePool>,
  stored: NodePool | undefined,
  references: References,
  provisioner: Judge,
): Problem[] =>
  problemsOfStored(provisioner, references.accounts, {
    cluster,
    storedCluster: cluster,
    nodePools: [{ path: "", pool, storedPool: stored }],
  });

/** Finds settings of a deleted cluster, to be built again as a new one, that the provisioner's clusters cannot have. */
export const restoreProblems = (tombstone: Tombstone, references: References, provisioner: Judge): Problem[] => {
  const { runningVersion: _running, plannedVersion: _planned, ...cluster } = tombstone;
  const nodePools = cluster.nodePools.map((pool) => ({ path: nodePoolPath(pool), pool, storedPool: undefined }));
  return problemsOfStored(provisioner, references.accounts, { cluster, storedCluster: undefined, nodePools });
};

/** Returns the problems whose property has no problem yet. */
export function withoutRepeated(found: readonly Problem[], others: readonly Problem[]): Problem[] {
  const faulty = new Set(found.map(({ path }) => path));
  return others.filter(({ path }) => !faulty.has(path));
}

/** Returns why the provisioner cannot give a cluster a version, for a message; undefined if it can. */
export const unsupportedVersion = (cluster: Cluster, version: string, provisioner: Judge): string | undefined =>
  problemsOfStored(provisioner, {}, { cluster: { ...cluster, version }, storedCluster: cluster, nodePools: [] }).find(
    ({ path }) => path === "version",
  )?.message;
