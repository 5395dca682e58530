/** Rules for a change of a cluster, checked against the state after the change. Pure functions. */

import {
  channelByName,
  clusterVersions,
  isAvailableVersion,
  listAvailable,
  updateChannels,
} from "../../catalogue/index.ts";
import type { Change } from "../../events/entity.ts";
import { largestProperty } from "../../node-pool/rules.ts";
import { type AppError, conflict, invalid, type Problem } from "../../shared/errors.ts";
import { canonicalJson, isObject } from "../../shared/json.ts";
import { normaliseIpWhitelist } from "../../shared/schemas.ts";
import { formatValue, type Parsed, validate } from "../../shared/validation.ts";
import type { References } from "../../tenancy/references-entity.ts";
import type { Cluster } from "../entity.ts";
import type { TrackedName } from "../event-types.ts";
import { MAX_CLUSTER_BYTES, UpdateCluster } from "../schema.ts";
import { storedAutoscalerSettings, type UpdateUndocumentedCluster } from "../undocumented.ts";
import { evaluateStatusRequest, isDeleting } from "./transitions.ts";
import { controlPlaneVersions, isReachable, reachableVersions, rollbackAfter } from "./versions.ts";
import { whitelistProblems } from "./whitelist.ts";

/** Well-formed request to change a cluster. */
interface UpdateRequest {
  input: UpdateUndocumentedCluster;
  /** Names of the properties to remove. */
  clears: ReadonlySet<string>;
  /** True if the cluster inherits the Prometheus rules of its environment; absent for no change. */
  environmentPrometheusRules?: boolean;
}

/** Request to change a cluster, validated as far as possible without the cluster. */
export interface ParsedUpdate extends Parsed<UpdateRequest> {
  /** Text for the environment to move to, also if it is no slug: the caller's role there is checked first. */
  target: string | undefined;
}

const CLEARABLE = ["maintenanceScheduleIdentity", "updateChannel"];

/** Properties for which clients send an empty string instead of no value. */
const BLANK_IS_ABSENT = ["version", "cni", "podSecurityStandardsProfile", "cloudCredentialsIdentity", "status"];

/**
 * Accepts input in addition to the documented forms: ranges as plain strings, empty strings to remove a value or for no
 * value.
 */
function normalise(body: unknown): { body: unknown; clears: Set<string> } {
  if (!isObject(body)) return { body, clears: new Set() };
  const clears = new Set(CLEARABLE.filter((name) => body[name] === ""));
  const blank = new Set([...clears, ...BLANK_IS_ABSENT.filter((name) => body[name] === "")]);
  const present = Object.fromEntries(Object.entries(body).filter(([name]) => !blank.has(name)));
  return { body: { ...present, ipWhitelist: normaliseIpWhitelist(present.ipWhitelist) }, clears };
}

/**
 * Parses a request to change a cluster.
 *
 * @param body as sent
 * @param schema shape of the body, with or without the undocumented properties
 */
export function parseUpdate(
  body: unknown,
  schema: typeof UpdateCluster | typeof UpdateUndocumentedCluster = UpdateCluster,
): ParsedUpdate {
  const { body: normalised, clears } = normalise(body);
  const shape = validate(schema as typeof UpdateUndocumentedCluster, normalised);
  const { unknown } = shape;
  const isMalformed = shape.problems.some(({ path }) => path === "ipWhitelist");
  const whitelist = isMalformed ? undefined : shape.value?.ipWhitelist;
  const problems = [...shape.problems, ...whitelistProblems(whitelist, shape.shorthands)];
  // Lists and maps count only as a whole. Other well-formed properties are validated together with the malformed ones.
  const { addons: _, ipWhitelist: _list, ...parts } = shape.value ?? {};
  return {
    value: { input: problems.length > 0 ? parts : shape.complete(), clears },
    problems,
    unknown,
    target: textProperty(body, "environmentSlug"),
  };
}

/** Returns a text in a body that is not validated; undefined if there is none, or it is empty. */
export function textProperty(body: unknown, name: string): string | undefined {
  const value = isObject(body) && Object.hasOwn(body, name) ? body[name] : undefined;
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** Builds the cluster after the change, without checks. Status and location are handled separately. */
function withUpdate(cluster: Cluster, { input, clears, environmentPrometheusRules }: UpdateRequest): Cluster {
  const { addons, clusterAutoscalerSettings: autoscaler } = input;
  const sameAddons = addons === undefined || canonicalJson(addons) === canonicalJson(cluster.addons);
  const isSameAutoscaler =
    autoscaler === undefined || canonicalJson(autoscaler) === canonicalJson(cluster.clusterAutoscalerSettings ?? {});
  const version = input.version ?? cluster.version;
  return {
    ...cluster,
    addons: sameAddons ? cluster.addons : addons,
    cloudCredentialsIdentity: input.cloudCredentialsIdentity ?? cluster.cloudCredentialsIdentity,
    clusterAutoscalerSettings: isSameAutoscaler
      ? cluster.clusterAutoscalerSettings
      : storedAutoscalerSettings(input.clusterAutoscalerSettings),
    cni: input.cni ?? cluster.cni,
    cniSpelling: spellingAfter(cluster, input, "cni"),
    deleteProtection: input.deleteProtection ?? cluster.deleteProtection,
    autoUpgrade: input.enableAutoUpgrade ?? cluster.autoUpgrade,
    highlyAvailable: input.enableHighAvailability ?? cluster.highlyAvailable,
    enableNetworkEncryption: input.enableNetworkEncryption ?? cluster.enableNetworkEncryption,
    enablePodSecurityStandards: input.enablePodSecurityStandards ?? cluster.enablePodSecurityStandards,
    environmentPrometheusRules: environmentPrometheusRules ?? cluster.environmentPrometheusRules,
    ipWhitelist:
      input.ipWhitelist?.map(({ cidr: { ipRange: cidr }, description }) => ({
        cidr,
        description: description ?? cluster.ipWhitelist.find((entry) => entry.cidr === cidr)?.description ?? "",
      })) ?? cluster.ipWhitelist,
    maintenanceScheduleIdentity: clears.has("maintenanceScheduleIdentity")
      ? undefined
      : (input.maintenanceScheduleIdentity ?? cluster.maintenanceScheduleIdentity),
    podSecurityStandardsProfile: input.podSecurityStandardsProfile ?? cluster.podSecurityStandardsProfile,
    podSecurityStandardsProfileSpelling: spellingAfter(cluster, input, "podSecurityStandardsProfile"),
    updateChannel: clears.has("updateChannel") ? undefined : (input.updateChannel ?? cluster.updateChannel),
    version,
    rollbackVersion: version === cluster.version ? cluster.rollbackVersion : rollbackAfter(cluster, version),
  };
}

/**
 * Returns the spelling of a value after a change. A request without a spelling removes it only if it changes the value. A cluster
 * that is being deleted keeps it, because another spelling of the same value must not be a conflict.
 */
function spellingAfter(
  cluster: Cluster,
  input: UpdateUndocumentedCluster,
  name: "cni" | "podSecurityStandardsProfile",
): string | undefined {
  const sent = input[`${name}Spelling`];
  const isChanged = input[name] !== undefined && input[name] !== cluster[name];
  if (isChanged) return sent;
  return isDeleting(cluster) ? cluster[`${name}Spelling`] : (sent ?? cluster[`${name}Spelling`]);
}

/** Properties that users can change, with their names in requests and events. */
const TRACKED_FIELDS = [
  ["addons", "addons"],
  ["cloudCredentialsIdentity", "cloudCredentialsIdentity"],
  ["clusterAutoscalerSettings", "clusterAutoscalerSettings"],
  ["cni", "cni"],
  ["cniSpelling", "cniSpelling"],
  ["deleteProtection", "deleteProtection"],
  ["autoUpgrade", "enableAutoUpgrade"],
  ["highlyAvailable", "enableHighAvailability"],
  ["enableNetworkEncryption", "enableNetworkEncryption"],
  ["enablePodSecurityStandards", "enablePodSecurityStandards"],
  ["environment", "environmentSlug"],
  ["environmentPrometheusRules", "environmentPrometheusRules"],
  ["ipWhitelist", "ipWhitelist"],
  ["maintenanceScheduleIdentity", "maintenanceScheduleIdentity"],
  ["podSecurityStandardsProfile", "podSecurityStandardsProfile"],
  ["podSecurityStandardsProfileSpelling", "podSecurityStandardsProfileSpelling"],
  ["desiredStatus", "desiredStatus"],
  ["status", "status"],
  ["updateChannel", "updateChannel"],
  ["version", "version"],
] as const satisfies readonly (readonly [name: keyof Cluster, path: TrackedName])[];

/** Lists the differences between a cluster before and after a change, for an event. */
export function diffClusters(before: Cluster, after: Cluster): Change<TrackedName>[] {
  return TRACKED_FIELDS.filter(([name]) => JSON.stringify(before[name]) !== JSON.stringify(after[name])).map(
    ([name, path]) => ({ path, from: before[name], to: after[name] }),
  );
}

/**
 * Finds every problem of a change that does not depend on the status of the cluster. A value that equals the stored one is no
 * change and never a problem.
 */
export function updateProblems(cluster: Cluster, request: UpdateRequest, references: References): Problem[] {
  const after = withUpdate(cluster, request);
  const problems: Problem[] = [];
  const refuse = (path: string, value: unknown, text: string) =>
    problems.push({ path, message: `${formatValue(value)} is not allowed: ${text}` });

  const account = references.accounts[cluster.cloudAccountIdentity];
  const {
    cloudCredentialsIdentity: credentials,
    maintenanceScheduleIdentity: schedule,
    updateChannel: channel,
  } = after;
  if (credentials !== cluster.cloudCredentialsIdentity) {
    if (!account?.credentials.some(({ identity }) => identity === credentials)) {
      refuse("cloudCredentialsIdentity", credentials, "must be credentials of the cluster's cloud account");
    }
  }
  if (schedule !== undefined && schedule !== cluster.maintenanceScheduleIdentity) {
    if (!Object.hasOwn(references.schedules, schedule)) {
      refuse("maintenanceScheduleIdentity", schedule, "must be a maintenance schedule of the organisation");
    }
  }
  if (channel !== undefined && channel !== cluster.updateChannel && channelByName(channel)?.available !== true) {
    refuse("updateChannel", channel, `must be one of ${listAvailable(updateChannels, ({ name }) => name)}`);
  }
  if (
    after.version !== cluster.version &&
    !isAvailableVersion(after.version) &&
    after.version !== cluster.rollbackVersion &&
    !controlPlaneVersions(cluster).includes(after.version)
  ) {
    refuse("version", after.version, `must be one of ${listAvailable(clusterVersions, ({ version }) => version)}`);
  }
  const { name, description, region, addons, ipWhitelist } = after;
  const largest = largestProperty({ name, description, region, addons, ipWhitelist }, MAX_CLUSTER_BYTES);
  if (largest !== undefined && diffClusters(cluster, after).length > 0) {
    problems.push({
      path: largest,
      message: `makes the cluster exceed the limit of ${MAX_CLUSTER_BYTES} bytes; shorten this property`,
    });
  }
  return problems;
}

/**
 * Applies a change without checks of the cluster's state: `updateConflict` has them.
 *
 * @param request a request without problems
 * @param needsCredentials true if the deletion of the cluster needs its cloud account, which then counts it until that is complete
 * @returns the changed cluster in its present environment; the same object if nothing changes
 */
export function applyUpdate(cluster: Cluster, request: UpdateRequest, needsCredentials: boolean): Cluster {
  const changed = withUpdate(cluster, request);
  const { status } = request.input;
  const isAccepted =
    status !== undefined && evaluateStatusRequest(cluster.status, cluster.desiredStatus, status) === "accepted";
  const held = status === "deleting" && needsCredentials ? { holdsAccount: true } : {};
  const after: Cluster = isAccepted ? { ...changed, status, desiredStatus: status, ...held } : changed;
  return diffClusters(cluster, after).length === 0 ? cluster : after;
}

/**
 * Finds the conflict of a change with the state of the cluster.
 *
 * @param after result of `applyUpdate`
 * @returns conflict that contains the current status; undefined if there is none
 */
export function updateConflict(cluster: Cluster, { input }: UpdateRequest, after: Cluster): AppError | undefined {
  const { status } = input;
  if (status !== undefined && evaluateStatusRequest(cluster.status, cluster.desiredStatus, status) === "refused") {
    return invalidState(cluster, `status: cannot become ${status}`);
  }
  if (after === cluster) return undefined;
  if (isDeleting(cluster)) return invalidState(cluster, "a cluster that is being deleted cannot be changed");
  if (after.status === "deleting" && after.deleteProtection) {
    return conflict(
      "cluster.delete_protected",
      `status: the cluster "${cluster.name}" is protected against deletion; set deleteProtection to false first, or in the same request`,
    );
  }
  if (after.cni !== cluster.cni && cluster.status !== "new") {
    return invalidState(cluster, "cni: can only change while the cluster is new");
  }
  const isGoingDown =
    ["stopping", "stopped", "deleting"].includes(after.status) ||
    (after.status === "unknown" && after.desiredStatus !== "starting");
  if (after.version !== cluster.version && isGoingDown) {
    return invalidState(cluster, "version: can only change while the cluster is running or starting");
  }
  return undefined;
}

/**
 * Returns the error for a version that is not reachable from the running one. In the contract's order this check follows every
 * conflict.
 *
 * @returns invalid with the running version, the planned version and the versions that are reachable now; undefined if the
 *   version is reachable or does not change
 */
export function unreachableVersion(cluster: Cluster, { version }: Cluster): AppError | undefined {
  if (version === cluster.version || isReachable(cluster, version)) return undefined;
  const present = cluster.runningVersion ?? cluster.plannedVersion ?? cluster.version;
  const target = controlPlaneVersions(cluster).length > 1 ? cluster.plannedVersion : cluster.version;
  const state =
    target === undefined || target === present
      ? `the cluster runs ${present}`
      : `the control plane runs ${present} and is changing to ${target}`;
  const reachable = reachableVersions(cluster);
  const next = reachable.length === 0 ? "no other version is reachable now" : `reachable now: ${reachable.join(", ")}`;
  return invalid([{ path: "version", message: `${formatValue(version)} is not allowed: ${state}; ${next}` }]);
}

/** Builds the error for a request that the current status of the cluster does not allow. */
export const invalidState = (cluster: Cluster, text: string): AppError =>
  conflict("cluster.invalid_state", `${text}; the cluster "${cluster.name}" is ${cluster.status}`);
