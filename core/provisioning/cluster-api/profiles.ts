/** Content of a validated profile file. */

import type { TranslatedType } from "./input.ts";
import type { Profile, SettingsOf } from "./profile.ts";

/** Settings of a provider of any type, with defaults applied. */
export type Settings = SettingsOf<TranslatedType>;

/** Settings of a provider by region. */
export interface ProviderProfile {
  /** Settings of the regions that are not in `regions`; undefined if clusters can only be in those that are. */
  settings?: Settings;
  /** Complete settings by the slug of a region. */
  regions: Readonly<Record<string, Settings>>;
}

/** Content of a profile file: JSON values only, because builds write it into functions. */
export interface Profiles extends Profile {
  /** By the slug of the provider. */
  providers: Readonly<Record<string, ProviderProfile>>;
}

const own = <Value>(record: Readonly<Record<string, Value>>, key: string): Value | undefined =>
  Object.hasOwn(record, key) ? record[key] : undefined;

/**
 * Lists the namespaces in which the controllers of a provider read credentials, in any region.
 *
 * @param provider slug of the provider in the catalogue
 * @returns empty if they read them in the namespaces of the clusters, or if the profile file does not have the provider
 */
export function controllerNamespaces({ providers }: Profiles, provider: string): string[] {
  const { settings, regions = {} } = own(providers, provider) ?? {};
  const all: (Settings | undefined)[] = [settings, ...Object.values(regions)];
  return [...new Set(all.flatMap((each) => (each && "controllerNamespace" in each ? [each.controllerNamespace] : [])))];
}

/**
 * Finds the settings for clusters in a region.
 *
 * @param provider slug of the provider in the catalogue
 * @param region slug of the region
 * @returns settings of the provider's type; undefined if the profile file has none for the region
 */
export function settingsOf({ providers }: Profiles, provider: string, region: string): Settings | undefined {
  const found = own(providers, provider);
  return found && (own(found.regions, region) ?? found.settings);
}
