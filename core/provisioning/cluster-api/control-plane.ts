/** Translates the control plane of a cluster to a KubeadmControlPlane with its machine template. */

import type { TranslatedType, TranslationInput } from "./input.ts";
import { clusterLabels, environmentLabels, VERSION } from "./labels.ts";
import { contentName, type Manifest, namespaceOf } from "./manifest.ts";
import type { BootstrapFile, MachineGroup, ProviderTranslation } from "./provider.ts";
import { CLUSTER_API_VERSION } from "./versions.ts";

/**
 * Timeouts of the deletion of a machine, in seconds. Cluster API has none by default, so a PodDisruptionBudget could block a rollout
 * forever.
 */
export const DELETION_LIMITS = {
  nodeDrainTimeoutSeconds: 600,
  nodeVolumeDetachTimeoutSeconds: 300,
  nodeDeletionTimeoutSeconds: 600,
};

/** Path of the admission configuration on machines of the control plane. */
const ADMISSION_FILE = "/etc/kubernetes/admission.yaml";

/** Returns the name of the KubeadmControlPlane. */
export const controlPlaneName = (objectName: string): string => `${objectName}-cp`;

/** Returns a reference to an object, in the form of Cluster API's contract v1beta2. */
export const referenceTo = ({ apiVersion, kind, metadata }: Pick<Manifest, "apiVersion" | "kind" | "metadata">) => ({
  apiGroup: apiVersion.split("/")[0],
  kind,
  name: metadata.name,
});

/** Returns the configuration of the admission plugin PodSecurity, as YAML; undefined if the level is privileged. */
export function admissionConfiguration({ podSecurityStandardsProfile: level }: TranslationInput["cluster"]) {
  if (level === "privileged") return undefined;
  return `apiVersion: apiserver.config.k8s.io/v1
kind: AdmissionConfiguration
plugins:
  - name: PodSecurity
    configuration:
      apiVersion: pod-security.admission.config.k8s.io/v1
      kind: PodSecurityConfiguration
      defaults:
        enforce: ${level}
        enforce-version: latest
        audit: ${level}
        audit-version: latest
        warn: ${level}
        warn-version: latest
      exemptions:
        namespaces: [kube-system]
`;
}

/** Returns the arguments with which the API server accepts tokens of the cluster's OIDC client. */
export const oidcArguments = ({ oidc }: Pick<TranslationInput, "oidc">) =>
  oidc === undefined
    ? []
    : [
        { name: "oidc-client-id", value: oidc.clientId },
        { name: "oidc-issuer-url", value: oidc.issuer },
      ];

/** Returns kubeadm's `nodeRegistration`, which `kubeadm init` and `kubeadm join` share. */
export function nodeRegistration<Type extends TranslatedType>(
  translation: ProviderTranslation<Type>,
  { nodeName, kubeletExtraArgs = [] }: ReturnType<ProviderTranslation<Type>["kubeadm"]>,
) {
  const cloud = translation.isCloud ? [{ name: "cloud-provider", value: "external" }] : [];
  const args = [...cloud, ...kubeletExtraArgs];
  return {
    ...(nodeName === undefined ? {} : { name: nodeName }),
    ...(args.length === 0 ? {} : { kubeletExtraArgs: args }),
  };
}

/** Returns the machine template of a group, named by its content. */
export function machineTemplate<Type extends TranslatedType>(
  input: TranslationInput<Type>,
  translation: ProviderTranslation<Type>,
  group: MachineGroup,
): Manifest {
  const content = translation.machineTemplate(input, group);
  return {
    ...content,
    metadata: {
      name: contentName(group.owner, content),
      namespace: namespaceOf(input.organisationIdentity),
      labels: clusterLabels(input),
    },
  };
}

const nonEmpty = <T>(name: string, list: readonly T[]) => (list.length === 0 ? {} : { [name]: list });

/** Translates the control plane to its machine template and a KubeadmControlPlane. @param nodeSize node type of its machines */
export function translateControlPlane<Type extends TranslatedType>(
  input: TranslationInput<Type>,
  translation: ProviderTranslation<Type>,
  nodeSize: string,
): { template: Manifest; controlPlane: Manifest } {
  const { cluster, organisationIdentity, objectName, release } = input;
  const owner = controlPlaneName(objectName);
  const group: MachineGroup = { role: "controlPlane", nodeSize, release, owner };
  const template = machineTemplate(input, translation, group);
  const settings = translation.kubeadm(input, group, template.metadata.name);
  const admission = admissionConfiguration(cluster);
  const files: BootstrapFile[] = [
    ...(admission === undefined
      ? []
      : [{ path: ADMISSION_FILE, owner: "root:root", permissions: "0600", content: admission }]),
    ...(settings.files ?? []),
  ];
  const apiServerArguments = [
    ...(admission === undefined ? [] : [{ name: "admission-control-config-file", value: ADMISSION_FILE }]),
    ...oidcArguments(input),
  ];
  const apiServer = {
    ...nonEmpty("extraArgs", apiServerArguments),
    ...(admission === undefined
      ? {}
      : {
          extraVolumes: [
            {
              name: "admission",
              hostPath: ADMISSION_FILE,
              mountPath: ADMISSION_FILE,
              readOnly: true,
              pathType: "File",
            },
          ],
        }),
  };
  const managerArguments = [
    ...(translation.isCloud ? [{ name: "cloud-provider", value: "external" }] : []),
    ...(settings.controllerManagerExtraArgs ?? []),
  ];
  const clusterConfiguration = {
    ...(Object.keys(apiServer).length === 0 ? {} : { apiServer }),
    ...(managerArguments.length === 0 ? {} : { controllerManager: { extraArgs: managerArguments } }),
  };
  const registration = nodeRegistration(translation, settings);
  const hasRegistration = Object.keys(registration).length > 0;
  const kubeadmConfigSpec = {
    ...(Object.keys(clusterConfiguration).length === 0 ? {} : { clusterConfiguration }),
    ...nonEmpty("files", files),
    ...nonEmpty("preKubeadmCommands", settings.preKubeadmCommands ?? []),
    ...nonEmpty("postKubeadmCommands", settings.postKubeadmCommands ?? []),
    ...(hasRegistration
      ? {
          initConfiguration: { nodeRegistration: registration },
          joinConfiguration: { nodeRegistration: registration },
        }
      : {}),
  };
  const controlPlane: Manifest = {
    apiVersion: CLUSTER_API_VERSION.controlPlane,
    kind: "KubeadmControlPlane",
    metadata: {
      name: owner,
      namespace: namespaceOf(organisationIdentity),
      labels: environmentLabels(input),
      annotations: { [VERSION]: release.version },
    },
    spec: {
      replicas: cluster.highlyAvailable ? 3 : 1,
      version: release.kubernetes,
      rollout: { strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1 } } },
      machineTemplate: {
        metadata: { labels: clusterLabels(input) },
        spec: { infrastructureRef: referenceTo(template), deletion: DELETION_LIMITS },
      },
      ...(Object.keys(kubeadmConfigSpec).length === 0 ? {} : { kubeadmConfigSpec }),
    },
  };
  return { template, controlPlane };
}
