/** What a node pool must keep to, and what it defaults to. Pure rules. */

import { type CloudProvider, isBringYourOwn, nodeTypeOf, type Region, zoneOf } from "../catalogue/index.ts";
import type { Problem } from "../shared/errors.ts";
import { type Draft, formatValue } from "../shared/validation.ts";
import { type CreateNodePool, MAX_NODE_POOL_BYTES, type NodePool } from "./schema.ts";

const BLANK_IS_ABSENT = ["availabilityZone", "name", "nodeSize", "securityUpdatesOnJoin", "upgradeStrategy"];

/** Takes what clients send beside the documented form: empty strings for nothing. @param pool as it was sent */
export function normaliseNodePool(pool: unknown): unknown {
  if (typeof pool !== "object" || pool === null || Array.isArray(pool)) return pool;
  return Object.fromEntries(
    Object.entries(pool).filter(([name, value]) => value !== "" || !BLANK_IS_ABSENT.includes(name)),
  );
}

/** Where a cluster's nodes run; parts are missing while the cluster's own input is not known to be good. */
export interface Placement {
  provider: CloudProvider | undefined;
  region: Region | undefined;
}

/** What a user asked of a pool, with every default in its place. */
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

/** The one node type a bring-your-own-nodes pool has unless it says otherwise. */
const BYON_NODE_SIZE = "byon";

/** The sizes a pool ends up with: without auto-scaling one size given sets both. */
function nodeSizesOf(draft: Draft<CreateNodePool>): { minSize: number; maxSize: number } {
  const { autoScaling, minSize, maxSize } = draft;
  if (autoScaling === true) return { minSize: minSize ?? 1, maxSize: maxSize ?? 1 };
  return { minSize: minSize ?? maxSize ?? 1, maxSize: maxSize ?? minSize ?? 1 };
}

/**
 * What a pool would be made of after a change: what is left out stays. Without auto-scaling one size given sets both.
 *
 * @param input the well-formed parts of what was sent
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
 * Finds what is wrong with a new pool beyond its shape.
 *
 * @param draft the well-formed parts of what was sent
 * @param faulty paths that already have a problem, which needs no second one
 * @param path where the pool stands in the request, such as `nodePools[1]`; empty for a request of its own
 * @param placement of the cluster
 * @param sent the well-formed parts of the request, where `draft` also holds stored values: problems name what was sent
 * @param stored the pool that is changed; its node type and zone stay allowed where the catalogue does not list them any more
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
    const known = provider.nodeTypes.map(({ type }) => type).join(", ");
    if (draft.nodeSize === undefined) {
      add("nodeSize", `is required: one of ${known}`);
    } else if (draft.nodeSize !== stored?.nodeSize && nodeTypeOf(provider, draft.nodeSize) === undefined) {
      add(
        "nodeSize",
        `${formatValue(draft.nodeSize)} is not allowed: must be a node type of ${provider.name}: ${known}`,
      );
    }
  }
  const zone = draft.availabilityZone;
  if (region !== undefined && zone !== undefined && zone !== stored?.availabilityZone && !zoneOf(region, zone)) {
    const known = region.availabilityZones.map(({ slug }) => slug).join(", ");
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
  const largest = largestProperty(draft, MAX_NODE_POOL_BYTES);
  if (largest !== undefined) add(largest, `makes this node pool larger than ${MAX_NODE_POOL_BYTES} bytes`);
  return problems;
}

/** Finds what is wrong with a pool's sizes. @returns the name of a property that was sent, and the text of the problem */
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
 * Finds what to make smaller where users store too much.
 *
 * @param draft what would be stored, by property
 * @param bytes how much it may be, as JSON in UTF-8
 * @returns the name of the largest property; undefined where all fits
 */
export function largestProperty(draft: object, bytes: number): string | undefined {
  const lengths = Object.entries(draft)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]): [string, number] => [name, Buffer.byteLength(JSON.stringify({ [name]: value }))]);
  const total = lengths.reduce((sum, [, length]) => sum + length, 0);
  return total <= bytes ? undefined : lengths.sort(([, one], [, other]) => other - one)[0]?.[0];
}

/** Puts the defaults in. @param pool without problems */
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
 * What tells pools of one cluster apart to a user: name together with zone, for published modules make one pool of a name
 * for each zone.
 */
export const nodePoolLabel = ({ name, availabilityZone }: Pick<NodePool, "name" | "availabilityZone">): string =>
  availabilityZone === undefined ? `"${name}"` : `"${name}" in ${availabilityZone}`;

/**
 * Returns the path of a node pool in events: `nodePools[web/eu-west-1a]`, without a zone `nodePools[web]`. Name and zone
 * never change; ids mean nothing to a reader, and positions change with every deletion.
 */
export const nodePoolPath = ({ name, availabilityZone }: Pick<NodePool, "name" | "availabilityZone">): string =>
  `nodePools[${availabilityZone === undefined ? name : `${name}/${availabilityZone}`}]`;

/** Whether a pool is not being deleted: then its name is held, and it counts. */
export const isLive = ({ provisionStatus }: Pick<NodePool, "provisionStatus">): boolean =>
  provisionStatus !== "DELETING";

/** Sums what pools ask for at least: cpu in cores, memory in MiB. A node type nobody knows counts nothing. */
export function computeOf(
  provider: CloudProvider,
  pools: readonly Pick<NodePool, "minSize" | "nodeSize">[],
): { cpu: number; memory: number } {
  let [cpu, memory] = [0, 0];
  for (const { minSize, nodeSize } of pools) {
    const type = nodeTypeOf(provider, nodeSize);
    cpu += minSize * (type?.cpu ?? 0);
    memory += minSize * (type?.memory ?? 0);
  }
  return { cpu, memory };
}
