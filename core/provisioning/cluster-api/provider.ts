/** Interface of the provider-specific part of the translation. */

import type { Release, TranslatedType, TranslationInput } from "./input.ts";
import type { Manifest } from "./manifest.ts";

/** Machines that share a template. */
export interface MachineGroup {
  role: "controlPlane" | "node";
  /** Node type of the provider. */
  nodeSize: string;
  release: Release;
  /** Name of the KubeadmControlPlane or MachineDeployment. */
  owner: string;
}

/** Object without metadata. */
export type Content = Required<Pick<Manifest, "apiVersion" | "kind" | "spec">>;

/** File that cloud-init writes before kubeadm runs. */
export interface BootstrapFile {
  path: string;
  owner: string;
  permissions: string;
  content?: string;
  contentFrom?: { secret: { name: string; key: string } };
}

/** Provider-specific part of the configuration of kubeadm. */
export interface KubeadmSettings {
  /** Name of the node, as a template of cloud-init; absent for the host name. */
  nodeName?: string;
  /** Arguments of the kubelet in addition to those of all clouds. */
  kubeletExtraArgs?: readonly { name: string; value: string }[];
  /** Arguments of the controller manager in addition to those of all clouds. */
  controllerManagerExtraArgs?: readonly { name: string; value: string }[];
  files?: readonly BootstrapFile[];
  preKubeadmCommands?: readonly string[];
  /** Only for the control plane. */
  postKubeadmCommands?: readonly string[];
}

/** Names and values of the secrets of a cloud account. */
export type AccountSecrets = Readonly<Record<string, string>>;

/** Input of the identity and the Secrets of a cloud account. It also exists for a cluster that is being deleted. */
export type AccountInput<Type extends TranslatedType = TranslatedType> = Pick<
  TranslationInput<Type>,
  "cluster" | "organisationIdentity" | "objectName" | "type" | "account" | "accountDetails" | "settings"
>;

/** Translation of one provider. */
export interface ProviderTranslation<Type extends TranslatedType> {
  /** True if a cloud controller manager initializes the nodes. */
  isCloud: boolean;
  /** True if a pool without a zone gets machines in all zones of the cluster. */
  spreadsPools: boolean;
  /** Returns the zones of a pool without a zone. Default: those of the cluster if `spreadsPools` is true, none otherwise. */
  poolZones?(input: TranslationInput<Type>): readonly string[];
  /** Returns the zones that a new cluster gets. Default: the first ones of the region if it uses several, none otherwise. */
  newZones?(input: TranslationInput<Type>): readonly string[];
  /** Returns the provider's name of a zone. Default: its slug in the catalogue. */
  zoneName?(input: TranslationInput<Type>, slug: string): string;
  /** Returns the object of the cluster's infrastructure. Its name is that of the cluster. */
  infrastructureCluster(input: TranslationInput<Type>): Content & { annotations?: Record<string, string> };
  /** Returns the content of a machine template. Its name contains the hash of the content. */
  machineTemplate(input: TranslationInput<Type>, group: MachineGroup): Content;
  /** Returns the provider's part of kubeadm's configuration. @param templateName name of the machine template */
  kubeadm(input: TranslationInput<Type>, group: MachineGroup, templateName: string): KubeadmSettings;
  /** Returns the identity of the account, which is applied before the cluster. It contains no secrets. */
  identities?(input: AccountInput<Type>): Manifest[];
  /** Returns the content of the template with which a health check repairs machines before they are replaced. */
  remediationTemplate?(input: TranslationInput<Type>): Content;
  /** Returns the Secrets with the credentials of the account. */
  secrets(input: AccountInput<Type>, credentials: AccountSecrets): Manifest[];
}
