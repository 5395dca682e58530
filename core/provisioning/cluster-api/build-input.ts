/** Builds the input of the translator from a plan, stored data, the catalogue and the operator's profiles. */

import { clusterVersions, machineImageOf, providerBySlug, regionOf } from "../../catalogue/index.ts";
import type { Cluster } from "../../cluster/entity.ts";
import { errorText } from "../../shared/errors.ts";
import type { Plan } from "../provisioner.ts";
import type { AccountDetails, Release, Rollout, TranslatedType, TranslationInput } from "./input.ts";
import { objectNameOf } from "./manifest.ts";
import { type Profiles, type Settings, settingsOf } from "./profiles.ts";
import type { AccountInput } from "./provider.ts";
import type { Sources } from "./sources.ts";

/** Part of a plan that objects depend on. */
export type TranslatedPlan = Pick<Plan, "cluster" | "oidc" | "version" | "isRunning" | "nodePools">;

/** Returns the type of a cluster's provider; undefined if the catalogue does not have the provider. */
export function findType({ cloudProvider }: Pick<Cluster, "cloudProvider">): TranslatedType | undefined {
  const type = providerBySlug(cloudProvider)?.type;
  return type === "multipass" ? undefined : type;
}

/** Returns the type of a cluster's provider. @throws Error if the catalogue does not have the provider, or it has no translation */
export function typeOf({ cloudProvider }: Pick<Cluster, "cloudProvider">): TranslatedType {
  const type = providerBySlug(cloudProvider)?.type;
  if (type === undefined) throw new Error(`the catalogue has no cloud provider ${cloudProvider}`);
  if (type === "multipass") throw new Error("Cluster API has no provider for multipass");
  return type;
}

/** Returns the upstream version of a cluster version. @throws Error if the catalogue does not have the version */
export function kubernetesOf(version: string): string {
  const row = clusterVersions.find((each) => each.version === version);
  if (row === undefined) throw new Error(`the catalogue has no version ${version}`);
  return row.kubernetes;
}

function releaseOf(cluster: Cluster, type: TranslatedType, version: string): Release {
  const kubernetes = kubernetesOf(version);
  const image = machineImageOf(version, cluster.cloudProvider, cluster.region);
  if (image === undefined && type !== "none" && type !== "byon") {
    throw new Error(
      `the catalogue has no machine image of ${version} for ${cluster.cloudProvider} in ${cluster.region}`,
    );
  }
  return { version, kubernetes, image };
}

function requireSettings(profiles: Profiles, { cloudProvider, region }: Cluster): Settings {
  const settings = settingsOf(profiles, cloudProvider, region);
  if (settings === undefined) throw new Error(`the profile file has no settings for ${cloudProvider} in ${region}`);
  return settings;
}

/** Lists the message of every error that `buildInput` can throw for a plan. */
export function inputProblems({ cluster, version, nodePools }: TranslatedPlan, profiles: Profiles): string[] {
  const versions = new Set([version, ...nodePools.map((planned) => planned.version)]);
  const checks = [
    () => requireSettings(profiles, cluster),
    ...[...versions].map((each) => () => releaseOf(cluster, typeOf(cluster), each)),
  ];
  const problems = checks.flatMap((check) => {
    try {
      check();
      return [];
    } catch (error) {
      return [errorText(error)];
    }
  });
  return [...new Set(problems)];
}

/**
 * Builds the part of the input on which the identity and the Secrets of the cloud account depend.
 *
 * @param accountDetails as `SourceReader` returns them
 * @throws Error if the catalogue does not have the provider of the cluster
 */
export function buildAccountInput(
  cluster: Cluster,
  { organisationIdentity, account }: Pick<Sources, "organisationIdentity" | "account">,
  settings: Settings,
  accountDetails: AccountDetails | undefined,
): AccountInput {
  return {
    cluster,
    organisationIdentity,
    objectName: objectNameOf(cluster.slug, cluster.identity),
    type: typeOf(cluster),
    account: { identity: account.identity, metadata: account.metadata },
    accountDetails,
    settings,
  };
}

/**
 * Builds the input of the translation.
 *
 * @param rollout facts that were read from the management cluster or allocated there
 * @param accountDetails as `SourceReader` returns them
 * @throws Error if the catalogue or the profile file lacks something that the cluster needs
 */
export function buildInput(
  plan: TranslatedPlan,
  sources: Pick<Sources, "organisationIdentity" | "account">,
  profiles: Profiles,
  rollout: Rollout,
  accountDetails: AccountDetails | undefined,
): TranslationInput {
  const { cluster, oidc, version, isRunning, nodePools } = plan;
  const settings = requireSettings(profiles, cluster);
  const account = buildAccountInput(cluster, sources, settings, accountDetails);
  const { type } = account;
  const provider = providerBySlug(cluster.cloudProvider);
  const region = provider && regionOf(provider, cluster.region);
  return {
    ...account,
    release: releaseOf(cluster, type, version),
    isRunning,
    nodePools: nodePools.map((planned) => ({ ...planned, release: releaseOf(cluster, type, planned.version) })),
    nodeTypes: new Map((provider?.nodeTypes ?? []).map((each) => [each.type, each])),
    zones: (region?.availabilityZones ?? []).map(({ slug }) => slug),
    oidc,
    profile: profiles,
    rollout,
  };
}
