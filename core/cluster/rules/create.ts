/** Rules and defaults of new clusters. Pure functions. */

import {
  type CloudProvider,
  channelByName,
  clusterVersions,
  isAvailableVersion,
  listAvailable,
  profileByIdentity,
  providerBySlug,
  type Region,
  regionOf,
  updateChannels,
} from "../../catalogue/index.ts";
import type { ProvisionerTraits } from "../../context.ts";
import {
  largestProperty,
  type NodePoolSettings,
  nodePoolProblems,
  normaliseNodePool,
  settingsOf,
} from "../../node-pool/rules.ts";
import type { Problem } from "../../shared/errors.ts";
import { isObject } from "../../shared/json.ts";
import { normaliseIpRange, normaliseIpWhitelist } from "../../shared/schemas.ts";
import { type Draft, formatValue, type Validated, validate } from "../../shared/validation.ts";
import type { References } from "../../tenancy/references-entity.ts";
import { CreateCluster, MAX_CLUSTER_BYTES } from "../schema.ts";
import type { CreateUndocumentedCluster, UpstreamCluster } from "../undocumented.ts";
import { needsCredentials } from "./credentials.ts";
import { type ClusterSettings, clusterSettings, MAX_VALIDATED_NODE_POOLS } from "./settings.ts";
import { subnetProblems, subnets } from "./subnets.ts";
import { creationProblems } from "./unsupported.ts";
import { whitelistProblems } from "./whitelist.ts";

/** Validated creation. */
export interface ValidatedCreate {
  settings: ClusterSettings;
  provider: CloudProvider;
  nodePools: NodePoolSettings[];
}

/** Result of validating a request to create a cluster. */
interface CreateValidation {
  problems: Problem[];
  /** Undefined if there are problems. */
  validated: ValidatedCreate | undefined;
}

const blankIsAbsent = (value: unknown) => (value === "" ? undefined : value);

const BLANK_IS_ABSENT = ["cni", "maintenanceScheduleIdentity", "podSecurityStandardsProfile", "updateChannel"];

/** Accepts input in addition to the documented forms: ranges as plain strings, empty strings for no value. */
function normalise(body: unknown): unknown {
  if (!isObject(body)) return body;
  const blanked = (object: Record<string, unknown>, names: readonly string[]) => ({
    ...object,
    ...Object.fromEntries(names.filter((name) => name in object).map((name) => [name, blankIsAbsent(object[name])])),
  });
  return {
    ...blanked(body, BLANK_IS_ABSENT),
    ...Object.fromEntries(subnets.map((name) => [name, normaliseIpRange(blankIsAbsent(body[name]))])),
    ipWhitelist: normaliseIpWhitelist(body.ipWhitelist),
    nodePools: Array.isArray(body.nodePools) ? body.nodePools.map(normaliseNodePool) : body.nodePools,
  };
}

/**
 * Parses a request to create a cluster.
 *
 * @param body as sent
 * @param schema shape of the body, with or without the undocumented properties
 */
export const parseCreate = (
  body: unknown,
  schema: typeof CreateCluster | typeof CreateUndocumentedCluster = CreateCluster,
): Validated<CreateUndocumentedCluster> => validate(schema as typeof CreateUndocumentedCluster, normalise(body));

/** Collects problems, at most one for each path: a property with the wrong type gets no second problem for its value. */
class Problems {
  readonly list: Problem[] = [];
  /** Every path with a problem, and all its parents, for lookups in constant time. */
  readonly paths = new Set<string>();

  constructor(found: readonly Problem[]) {
    for (const problem of found) this.#note(problem);
  }

  has(path: string): boolean {
    return this.paths.has(path);
  }

  add(path: string, message: string): void {
    if (!this.has(path)) this.#note({ path, message });
  }

  #note(problem: Problem): void {
    this.list.push(problem);
    for (let path = problem.path; path !== ""; path = path.slice(0, Math.max(0, path.lastIndexOf(".")))) {
      this.paths.add(path);
    }
  }
}

/**
 * Validates a request to create a cluster and finds every problem: shape, catalogue, references, and rules between properties.
 *
 * @param shape parsed request
 * @param references references of the organisation
 * @param provisioner decides whether the account needs credentials, and which settings its clusters can have
 * @param upstream the upstream cluster that the request names; undefined if it names none, or none that the caller can access
 */
export function validateCreate(
  shape: Validated<CreateUndocumentedCluster>,
  references: References,
  provisioner: ProvisionerTraits,
  upstream: UpstreamCluster | undefined,
): CreateValidation {
  const problems = new Problems(shape.problems);
  const draft = shape.value ?? {};
  const provider = validateAccount(draft, references, provisioner, problems);
  const region = validateRegion(draft, provider, problems);
  const version = validateVersion(draft, problems);
  validateFeatures(draft, references, problems);
  validateUpstream(draft, upstream, problems);
  for (const { path, message } of subnetProblems(shape, problems.paths)) problems.add(path, message);
  validateNodePools(draft, { provider, region }, problems);
  const { nodePools: _, ...own } = draft;
  const largest = largestProperty(own, MAX_CLUSTER_BYTES);
  if (largest !== undefined)
    problems.add(largest, `makes the cluster exceed the limit of ${MAX_CLUSTER_BYTES} bytes; shorten this property`);
  const whitelist = problems.has("ipWhitelist") ? undefined : draft.ipWhitelist;
  for (const { path, message } of whitelistProblems(whitelist, shape.shorthands)) problems.add(path, message);
  const parts = { provider, region, version, references, isFaulty: (path: string) => problems.has(path) };
  for (const { path, message } of creationProblems(shape, parts, provisioner)) problems.add(path, message);
  const isValid = problems.list.length === 0 && provider !== undefined && version !== undefined;
  return {
    problems: problems.list,
    validated: isValid ? toValidatedCreate(shape.complete(), provider, version, upstream) : undefined,
  };
}

function validateAccount(
  draft: Draft<CreateUndocumentedCluster>,
  references: References,
  provisioner: ProvisionerTraits,
  problems: Problems,
): CloudProvider | undefined {
  const path = "cloudAccountIdentity";
  const identity = draft.cloudAccountIdentity;
  if (identity === undefined) return undefined;
  const account = Object.hasOwn(references.accounts, identity) ? references.accounts[identity] : undefined;
  const profile = account === undefined ? undefined : profileByIdentity(account.cloudProfile);
  const provider = profile === undefined ? undefined : providerBySlug(profile.cloudProvider);
  if (account === undefined || provider === undefined) {
    problems.add(
      path,
      account === undefined
        ? `${formatValue(identity)} is not allowed: must be a cloud account of the organisation`
        : `${formatValue(identity)} is not allowed: the provider of the cloud account "${account.displayName}" is not offered any more`,
    );
    return undefined;
  }
  if (!provider.available) {
    problems.add(path, `${formatValue(identity)} is not allowed: ${provider.name} is not available for new clusters`);
  }
  if (!account.enabled) {
    problems.add(
      path,
      `${formatValue(identity)} is not allowed: the cloud account "${account.displayName}" is disabled`,
    );
  }
  if (needsCredentials(provisioner, provider) && account.primaryCloudCredentialsIdentity === undefined) {
    problems.add(
      path,
      `${formatValue(identity)} is not allowed: the cloud account "${account.displayName}" has no primary credentials`,
    );
  }
  return provider;
}

function validateRegion(
  draft: Draft<CreateUndocumentedCluster>,
  provider: CloudProvider | undefined,
  problems: Problems,
): Region | undefined {
  if (provider === undefined || draft.region === undefined) return undefined;
  const region = regionOf(provider, draft.region);
  if (region?.available === true) return region;
  const known = listAvailable(provider.regions, ({ slug }) => slug);
  problems.add("region", `${formatValue(draft.region)} is not allowed: must be a region of ${provider.name}: ${known}`);
  return undefined;
}

/** Finds the version of the new cluster: the requested one, or else the channel's. */
function validateVersion(draft: Draft<CreateUndocumentedCluster>, problems: Problems): string | undefined {
  const channel = draft.updateChannel === undefined ? undefined : channelByName(draft.updateChannel);
  if (draft.updateChannel !== undefined && channel?.available !== true) {
    const known = listAvailable(updateChannels, ({ name }) => name);
    problems.add("updateChannel", `${formatValue(draft.updateChannel)} is not allowed: must be one of ${known}`);
  }
  if (draft.version === undefined) return undefined;
  if (draft.version === "" && draft.updateChannel !== undefined) return channel?.kubernetesClusterVersion;
  if (isAvailableVersion(draft.version)) return draft.version;
  const known = listAvailable(clusterVersions, ({ version }) => version);
  problems.add(
    "version",
    draft.version === ""
      ? `is required unless updateChannel is sent: one of ${known}`
      : `${formatValue(draft.version)} is not allowed: must be one of ${known}`,
  );
  return undefined;
}

function validateFeatures(draft: Draft<CreateUndocumentedCluster>, references: References, problems: Problems): void {
  const { enableHA, enableHighAvailability, maintenanceScheduleIdentity: schedule } = draft;
  if (enableHA !== undefined && enableHighAvailability !== undefined && enableHA !== enableHighAvailability) {
    problems.add(
      "enableHA",
      `${enableHA} is not allowed: must equal enableHighAvailability, which is ${enableHighAvailability}; send only one`,
    );
  }
  if (schedule !== undefined && !Object.hasOwn(references.schedules, schedule)) {
    problems.add(
      "maintenanceScheduleIdentity",
      `${formatValue(schedule)} is not allowed: must be a maintenance schedule of the organisation`,
    );
  }
}

function validateUpstream(
  { upstreamClusterIdentity: identity }: Draft<CreateUndocumentedCluster>,
  upstream: UpstreamCluster | undefined,
  problems: Problems,
): void {
  if (identity === undefined || upstream !== undefined) return;
  problems.add(
    "upstreamClusterIdentity",
    `${formatValue(identity)} is not allowed: must be a cluster of the organisation that you can access`,
  );
}

function validateNodePools(
  draft: Draft<CreateUndocumentedCluster>,
  placement: { provider: CloudProvider | undefined; region: Region | undefined },
  problems: Problems,
): void {
  const seen = new Map<string, number>();
  draft.nodePools?.slice(0, MAX_VALIDATED_NODE_POOLS).forEach((pool, index) => {
    const path = `nodePools[${index}]`;
    if (pool === undefined) return;
    for (const problem of nodePoolProblems(pool, problems.paths, path, placement)) {
      problems.add(problem.path, problem.message);
    }
    if (pool.name === undefined) return;
    const label = `${pool.name}/${pool.availabilityZone ?? ""}`;
    const first = seen.get(label);
    if (first === undefined) seen.set(label, index);
    else
      problems.add(
        `${path}.name`,
        `${formatValue(pool.name)} is not allowed: nodePools[${first}] has the same name and zone`,
      );
  });
}

function toValidatedCreate(
  input: CreateUndocumentedCluster,
  provider: CloudProvider,
  version: string,
  upstreamCluster: UpstreamCluster | undefined,
): ValidatedCreate {
  return {
    provider,
    nodePools: input.nodePools.map(settingsOf),
    settings: clusterSettings(input, version, upstreamCluster),
  };
}
