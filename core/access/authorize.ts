/** The way into every operation: everything known by key read in one wait, then the checks in their fixed order. */

import type { Actor, Context, Services } from "../context.ts";
import { findReplay, type StoredResponse } from "../request/idempotency.ts";
import { type AppError, forbidden, notFound, unauthenticated } from "../shared/errors.ts";
import { contains, parseAddress, parseCidr } from "../shared/ip.ts";
import { isOrganisationSlug, isSlug } from "../shared/slug.ts";
import type { RawItem } from "../table/entity.ts";
import {
  clusterKey,
  environmentKey,
  idempotencyKey,
  type Key,
  keyText,
  memberKey,
  organisationKey,
  referencesKey,
  tokenKey,
} from "../table/keys.ts";
import { type Environment, environmentEntity } from "../tenancy/environment.ts";
import { type Member, memberEntity, type Token, tokenEntity } from "../tenancy/member.ts";
import { type Organisation, organisationEntity } from "../tenancy/organisation.ts";
import { type References, referencesEntity } from "../tenancy/references-entity.ts";
import { type RequiredRole, roleIn, satisfies } from "../tenancy/role.ts";
import { parseToken, sameHash } from "../tenancy/token.ts";

/** The slugs of a request's path, as they were sent. */
export interface PathSlugs {
  organisation: string;
  environment?: string;
  cluster?: string;
}

/** What an operation wants to know before it begins. The functions are called only when the path is well formed. */
export interface AuthorizeOptions<Beside> {
  path: PathSlugs;
  /** What the caller needs in the environment of the path; without an environment there is nothing to hold it against. */
  role: RequiredRole;
  /** More items to read in the same wait. */
  keys?: () => readonly Key[];
  /** A query to run beside that wait. */
  alongside?: () => Promise<Beside>;
}

/** Where an operation stands once the caller was let in. */
export interface Authorized<Beside> {
  actor: Actor;
  organisation: Organisation;
  member: Member;
  references: References;
  /** The environment of the path, where the path has one. */
  environment: Environment | undefined;
  /** What was asked for by `keys`. */
  prefetched(key: Key): RawItem | undefined;
  /** What an earlier request of the same idempotency key was answered. */
  replay: StoredResponse | undefined;
  alongside: Beside | undefined;
}

/**
 * Lets a caller in. In one wait it reads the token, the organisation, the membership, the references and whatever the
 * operation asks for, then refuses in the order the contract gives: token 401, source address 403, the request as it
 * arrived (415, 413, 400), malformed path 404, no role in the organisation 403, environment missing 404, no right there 403, another request under
 * the same idempotency key 422.
 *
 * @throws AppError the first of these that applies
 */
export async function authorize<Beside = undefined>(
  context: Context,
  wanted: AuthorizeOptions<Beside>,
): Promise<Authorized<Beside>> {
  const { credentials, table } = context;
  if (credentials === undefined) throw unauthenticated();
  const { path } = wanted;
  // A request that will be refused anyway still waits for the token: strangers learn nothing, not even about their JSON.
  const readable = isWellFormed(path) && context.requestError === undefined;
  const tokenAt = tokenKey(credentials.tokenId);
  const { idempotency } = context;
  const recordKeys = idempotency === undefined ? [] : [idempotencyKey(credentials.tokenId, idempotency.keyHash)];
  const [items, alongside] = await Promise.all([
    table.get(
      readable
        ? [tokenAt, ...recordKeys, ...tenantKeys(path, credentials.user), ...(wanted.keys?.() ?? [])]
        : [tokenAt],
    ),
    readable ? wanted.alongside?.() : undefined,
  ]);
  const read = (key: Key) => items.get(keyText(key));

  const actor = verifyToken(context, read(tokenAt));
  if (context.requestError !== undefined) throw context.requestError;
  if (!readable) throw malformedPath(path);

  const memberItem = read(memberKey(path.organisation, actor.user));
  const organisationItem = read(organisationKey(path.organisation));
  const referencesItem = read(referencesKey(path.organisation));
  if (memberItem === undefined || organisationItem === undefined || referencesItem === undefined) {
    throw notAMember(path.organisation);
  }
  const member = memberEntity.read(memberItem);
  const environment =
    path.environment === undefined ? undefined : authorizeEnvironment(path, member, wanted.role, read);
  recordCluster(context, path, read);
  const [record] = recordKeys;
  return {
    actor,
    replay: record === undefined ? undefined : findReplay(context, read(record)),
    organisation: organisationEntity.read(organisationItem),
    member,
    references: referencesEntity.read(referencesItem),
    environment,
    prefetched: read,
    alongside,
  };
}

/** Notes which cluster the path leads to, where the operation reads it. */
function recordCluster(context: Context, path: PathSlugs, read: (key: Key) => RawItem | undefined): void {
  const { organisation, environment, cluster } = path;
  if (environment === undefined || cluster === undefined) return;
  const identity = read(clusterKey(organisation, environment, cluster))?.identity;
  if (typeof identity === "string") context.responseMetadata.cluster = identity;
}

/**
 * Lets a caller in where the path names no organisation: only the token counts, refused in the same order as `enter` does.
 *
 * @param beside a query to run beside the reading of the token, for the user it says it is of
 * @throws AppError token 401, source address 403, the request as it arrived (415, 413, 400)
 */
export async function authenticate<Beside = undefined>(
  context: Context,
  beside?: (user: string) => Promise<Beside>,
): Promise<{ actor: Actor; beside: Beside | undefined }> {
  const { credentials, requestError, table } = context;
  if (credentials === undefined) throw unauthenticated();
  const key = tokenKey(credentials.tokenId);
  const [items, found] = await Promise.all([
    table.get([key]),
    requestError === undefined ? beside?.(credentials.user) : undefined,
  ]);
  const actor = verifyToken(context, items.get(keyText(key)));
  if (requestError !== undefined) throw requestError;
  return { actor, beside: found };
}

/**
 * Tells who a token is of, beside any operation. One wait on the database.
 *
 * @param text the token
 * @param sourceAddress where it comes from
 * @throws AppError unauthenticated; forbidden where it may not be used from there
 */
export async function verifyTokenText(
  { table, clock }: Pick<Services, "table" | "clock">,
  text: string,
  sourceAddress: string | undefined,
): Promise<Actor> {
  const credentials = parseToken(text);
  if (credentials === undefined) throw unauthenticated();
  const key = tokenKey(credentials.tokenId);
  return verifyToken({ credentials, clock, sourceAddress }, (await table.get([key])).get(keyText(key)));
}

const isWellFormed = ({ organisation, environment, cluster }: PathSlugs): boolean =>
  isOrganisationSlug(organisation) &&
  (environment === undefined || isSlug(environment)) &&
  (cluster === undefined || isSlug(cluster));

function tenantKeys(path: PathSlugs, user: string): Key[] {
  return [
    organisationKey(path.organisation),
    memberKey(path.organisation, user),
    referencesKey(path.organisation),
    ...(path.environment === undefined ? [] : [environmentKey(path.organisation, path.environment)]),
  ];
}

/** Holds the token against its record. @throws AppError one and the same for every reason but the source address */
function verifyToken(
  context: Pick<Context, "credentials" | "clock" | "sourceAddress">,
  item: RawItem | undefined,
): Actor {
  const { credentials } = context;
  if (credentials === undefined || item === undefined) throw unauthenticated();
  const token = tokenEntity.read(item);
  if (!sameHash(token.hash, credentials.hash) || token.user !== credentials.user || !isActive(token, context.clock())) {
    throw unauthenticated();
  }
  if (!isAllowedSource(token, context.sourceAddress)) {
    throw forbidden("token.source_refused", "This token may not be used from your address.");
  }
  return { user: token.user, tokenId: token.tokenId };
}

/** Whether a token is neither revoked nor expired. */
export function isActive(token: Token, now: Date): boolean {
  return token.revokedAt === undefined && Date.parse(token.expiresAt) > now.getTime();
}

function isAllowedSource(token: Token, sourceAddress: string | undefined): boolean {
  if (token.sources.length === 0) return true;
  const address = sourceAddress === undefined ? undefined : parseAddress(sourceAddress);
  if (address === undefined) return false;
  return token.sources.some((source) => {
    const block = parseCidr(source);
    return typeof block !== "string" && contains(block, address);
  });
}

function authorizeEnvironment(
  path: PathSlugs,
  member: Member,
  right: RequiredRole,
  read: (key: Key) => RawItem | undefined,
): Environment {
  const slug = path.environment ?? "";
  const item = read(environmentKey(path.organisation, slug));
  const environment = item && environmentEntity.read(item);
  if (environment === undefined || environment.deletedAt !== undefined) {
    throw environmentNotFound(slug, path.organisation);
  }
  if (!satisfies(roleIn(member, environment.identity), right)) throw roleInsufficient(right, slug);
  return environment;
}

const malformedPath = (path: PathSlugs): AppError =>
  notFound(
    "path.malformed",
    `There is nothing at this path: ${Object.entries(path)
      .filter(([part, slug]) => !(part === "organisation" ? isOrganisationSlug(slug) : isSlug(slug)))
      .map(([part]) => `the ${part} in it is not a slug`)
      .join(", ")}.`,
  );

const notAMember = (organisation: string): AppError =>
  forbidden("organisation.forbidden", `You have no role in an organisation "${organisation}".`);

/** What is answered where a path's environment is not there. */
export const environmentNotFound = (environment: string, organisation: string): AppError =>
  notFound("environment.missing", `There is no environment "${environment}" in organisation "${organisation}".`);

/** What is answered where a caller's role in an environment is not enough. */
export const roleInsufficient = (right: RequiredRole, environment: string): AppError =>
  forbidden("environment.forbidden", `This needs the role ${right} or higher in environment "${environment}".`);
