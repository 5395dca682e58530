/** Builds new clusters from validated requests. Pure functions. */

import type { HostingPool } from "../../context.ts";
import type { NodePool } from "../../node-pool/entity.ts";
import { computeOf, nodePoolPath } from "../../node-pool/rules.ts";
import type { Environment } from "../../tenancy/environment.ts";
import type { Cluster } from "../entity.ts";
import type { EventOf } from "../event-types.ts";
import { initialConditions } from "./conditions.ts";
import type { ValidatedCreate } from "./create.ts";

/** Values of a new cluster that its request does not contain. */
interface NewClusterContext {
  identity: string;
  /** Slug of the organisation. */
  organisation: string;
  environment: Environment;
  slug: string;
  /** Deleting cluster that owns the slug now. */
  owner: Cluster | undefined;
  hostingPool: HostingPool;
  /** RFC 3339. */
  now: string;
}

/** Ids of a node pool. */
export type PoolIds = Pick<NodePool, "id" | "identity">;

/** Builds a new cluster. */
export function newCluster({ settings, provider, nodePools }: ValidatedCreate, context: NewClusterContext): Cluster {
  const { identity, organisation, environment, slug, owner, hostingPool, now } = context;
  return {
    ...settings,
    ...computeOf(provider, nodePools),
    identity,
    organisation,
    environment: environment.slug,
    environmentIdentity: environment.identity,
    slug,
    cloudProvider: provider.slug,
    environmentPrometheusRules: true,
    deleteProtection: false,
    status: "new",
    desiredStatus: "starting",
    provisionStatus: "ACCEPTED",
    furthestPhase: "ACCEPTED",
    poolID: hostingPool.id,
    poolName: hostingPool.name,
    createdAt: now,
    modifiedAt: now,
    // Above the revision of the slug's deleting owner, so that the two never have the same entity tag.
    revision: (owner?.revision ?? 0) + 1,
    generation: 1,
    conditions: initialConditions(now),
  };
}

/** Builds the node pools of a new cluster. @param ids ids of each pool, in the order of the request */
export const newNodePools = (
  { identity, createdAt }: Cluster,
  { nodePools }: ValidatedCreate,
  ids: readonly PoolIds[],
): NodePool[] =>
  nodePools.flatMap((settings, position) => {
    const own = ids[position];
    if (own === undefined) throw new Error(`node pool ${position} has no ids`);
    return {
      ...settings,
      ...own,
      clusterIdentity: identity,
      provisionStatus: "ACCEPTED",
      createdAt,
      modifiedAt: createdAt,
      revision: 1,
    };
  });

/** Builds the event of a new cluster: every setting, and the label and size of each pool. */
export function createdEvent({ settings, nodePools }: ValidatedCreate): EventOf<"cluster.created"> {
  const names = Object.keys(settings) as (keyof typeof settings)[];
  const own = names.filter((name) => settings[name] !== undefined).map((path) => ({ path, to: settings[path] }));
  const pools = nodePools.map(({ name, availabilityZone, nodeSize, minSize, maxSize }) => ({
    path: nodePoolPath({ name, availabilityZone }),
    to: { name, availabilityZone, nodeSize, minSize, maxSize },
  }));
  return { type: "cluster.created", changes: [...own, ...pools] };
}
