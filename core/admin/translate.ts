/** Shows an operator the Cluster API objects of a stored cluster, without secrets and without a call to the management cluster. */

import { providerBySlug } from "../catalogue/index.ts";
import type { ProvisionerTraits, Services } from "../context.ts";
import { nodePoolPath } from "../node-pool/rules.ts";
import { detailsByType } from "../provisioning/cluster-api/account-details.ts";
import { typeOf } from "../provisioning/cluster-api/build-input.ts";
import type { Manifest } from "../provisioning/cluster-api/manifest.ts";
import {
  lacksAddress,
  NOT_ALLOCATED,
  type PreviewSubject,
  previewManifests,
  previewProblems,
  REDACTED,
} from "../provisioning/cluster-api/preview.ts";
import { readPreviewSources } from "../provisioning/cluster-api/preview-sources.ts";
import type { Profiles } from "../provisioning/cluster-api/profiles.ts";
import { credentialsFor } from "../provisioning/cluster-api/sources.ts";
import { clusterApiTraits } from "../provisioning/cluster-api/traits.ts";
import { conflict, invalid, type Problem } from "../shared/errors.ts";
import { cloudSecretKey, keyText } from "../table/keys.ts";
import { readReferences } from "../tenancy/references.ts";
import { type ClusterRef, findCluster } from "./find-cluster.ts";
import { showOrganisation } from "./organisations.ts";

/** Objects of a cluster. */
interface Translation {
  cluster: Pick<PreviewSubject["cluster"], "identity" | "organisation" | "environment" | "slug">;
  /** In the order of application; none if the cluster is being deleted. */
  manifests: Manifest[];
  /** Sentences for the reader of the objects, such as that the cluster has no OIDC client yet. */
  notes: string[];
  /** Settings that Cluster API or the profiles cannot express: requests with them are refused, and the objects do not have them. */
  refused: Problem[];
}

/**
 * Translates a stored cluster as the next plan of the reconciler, if nothing was observed. Decrypts nothing.
 *
 * @throws AppError as `findCluster`; conflict if the cluster is deleted, or its account does not exist; invalid with everything that the
 *   catalogue and the profiles lack
 */
export async function translateCluster(services: Services, ref: ClusterRef, profiles: Profiles): Promise<Translation> {
  const { cluster, pools, deletedAt } = await findCluster(services, ref);
  const { identity, organisation: slug, cloudAccountIdentity } = cluster;
  if (deletedAt !== undefined) {
    throw conflict("cluster.deleted", `The cluster ${identity} is deleted. It has no objects.`);
  }
  const [{ organisation }, { accounts }, stored] = await Promise.all([
    showOrganisation(services, slug),
    readReferences(services, slug),
    readPreviewSources(services.table, identity),
  ]);
  const account = accounts[cloudAccountIdentity];
  if (account === undefined) {
    throw conflict("account.missing", `The cloud account ${cloudAccountIdentity} of the cluster does not exist.`);
  }
  const subject = { cluster, nodePools: pools, organisationIdentity: organisation.identity, account, ...stored };
  const problems = previewProblems(subject, profiles);
  if (problems.length > 0) throw invalid(problems.map((message) => ({ path: "", message })));
  const manifests = previewManifests(subject, profiles);
  const traits = clusterApiTraits(profiles);
  return {
    cluster,
    manifests,
    notes: manifests.length === 0 ? [] : await notesOn(services, subject, manifests, traits),
    refused: refusedSettings(subject, traits),
  };
}

async function notesOn(
  services: Services,
  subject: PreviewSubject,
  manifests: readonly Manifest[],
  traits: ProvisionerTraits,
): Promise<string[]> {
  const notes: string[] = [];
  if (lacksAddress(manifests)) {
    notes.push(
      `No address is allocated for the API server yet, so the objects have ${NOT_ALLOCATED} in its place. The provisioner allocates an address before it applies them.`,
    );
  }
  if (subject.oidc === undefined) {
    notes.push("No OIDC client is registered yet. The API server gets its arguments for OIDC after the registration.");
  }
  const type = typeOf(subject.cluster);
  if (detailsByType[type] !== undefined) {
    notes.push(`Ids from the credentials of the cloud account are ${REDACTED} too.`);
  }
  if (traits.needsCredentials(type) && !(await hasCredentials(services, subject))) {
    notes.push(
      `The cloud account "${subject.account.displayName}" has no secrets. The provisioner cannot apply the objects before an admin of the organisation adds credentials to the account.`,
    );
  }
  return notes;
}

/** Returns whether secrets are stored for the credentials of a cluster. */
async function hasCredentials({ table }: Services, { cluster, account }: PreviewSubject): Promise<boolean> {
  const credentials = credentialsFor(cluster, account);
  if (credentials === undefined) return false;
  const key = cloudSecretKey(cluster.organisation, credentials.identity);
  return (await table.get([key])).has(keyText(key));
}

/** Properties of which `previewProblems` names what is missing. */
const NAMED_BEFORE: readonly string[] = ["region", "version"];

function refusedSettings(
  { cluster, nodePools, account }: PreviewSubject,
  { problemsOf }: ProvisionerTraits,
): Problem[] {
  const provider = providerBySlug(cluster.cloudProvider);
  if (provider === undefined) return [];
  return problemsOf({
    provider,
    primaryCredentials: account.primaryCloudCredentialsIdentity,
    cluster,
    storedCluster: undefined,
    nodePools: nodePools.map((pool) => ({ path: nodePoolPath(pool), pool, storedPool: undefined })),
  }).filter(({ path }) => !NAMED_BEFORE.includes(path));
}
