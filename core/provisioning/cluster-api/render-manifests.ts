/** Renders the objects of a cluster for the result of a dry run. Builds write this module and the translator into a separate file. */

import { INCLUDE_MANIFESTS, type ManifestSubject } from "../../cluster/operations/manifests.ts";
import type { Services } from "../../context.ts";
import { invalid } from "../../shared/errors.ts";
import type { Manifest } from "./manifest.ts";
import { previewManifests, previewProblems } from "./preview.ts";
import { readPreviewSources } from "./preview-sources.ts";
import type { Profiles } from "./profiles.ts";

/**
 * Translates a cluster as it would be stored, without secrets.
 *
 * @returns the objects in the order in which they are applied
 * @throws AppError invalid with everything that the catalogue and the profile file lack; unavailable
 */
export async function renderManifests(
  { table }: Pick<Services, "table">,
  { cluster, nodePools, organisationIdentity, account, isStored }: ManifestSubject,
  profiles: Profiles,
): Promise<Manifest[]> {
  const stored = isStored
    ? await readPreviewSources(table, cluster.identity)
    : { oidc: undefined, apiAddress: undefined };
  const subject = { cluster, nodePools, organisationIdentity, account, ...stored };
  const problems = previewProblems(subject, profiles);
  if (problems.length > 0) throw invalid(problems.map((message) => ({ path: INCLUDE_MANIFESTS, message })));
  return previewManifests(subject, profiles);
}
