/** Applies the objects of a cluster to the management cluster, and deletes those that are no longer part of it. */

import { isKubernetesError } from "../../kubernetes/errors.ts";
import { type ObjectKind, refOf } from "../../kubernetes/objects.ts";
import { OutdatedFenceError } from "../provisioner.ts";
import { RANK_COUNT, rankOf } from "./apply-order.ts";
import { type Call, deleteObject, getObject, listObjects, runTogether } from "./calls.ts";
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
import type { ObservedCluster, ObservedControlPlane, ObservedMachineSet, ObservedObject } from "./observed-objects.ts";

/** Last complete apply of all objects, stored in an annotation of the Cluster. */
interface LastApplied {
  /** Hash of all objects and of the revision of the credentials. */
  hash: string;
  /** RFC 3339. */
  at: string;
}

/** Maximum number of conflicts when a Cluster is marked, because its status changes at the same time. */
const MAX_CONFLICTS = 5;

/** Returns a hash that changes with every object and with the credentials. */
export const applyHash = (manifests: readonly Manifest[], credentialsRevision: string): string =>
  shortHash(canonicalJson([manifests, credentialsRevision]), 26);

/** Returns the last complete apply of a cluster; undefined if there was none, or if another apply has begun since. */
export function lastAppliedOf(cluster: ObservedCluster | undefined): LastApplied | undefined {
  const [hash, at] = cluster?.metadata.annotations?.[APPLIED]?.split(" ") ?? [];
  return hash === undefined || at === undefined ? undefined : { hash, at };
}

/** Returns the highest fencing token that was applied to a cluster; 0 if none was, or if the annotation is not a token. */
function fenceOf(cluster: ObservedCluster | undefined): number {
  const fence = Number(cluster?.metadata.annotations?.[FENCE] ?? 0);
  return Number.isSafeInteger(fence) ? fence : 0;
}

/** @throws OutdatedFenceError if a call with a higher fencing token was received before */
export function requireFence(cluster: ObservedCluster | undefined, identity: string, fence: number): void {
  const highest = fenceOf(cluster);
  if (highest > fence) throw new OutdatedFenceError(identity, highest);
}

/**
 * Requires that a plan does not bring a control plane back to an earlier version of Kubernetes, which Cluster API does not support. The API
 * refuses such changes. But the table may be older than the management cluster, because it was restored from a backup.
 *
 * @param planned upstream version, such as `v1.33.4`
 * @param isHosted true for a KamajiControlPlane: Kamaji may refuse its requested version, so the one that runs counts
 * @throws Error if the control plane has a newer version
 */
export function requireNoDowngrade(
  controlPlane: ObservedControlPlane | undefined,
  planned: string,
  isHosted: boolean,
): void {
  const present = isHosted ? controlPlane?.status?.version : controlPlane?.spec?.version;
  if (present === undefined || present.localeCompare(planned, "en", { numeric: true }) <= 0) return;
  const text = `the control plane in the management cluster has version ${present}, which is newer than the planned ${planned}`;
  throw new Error(`${text}; change the version of the cluster to a version of Kubernetes ${present} or newer`);
}

/**
 * Requires that no other client is deleting the Cluster. Otherwise Cluster API would delete new machines again, or the deletion would never
 * end.
 *
 * @throws Error if the Cluster is being deleted
 */
export function requireNotDeleting({ metadata: { name, namespace, deletionTimestamp } }: ObservedCluster): void {
  if (deletionTimestamp === undefined) return;
  const text = `another client deleted the Cluster ${name} in the namespace ${namespace} of the management cluster`;
  throw new Error(
    `${text}, and the deletion is in progress; the Cluster is created again when the deletion is complete`,
  );
}

const applyObject = async <T extends ObservedObject>({ client, signal }: Call, manifest: Manifest) =>
  (await client.apply(manifest, { signal })) as ObservedObject as T;

const annotated = (manifest: Manifest, annotations: Record<string, string>): Manifest => ({
  ...manifest,
  metadata: { ...manifest.metadata, annotations: { ...manifest.metadata.annotations, ...annotations } },
});

/** Applies objects that no other object depends on, at the same time. */
export async function applyObjects(call: Call, manifests: readonly Manifest[]): Promise<void> {
  const tasks = manifests.map((manifest) => (each: Call) => applyObject(each, manifest));
  await runTogether(call, tasks);
}

/** Input of `applyAll`. */
export interface ApplyInput {
  input: TranslationInput;
  manifests: readonly Manifest[];
  /** Secrets with credentials. */
  secrets: readonly Manifest[];
  hash: string;
  fence: number;
  /** Cluster as it was read; undefined if it does not exist. */
  before: ObservedCluster | undefined;
  /** RFC 3339. */
  now: string;
}

/**
 * Applies all objects, and deletes those that are no longer part of the cluster. The Cluster is marked first and last, so that an
 * interrupted apply is repeated, and an apply with an outdated fencing token is refused.
 *
 * @throws KubernetesError; OutdatedFenceError; Error if another client deletes the Cluster
 */
export async function applyAll(call: Call, apply: ApplyInput): Promise<void> {
  const { input, manifests, secrets, hash, fence, before, now } = apply;
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
  // Before the last mark, so that a failed deletion is repeated.
  if (before !== undefined) await prune(call, input, manifests);
  const done = annotated(begun, { [APPLIED]: `${hash} ${now}` });
  if (present !== undefined) await mark(call, identity, fence, done, present);
}

/**
 * Applies a Cluster on condition that it did not change since the read. Its status changes often, so the Cluster is read again after a
 * conflict. The uid is part of the condition, because an apply without it would recreate a Cluster that a newer plan deleted.
 *
 * @param manifest Cluster with its annotations
 * @returns the applied Cluster
 * @throws OutdatedFenceError; Error if the Cluster is or was deleted
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
    requireNotDeleting(present);
    const { uid, resourceVersion } = present.metadata;
    const conditional = { ...manifest, metadata: { ...manifest.metadata, uid, resourceVersion } };
    try {
      return await applyObject<ObservedCluster>(call, conditional);
    } catch (error) {
      if (!isKubernetesError(error, "conflict") || conflicts >= MAX_CONFLICTS) throw error;
      const current = await getObject<ObservedCluster>(call, refOf(manifest));
      if (current?.metadata.uid !== uid || current === undefined)
        throw new Error(`the Cluster of cluster ${identity} was deleted while its objects were applied`);
      present = current;
    }
  }
}

/** Deletes objects of a kind at the same time. */
async function deleteFound(call: Call, kind: ObjectKind, found: readonly ObservedObject[]): Promise<void> {
  const tasks = found.map(
    ({ metadata }) =>
      (each: Call) =>
        deleteObject(each, refOf({ ...kind, metadata }), metadata.uid),
  );
  await runTogether(call, tasks);
}

/** Lists the objects of a cluster. */
const listOwn = <T extends ObservedObject>(call: Call, kind: ObjectKind, input: TranslationInput) =>
  listObjects<T>(call, kind, namespaceOf(input.organisationIdentity), { [CLUSTER_ID]: input.cluster.identity });

/**
 * Deletes MachineDeployments, health checks and resource sets that are no longer part of a cluster. Objects of other kinds are kept while
 * the cluster exists.
 */
async function prune(call: Call, input: TranslationInput, manifests: readonly Manifest[]): Promise<void> {
  const names = new Set(manifests.map(({ kind, metadata }) => `${kind} ${metadata.name}`));
  const kinds = [MACHINE_DEPLOYMENT, MACHINE_HEALTH_CHECK, CLUSTER_RESOURCE_SET];
  const tasks = kinds.map((kind) => async (each: Call) => {
    const found = await listOwn(each, kind, input);
    const old = found.filter(({ metadata }) => !names.has(`${kind.kind} ${metadata.name}`));
    await deleteFound(
      each,
      kind,
      old.filter(({ metadata }) => metadata.deletionTimestamp === undefined),
    );
  });
  await runTogether(call, tasks);
}

/** Type of the Secrets of resource sets. */
const RESOURCE_SET_TYPE = "addons.cluster.x-k8s.io/resource-set";

/**
 * Deletes templates that are no longer referenced. Call it only if no machine of the cluster is being replaced, because deleting a template
 * stops the replacement (cluster-api#5191, #6375).
 *
 * @throws KubernetesError
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
  const tasks = contentNamedKinds(input.type).map((kind) => async (each: Call) => {
    const found = await listOwn<ObservedObject & { type?: string }>(each, kind, input);
    const unused = found.filter(
      ({ metadata, type }) => !used.has(metadata.name) && (kind.kind !== "Secret" || type === RESOURCE_SET_TYPE),
    );
    await deleteFound(each, kind, unused);
  });
  await runTogether(call, tasks);
}
