/** Translates node pools to MachineDeployments with their templates and health checks. */

import { PRODUCT_PREFIX, REBOOTS_LABEL } from "../../node-pool/reserved-names.ts";
import { DELETION_LIMITS, machineTemplate, nodeRegistration, referenceTo } from "./control-plane.ts";
import { healthCheck } from "./health-check.ts";
import type { TranslatedPool, TranslatedType, TranslationInput } from "./input.ts";
import { clusterLabels, DEPLOYMENT, environmentLabels, NODE_POOL_ID, VERSION } from "./labels.ts";
import { contentName, type Manifest, namespaceOf, shortHash } from "./manifest.ts";
import type { ProviderTranslation } from "./provider.ts";
import { CLUSTER_API_VERSION } from "./versions.ts";
import { startedZones } from "./zones.ts";

/** Annotation of a machine that is deleted without a drain of its node. */
const WITHOUT_DRAIN = "machine.cluster.x-k8s.io/exclude-node-draining";

/** Annotations of the cluster autoscaler's provider for Cluster API. */
const AUTOSCALER = "cluster.x-k8s.io/cluster-api-autoscaler-node-group";
const CAPACITY = "capacity.cluster-autoscaler.kubernetes.io";

/** Part of a pool in one zone, with a MachineDeployment of its own. */
interface PoolPart {
  name: string;
  zone: string | undefined;
  minSize: number;
  maxSize: number;
}

/** Objects of the node pools. */
export interface PoolManifests {
  templates: Manifest[];
  deployments: Manifest[];
  healthChecks: Manifest[];
}

/** Returns the name of a pool's MachineDeployment: at most 32 characters, or 34 with the index of a zone. */
export const deploymentName = (objectName: string, poolIdentity: string): string =>
  `${objectName}-${shortHash(poolIdentity, 8)}`;

const share = (total: number, parts: number, index: number): number =>
  Math.floor(total / parts) + (index < total % parts ? 1 : 0);

/**
 * Splits a pool into its parts. A MachineDeployment never spreads its machines over zones, so a pool without a zone gets one for each
 * zone, with equal sizes; the first zones get the remainder.
 */
function partsOf<Type extends TranslatedType>(
  input: TranslationInput<Type>,
  { spreadsPools, poolZones }: ProviderTranslation<Type>,
  { pool }: TranslatedPool,
): PoolPart[] {
  const { identity, availabilityZone, minSize, maxSize } = pool;
  const name = deploymentName(input.objectName, identity);
  const ofCluster = () => poolZones?.(input) ?? (spreadsPools ? startedZones(input) : []);
  const zones = availabilityZone === undefined ? ofCluster() : [availabilityZone];
  if (zones.length < 2) return [{ name, zone: zones[0], minSize, maxSize }];
  return zones.map((zone, index) => ({
    name: `${name}-${index}`,
    zone,
    minSize: share(minSize, zones.length, index),
    maxSize: share(maxSize, zones.length, index),
  }));
}

/** Returns the autoscaler's annotations: its limits, and the capacity of a node, which it needs to scale a pool up from zero. */
function autoscalerAnnotations(input: TranslationInput, { pool }: TranslatedPool, part: PoolPart) {
  const { nodeSize, labels, taints } = pool;
  const type = input.nodeTypes.get(nodeSize);
  const list = (entries: readonly string[]) => entries.toSorted().join(",");
  const nodeLabels = list(Object.entries(labels).map(([key, value]) => `${key}=${value}`));
  const nodeTaints = list(taints.map(({ key, value = "", effect }) => `${key}=${value}:${effect}`));
  return {
    [`${AUTOSCALER}-min-size`]: String(part.minSize),
    [`${AUTOSCALER}-max-size`]: String(part.maxSize),
    ...(type === undefined
      ? {}
      : { [`${CAPACITY}/cpu`]: String(type.cpu), [`${CAPACITY}/memory`]: `${type.memory}Mi` }),
    ...(nodeLabels === "" ? {} : { [`${CAPACITY}/labels`]: nodeLabels }),
    ...(nodeTaints === "" ? {} : { [`${CAPACITY}/taints`]: nodeTaints }),
  };
}

/**
 * Returns the number of machines to request. The autoscaler owns the number of an autoscaled pool, but it does not scale a pool whose limits
 * change: outside of the limits, the nearest one is requested, until it is observed.
 *
 * @returns undefined to leave the number to its owner
 */
function replicasOf(
  { isRunning, rollout }: TranslationInput,
  isAutoscaled: boolean,
  part: PoolPart,
): number | undefined {
  const { name, minSize, maxSize } = part;
  if (!isAutoscaled) return isRunning ? minSize : 0;
  const present = rollout.replicas?.get(name);
  if (present === undefined) return undefined;
  const nearest = Math.min(Math.max(present, minSize), maxSize);
  return nearest === present ? undefined : nearest;
}

function bootstrapTemplate<Type extends TranslatedType>(
  input: TranslationInput<Type>,
  translation: ProviderTranslation<Type>,
  { pool, release }: TranslatedPool,
  owner: string,
  templateName: string,
): Manifest {
  const group = { role: "node" as const, nodeSize: pool.nodeSize, release, owner };
  const settings = translation.kubeadm(input, group, templateName);
  const taints = pool.taints
    .map(({ key, value, effect }) => ({ key, ...(value === undefined ? {} : { value }), effect }))
    .toSorted((one, other) => (`${one.key} ${one.effect}` < `${other.key} ${other.effect}` ? -1 : 1));
  const registration = {
    ...nodeRegistration(translation, settings),
    ...(taints.length === 0 ? {} : { taints }),
  };
  const { files = [], preKubeadmCommands = [] } = settings;
  const content = {
    apiVersion: CLUSTER_API_VERSION.bootstrap,
    kind: "KubeadmConfigTemplate",
    spec: {
      template: {
        spec: {
          // The schema refuses an empty object.
          format: "cloud-config",
          ...(files.length === 0 ? {} : { files }),
          ...(preKubeadmCommands.length === 0 ? {} : { preKubeadmCommands }),
          ...(Object.keys(registration).length === 0 ? {} : { joinConfiguration: { nodeRegistration: registration } }),
        },
      },
    },
  };
  const namespace = namespaceOf(input.organisationIdentity);
  return { ...content, metadata: { name: contentName(owner, content), namespace, labels: clusterLabels(input) } };
}

function deployment(
  input: TranslationInput,
  planned: TranslatedPool,
  part: PoolPart,
  template: Manifest,
  bootstrap: Manifest,
): Manifest {
  const { objectName, isRunning } = input;
  const { pool, release, upgrade } = planned;
  const isReplaced = upgrade.method === "replace";
  const isAutoscaled = pool.autoScaling && isRunning;
  const replicas = replicasOf(input, isAutoscaled, part);
  const annotations = { ...pool.annotations, ...(upgrade.drain ? {} : { [WITHOUT_DRAIN]: "true" }) };
  return {
    apiVersion: CLUSTER_API_VERSION.core,
    kind: "MachineDeployment",
    metadata: {
      name: part.name,
      namespace: namespaceOf(input.organisationIdentity),
      labels: { ...environmentLabels(input), [NODE_POOL_ID]: pool.identity },
      annotations: {
        [`${PRODUCT_PREFIX}node-pool-name`]: pool.name,
        [VERSION]: release.version,
        ...(isAutoscaled ? autoscalerAnnotations(input, planned, part) : {}),
      },
    },
    spec: {
      clusterName: objectName,
      ...(replicas === undefined ? {} : { replicas }),
      selector: { matchLabels: { [DEPLOYMENT]: part.name } },
      rollout: {
        strategy: {
          type: "RollingUpdate",
          rollingUpdate: { maxSurge: isReplaced ? 1 : 0, maxUnavailable: isReplaced ? 0 : 1 },
        },
      },
      remediation: { maxInFlight: "20%" },
      template: {
        metadata: {
          labels: {
            ...pool.labels,
            [DEPLOYMENT]: part.name,
            [NODE_POOL_ID]: pool.identity,
            [REBOOTS_LABEL]: pool.enableNodeReboots ? "enabled" : "disabled",
          },
          ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
        },
        spec: {
          clusterName: objectName,
          version: release.kubernetes,
          bootstrap: { configRef: referenceTo(bootstrap) },
          infrastructureRef: referenceTo(template),
          ...(part.zone === undefined ? {} : { failureDomain: part.zone }),
          deletion: DELETION_LIMITS,
        },
      },
    },
  };
}

/**
 * Returns the maximum number of unhealthy machines up to which they are replaced. Without it, Cluster API replaces every machine of a pool
 * at once when a network fails. It rounds a percentage down, so 40 % of one or two machines would replace none. A pool that can be so small
 * has one as its limit at every size: a number derived from its largest size would be no limit while it is small.
 */
const unhealthyLimit = ({ minSize }: PoolPart): string | number => (minSize >= 3 ? "40%" : 1);

/** Translates the node pools, in the order of their identities. @param remediation template of the health checks */
export function translateNodePools<Type extends TranslatedType>(
  input: TranslationInput<Type>,
  translation: ProviderTranslation<Type>,
  remediation: Manifest | undefined,
): PoolManifests {
  const result: PoolManifests = { templates: [], deployments: [], healthChecks: [] };
  const sorted = input.nodePools.toSorted((one, other) => (one.pool.identity < other.pool.identity ? -1 : 1));
  for (const planned of sorted) {
    const { pool, release } = planned;
    // The parts of a pool differ only in their zone, so they share the templates.
    const owner = deploymentName(input.objectName, pool.identity);
    const group = { role: "node" as const, nodeSize: pool.nodeSize, release, owner };
    const template = machineTemplate(input, translation, group);
    const bootstrap = bootstrapTemplate(input, translation, planned, owner, template.metadata.name);
    result.templates.push(template, bootstrap);
    for (const part of partsOf(input, translation, planned)) {
      const zone = part.zone && (translation.zoneName?.(input, part.zone) ?? part.zone);
      result.deployments.push(deployment(input, planned, { ...part, zone }, template, bootstrap));
      if (pool.enableNodeAutoReplacement && input.rollout.wasAvailable) {
        const selector = { matchLabels: { "cluster.x-k8s.io/deployment-name": part.name } };
        result.healthChecks.push(
          healthCheck(input, { name: part.name, selector, unhealthyLimit: unhealthyLimit(part), remediation }),
        );
      }
    }
  }
  return result;
}
