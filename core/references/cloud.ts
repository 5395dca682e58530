/** Reads cloud accounts and the catalogue for members. */

import type * as v from "valibot";
import { authenticate, authorize } from "../access/authorize.ts";
import * as Catalogue from "../catalogue/index.ts";
import type { UpdateChannelResponse } from "../cluster/schema.ts";
import type { Context } from "../context.ts";
import { type PageWithLinks, paginate, parsePageQuery, parseQuery } from "../listing/in-memory-page.ts";
import type { Parameter, RawQuery } from "../request/query.ts";
import { type AppError, notFound } from "../shared/errors.ts";
import { isSlug } from "../shared/slug.ts";
import { formatValue } from "../shared/validation.ts";
import type { CloudAccount, References } from "../tenancy/references-entity.ts";
import { requireListAccess } from "./memberships.ts";
import {
  type AvailabilityZone,
  type CloudAccountResponse,
  type CloudCredentialsResponse,
  type CloudProfile,
  type CloudProvider,
  type ClusterVersion,
  type NodeType,
  type Region,
  toAvailabilityZone,
  toCloudAccountResponse,
  toCloudCredentialsResponse,
  toCloudProfile,
  toCloudProvider,
  toNodeType,
  toRegion,
} from "./schema.ts";

/** Request about an organisation. */
export interface InOrganisation {
  organisation: string;
  query: RawQuery;
}

/** Request about one cloud account: `account` is its identity, case-insensitive. */
export interface OfAccount extends InOrganisation {
  account: string;
}

/** Request about one provider, by slug. */
export interface OfProvider extends InOrganisation {
  provider: string;
}

/** Request about one region, by slug. */
export interface OfRegion extends OfProvider {
  region: string;
}

/** Filter by equality. An empty value does not filter, as in every list. */
const equal: Parameter<string | undefined> = {
  defaultValue: undefined,
  parse: (text) => ({ value: text === "" ? undefined : text }),
};

const byAge = (one: { createdAt: string; identity: string }, other: { createdAt: string; identity: string }) =>
  `${one.createdAt} ${one.identity}` < `${other.createdAt} ${other.identity}` ? -1 : 1;

/** Returns the profile of an account. @throws Error if the catalogue lacks it: a defect, because profiles are never removed */
function profileOf(account: CloudAccount): Catalogue.CloudProfile {
  const profile = Catalogue.profileByIdentity(account.cloudProfile);
  if (profile === undefined) throw new Error(`cloud profile ${account.cloudProfile} is not in the catalogue`);
  return profile;
}

/**
 * Lists the cloud accounts of an organisation, oldest first. `display-name` and `cloud-provider-slug` filter by equality.
 * One database round trip.
 *
 * @throws AppError as `enter`; forbidden for a billing-admin; invalid with every problem of the query
 */
export async function listCloudAccounts(
  context: Context,
  input: InOrganisation,
): Promise<PageWithLinks<CloudAccountResponse>> {
  const { organisation } = input;
  const { member, references } = await authorize(context, { path: { organisation }, role: "viewer" });
  requireListAccess(member, "cloud accounts");
  const query = parsePageQuery(context, input.query, { "display-name": equal, "cloud-provider-slug": equal });
  const { "display-name": name, "cloud-provider-slug": provider } = query.values;
  const accounts = Object.values(references.accounts)
    .filter(({ displayName }) => name === undefined || displayName === name)
    .filter((account) => provider === undefined || profileOf(account).cloudProvider === provider)
    .sort(byAge);
  const { page, links } = paginate(accounts, query, "createdAt");
  const content = page.content.map((account) => toCloudAccountResponse(account, profileOf(account)));
  return { page: { ...page, content }, links };
}

/**
 * Gets one cloud account. One database round trip.
 *
 * @throws AppError as `enter`; forbidden for a billing-admin; not found; invalid for the query
 */
export async function getCloudAccount(context: Context, input: OfAccount): Promise<CloudAccountResponse> {
  const { organisation } = input;
  const { member, references } = await authorize(context, { path: { organisation }, role: "viewer" });
  requireListAccess(member, "cloud accounts");
  const account = findAccount(references, input);
  parseQuery(context, input.query, {});
  return toCloudAccountResponse(account, profileOf(account));
}

/**
 * Lists the public parts of a cloud account's credentials, oldest first. One database round trip.
 *
 * @throws AppError as `enter`; forbidden for a billing-admin; not found; invalid with every problem of the query
 */
export async function listCloudCredentials(
  context: Context,
  input: OfAccount,
): Promise<PageWithLinks<CloudCredentialsResponse>> {
  const { organisation } = input;
  const { member, references } = await authorize(context, { path: { organisation }, role: "viewer" });
  requireListAccess(member, "cloud credentials");
  const account = findAccount(references, input);
  const query = parsePageQuery(context, input.query, {});
  const credentials = account.credentials.toSorted(byAge).map((each) => toCloudCredentialsResponse(each, account));
  return paginate(credentials, query, "createdAt");
}

function findAccount({ accounts }: References, { account: given, organisation }: OfAccount): CloudAccount {
  const identity = given.toLowerCase();
  const account = Object.hasOwn(accounts, identity) ? accounts[identity] : undefined;
  if (account !== undefined) return account;
  throw notFound(
    "account.missing",
    `There is no cloud account ${formatValue(given)} in organisation "${organisation}".`,
  );
}

/** Lists the cloud profiles, for every role. @throws AppError as `enter`; invalid with every problem of the query */
export async function listCloudProfiles(context: Context, input: InOrganisation): Promise<PageWithLinks<CloudProfile>> {
  await authorize(context, { path: { organisation: input.organisation }, role: "viewer" });
  const query = parsePageQuery(context, input.query, {});
  return paginate(Catalogue.cloudProfiles.map(toCloudProfile), query, undefined);
}

/** Lists the providers, for every role. @throws AppError as `enter`; invalid with every problem of the query */
export async function listCloudProviders(
  context: Context,
  input: InOrganisation,
): Promise<PageWithLinks<CloudProvider>> {
  await authorize(context, { path: { organisation: input.organisation }, role: "viewer" });
  const query = parsePageQuery(context, input.query, {});
  return paginate(Catalogue.cloudProviders.map(toCloudProvider), query, undefined);
}

/**
 * Lists the regions of a provider, for every role.
 *
 * @throws AppError as `enter`; not found; invalid with every problem of the query
 */
export async function listRegions(context: Context, input: OfProvider): Promise<PageWithLinks<Region>> {
  const { organisation, provider } = input;
  await authorize(requireSlugs(context, { provider }), { path: { organisation }, role: "viewer" });
  const { regions } = findProvider(provider);
  const query = parsePageQuery(context, input.query, {});
  return paginate(regions.map(toRegion), query, undefined);
}

/**
 * Lists the availability zones of a region, for every role, in a stable order.
 *
 * @throws AppError as `enter`; not found; invalid with every problem of the query
 */
export async function listAvailabilityZones(
  context: Context,
  input: OfRegion,
): Promise<PageWithLinks<AvailabilityZone>> {
  const { organisation, provider, region: slug } = input;
  await authorize(requireSlugs(context, { provider, region: slug }), { path: { organisation }, role: "viewer" });
  const region = Catalogue.regionOf(findProvider(provider), slug);
  if (region === undefined) {
    throw notFound("region.missing", `There is no region "${slug}" of the cloud provider "${provider}".`);
  }
  const query = parsePageQuery(context, input.query, {});
  return paginate(region.availabilityZones.map(toAvailabilityZone), query, undefined);
}

/**
 * Lists the node types of a provider, for every caller with a valid token.
 *
 * @throws AppError as `authenticate`; not found; invalid with every problem of the query
 */
export async function listNodeTypes(
  context: Context,
  input: Omit<OfProvider, "organisation">,
): Promise<PageWithLinks<NodeType>> {
  const { provider } = input;
  await authenticate(requireSlugs(context, { provider }));
  const { nodeTypes } = findProvider(provider);
  const query = parsePageQuery(context, input.query, {});
  return paginate(nodeTypes.map(toNodeType), query, undefined);
}

/**
 * Lists the update channels, for every role, by version.
 *
 * @throws AppError as `enter`; invalid with every problem of the query
 */
export async function listUpdateChannels(
  context: Context,
  input: InOrganisation,
): Promise<PageWithLinks<v.InferOutput<typeof UpdateChannelResponse>>> {
  await authorize(context, { path: { organisation: input.organisation }, role: "viewer" });
  const query = parsePageQuery(context, input.query, {});
  const channels = Catalogue.updateChannels
    .toSorted((one, other) => Catalogue.compareVersions(one.kubernetesClusterVersion, other.kubernetesClusterVersion))
    .map(({ available, kubernetesClusterVersion, name }) => ({ available, kubernetesClusterVersion, name }));
  return paginate(channels, query, "kubernetesClusterVersion");
}

/** Lists the available versions, oldest first. @throws AppError as `authenticate`; invalid for the query */
export async function listClusterVersions(context: Context, input: { query: RawQuery }): Promise<ClusterVersion[]> {
  await authenticate(context);
  parseQuery(context, input.query, {});
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
