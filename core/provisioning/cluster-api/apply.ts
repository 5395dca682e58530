/** Applies the objects of a cluster to the management cluster, and deletes those that are no longer part of it. */

import { isKubernetesError } from "../../kubernetes/errors.ts";
import { type ObjectKind, refOf } from "../../kubernetes/objects.ts";
import { RANK_COUNT, rankOf } from "./application-order.ts";
import { type Call, deleteObject, getObject, listObjects } from "./calls.ts";
import type { TranslationInput } from "./input.ts";
import {
  CLUSTER,
  CLUSTER_RESOURCE_SET,
  contentNamedKinds,
  MACHINE_DEPLOYMENT,
  MACHINE_HEALTH_CHECK,
  MACHINE_SET,
} from "./kinds.ts";
import { APPLIED, CLUSTER_ID, FENCE } from "./labels.ts";
import { canonicalJson, type Manifest, namespaceOf, shortHash } from "./manifest.ts";
import type { ObservedCluster, ObservedMachineSet, ObservedObject } from "./observed-objects.ts";

/** Result of the last complete application, stored on the Cluster. */
interface Applied {
  /** Hash of all objects and of the revision of the credentials. */
  hash: string;
  /** RFC 3339. */
  at: string;
}

/** Attempts to mark a Cluster whose status changes at the same time. */
const MAX_CONFLICTS = 5;

/** Returns a hash that changes with every object and with the credentials. */
export const hashOf = (manifests: readonly Manifest[], credentialsRevision: string): string =>
  shortHash(canonicalJson([manifests, credentialsRevision]), 26);

/** Returns the last complete application of a cluster; undefined if there was none, or another one began since. */
export function appliedOf(cluster: ObservedCluster | undefined): Applied | undefined {
  const [hash, at] = cluster?.metadata.annotations?.[APPLIED]?.split(" ") ?? [];
  return hash === undefined || at === undefined ? undefined : { hash, at };
}

/** Returns the highest fencing token that a cluster has received. */
export const fenceOf = (cluster: ObservedCluster | undefined): number =>
  Number(cluster?.metadata.annotations?.[FENCE] ?? 0);

/** @throws Error if a call with a higher fencing token was received before */
export function requireFence(cluster: ObservedCluster | undefined, identity: string, fence: number): void {
  if (fenceOf(cluster) > fence) throw new Error(`a newer plan for cluster ${identity} was received before`);
}

/**
 * Refuses to apply anything to a cluster whose deletion somebody requested in the management cluster: Cluster API would delete new
 * machines again, or never finish.
 *
 * @throws Error if its deletion was requested
 */
export function requireLive({ metadata: { name, namespace, deletionTimestamp } }: ObservedCluster): void {
  if (deletionTimestamp === undefined) return;
  const text = `somebody deleted the Cluster ${name} in the namespace ${namespace} of the management cluster`;
  throw new Error(`${text}, and its deletion is in progress; it is made again afterwards`);
}

const applyObject = async <T extends ObservedObject>({ client, signal }: Call, manifest: Manifest) =>
  (await client.apply(manifest, { signal })) as ObservedObject as T;

const annotated = (manifest: Manifest, annotations: Record<string, string>): Manifest => ({
  ...manifest,
  metadata: { ...manifest.metadata, annotations: { ...manifest.metadata.annotations, ...annotations } },
});

/** Applies objects that no other object depends on, at the same time. */
export async function applyObjects(call: Call, manifests: readonly Manifest[]): Promise<void> {
  await Promise.all(manifests.map((manifest) => applyObject(call, manifest)));
}

/** Objects to apply. */
export interface Application {
  input: TranslationInput;
  manifests: readonly Manifest[];
  /** Secrets with credentials. */
  secrets: readonly Manifest[];
  hash: string;
  fence: number;
  /** Cluster as read; undefined if it does not exist. */
  before: ObservedCluster | undefined;
  /** RFC 3339. */
  now: string;
}

/**
 * Applies all objects, and deletes those that are no longer part of the cluster. The Cluster is marked first and last: an interrupted
 * application is repeated, and one with an outdated fencing token is refused.
 *
 * @throws KubernetesError; Error if a newer plan was received before
 */
export async function applyAll(call: Call, application: Application): Promise<void> {
  const { input, manifests, secrets, hash, fence, before, now } = application;
  const { identity } = input.cluster;
  const cluster = manifests.find(({ kind }) => kind === CLUSTER.kind);
  if (cluster === undefined) throw new Error(`the objects of cluster ${identity} have no Cluster`);
  const begun = annotated(cluster, { [FENCE]: String(fence) });
  let present = before === undefined ? undefined : await mark(call, identity, fence, begun, before);
  const all = [...manifests.filter((each) => each !== cluster), ...secrets];
  for (let rank = 0; rank < RANK_COUNT; rank++) {
    if (rank === rankOf(cluster) && present === undefined) {
      present = await applyObject<ObservedCluster>(call, begun);
    }
    const own = all.filter((each) => rankOf(each) === rank);
    await applyObjects(call, own);
  }
  // Before the end, so that it is repeated if it fails.
  if (before !== undefined) await prune(call, input, manifests);
  const done = annotated(begun, { [APPLIED]: `${hash} ${now}` });
  if (present !== undefined) await mark(call, identity, fence, done, present);
}

/**
 * Applies a Cluster on condition that it is as read. Its status changes often, so it is read again after a conflict. Without its uid, an
 * apply would make one again that a newer plan deleted meanwhile.
 */
async function mark(
  call: Call,
  identity: string,
  fence: number,
  manifest: Manifest,
  before: ObservedCluster,
): Promise<ObservedCluster> {
  let present = before;
  for (let conflicts = 0; ; conflicts++) {
    requireFence(present, identity, fence);
    requireLive(present);
    const { uid, resourceVersion } = present.metadata;
    const asRead = { ...manifest, metadata: { ...manifest.metadata, uid, resourceVersion } };
    try {
      return await applyObject<ObservedCluster>(call, asRead);
    } catch (error) {
      if (!isKubernetesError(error, "conflict") || conflicts >= MAX_CONFLICTS) throw error;
      const again = await getObject<ObservedCluster>(call, refOf(manifest));
      if (again?.metadata.uid !== uid || again === undefined)
        throw new Error(`the Cluster of cluster ${identity} was deleted while its objects were applied`);
      present = again;
    }
  }
}

const deleteFound = (call: Call, kind: ObjectKind, { metadata }: ObservedObject) =>
  deleteObject(call, refOf({ ...kind, metadata }), metadata.uid);

/** Lists the objects of a cluster. */
const listOwn = <T extends ObservedObject>(call: Call, kind: ObjectKind, input: TranslationInput) =>
  listObjects<T>(call, kind, namespaceOf(input.organisationIdentity), { [CLUSTER_ID]: input.cluster.identity });

/**
 * Deletes MachineDeployments, health checks and resource sets of a cluster that are not part of it any more. The other kinds are never
 * deleted while the cluster exists.
 */
async function prune(call: Call, input: TranslationInput, manifests: readonly Manifest[]): Promise<void> {
  const names = new Set(manifests.map(({ kind, metadata }) => `${kind} ${metadata.name}`));
  const kinds = [MACHINE_DEPLOYMENT, MACHINE_HEALTH_CHECK, CLUSTER_RESOURCE_SET];
  await Promise.all(
    kinds.map(async (kind) => {
      const found = await listOwn(call, kind, input);
      const old = found.filter(({ metadata }) => !names.has(`${kind.kind} ${metadata.name}`));
      await Promise.all(
        old
          .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
          .map((each) => deleteFound(call, kind, each)),
      );
    }),
  );
}

/** Type of the Secrets of resource sets. */
const RESOURCE_SET_TYPE = "addons.cluster.x-k8s.io/resource-set";

/**
 * Deletes templates to which nothing refers any more. Only for a cluster in which no machine is being replaced: deleting a template
 * earlier stops the replacement (cluster-api#5191, #6375).
 */
export async function collectGarbage(
  call: Call,
  input: TranslationInput,
  manifests: readonly Manifest[],
): Promise<void> {
  const machineSets = await listObjects<ObservedMachineSet>(
    call,
    MACHINE_SET,
    namespaceOf(input.organisationIdentity),
    {
      "cluster.x-k8s.io/cluster-name": input.objectName,
    },
  );
  const used = new Set(manifests.map(({ metadata }) => metadata.name));
  for (const { spec } of machineSets) {
    const { infrastructureRef, bootstrap } = spec?.template?.spec ?? {};
    for (const name of [infrastructureRef?.name, bootstrap?.configRef?.name]) if (name !== undefined) used.add(name);
  }
  await Promise.all(
    contentNamedKinds(input.type).map(async (kind) => {
      const found = await listOwn<ObservedObject & { type?: string }>(call, kind, input);
      const unused = found.filter(
        ({ metadata, type }) => !used.has(metadata.name) && (kind.kind !== "Secret" || type === RESOURCE_SET_TYPE),
      );
      await Promise.all(unused.map((each) => deleteFound(call, kind, each)));
    }),
  );
}
