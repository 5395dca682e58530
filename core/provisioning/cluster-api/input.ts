/** Input of the translator: all data that the objects of a cluster depend on, except secrets. */

import type { CloudProviderType } from "../../catalogue/index.ts";
import type { Cluster } from "../../cluster/entity.ts";
import type { CloudAccount } from "../../tenancy/references-entity.ts";
import type { PlannedPool } from "../provisioner.ts";
import type { Profile, SettingsOf } from "./profile.ts";

/** Providers that have a translation. `none` is Cluster API's in-memory provider. */
export type TranslatedType = Exclude<CloudProviderType, "multipass">;

/** Maximum number of zones of a cluster: a control plane has at most three machines. */
export const MAX_ZONES = 3;

/** Machine image and upstream version of a cluster version. */
export interface Release {
  /** Complete version, such as `v1.33.4-u-ame.2`. */
  version: string;
  /** Upstream version, such as `v1.33.4`. */
  kubernetes: string;
  /** Machine image in the cluster's region, as the provider names it; undefined for providers without images. */
  image: string | undefined;
}

/** Node pool with the release that its nodes get next. */
export interface TranslatedPool extends PlannedPool {
  release: Release;
}

/** Facts about the progress of a cluster that its objects depend on. */
export interface Rollout {
  /** True once the cluster has been available. Earlier health checks would replace nodes that wait for the network. */
  wasAvailable: boolean;
  /** Address that was allocated for the API server; undefined except on vsphere. */
  apiAddress: string | undefined;
  /** Slugs of the zones with which the cluster started, in order; undefined until it exists. */
  zones: readonly string[] | undefined;
  /** Observed number of requested machines by the name of the MachineDeployment; absent if nothing was observed. */
  replicas?: ReadonlyMap<string, number>;
}

/** Parts of an account's credentials that are not secret and appear in objects. Only azure has them. */
export interface AccountDetails {
  subscriptionId: string;
  tenantId: string;
  /** Id of the service principal. */
  clientId: string;
}

/** Input of the translation of one cluster. */
export interface TranslationInput<Type extends TranslatedType = TranslatedType> {
  cluster: Cluster;
  /** Identity of the cluster's organisation, UUID. */
  organisationIdentity: string;
  /** Name of the cluster's objects, as `objectNameOf` derives it. */
  objectName: string;
  type: Type;
  /** Version of the control plane in this plan. */
  release: Release;
  /** False to stop the cluster. */
  isRunning: boolean;
  /** Pools that are not being deleted. */
  nodePools: readonly TranslatedPool[];
  account: Pick<CloudAccount, "identity" | "metadata">;
  /** Undefined if the objects of the provider contain no part of the credentials. */
  accountDetails: AccountDetails | undefined;
  /** Node types of the provider, for the capacity of a pool that may have no node: cores and MiB. */
  nodeTypes: ReadonlyMap<string, { cpu: number; memory: number }>;
  /** Zones of the region, in the order of the catalogue. */
  zones: readonly string[];
  /** OIDC client of the API server; undefined if the cluster has none. */
  oidc: { issuer: string; clientId: string } | undefined;
  profile: Profile;
  /** Settings of the profile for the provider and the region. */
  settings: SettingsOf<Type>;
  rollout: Rollout;
}
