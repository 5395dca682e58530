/** Translation for clusters whose machines the customer provides. Kamaji runs their control planes as pods in the management cluster. */

import { PRODUCT_PREFIX } from "../../../node-pool/reserved-names.ts";
import { apiSources } from "../api-sources.ts";
import { admissionConfiguration, oidcArguments } from "../control-plane.ts";
import type { TranslationInput } from "../input.ts";
import { clusterLabels, environmentLabels, VERSION } from "../labels.ts";
import { contentName, type Manifest, namespaceOf } from "../manifest.ts";
import { PROVIDER_VERSION } from "../versions.ts";

/** Label with the region of the cluster. The region does not determine where the control plane runs. */
const REGION = `${PRODUCT_PREFIX}region`;

/** Name of the volume with the admission configuration, and its directory and file in the API server. */
const ADMISSION = { volume: "admission", directory: "/etc/kubernetes/admission", file: "admission.yaml" };

/** All IPv4 addresses. If the list were omitted, the former one would stay in effect. */
const EVERYWHERE = "0.0.0.0/0";

type Input = TranslationInput<"byon">;

/** Objects of the control plane. */
export interface HostedManifests {
  /** Admission configuration; undefined if the Pod Security level is privileged. */
  configuration: Manifest | undefined;
  controlPlane: Manifest;
}

function translateConfiguration(input: Input): Manifest | undefined {
  const admission = admissionConfiguration(input.cluster);
  if (admission === undefined) return undefined;
  const content = { apiVersion: "v1", kind: "ConfigMap", data: { [ADMISSION.file]: admission } };
  return {
    ...content,
    metadata: {
      // Named by its content, because pods are not replaced when the content changes.
      name: contentName(`${input.objectName}-admission`, content),
      namespace: namespaceOf(input.organisationIdentity),
      labels: clusterLabels(input),
    },
  };
}

function apiServerOf(input: Input, hasAdmission: boolean) {
  const args = [
    ...(hasAdmission
      ? [{ name: "admission-control-config-file", value: `${ADMISSION.directory}/${ADMISSION.file}` }]
      : []),
    ...oidcArguments(input),
  ];
  if (args.length === 0) return {};
  const mounts = [{ name: ADMISSION.volume, mountPath: ADMISSION.directory, readOnly: true }];
  return {
    apiServer: {
      extraArgs: args.map(({ name, value }) => `--${name}=${value}`),
      ...(hasAdmission ? { extraVolumeMounts: mounts } : {}),
    },
  };
}

function deploymentOf({ cluster }: Input, configuration: Manifest | undefined) {
  const volumes =
    configuration === undefined
      ? {}
      : { extraVolumes: [{ name: ADMISSION.volume, configMap: { name: configuration.metadata.name } }] };
  // Kamaji selects the pods of the control plane.
  const constraint = { maxSkew: 1, topologyKey: "topology.kubernetes.io/zone", whenUnsatisfiable: "DoNotSchedule" };
  const spread = cluster.enableMultiAvailabilityZones ? { topologySpreadConstraints: [constraint] } : {};
  const deployment = { ...volumes, ...spread };
  return Object.keys(deployment).length === 0 ? {} : { deployment };
}

/** Returns the blocks from which the API server can be reached. */
function sourceRanges(input: Input): string[] {
  const sources = apiSources(input);
  return sources === undefined ? [EVERYWHERE] : [...sources.ipv4, ...sources.ipv6];
}

/** Translates a control plane to a KamajiControlPlane. That of a stopped cluster has no pods. */
export function translateHostedControlPlane(input: Input): HostedManifests {
  const { cluster, objectName, organisationIdentity, release, settings, isRunning } = input;
  const configuration = translateConfiguration(input);
  const { serviceType } = settings;
  const controlPlane: Manifest = {
    apiVersion: PROVIDER_VERSION.byon,
    kind: "KamajiControlPlane",
    metadata: {
      name: objectName,
      namespace: namespaceOf(organisationIdentity),
      labels: { ...environmentLabels(input), [REGION]: cluster.region },
      annotations: { [VERSION]: release.version },
    },
    spec: {
      version: release.kubernetes,
      replicas: isRunning ? (cluster.highlyAvailable ? 3 : 1) : 0,
      dataStoreName: settings.dataStoreName,
      // The default of kubeadm. Without it, a node could change objects of other nodes.
      admissionControllers: ["NodeRestriction"],
      // Konnectivity connects the API server to the nodes, to which the management cluster has no route.
      addons: { coreDNS: {}, kubeProxy: {}, konnectivity: {} },
      network: {
        serviceType,
        ...(serviceType === "LoadBalancer"
          ? { loadBalancerConfig: { loadBalancerSourceRanges: sourceRanges(input) } }
          : {}),
      },
      ...apiServerOf(input, configuration !== undefined),
      ...deploymentOf(input, configuration),
    },
  };
  return { configuration, controlPlane };
}
