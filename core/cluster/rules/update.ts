/** Rules for a change of a cluster, checked against the state after the change. Pure functions. */

import { channelByName, clusterVersions, isAvailableVersion, updateChannels } from "../../catalogue/index.ts";
import { largestProperty } from "../../node-pool/rules.ts";
import { type AppError, conflict, invalid, type Problem } from "../../shared/errors.ts";
import { parseJson } from "../../shared/json.ts";
import { normaliseIpWhitelist } from "../../shared/schemas.ts";
import { formatValue, type Parsed, validate } from "../../shared/validation.ts";
import type { References } from "../../tenancy/references-entity.ts";
import type { Change, Cluster } from "../entity.ts";
import { MAX_CLUSTER_BYTES, UpdateCluster } from "../schema.ts";
import { evaluateStatusRequest, isDeleting } from "./transitions.ts";
import { controlPlaneVersions, isReachable, reachableVersions, rollbackAfter } from "./versions.ts";
import { whitelistProblems } from "./whitelist.ts";

/** Well-formed request to change a cluster. `clears` names the properties to remove. */
export interface UpdateRequest {
  input: UpdateCluster;
  clears: ReadonlySet<string>;
}

/** Request to change a cluster, validated as far as possible without the cluster. */
export interface ParsedUpdate extends Parsed<UpdateRequest> {
  /** Text for the environment to move to, also if it is no slug: the caller's role there is checked first. */
  target: string | undefined;
}

const CLEARABLE = ["maintenanceScheduleIdentity", "updateChannel"];

/** Properties for which clients send an empty string instead of no value. */
const BLANK_IS_ABSENT = ["version", "cni", "podSecurityStandardsProfile", "cloudCredentialsIdentity", "status"];

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * Accepts input in addition to the documented forms: ranges as plain strings, empty strings to remove a value or for no
 * value.
 */
function normalise(body: unknown): { body: unknown; clears: Set<string> } {
  if (!isObject(body)) return { body, clears: new Set() };
  const clears = new Set(CLEARABLE.filter((name) => body[name] === ""));
  const blank = new Set([...clears, ...BLANK_IS_ABSENT.filter((name) => body[name] === "")]);
  const kept = Object.fromEntries(Object.entries(body).filter(([name]) => !blank.has(name)));
  return { body: { ...kept, ipWhitelist: normaliseIpWhitelist(kept.ipWhitelist) }, clears };
}

/** Parses a request to change a cluster. @param body as sent */
export function parseUpdate(body: unknown): ParsedUpdate {
  const { body: normalised, clears } = normalise(body);
  const checked = validate(UpdateCluster, normalised);
  const { unknown } = checked;
  const isRefused = checked.problems.some(({ path }) => path === "ipWhitelist");
  const whitelist = isRefused ? undefined : checked.value?.ipWhitelist;
  const problems = [...checked.problems, ...whitelistProblems(whitelist, checked.shorthands)];
  // Lists and maps count only as a whole. Other well-formed properties are validated together with the malformed ones.
  const { addons: _, ipWhitelist: _list, ...parts } = checked.value ?? {};
  return {
    value: { input: problems.length > 0 ? parts : checked.complete(), clears },
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

const storedAddons = (addons: UpdateCluster["addons"]) => (addons === undefined ? undefined : JSON.stringify(addons));

/** Converts JSON to a form with sorted names, so that equal values are equal texts. */
function canonical(text: string): string {
  return JSON.stringify(parseJson(text), (_, value) =>
    isObject(value)
      ? Object.fromEntries(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1)))
      : value,
  );
}

/** Builds the cluster after the change, without checks. Status and location are handled separately. */
function withUpdate(cluster: Cluster, { input, clears }: UpdateRequest): Cluster {
  const addons = storedAddons(input.addons);
  const sameAddons = addons === undefined || canonical(addons) === canonical(cluster.addons);
  const version = input.version ?? cluster.version;
  return {
    ...cluster,
    addons: sameAddons ? cluster.addons : addons,
    cloudCredentialsIdentity: input.cloudCredentialsIdentity ?? cluster.cloudCredentialsIdentity,
    cni: input.cni ?? cluster.cni,
    deleteProtection: input.deleteProtection ?? cluster.deleteProtection,
    autoUpgrade: input.enableAutoUpgrade ?? cluster.autoUpgrade,
    highlyAvailable: input.enableHighAvailability ?? cluster.highlyAvailable,
    enableNetworkEncryption: input.enableNetworkEncryption ?? cluster.enableNetworkEncryption,
    ipWhitelist:
      input.ipWhitelist?.map(({ cidr, description }) => ({ cidr: cidr.ipRange, description })) ?? cluster.ipWhitelist,
    maintenanceScheduleIdentity: clears.has("maintenanceScheduleIdentity")
      ? undefined
      : (input.maintenanceScheduleIdentity ?? cluster.maintenanceScheduleIdentity),
    podSecurityStandardsProfile: input.podSecurityStandardsProfile ?? cluster.podSecurityStandardsProfile,
    updateChannel: clears.has("updateChannel") ? undefined : (input.updateChannel ?? cluster.updateChannel),
    version,
    rollbackVersion: version === cluster.version ? cluster.rollbackVersion : rollbackAfter(cluster, version),
  };
}

/** Properties that users can change, with their names in requests and events. */
const TRACKED_FIELDS = [
  ["addons", "addons"],
  ["cloudCredentialsIdentity", "cloudCredentialsIdentity"],
  ["cni", "cni"],
  ["deleteProtection", "deleteProtection"],
  ["autoUpgrade", "enableAutoUpgrade"],
  ["highlyAvailable", "enableHighAvailability"],
  ["enableNetworkEncryption", "enableNetworkEncryption"],
  ["environment", "environmentSlug"],
  ["environmentPrometheusRules", "environmentPrometheusRules"],
  ["ipWhitelist", "ipWhitelist"],
  ["maintenanceScheduleIdentity", "maintenanceScheduleIdentity"],
  ["podSecurityStandardsProfile", "podSecurityStandardsProfile"],
  ["desiredStatus", "desiredStatus"],
  ["status", "status"],
  ["updateChannel", "updateChannel"],
  ["version", "version"],
] as const;

const eventValue = (name: string, value: unknown) => (name === "addons" ? parseJson(String(value)) : value);

/** Lists the differences between a cluster before and after a change, for an event. */
export function diffClusters(before: Cluster, after: Cluster): Change[] {
  return TRACKED_FIELDS.filter(([name]) => JSON.stringify(before[name]) !== JSON.stringify(after[name])).map(
    ([name, path]): Change => ({ path, from: eventValue(name, before[name]), to: eventValue(name, after[name]) }),
  );
}

/**
 * Finds every problem of a change that does not depend on the status of the cluster. A value that equals the stored one is no
 * change and never a problem.
 */
export function updateProblems(cluster: Cluster, wish: UpdateRequest, references: References): Problem[] {
  const after = withUpdate(cluster, wish);
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
    const known = updateChannels.filter(({ available }) => available).map(({ name }) => name);
    refuse("updateChannel", channel, `must be one of ${known.join(", ")}`);
  }
  if (
    after.version !== cluster.version &&
    !isAvailableVersion(after.version) &&
    after.version !== cluster.rollbackVersion &&
    !controlPlaneVersions(cluster).includes(after.version)
  ) {
    const known = clusterVersions.filter(({ available }) => available).map(({ version }) => version);
    refuse("version", after.version, `must be one of ${known.join(", ")}`);
  }
  const { name, description, region, addons, ipWhitelist } = after;
  const largest = largestProperty(
    { name, description, region, addons: parseJson(addons), ipWhitelist },
    MAX_CLUSTER_BYTES,
  );
  if (largest !== undefined && diffClusters(cluster, after).length > 0) {
    problems.push({
      path: largest,
      message: `makes the cluster exceed the limit of ${MAX_CLUSTER_BYTES} bytes; shorten this property`,
    });
  }
  return problems;
}

/**
 * Applies a change, unless it conflicts with the state of the cluster after the change.
 *
 * @param wish a request without problems
 * @returns the changed cluster at its old location; the same values if nothing changes
 * @throws AppError conflict that contains the current status
 */
export function applyUpdate(cluster: Cluster, wish: UpdateRequest): Cluster {
  const changed = withUpdate(cluster, wish);
  const asked = wish.input.status;
  const verdict =
    asked === undefined ? "unchanged" : evaluateStatusRequest(cluster.status, cluster.desiredStatus, asked);
  if (asked !== undefined && verdict === "refused") throw invalidState(cluster, `status: cannot become ${asked}`);
  const after: Cluster =
    asked !== undefined && verdict === "accepted" ? { ...changed, status: asked, desiredStatus: asked } : changed;
  if (diffClusters(cluster, after).length === 0) return cluster;

  if (isDeleting(cluster)) throw invalidState(cluster, "a cluster that is being deleted cannot be changed");
  if (after.status === "deleting" && after.deleteProtection) {
    throw conflict(
      "cluster.delete_protected",
      `status: the cluster "${cluster.name}" is protected against deletion; set deleteProtection to false first, or in the same request`,
    );
  }
  if (after.cni !== cluster.cni && cluster.status !== "new") {
    throw invalidState(cluster, `cni: can only change while the cluster is new`);
  }
  if (after.version !== cluster.version) {
    const goesDown =
      ["stopping", "stopped", "deleting"].includes(after.status) ||
      (after.status === "unknown" && after.desiredStatus !== "starting");
    if (goesDown) throw invalidState(cluster, "version: can only change while the cluster is running or starting");
  }
  return after;
}

/**
 * Refuses a version that is not reachable from the running one. In the contract's order this check follows every conflict.
 *
 * @throws AppError invalid that contains the running version, the planned version and the versions that are reachable now
 */
export function requireReachable(cluster: Cluster, { version }: Cluster): void {
  if (version === cluster.version || isReachable(cluster, version)) return;
  const present = cluster.runningVersion ?? cluster.plannedVersion ?? cluster.version;
  const target = controlPlaneVersions(cluster).length > 1 ? cluster.plannedVersion : cluster.version;
  const state =
    target === undefined || target === present
      ? `the cluster runs ${present}`
      : `the control plane runs ${present} and is changing to ${target}`;
  const reachable = reachableVersions(cluster);
  const next = reachable.length === 0 ? "no other version is reachable now" : `reachable now: ${reachable.join(", ")}`;
  throw invalid([{ path: "version", message: `${formatValue(version)} is not allowed: ${state}; ${next}` }]);
}

/** Builds the error for a request that the current status of the cluster does not allow. */
export const invalidState = (cluster: Cluster, text: string): AppError =>
  conflict("cluster.wrong_state", `${text}; the cluster "${cluster.name}" is ${cluster.status}`);
