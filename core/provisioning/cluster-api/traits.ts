/** Traits of the Cluster API provisioner. */

import { type CloudProviderType, isBringYourOwn } from "../../catalogue/index.ts";
import type { ManifestRenderer } from "../../cluster/operations/manifests.ts";
import type { RequestedConfiguration } from "../../configuration/requested.ts";
import type { Problem } from "../../shared/errors.ts";
import { formatValue, memberPath } from "../../shared/validation.ts";
import { nodePoolRefusals } from "./node-pool-refusals.ts";
import { type Profiles, settingsOf } from "./profiles.ts";
import { type ClusterSubject, type Refusal, subjectIn } from "./refusal.ts";
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

function listed(values: readonly string[]): string {
  const others = values.length - LISTED;
  return `${values.slice(0, LISTED).join(", ")}${others > 0 ? ` and ${others} more` : ""}`;
}

/** Lists the regions with settings in which a row does not refuse the subject. */
const regionsThatAllow = <Subject extends ClusterSubject>(row: Refusal<Subject, string>, subject: Subject): string[] =>
  [...subject.zonesByRegion.keys()].filter((region) => {
    const there = subjectIn(subject, region);
    return there.settings !== undefined && row.refused(there) === undefined;
  });

function messageOf<Subject extends ClusterSubject>(
  row: Refusal<Subject, string>,
  subject: Subject,
  value: unknown,
): string {
  const parts = [`${formatValue(value)} is not allowed: ${row.reason}`];
  const facts = row.facts?.(subject);
  if (facts !== undefined) parts.push(facts);
  const possible = row.allowed?.(subject) ?? [];
  if (possible.length > 0) parts.push(`possible: ${listed(possible)}`);
  if (row.dependsOnRegion === true && subject.stored === undefined) {
    const regions = regionsThatAllow(row, subject);
    parts.push(regions.length === 0 ? "no region allows it" : `possible in the regions ${listed(regions)}`);
  }
  return parts.join("; ");
}

/** Finds the settings of a request that Cluster API cannot express with the operator's settings. At most one problem for each path. */
export function refusedSettings(profiles: Profiles, requested: RequestedConfiguration): Problem[] {
  const { provider, primaryCredentials, cluster, storedCluster: stored } = requested;
  const { region } = cluster;
  const zonesByRegion = new Map(
    provider.regions.map(({ slug, availabilityZones }) => [slug, availabilityZones.map((zone) => zone.slug)]),
  );
  const subjectOf = (each: ClusterSubject["cluster"]): ClusterSubject => ({
    type: provider.type,
    provider: provider.slug,
    zonesByRegion,
    zones: (region === undefined ? undefined : zonesByRegion.get(region)) ?? [],
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
      if (value === undefined) continue;
      const at = memberPath(path, row.property);
      if (row.isMember === true) {
        const members = pool[row.property] as Readonly<Record<string, unknown>>;
        add(memberPath(at, `${value}`), messageOf(row, pools.after, members[`${value}`]));
      } else add(at, messageOf(row, pools.after, value));
    }
  }
  return [...problems].map(([path, message]) => ({ path, message }));
}

/** Returns the traits. @param profiles settings of the operator */
export const clusterApiTraits = (profiles: Profiles): ManifestRenderer => ({
  name: "cluster-api",
  needsCredentials: (type) => WITH_CREDENTIALS.includes(type),
  hasApiServers: true,
  // Cluster API replaces machines for each version. Those of users are only upgraded by their users.
  upgradesInPlace: isBringYourOwn,
  problemsOf: (requested) => refusedSettings(profiles, requested),
  async renderManifests(services, subject) {
    // Imported on demand, so that functions of the API start without the translator.
    const { renderManifests } = await import("./render-manifests.ts");
    return await renderManifests(services, subject, profiles);
  },
});
