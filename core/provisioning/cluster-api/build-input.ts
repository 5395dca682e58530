/** Builds the input of the translator from a plan, what is stored, the catalogue and the operator's profiles. */

import { clusterVersions, machineImageOf, providerBySlug, regionOf } from "../../catalogue/index.ts";
import type { Cluster } from "../../cluster/entity.ts";
import type { Plan } from "../provisioner.ts";
import type { Release, Rollout, TranslatedType, TranslationInput } from "./input.ts";
import { objectNameOf } from "./manifest.ts";
import { type Profiles, settingsOf } from "./profiles.ts";
import type { Sources } from "./sources.ts";

/** Part of a plan that objects depend on. */
export type TranslatedPlan = Pick<Plan, "cluster" | "oidc" | "version" | "isRunning" | "nodePools">;

/** Returns the type of a cluster's provider. @throws Error if the catalogue does not have the provider, or it has no translation */
export function typeOf({ cloudProvider }: Pick<Cluster, "cloudProvider">): TranslatedType {
  const type = providerBySlug(cloudProvider)?.type;
  if (type === undefined) throw new Error(`the catalogue has no cloud provider ${cloudProvider}`);
  if (type === "multipass") throw new Error("Cluster API has no provider for multipass");
  return type;
}

function releaseOf(cluster: Cluster, type: TranslatedType, version: string): Release {
  const row = clusterVersions.find((each) => each.version === version);
  if (row === undefined) throw new Error(`the catalogue has no version ${version}`);
  const image = machineImageOf(version, cluster.cloudProvider, cluster.region);
  if (image === undefined && type !== "none" && type !== "byon") {
    throw new Error(
      `the catalogue has no machine image of ${version} for ${cluster.cloudProvider} in ${cluster.region}`,
    );
  }
  return { version, kubernetes: row.kubernetes, image };
}

/**
 * Builds the input of the translation.
 *
 * @param rollout what was read from the management cluster or allocated there
 * @throws Error if the catalogue or the profiles lack something that the cluster needs
 */
export function buildInput(
  plan: TranslatedPlan,
  sources: Sources,
  profiles: Profiles,
  rollout: Rollout,
): TranslationInput {
  const { cluster, oidc, version, isRunning, nodePools } = plan;
  const type = typeOf(cluster);
  const provider = providerBySlug(cluster.cloudProvider);
  const region = provider && regionOf(provider, cluster.region);
  const settings = settingsOf(profiles, cluster.cloudProvider, cluster.region);
  if (settings === undefined) {
    throw new Error(`the profiles have no settings for ${cluster.cloudProvider} in ${cluster.region}`);
  }
  return {
    cluster,
    organisationIdentity: sources.organisationIdentity,
    objectName: objectNameOf(cluster.slug, cluster.identity),
    type,
    release: releaseOf(cluster, type, version),
    isRunning,
    nodePools: nodePools.map((planned) => ({ ...planned, release: releaseOf(cluster, type, planned.version) })),
    account: { identity: sources.account.identity, metadata: sources.account.metadata },
    nodeTypes: new Map((provider?.nodeTypes ?? []).map((each) => [each.type, each])),
    zones: (region?.availabilityZones ?? []).map(({ slug }) => slug),
    oidc,
    profile: profiles,
    settings,
    rollout,
  };
}
