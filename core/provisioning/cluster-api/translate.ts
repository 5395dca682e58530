/** Translates the configuration of a cluster to Cluster API objects. Pure functions: equal inputs give equal bytes. */

import { translateCluster, translateNamespace } from "./cluster.ts";
import { translateControlPlane } from "./control-plane.ts";
import { controlPlaneHealthCheck } from "./health-check.ts";
import type { TranslationInput } from "./input.ts";
import { CONTROLLER_NAMESPACE, clusterLabels } from "./labels.ts";
import { contentName, type Manifest, namespaceOf } from "./manifest.ts";
import { translateNetwork } from "./network.ts";
import { translateNodePools } from "./node-pool.ts";
import type { AccountInput, AccountSecrets, ProviderTranslation } from "./provider.ts";
import { translateHostedControlPlane } from "./providers/byon.ts";
import { type MachineType, translations } from "./providers/index.ts";
import { startedZones } from "./zones.ts";

const isHosted = (input: TranslationInput): input is TranslationInput<"byon"> => input.type === "byon";

const translationFor = (input: Pick<TranslationInput, "type">) => {
  const translation = translations[input.type as MachineType];
  return translation as unknown as ProviderTranslation<MachineType>;
};

/**
 * Translates a cluster, without secrets.
 *
 * @returns the objects in the order in which they are applied: an object follows those that it refers to
 */
export function translate(input: TranslationInput): Manifest[] {
  return isHosted(input) ? translateHosted(input) : translateMachines(input as TranslationInput<MachineType>);
}

/** Translates a cluster whose control plane runs in the management cluster, and whose machines the customer provides. */
function translateHosted(input: TranslationInput<"byon">): Manifest[] {
  const { configuration, controlPlane } = translateHostedControlPlane(input);
  const [networkSecret, ...resourceSets] = translateNetwork(input);
  return [
    translateNamespace(input),
    ...(networkSecret === undefined ? [] : [networkSecret]),
    ...(configuration === undefined ? [] : [configuration]),
    controlPlane,
    translateCluster(input, controlPlane, undefined, []),
    ...resourceSets,
  ];
}

function translateMachines(input: TranslationInput<MachineType>): Manifest[] {
  const translation = translationFor(input);
  const { objectName, organisationIdentity, settings } = input;
  const namespace = namespaceOf(organisationIdentity);
  const content = translation.infrastructureCluster(input);
  const infrastructure: Manifest = {
    apiVersion: content.apiVersion,
    kind: content.kind,
    metadata: {
      name: objectName,
      namespace,
      labels: clusterLabels(input),
      ...(content.annotations === undefined ? {} : { annotations: content.annotations }),
    },
    spec: content.spec,
  };
  const remediationContent = translation.remediationTemplate?.(input);
  const remediation = remediationContent && {
    ...remediationContent,
    metadata: {
      name: contentName(`${objectName}-repair`, remediationContent),
      namespace,
      labels: clusterLabels(input),
    },
  };
  const nodeSize = "controlPlaneNodeSize" in settings ? settings.controlPlaneNodeSize : "";
  const { template, controlPlane } = translateControlPlane(input, translation, nodeSize);
  const pools = translateNodePools(input, translation, remediation);
  const zones = translation.spreadsPools ? startedZones(input, translation.newZones) : [];
  const controlPlaneCheck = controlPlaneHealthCheck(input);
  const [networkSecret, ...resourceSets] = translateNetwork(input);
  return [
    translateNamespace(input),
    ...(networkSecret === undefined ? [] : [networkSecret]),
    ...translateIdentities(input),
    template,
    ...pools.templates,
    ...(remediation === undefined || pools.healthChecks.length === 0 ? [] : [remediation]),
    infrastructure,
    controlPlane,
    translateCluster(input, controlPlane, infrastructure, zones),
    ...pools.deployments,
    ...(controlPlaneCheck === undefined ? [] : [controlPlaneCheck]),
    ...pools.healthChecks,
    ...resourceSets,
  ];
}

/**
 * Renders the Secrets with the credentials of the cloud account. They precede all other objects except the namespace.
 *
 * @param credentials names and values of the account's secrets
 */
export function translateSecrets(input: AccountInput, credentials: AccountSecrets): Manifest[] {
  return input.type === "byon" ? [] : translationFor(input).secrets(input as AccountInput<MachineType>, credentials);
}

/**
 * Renders everything that lets a provider's controller use the cloud account: its identity and its Secrets.
 *
 * @param credentials names and values of the account's secrets
 */
export const translateAccount = (input: AccountInput, credentials: AccountSecrets): Manifest[] => [
  ...translateSecrets(input, credentials),
  ...translateIdentities(input),
];

/** Translates the identity of the cloud account. It has the namespace of its Secret, so that a deletion finds the Secret. */
function translateIdentities(input: AccountInput): Manifest[] {
  const identities =
    input.type === "byon" ? [] : (translationFor(input).identities?.(input as AccountInput<MachineType>) ?? []);
  const { settings } = input;
  if (!("controllerNamespace" in settings)) return identities;
  const annotations = { [CONTROLLER_NAMESPACE]: settings.controllerNamespace };
  return identities.map((each) => ({ ...each, metadata: { ...each.metadata, annotations } }));
}
