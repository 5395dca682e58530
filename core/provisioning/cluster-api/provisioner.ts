/** Provisioner that builds clusters with Cluster API in a management cluster. */

import type { Cluster } from "../../cluster/entity.ts";
import type { Services } from "../../context.ts";
import { type ClientOptions, createKubernetesClient } from "../../kubernetes/client.ts";
import type { KubernetesClient } from "../../kubernetes/interface.ts";
import { LruCache } from "../../shared/lru-cache.ts";
import type { Observation, Plan, Provisioner, Target } from "../provisioner.ts";
import { addressesIn, allocateAddress } from "./api-addresses.ts";
import {
  applyAll,
  applyHash,
  applyObjects,
  collectGarbage,
  lastAppliedOf,
  requireFence,
  requireNoDowngrade,
  requireNotDeleting,
} from "./apply.ts";
import { buildAccountInput, buildInput, findType, kubernetesOf } from "./build-input.ts";
import { absentIfNotServed, type Call, getObject, listObjects } from "./calls.ts";
import { controlPlaneName } from "./control-plane.ts";
import { destroyCluster } from "./destroy.ts";
import type { Rollout, TranslatedType } from "./input.ts";
import { CLUSTER, controlPlaneKind, MACHINE_DEPLOYMENT, MACHINE_SET, typeOfCluster } from "./kinds.ts";
import { CLUSTER_ID } from "./labels.ts";
import { type ManagementClusters, requireManagementCluster } from "./management-cluster.ts";
import { type Manifest, namespaceOf, objectNameOf } from "./manifest.ts";
import { observationOf } from "./observation.ts";
import {
  isStatusCurrent,
  type ObservedCluster,
  type ObservedControlPlane,
  type ObservedDeployment,
  type ObservedMachineSet,
  type ObservedObjects,
} from "./observed-objects.ts";
import { controllerNamespaces, type Profiles, settingsOf } from "./profiles.ts";
import { SourceReader, type SourceServices } from "./sources.ts";
import { clusterApiTraits } from "./traits.ts";
import { translate, translateAccount, translateSecrets } from "./translate.ts";
import { type NamespacedName, openWorkloadCluster, putBootstrapTokens, secretValue } from "./workload-cluster.ts";
import { observedZones } from "./zones.ts";

/** Delay between two observations of a change in progress, in milliseconds. */
const POLL_MS = 5_000;

/** Age of the last apply from which all objects are applied again, in milliseconds: less than half of the shortest resync interval. */
const APPLY_AGAIN_MS = 15 * 60_000;

/** Size of the cache of certificates of authorities, in bytes. */
const CERTIFICATE_BYTES = 8 * 1024 * 1024;

/** Number of deletions in progress whose revision of the credentials is cached. */
const CACHED_DELETIONS = 10_000;

/** Access to the management cluster. */
export interface ManagementAccess {
  /**
   * Reads the kubeconfig of the management cluster. Its content may change between calls, because credentials are renewed.
   *
   * @throws Error if it cannot be read
   */
  readonly readKubeconfig: () => Promise<string>;
  /** Options of the client that follow from the place of the kubeconfig. */
  readonly clientOptions?: Pick<ClientOptions, "isEmbedded" | "environment" | "onOutage">;
}

/** Options of the provisioner. */
export interface ClusterApiServices extends ManagementAccess, SourceServices, Pick<Services, "clock"> {
  readonly profiles: Profiles;
  /** Records the management cluster, on condition that the record is as read. @returns false if it has changed */
  readonly recordManagementCluster: (clusters: ManagementClusters) => Promise<boolean>;
}

/** Creates the provisioner. Create one for each process, because it owns the connections and the circuit breaker. */
export function createClusterApiProvisioner(options: ClusterApiServices): Provisioner {
  const { profiles, clock } = options;
  const connect = connectionTo(options);
  const sources = new SourceReader(options);
  /** Objects of each observation, so that a plan which follows from it does not read them again. */
  const observed = new WeakMap<Observation, ObservedObjects>();
  // Others can write the Secret of the kubeconfig, so it must not run a command or read a file here.
  const open = (kubeconfig: string) =>
    createKubernetesClient(kubeconfig, { clock, server: "the cluster", isEmbedded: true });
  const certificates = new LruCache<string>(CERTIFICATE_BYTES);
  /** Revision of the credentials that were last applied to a cluster that is being deleted. */
  const deletedWith = new LruCache<string>(CACHED_DELETIONS);
  const locate = async (cluster: Cluster) => ({
    name: objectNameOf(cluster.slug, cluster.identity),
    namespace: namespaceOf(await sources.organisationOf(cluster)),
  });

  /**
   * Returns the type of a cluster's provider: by the catalogue, or, if the catalogue no longer has the provider, by its Cluster.
   *
   * @returns undefined if neither has it
   */
  async function typeIn(call: Call, cluster: Cluster, located: NamespacedName): Promise<TranslatedType | undefined> {
    const known = findType(cluster);
    if (known !== undefined) return known;
    const found = await getObject<ObservedCluster>(call, { ...CLUSTER, ...located });
    return found && typeOfCluster(found);
  }

  async function readObjects(call: Call, { cluster, nodePools }: Target): Promise<ObservedObjects | undefined> {
    const { name, namespace } = await locate(cluster);
    const type = await typeIn(call, cluster, { name, namespace });
    if (type === undefined) return undefined;
    const control = { ...controlPlaneKind(type), name: type === "byon" ? name : controlPlaneName(name), namespace };
    const isChanging = type !== "byon" && nodePools.some(({ provisionStatus }) => provisionStatus !== "DONE");
    const [found, controlPlane, deployments, machineSets] = await Promise.all([
      getObject<ObservedCluster>(call, { ...CLUSTER, name, namespace }),
      // A provider may be removed before its last cluster is deleted.
      cluster.desiredStatus === "deleting"
        ? absentIfNotServed(getObject<ObservedControlPlane>(call, control))
        : getObject<ObservedControlPlane>(call, control),
      type === "byon"
        ? []
        : listObjects<ObservedDeployment>(call, MACHINE_DEPLOYMENT, namespace, { [CLUSTER_ID]: cluster.identity }),
      isChanging
        ? listObjects<ObservedMachineSet>(call, MACHINE_SET, namespace, { "cluster.x-k8s.io/cluster-name": name })
        : undefined,
    ]);
    if (found === undefined) return undefined;
    const certificateAuthority = await certificateOf(call, found, { name, namespace });
    return { cluster: found, controlPlane, deployments, machineSets, certificateAuthority };
  }

  /** Reads the certificate of a cluster's authority. It is cached, because Cluster API creates it once. */
  async function certificateOf(call: Call, { metadata, status }: ObservedCluster, located: NamespacedName) {
    const { uid = "" } = metadata;
    const known = certificates.get(uid);
    if (known !== undefined || status?.initialization?.controlPlaneInitialized !== true) return known;
    const certificate = await secretValue(call, located, "ca", "tls.crt");
    if (certificate !== undefined) certificates.set(uid, certificate, certificate.length);
    return certificate;
  }

  async function rolloutOf(
    call: Call,
    { cluster, observation }: Plan,
    before: ObservedObjects | undefined,
  ): Promise<Rollout> {
    const settings = settingsOf(profiles, cluster.cloudProvider, cluster.region);
    const addresses = settings !== undefined && "apiAddresses" in settings ? settings.apiAddresses : undefined;
    return {
      wasAvailable: cluster.furthestPhase === "DONE" || observation?.phase === "DONE",
      apiAddress:
        addresses === undefined ? undefined : await allocateAddress(call, cluster.identity, addressesIn(addresses)),
      zones: observedZones(before?.cluster),
      replicas: new Map(before?.deployments.map(({ metadata, spec }) => [metadata.name, spec?.replicas ?? 0])),
    };
  }

  /** Applies a plan, unless equal objects were applied less than 15 minutes ago. */
  async function applyPlan(call: Call, plan: Plan): Promise<void> {
    const { cluster, fence, observation } = plan;
    const before = observation && observed.get(observation);
    requireFence(before?.cluster, cluster.identity, fence);
    if (before !== undefined) requireNotDeleting(before.cluster);
    requireNoDowngrade(before?.controlPlane, kubernetesOf(plan.version), findType(cluster) === "byon");
    const found = await sources.read(cluster);
    const rollout = await rolloutOf(call, plan, before);
    const input = buildInput(plan, found, profiles, rollout, await sources.accountDetailsOf(cluster, found));
    const manifests = translate(input);
    const hash = applyHash(manifests, found.credentialsRevision);
    const applied = lastAppliedOf(before?.cluster);
    const now = clock();
    const isSame = applied?.hash === hash;
    if (isSame && now.getTime() - Date.parse(applied.at) < APPLY_AGAIN_MS) return;
    let secrets: Manifest[] = [];
    if (clusterApiTraits(profiles).needsCredentials(input.type)) {
      secrets = translateSecrets(input, await sources.credentialsOf(cluster, found));
    }
    await applyAll(call, {
      input,
      manifests,
      secrets,
      hash,
      fence,
      before: before?.cluster,
      now: now.toISOString(),
    });
    // The observed objects are those of this plan, so an observation at rest shows that no machine is being replaced.
    if (before !== undefined && isSame && isAtRest(before)) await collectGarbage(call, input, manifests);
  }

  /**
   * Applies the credentials of a cluster that is being deleted, because nothing else is applied to it any more. Only once for each
   * revision, because a deletion is observed often. A cluster without settings, credentials or stored secrets keeps what it has.
   */
  async function applyCredentials(call: Call, cluster: Cluster): Promise<void> {
    const settings = settingsOf(profiles, cluster.cloudProvider, cluster.region);
    const type = findType(cluster);
    if (settings === undefined || type === undefined || !clusterApiTraits(profiles).needsCredentials(type)) return;
    const found = await sources.read(cluster);
    const { credentialsRevision } = found;
    if (credentialsRevision === "" || deletedWith.get(cluster.identity) === credentialsRevision) return;
    const credentials = await sources.findCredentials(cluster, found);
    if (credentials === undefined) return;
    const input = buildAccountInput(cluster, found, settings, await sources.accountDetailsOf(cluster, found));
    await applyObjects(call, translateAccount(input, credentials));
    deletedWith.set(cluster.identity, credentialsRevision, 1);
  }

  return {
    ...clusterApiTraits(profiles),
    pollMs: POLL_MS,
    apply: async (plan, signal) => applyPlan(await connect(signal), plan),
    async observe(target, signal) {
      const objects = await readObjects(await connect(signal), target);
      if (objects === undefined) return undefined;
      const isHosted = (findType(target.cluster) ?? typeOfCluster(objects.cluster)) === "byon";
      const observation = observationOf(target, objects, isHosted, clock().toISOString());
      observed.set(observation, objects);
      return observation;
    },
    async destroy({ cluster }, fence, signal) {
      const call = await connect(signal);
      return await destroyCluster(call, {
        ...(await locate(cluster)),
        identity: cluster.identity,
        type: findType(cluster),
        fence,
        accountIdentity: cluster.cloudAccountIdentity,
        controllerNamespaces: controllerNamespaces(profiles, cluster.cloudProvider),
        applyCredentials: (limited) => applyCredentials(limited, cluster),
        open,
        now: clock(),
      });
    },
    async updateBootstrapTokens({ cluster }, tokens, revoked, signal) {
      const call = await connect(signal);
      const workload = await openWorkloadCluster(call, await locate(cluster), open);
      try {
        await putBootstrapTokens(workload, tokens, revoked);
      } finally {
        workload.client.close();
      }
    },
  };
}

/**
 * Returns a function that returns the client of the management cluster. It creates a new client when the kubeconfig changes, and requires
 * that it is the same management cluster.
 */
function connectionTo(options: ClusterApiServices): (signal: AbortSignal) => Promise<Call> {
  const { readKubeconfig, clientOptions, clock } = options;
  let present: { kubeconfig: string; client: KubernetesClient; isVerified: boolean } | undefined;
  return async (signal) => {
    const kubeconfig = await readKubeconfig();
    if (present?.kubeconfig !== kubeconfig) {
      const former = present;
      const client = createKubernetesClient(kubeconfig, { clock, ...clientOptions });
      present = { kubeconfig, client, isVerified: false };
      former?.client.close();
    }
    const connection = present;
    const call = { client: connection.client, signal };
    if (!connection.isVerified) await requireManagementCluster(options, call);
    connection.isVerified = true;
    return call;
  };
}

/** Returns whether no machine of a cluster is being created, replaced or deleted. */
function isAtRest({ controlPlane, deployments }: ObservedObjects): boolean {
  return [...(controlPlane === undefined ? [] : [controlPlane]), ...deployments].every((each) => {
    const replicas = each.spec?.replicas ?? 0;
    const { status } = each;
    return (
      isStatusCurrent(each) &&
      (status?.replicas ?? 0) === replicas &&
      (status?.upToDateReplicas ?? replicas) === replicas
    );
  });
}
