/** Rules for the settings of all regions of a provider together. Pure functions. */

import type { CloudProvider } from "../../catalogue/index.ts";
import type { Problem } from "../../shared/errors.ts";
import { memberPath } from "../../shared/validation.ts";
import type { TranslatedType } from "./input.ts";
import type { SettingsOf } from "./profile.ts";
import type { ProviderProfile } from "./profiles.ts";

type Region = CloudProvider["regions"][number];

/** Region with its settings and its path in the profile file. */
interface InRegion<Type extends TranslatedType> {
  region: Region;
  settings: SettingsOf<Type>;
  path: string;
}

/** Finds regions of Hetzner whose `locations` lack the region itself: their control planes would be in other locations. */
const hetznerLocations = (regions: readonly InRegion<"hetzner">[]): Problem[] =>
  regions.flatMap(({ region: { slug }, settings: { locations }, path }) => {
    if (locations.length === 0 || locations.includes(slug)) return [];
    const where = locations.join(", ");
    const message = `lacks ${slug}, so its control planes would be in ${where}; add ${slug}, or set [] for one location`;
    return [{ path: `${path}.locations`, message }];
  });

/**
 * Finds zones of vSphere without the name of a VSphereDeploymentZone, and names that several zones have: these objects belong to no
 * namespace, so each name exists once.
 */
function vsphereZones(regions: readonly InRegion<"vsphere">[]): Problem[] {
  const owners = new Map<string, string>();
  return regions.flatMap(({ region, settings: { zoneLabels, zoneNames }, path }) => {
    const at = `${path}.zoneNames`;
    const slugs = region.availabilityZones.map(({ slug }) => slug);
    const named = slugs.filter((slug) => Object.hasOwn(zoneNames, slug));
    if (zoneLabels === undefined) {
      if (named.length === 0) return [];
      return [{ path: at, message: "has no effect without zoneLabels; add zoneLabels, or remove zoneNames" }];
    }
    const missing = slugs.filter((slug) => !named.includes(slug));
    const problems: Problem[] = [];
    if (missing.length > 0) {
      const what = `with zoneLabels, each zone of ${region.slug} needs the name of its VSphereDeploymentZone`;
      problems.push({ path: at, message: `lacks ${missing.join(", ")}: ${what}` });
    }
    for (const slug of named) {
      const name = zoneNames[slug] as string;
      const owner = owners.get(name);
      if (owner !== undefined) {
        const message = `"${name}" is not allowed: it is the VSphereDeploymentZone of ${owner} already; each zone needs its own`;
        problems.push({ path: memberPath(at, slug), message });
      } else owners.set(name, `${slug} in ${region.slug}`);
    }
    return problems;
  });
}

const rules: { readonly [Type in TranslatedType]?: (regions: readonly InRegion<Type>[]) => Problem[] } = {
  hetzner: hetznerLocations,
  vsphere: vsphereZones,
};

/**
 * Validates the settings of all regions of a provider that clusters can use.
 *
 * @param path path of the provider in the profile file
 */
export function regionProblems(
  path: string,
  type: TranslatedType,
  provider: CloudProvider,
  { settings: base, regions }: ProviderProfile,
): Problem[] {
  // Each type has the rule for its own settings.
  const rule = rules[type] as ((regions: readonly InRegion<TranslatedType>[]) => Problem[]) | undefined;
  const usable = provider.regions.flatMap((region) => {
    const settings = Object.hasOwn(regions, region.slug) ? regions[region.slug] : base;
    return settings === undefined ? [] : [{ region, settings, path: memberPath(`${path}.regions`, region.slug) }];
  });
  return rule?.(usable) ?? [];
}
