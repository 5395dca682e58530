/** Builds the catalogue from the content of its file. */

import { createHash } from "node:crypto";
import type { CloudProfile, CloudProvider, Region } from "./providers.ts";
import type { CatalogueData } from "./schema.ts";
import { type ClusterVersion, compareVersions, type UpdateChannel } from "./versions.ts";

type ProviderRow = CatalogueData["providers"][number];
type RegionRow = ProviderRow["regions"][number];
type VersionRow = CatalogueData["versions"][number];

/** Catalogue of clouds and versions, with defaults applied. */
export interface Catalogue {
  /** Text that changes with the content except machine images; the last part of every cluster's entity tag. */
  readonly revision: string;
  readonly providers: readonly CloudProvider[];
  /** One for each provider, in their order. */
  readonly profiles: readonly CloudProfile[];
  /** Oldest first. */
  readonly versions: readonly ClusterVersion[];
  /** Machine images by `imageKey`. */
  readonly images: ReadonlyMap<string, string>;
  readonly channels: readonly UpdateChannel[];
  readonly software: CatalogueData["software"];
  readonly checksums: CatalogueData["checksums"];
}

/**
 * Returns the id of a zone. It contains the number of the zone, so that it does not depend on the other zones.
 *
 * @param region id of the region
 * @param number number of the zone in its region, 1 to 99
 */
export const zoneId = (region: number, number: string): number => region * 100 + Number(number);

/**
 * Returns the key of a machine image. No part contains `/`.
 *
 * @param provider slug of the provider
 * @param region slug of the region, or `ALL_REGIONS`
 */
export const imageKey = (version: string, provider: string, region: string): string =>
  [version, provider, region].join("/");

/** Lists the machine images of a version: slugs of the provider and the region, and the image. */
export const imagesOf = ({ images = {} }: VersionRow): [provider: string, region: string, image: string][] =>
  Object.entries(images).flatMap(([provider, byRegion]) =>
    Object.entries(byRegion).map(([region, image]): [string, string, string] => [provider, region, image]),
  );

/**
 * Returns the text that changes with what responses contain. They contain no machine images, so that new images change no entity tag.
 */
function revisionOf({ versions, ...data }: CatalogueData): string {
  const served = { ...data, versions: versions.map(({ images: _, ...row }) => row) };
  return createHash("sha256").update(JSON.stringify(served)).digest("hex").slice(0, 12);
}

/**
 * Builds the catalogue.
 *
 * @param data content of a file without problems
 */
export function buildCatalogue(data: CatalogueData): Catalogue {
  const { createdAt, modifiedAt } = data;
  const dated = { createdAt, modifiedAt };
  const region = (provider: string, { available = true, restricted = false, ...row }: RegionRow): Region => ({
    id: row.id,
    provider,
    name: row.name,
    slug: row.slug,
    available,
    restricted,
    ...dated,
    availabilityZones: Object.entries(row.zones).map(([number, slug]) => ({
      id: zoneId(row.id, number),
      name: slug,
      slug,
      available: row.unavailableZones?.includes(slug) !== true,
      ...dated,
    })),
  });
  const provider = ({ id, name, slug, type, available = true, ...row }: ProviderRow): CloudProvider => ({
    id,
    name,
    slug,
    type,
    available,
    ...dated,
    regions: row.regions.map((each) => region(slug, each)),
    nodeTypes: Object.entries(row.nodeTypes).map(([nodeType, [cpu, memory]]) => ({
      type: nodeType,
      cpu,
      memory,
      available: row.unavailableNodeTypes?.includes(nodeType) !== true,
    })),
  });
  return {
    revision: revisionOf(data),
    providers: data.providers.map(provider),
    profiles: data.providers.map(({ profile: identity, name, slug, type, regions, available = true }) => ({
      identity,
      displayName: name,
      metadata: {},
      cloudProvider: slug,
      regions: regions.map((each) => each.slug),
      enabled: available,
      public: true,
      type,
    })),
    versions: data.versions
      .map(({ version, kubernetes, available = true }) => ({ version, kubernetes, available }))
      .sort((one, other) => compareVersions(one.version, other.version)),
    images: new Map(
      data.versions.flatMap((row) =>
        imagesOf(row).map(([provider, region, image]) => [imageKey(row.version, provider, region), image] as const),
      ),
    ),
    channels: data.channels.map(({ name, version, available = true }) => ({
      name,
      available,
      kubernetesClusterVersion: version,
    })),
    software: data.software,
    checksums: data.checksums,
  };
}
