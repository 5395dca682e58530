/** Rules and defaults of node pools. Pure functions. */

import {
  type CloudProvider,
  isBringYourOwn,
  listAvailable,
  nodeTypeOf,
  parseVersion,
  type Region,
  zoneOf,
} from "../catalogue/index.ts";
import type { Problem } from "../shared/errors.ts";
import { type Draft, formatValue, type Validated, validate } from "../shared/validation.ts";
import type { NodePool } from "./entity.ts";
import { reservedNameProblems } from "./reserved-names.ts";
import { CreateNodePool, MAX_NODE_POOL_BYTES } from "./schema.ts";

const BLANK_IS_ABSENT = ["availabilityZone", "name", "nodeSize", "securityUpdatesOnJoin", "upgradeStrategy"];

/** Accepts input in addition to the documented form: empty strings count as absent. @param pool as sent */
export function normaliseNodePool(pool: unknown): unknown {
  if (typeof pool !== "object" || pool === null || Array.isArray(pool)) return pool;
  return Object.fromEntries(
    Object.entries(pool).filter(([name, value]) => value !== "" || !BLANK_IS_ABSENT.includes(name)),
  );
}

/** Parses a request to create or change a node pool. @param pool as sent */
export const parseNodePool = (pool: unknown): Validated<CreateNodePool> =>
  validate(CreateNodePool, normaliseNodePool(pool));

/** Location of a cluster's nodes. A part is undefined if the cluster's own input for it is not valid. */
export interface Placement {
  provider: Pick<CloudProvider, "name" | "type" | "nodeTypes"> | undefined;
  region: Pick<Region, "slug" | "availabilityZones"> | undefined;
}

/** Settings of a pool that users choose, with defaults applied. */
export type NodePoolSettings = Pick<
  NodePool,
  | "annotations"
  | "autoScaling"
  | "availabilityZone"
  | "enableNodeAutoReplacement"
  | "enableNodeReboots"
  | "labels"
  | "maxSize"
  | "minSize"
  | "name"
  | "nodeSize"
  | "taints"
  | "securityUpdatesOnJoin"
  | "upgradeStrategy"
>;

/** Default node type of a bring-your-own-nodes pool. */
const BYON_NODE_SIZE = "byon";

/** Returns the sizes of a pool: without auto-scaling, one size sets both. */
function nodeSizesOf(draft: Draft<CreateNodePool>): { minSize: number; maxSize: number } {
  const { autoScaling, minSize, maxSize } = draft;
  if (autoScaling === true) return { minSize: minSize ?? 1, maxSize: maxSize ?? 1 };
  return { minSize: minSize ?? maxSize ?? 1, maxSize: maxSize ?? minSize ?? 1 };
}

/**
 * Merges a change into a pool: omitted properties stay. Without auto-scaling, one size sets both.
 *
 * @param input well-formed parts of the request
 */
export function mergeSettings(pool: NodePool, input: Draft<CreateNodePool>): Draft<CreateNodePool> {
  const { minSize, maxSize } = input;
  const autoScaling = input.autoScaling ?? pool.autoScaling;
  const { annotations, availabilityZone, enableNodeAutoReplacement, enableNodeReboots, labels } = pool;
  const { name, nodeSize, securityUpdatesOnJoin, taints, upgradeStrategy } = pool;
  const given = Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined));
  return {
    ...{ annotations, availabilityZone, enableNodeAutoReplacement, enableNodeReboots, labels },
    ...{ name, nodeSize, securityUpdatesOnJoin, taints, upgradeStrategy },
    ...given,
    autoScaling,
    minSize: minSize ?? (autoScaling ? undefined : maxSize) ?? pool.minSize,
    maxSize: maxSize ?? (autoScaling ? undefined : minSize) ?? pool.maxSize,
  };
}

/**
 * Finds the problems of a new pool beyond its shape.
 *
 * @param draft well-formed parts of the pool
 * @param faulty paths that already have a problem; they get no second one
 * @param path path of the pool in the request, such as `nodePools[1]`; empty for a request of its own
 * @param placement location of the cluster
 * @param sent well-formed parts of the request, if `draft` also contains stored values: problems name only sent properties
 * @param stored the pool before the change; its node type and zone stay allowed if the catalogue no longer lists them; undefined for a new pool
 */
export function nodePoolProblems(
  draft: Draft<CreateNodePool>,
  faulty: ReadonlySet<string>,
  path: string,
  placement: Placement,
  sent: Draft<CreateNodePool> = draft,
  stored?: NodePool,
): Problem[] {
  const problems: Problem[] = [];
  const at = (name: string) => (path === "" ? name : `${path}.${name}`);
  const add = (name: string, message: string) => {
    if (!faulty.has(at(name))) problems.push({ path: at(name), message });
  };
  const { provider, region } = placement;

  if (draft.name === undefined) add("name", "is required");
  if (provider !== undefined && !isBringYourOwn(provider.type)) {
    const known = () => listAvailable(provider.nodeTypes, ({ type }) => type);
    if (draft.nodeSize === undefined) {
      add("nodeSize", `is required: a node type of ${provider.name}: ${known()}`);
    } else if (draft.nodeSize !== stored?.nodeSize && nodeTypeOf(provider, draft.nodeSize)?.available !== true) {
      add(
        "nodeSize",
        `${formatValue(draft.nodeSize)} is not allowed: must be a node type of ${provider.name}: ${known()}`,
      );
    }
  }
  const zone = draft.availabilityZone;
  const isKept = zone === undefined || zone === stored?.availabilityZone;
  if (region !== undefined && !isKept && zoneOf(region, zone)?.available !== true) {
    const known = listAvailable(region.availabilityZones, ({ slug }) => slug);
    add("availabilityZone", `${formatValue(zone)} is not allowed: must be a zone of ${region.slug}: ${known}`);
  }
  if (!faulty.has(at("minSize")) && !faulty.has(at("autoScaling"))) {
    const problem = sizeProblem(draft, sent);
    if (problem !== undefined) add(...problem);
  }
  const taints = new Set<string>();
  draft.taints?.forEach((taint, index) => {
    if (taint?.key === undefined || taint.effect === undefined) return;
    const text = `${taint.key}:${taint.effect}`;
    if (taints.has(text)) add(`taints[${index}]`, `repeats key and effect of another taint, ${text}`);
    taints.add(text);
  });
  const isCloud = provider !== undefined && !isBringYourOwn(provider.type);
  for (const problem of reservedNameProblems(sent, stored, isCloud)) add(problem.path, problem.message);
  const largest = largestProperty(draft, MAX_NODE_POOL_BYTES);
  if (largest !== undefined)
    add(largest, `makes the node pool exceed the limit of ${MAX_NODE_POOL_BYTES} bytes; shorten this property`);
  return problems;
}

/** Finds a problem of a pool's sizes. @returns the name of a property that was sent, and the text of the problem */
function sizeProblem(
  draft: Draft<CreateNodePool>,
  sent: Draft<CreateNodePool>,
): [name: string, text: string] | undefined {
  const { minSize, maxSize } = nodeSizesOf(draft);
  const isFixed = draft.autoScaling !== true;
  if (maxSize >= minSize && !(isFixed && maxSize !== minSize)) return undefined;
  const unless = isFixed ? ", unless autoScaling is true" : "";
  if (sent.maxSize !== undefined) {
    const bound = maxSize < minSize ? "be at least" : "equal";
    const exception = maxSize < minSize ? "" : unless;
    return ["maxSize", `${maxSize} is not allowed: must ${bound} minSize, which is ${minSize}${exception}`];
  }
  if (sent.minSize !== undefined) {
    return ["minSize", `${minSize} is not allowed: must be at most maxSize, which is ${maxSize}; send maxSize too`];
  }
  return [
    "autoScaling",
    `false is not allowed: minSize is ${minSize} and maxSize is ${maxSize}; send one size for both, or keep autoScaling true`,
  ];
}

/**
 * Finds the property to shorten if a user's data exceeds a limit.
 *
 * @param draft data to store, by property
 * @param bytes limit of its size as JSON in UTF-8, in bytes
 * @returns the name of the largest property; undefined if the data fits
 */
export function largestProperty(draft: object, bytes: number): string | undefined {
  const lengths = Object.entries(draft)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]): [string, number] => [name, Buffer.byteLength(JSON.stringify({ [name]: value }))]);
  const total = lengths.reduce((sum, [, length]) => sum + length, 0);
  return total <= bytes ? undefined : lengths.sort(([, one], [, other]) => other - one)[0]?.[0];
}

/** Applies the defaults. @param pool without problems */
export function settingsOf(pool: CreateNodePool): NodePoolSettings {
  return {
    annotations: pool.annotations ?? {},
    autoScaling: pool.autoScaling ?? false,
    availabilityZone: pool.availabilityZone,
    enableNodeAutoReplacement: pool.enableNodeAutoReplacement ?? true,
    enableNodeReboots: pool.enableNodeReboots ?? false,
    labels: pool.labels ?? {},
    ...nodeSizesOf(pool),
    name: pool.name ?? "",
    nodeSize: pool.nodeSize ?? BYON_NODE_SIZE,
    taints: pool.taints ?? [],
    securityUpdatesOnJoin: pool.securityUpdatesOnJoin ?? "OFF",
    upgradeStrategy: pool.upgradeStrategy ?? "REPLACE",
  };
}

/**
 * Returns the label that distinguishes the pools of a cluster for users: name and zone, because published modules create one
 * pool of the same name for each zone.
 */
export const nodePoolLabel = ({ name, availabilityZone }: Pick<NodePool, "name" | "availabilityZone">): string =>
  availabilityZone === undefined ? `"${name}"` : `"${name}" in ${availabilityZone}`;

/** Path of a node pool in events. */
export type NodePoolPath = `nodePools[${string}]`;

/**
 * Returns the path of a node pool in events: `nodePools[web/eu-west-1a]`, without a zone `nodePools[web]`. Name and zone
 * never change; ids mean nothing to a reader, and positions change with every deletion.
 */
export const nodePoolPath = ({ name, availabilityZone }: Pick<NodePool, "name" | "availabilityZone">): NodePoolPath =>
  `nodePools[${availabilityZone === undefined ? name : `${name}/${availabilityZone}`}]`;

/** Way in which the nodes of a pool change from one version to another. */
export interface NodeUpgrade {
  /** Replaces the old nodes by new ones, or upgrades them in place. */
  method: "replace" | "inPlace";
  /** True if pods are moved away first. */
  drain: boolean;
}

/**
 * Returns how the nodes of a pool change from one version to another: the pool's strategy decides, depending on whether the
 * minor version changes. Dry runs and the plans of the reconciler both use this rule.
 *
 * @param from version that the nodes run
 * @param to version that the nodes get
 */
export function nodeUpgradeOf(
  { upgradeStrategy: strategy }: Pick<NodePool, "upgradeStrategy">,
  from: string,
  to: string,
): NodeUpgrade {
  const isMinor = parseVersion(from)?.minor !== parseVersion(to)?.minor;
  const replaces = strategy === "REPLACE" || (isMinor && strategy.startsWith("REPLACE_MINOR"));
  return { method: replaces ? "replace" : "inPlace", drain: replaces || !strategy.endsWith("WITHOUT_DRAIN") };
}

/** Returns whether a pool is not being deleted: then its name is taken, and totals count it. */
export const isLive = ({ provisionStatus }: Pick<NodePool, "provisionStatus">): boolean =>
  provisionStatus !== "DELETING";

/**
 * Sums the minimum resources of pools: cpu in cores, memory in MiB. An unknown node type counts as 0.
 *
 * @param provider provider of the cluster; undefined if it left the catalogue, so that all its node types are unknown
 */
export function computeOf(
  provider: CloudProvider | undefined,
  pools: readonly Pick<NodePool, "minSize" | "nodeSize">[],
): { cpu: number; memory: number } {
  let [cpu, memory] = [0, 0];
  for (const { minSize, nodeSize } of pools) {
    const type = provider && nodeTypeOf(provider, nodeSize);
    cpu += minSize * (type?.cpu ?? 0);
    memory += minSize * (type?.memory ?? 0);
  }
  return { cpu, memory };
}
