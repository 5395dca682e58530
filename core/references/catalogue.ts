/** Reads the catalogue for members. */

import type * as v from "valibot";
import { authenticate, authorize } from "../access/authorize.ts";
import * as Catalogue from "../catalogue/index.ts";
import type { UpdateChannelResponse } from "../cluster/schema.ts";
import { type Context, type NoOptions, requireValid } from "../context.ts";
import { type Page, type PageOptions, paginate } from "../listing/page.ts";
import { type AppError, notFound } from "../shared/errors.ts";
import { isSlug } from "../shared/slug.ts";
import type { Parsed } from "../shared/validation.ts";
import {
  type AvailabilityZone,
  type CloudProfile,
  type CloudProvider,
  type ClusterVersion,
  type NodeType,
  type Region,
  toAvailabilityZone,
  toCloudProfile,
  toCloudProvider,
  toNodeType,
  toRegion,
} from "./schema.ts";

/** Request about an organisation. */
interface InOrganisation<Options = NoOptions> {
  organisation: string;
  options: Parsed<Options>;
}

/** Request for a list of what one provider has; `provider` is its slug. */
interface OfProvider {
  provider: string;
  options: Parsed<PageOptions>;
}

/** Request for a list of what one region has; `region` is its slug. */
interface OfRegion extends OfProvider {
  organisation: string;
  region: string;
}

/** Lists the cloud profiles, for every role. @throws AppError as `authorize`; invalid with every problem of the options */
export async function listCloudProfiles(
  context: Context,
  input: InOrganisation<PageOptions>,
): Promise<Page<CloudProfile>> {
  await authorize(context, { path: { organisation: input.organisation } });
  const { page } = requireValid(context, input.options);
  return paginate(Catalogue.cloudProfiles.map(toCloudProfile), page, undefined);
}

/** Lists the providers, for every role. @throws AppError as `authorize`; invalid with every problem of the options */
export async function listCloudProviders(
  context: Context,
  input: InOrganisation<PageOptions>,
): Promise<Page<CloudProvider>> {
  await authorize(context, { path: { organisation: input.organisation } });
  const { page } = requireValid(context, input.options);
  return paginate(Catalogue.cloudProviders.map(toCloudProvider), page, undefined);
}

/**
 * Lists the regions of a provider, for every role.
 *
 * @throws AppError as `authorize`; not found; invalid with every problem of the options
 */
export async function listRegions(
  context: Context,
  input: OfProvider & { organisation: string },
): Promise<Page<Region>> {
  const { organisation, provider } = input;
  await authorize(requireSlugs(context, { provider }), { path: { organisation } });
  const { regions } = findProvider(provider);
  const { page } = requireValid(context, input.options);
  return paginate(regions.map(toRegion), page, undefined);
}

/**
 * Lists the available availability zones of a region, for every role, in a stable order.
 *
 * @throws AppError as `authorize`; not found; invalid with every problem of the options
 */
export async function listAvailabilityZones(context: Context, input: OfRegion): Promise<Page<AvailabilityZone>> {
  const { organisation, provider, region: slug } = input;
  await authorize(requireSlugs(context, { provider, region: slug }), { path: { organisation } });
  const region = Catalogue.regionOf(findProvider(provider), slug);
  if (region === undefined) {
    throw notFound("region.missing", `There is no region "${slug}" of the cloud provider "${provider}".`);
  }
  const { page } = requireValid(context, input.options);
  const offered = region.availabilityZones.filter(({ available }) => available);
  return paginate(offered.map(toAvailabilityZone), page, undefined);
}

/**
 * Lists the available node types of a provider, for every caller with a valid token.
 *
 * @throws AppError as `authenticate`; not found; invalid with every problem of the options
 */
export async function listNodeTypes(context: Context, input: OfProvider): Promise<Page<NodeType>> {
  const { provider } = input;
  await authenticate(requireSlugs(context, { provider }));
  const { nodeTypes } = findProvider(provider);
  const { page } = requireValid(context, input.options);
  const offered = nodeTypes.filter(({ available }) => available);
  return paginate(offered.map(toNodeType), page, undefined);
}

/**
 * Lists the update channels, for every role, by version.
 *
 * @throws AppError as `authorize`; invalid with every problem of the options
 */
export async function listUpdateChannels(
  context: Context,
  input: InOrganisation<PageOptions>,
): Promise<Page<v.InferOutput<typeof UpdateChannelResponse>>> {
  await authorize(context, { path: { organisation: input.organisation } });
  const { page } = requireValid(context, input.options);
  const channels = Catalogue.updateChannels
    .toSorted((one, other) => Catalogue.compareVersions(one.kubernetesClusterVersion, other.kubernetesClusterVersion))
    .map(({ available, kubernetesClusterVersion, name }) => ({ available, kubernetesClusterVersion, name }));
  return paginate(channels, page, "kubernetesClusterVersion");
}

/** Lists the available versions, oldest first. @throws AppError as `authenticate`; invalid for the options */
export async function listClusterVersions(
  context: Context,
  input: { options: Parsed<NoOptions> },
): Promise<ClusterVersion[]> {
  await authenticate(context);
  requireValid(context, input.options);
  return Catalogue.clusterVersions.filter(({ available }) => available).map(({ version }) => ({ version }));
}

function findProvider(slug: string): Catalogue.CloudProvider {
  const provider = Catalogue.providerBySlug(slug);
  if (provider !== undefined) return provider;
  throw notFound("provider.missing", `There is no cloud provider "${slug}".`);
}

/**
 * Refuses segments of a path that are not slugs in the same order as every malformed path: after the token, before the
 * organisation.
 */
function requireSlugs(context: Context, segments: Record<string, string>): Context {
  const malformed = Object.keys(segments).filter((name) => !isSlug(segments[name] ?? ""));
  if (malformed.length === 0) return context;
  return { ...context, requestError: context.requestError ?? malformedPath(malformed) };
}

const malformedPath = (segments: readonly string[]): AppError =>
  notFound(
    "path.malformed",
    segments.map((name) => `Invalid ${name} slug in the path: use 1 to 63 characters: a-z, 0-9 and -.`).join(" "),
  );
