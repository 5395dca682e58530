/** Previews the objects of a cluster, without secrets, without an observation and without a call to the management cluster. */

import type { Cluster } from "../../cluster/entity.ts";
import type { NodePool } from "../../node-pool/entity.ts";
import { isCloudType, secretsByType } from "../../references/cloud-credentials/schema.ts";
import type { CloudAccount } from "../../tenancy/references-entity.ts";
import { buildPlan } from "../plan.ts";
import type { ClusterOidcClient } from "../provisioner.ts";
import { detailsByType } from "./account-details.ts";
import { sortForApply } from "./apply-order.ts";
import { buildInput, inputProblems, type TranslatedPlan, typeOf } from "./build-input.ts";
import type { TranslatedType } from "./input.ts";
import type { Manifest } from "./manifest.ts";
import type { Profiles } from "./profiles.ts";
import type { AccountSecrets } from "./provider.ts";
import { translate, translateSecrets } from "./translate.ts";

/** Value in place of each value of a Secret. */
export const REDACTED = "REDACTED";

/** Value in place of the address of an API server that is not allocated yet. */
export const NOT_ALLOCATED = "NOT-ALLOCATED-YET";

/** Cluster to translate. */
export interface PreviewSubject {
  cluster: Cluster;
  /** All pools, including those that are being deleted. */
  nodePools: readonly NodePool[];
  /** UUID. */
  organisationIdentity: string;
  account: CloudAccount;
  /** Undefined if the cluster has none yet. */
  oidc: ClusterOidcClient | undefined;
  /** Address that was allocated for the API server; undefined if it is not known. */
  apiAddress: string | undefined;
}

/** Returns the plan that the reconciler builds for a cluster without an observation. */
const planOf = ({ cluster, nodePools, oidc }: PreviewSubject): TranslatedPlan => ({
  ...buildPlan(cluster, nodePools, undefined, 0),
  oidc,
});

/** Lists the problems for which `previewManifests` would throw, such as missing machine images or settings. */
export const previewProblems = (subject: PreviewSubject, profiles: Profiles): string[] =>
  inputProblems(planOf(subject), profiles);

/**
 * Translates a cluster. Values of all Secrets are redacted; names of objects are those that the provisioner gives them.
 *
 * @returns the objects in the order in which they are applied; none if the cluster is being deleted
 * @throws Error if `previewProblems` lists a problem
 */
export function previewManifests(subject: PreviewSubject, profiles: Profiles): Manifest[] {
  const { cluster, organisationIdentity, account, apiAddress = NOT_ALLOCATED } = subject;
  if (cluster.desiredStatus === "deleting") return [];
  const rollout = { wasAvailable: cluster.furthestPhase === "DONE", apiAddress, zones: undefined };
  const credentials = redactedCredentials(typeOf(cluster));
  const details = detailsByType[typeOf(cluster)]?.(credentials);
  const input = buildInput(planOf(subject), { organisationIdentity, account }, profiles, rollout, details);
  const manifests = [...translate(input), ...translateSecrets(input, credentials)];
  return sortForApply(manifests.map(redact));
}

/** Returns whether a preview shows `NOT_ALLOCATED`. */
export const lacksAddress = (manifests: readonly Manifest[]): boolean =>
  JSON.stringify(manifests).includes(NOT_ALLOCATED);

/** Returns redacted values for all credentials of a type, which are never decrypted for a preview. */
const redactedCredentials = (type: TranslatedType): AccountSecrets =>
  isCloudType(type) ? mapValues(secretsByType[type].entries) : {};

const mapValues = (values: object): Record<string, string> =>
  Object.fromEntries(Object.keys(values).map((name) => [name, REDACTED]));

const redact = (manifest: Manifest): Manifest =>
  manifest.kind === "Secret" ? { ...manifest, data: mapValues(manifest.data ?? {}) } : manifest;
