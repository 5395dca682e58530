/** Traits of the Cluster API provisioner. */

import { type CloudProviderType, regionOf } from "../../catalogue/index.ts";
import type { ManifestRenderer } from "../../cluster/operations/manifests.ts";
import type { RequestedConfiguration } from "../../configuration/requested.ts";
import type { Problem } from "../../shared/errors.ts";
import { formatValue } from "../../shared/validation.ts";
import { nodePoolRefusals } from "./node-pool-refusals.ts";
import { type Profiles, settingsOf } from "./profiles.ts";
import type { ClusterSubject, Refusal } from "./refusal.ts";
import { clusterRefusals } from "./refusals.ts";

/** Types of providers whose clusters use the credentials of a cloud account. On DigitalOcean the controller has its own token. */
const WITH_CREDENTIALS: readonly CloudProviderType[] = ["aws", "azure", "openstack", "hetzner", "vsphere"];

/** Maximum number of values that a message lists. */
const LISTED = 20;

/** Subject after a request, and before it if it exists. */
interface Pair<Subject> {
  after: Subject;
  before: Subject | undefined;
}

/** Finds the value that a row refuses. An unchanged value that the row refused before the change is allowed. */
function refusedValue<Subject extends Pick<ClusterSubject, "type">, Property extends string>(
  row: Refusal<Subject, Property>,
  { after, before }: Pair<Subject>,
  propertyOf: (subject: Subject) => unknown,
): string | boolean | undefined {
  if (!row.types.includes(after.type)) return undefined;
  const value = row.refused(after);
  if (value === undefined || before === undefined) return value;
  const isUnchanged = JSON.stringify(propertyOf(after)) === JSON.stringify(propertyOf(before));
  return isUnchanged && row.refused(before) !== undefined ? undefined : value;
}

function messageOf<Subject>({ reason, allowed }: Refusal<Subject, string>, subject: Subject, value: unknown): string {
  const possible = allowed?.(subject) ?? [];
  const others = possible.length - LISTED;
  const listed = `${possible.slice(0, LISTED).join(", ")}${others > 0 ? ` and ${others} more` : ""}`;
  return `${formatValue(value)} is not allowed: ${reason}${possible.length === 0 ? "" : `; possible: ${listed}`}`;
}

/** Finds the settings of a request that Cluster API cannot express with the operator's settings. At most one problem for each path. */
export function refusedSettings(profiles: Profiles, requested: RequestedConfiguration): Problem[] {
  const { provider, primaryCredentials, cluster, storedCluster: stored } = requested;
  const { region } = cluster;
  const subjectOf = (each: ClusterSubject["cluster"]): ClusterSubject => ({
    type: provider.type,
    provider: provider.slug,
    regions: provider.regions.map(({ slug }) => slug),
    zones:
      (region === undefined ? undefined : regionOf(provider, region))?.availabilityZones.map(({ slug }) => slug) ?? [],
    cores: new Map(provider.nodeTypes.map(({ type, cpu }) => [type, cpu])),
    cluster: each,
    stored,
    primaryCredentials,
    profiles,
    settings: region === undefined ? undefined : settingsOf(profiles, provider.slug, region),
  });
  const after = subjectOf(cluster);
  const problems = new Map<string, string>();
  const add = (path: string, message: string) => problems.has(path) || problems.set(path, message);

  const pair = { after, before: stored && subjectOf(stored) };
  for (const row of clusterRefusals) {
    const value = refusedValue(row, pair, (subject) => subject.cluster[row.property]);
    if (value !== undefined) add(row.property, messageOf(row, after, value));
  }
  for (const { path, pool, storedPool } of requested.nodePools) {
    const pools = { after: { ...after, pool }, before: storedPool && { ...after, pool: storedPool } };
    for (const row of nodePoolRefusals) {
      const value = refusedValue(row, pools, (subject) => subject.pool[row.property]);
      if (value !== undefined)
        add(`${path}${path === "" ? "" : "."}${row.property}`, messageOf(row, pools.after, value));
    }
  }
  return [...problems].map(([path, message]) => ({ path, message }));
}

/** Returns the traits. @param profiles settings of the operator */
export const clusterApiTraits = (profiles: Profiles): ManifestRenderer => ({
  name: "cluster-api",
  needsCredentials: (type) => WITH_CREDENTIALS.includes(type),
  hasApiServers: true,
  problemsOf: (requested) => refusedSettings(profiles, requested),
  async renderManifests(services, subject) {
    // Imported on demand, so that functions of the API start without the translator.
    const { renderManifests } = await import("./render-manifests.ts");
    return await renderManifests(services, subject, profiles);
  },
});
