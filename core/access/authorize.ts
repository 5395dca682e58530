/** Authorizes every operation: reads all items with known keys in one round trip, then checks in a fixed order. */

import type { Actor, Context, Services } from "../context.ts";
import { findReplay, type Representation } from "../request/idempotency.ts";
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
import { currentReferences } from "../tenancy/references-cache.ts";
import type { References } from "../tenancy/references-entity.ts";
import { type RequiredRole, roleIn, satisfies } from "../tenancy/role.ts";
import { parseToken, sameHash } from "../tenancy/token.ts";

/** Slugs of a request's path, as sent. */
interface PathSlugs {
  organisation: string;
  environment?: string;
  cluster?: string;
  /** Observability tenant. */
  tenant?: string;
}

/** Requirements of an operation, and additional reads. The functions are called only when the path is well formed. */
interface AuthorizeOptions<Alongside> {
  path: PathSlugs;
  /**
   * Role that the caller needs in the environment of the path, or in the organisation if the path has no environment. If absent, any
   * role is sufficient.
   */
  role?: RequiredRole;
  /** Role that the caller needs in the organisation, also if the path has an environment, whatever the role there is. */
  organisationRole?: RequiredRole;
  /** More items to read in the same round trip. */
  keys?: () => readonly Key[];
  /** Query to run in parallel. */
  alongside?: () => Promise<Alongside>;
}

/** Result of an authorization. `Body` is the body of the operation's response. */
export interface Authorized<Alongside = unknown, Body = unknown> {
  actor: Actor;
  organisation: Organisation;
  member: Member;
  references: References;
  /** Environment of the path, if the path has one. */
  environment: Environment | undefined;
  /** Returns an item that `keys` requested. */
  prefetched(key: Key): RawItem | undefined;
  /** Stored response to an earlier request with the same idempotency key. */
  replay: Representation<Body> | undefined;
  alongside: Alongside | undefined;
}

/**
 * Authorizes a caller. Reads the token, the organisation, the membership, the references unless the process has them, and what the
 * operation asks for in one round trip. Then checks in the order of the contract: token, source address, a request that cannot be
 * parsed, malformed path, no role in the organisation, missing environment, insufficient role, another request with the same
 * idempotency key. Then reads the references in another round trip if they changed since the process read them.
 *
 * @throws AppError the first of these errors that applies
 */
export async function authorize<Alongside = undefined, Body = unknown>(
  context: Context,
  options: AuthorizeOptions<Alongside>,
): Promise<Authorized<Alongside, Body>> {
  const { credentials, table } = context;
  if (credentials === undefined) throw unauthenticated();
  const { path } = options;
  // Verify the token even if the request is refused anyway: without a valid token a caller learns nothing, not even about its JSON.
  const readable = isWellFormed(path) && context.requestError === undefined;
  const tokenAt = tokenKey(credentials.tokenId);
  const { idempotency } = context;
  const cached = readable ? context.referencesCache.get(path.organisation) : undefined;
  const recordKeys = idempotency === undefined ? [] : [idempotencyKey(credentials.tokenId, idempotency.keyHash)];
  const [items, alongside] = await Promise.all([
    table.get(
      readable
        ? [
            tokenAt,
            ...recordKeys,
            ...tenantKeys(path, credentials.user),
            ...(cached === undefined ? [referencesKey(path.organisation)] : []),
            ...(options.keys?.() ?? []),
          ]
        : [tokenAt],
    ),
    readable ? options.alongside?.() : undefined,
  ]);
  const read = (key: Key) => items.get(keyText(key));

  const actor = authenticateToken(context, read(tokenAt));
  if (context.requestError !== undefined) throw context.requestError;
  if (!readable) throw malformedPath(path);

  const memberItem = read(memberKey(path.organisation, actor.user));
  const organisationItem = read(organisationKey(path.organisation));
  if (memberItem === undefined || organisationItem === undefined) throw notAMember(path.organisation);
  const organisation = organisationEntity.read(organisationItem);
  const member = memberEntity.read(memberItem);
  const environment =
    path.environment === undefined ? undefined : authorizeEnvironment(path, member, options.role, read);
  requireOrganisationRole(
    member,
    options.organisationRole ?? (path.environment === undefined ? options.role : undefined),
  );
  recordCluster(context, path, read);
  const [record] = recordKeys;
  const replay = record === undefined ? undefined : findReplay<Body>(context, read(record));
  const references = await currentReferences(context, organisation, cached, read(referencesKey(path.organisation)));
  if (references === undefined) throw notAMember(path.organisation);
  return {
    actor,
    replay,
    organisation,
    member,
    references,
    environment,
    prefetched: read,
    alongside,
  };
}

/** Records the identity of the path's cluster for the log, if the operation reads it. */
function recordCluster(context: Context, path: PathSlugs, read: (key: Key) => RawItem | undefined): void {
  const { organisation, environment, cluster } = path;
  if (environment === undefined || cluster === undefined) return;
  const identity = read(clusterKey(organisation, environment, cluster))?.identity;
  if (typeof identity === "string") context.responseMetadata.cluster = identity;
}

/**
 * Authorizes a caller for a path without an organisation. Checks only the token, in the same order as `authorize`.
 *
 * @param options more items and a query to read in parallel with the token, for the user in the token's text
 * @throws AppError unauthenticated; forbidden for the source address; the error of a request that cannot be parsed; another request
 *   with the same idempotency key
 */
export async function authenticate<Alongside = undefined, Body = unknown>(
  context: Context,
  options: { alongside?: (user: string) => Promise<Alongside>; keys?: (user: string) => readonly Key[] } = {},
): Promise<Pick<Authorized<Alongside, Body>, "actor" | "alongside" | "prefetched" | "replay">> {
  const { credentials, requestError, table, idempotency } = context;
  if (credentials === undefined) throw unauthenticated();
  const { user, tokenId } = credentials;
  const key = tokenKey(tokenId);
  const isReadable = requestError === undefined;
  // Only operations that read items with known keys are writes.
  const keys = isReadable ? (options.keys?.(user) ?? []) : [];
  const recordKeys =
    keys.length === 0 || idempotency === undefined ? [] : [idempotencyKey(tokenId, idempotency.keyHash)];
  const [items, alongside] = await Promise.all([
    table.get([key, ...keys, ...recordKeys]),
    isReadable ? options.alongside?.(user) : undefined,
  ]);
  const read = (at: Key) => items.get(keyText(at));
  const actor = authenticateToken(context, read(key));
  if (requestError !== undefined) throw requestError;
  const [record] = recordKeys;
  const replay = record === undefined ? undefined : findReplay<Body>(context, read(record));
  return { actor, alongside, prefetched: read, replay };
}

/** Verifies the token of a request, and records its use. @throws AppError as `verifyToken` */
function authenticateToken(context: Context, item: RawItem | undefined): Actor {
  const token = verifyToken(context, item);
  const recorded = context.tokenUse?.record(context, token);
  if (recorded !== undefined) context.responseMetadata.pending = recorded;
  return actorOf(token);
}

const actorOf = ({ user, tokenId, sources }: Token): Actor => ({ user, tokenId, sources });

/**
 * Returns the user of a token, outside of any operation. One database round trip.
 *
 * @param text the token
 * @param sourceAddress address of the client
 * @throws AppError unauthenticated; forbidden if the token is not allowed from this address
 */
export async function verifyTokenText(
  { table, clock }: Pick<Services, "table" | "clock">,
  text: string,
  sourceAddress: string | undefined,
): Promise<Actor> {
  const credentials = parseToken(text);
  if (credentials === undefined) throw unauthenticated();
  const key = tokenKey(credentials.tokenId);
  return actorOf(verifyToken({ credentials, clock, sourceAddress }, (await table.get([key])).get(keyText(key))));
}

const isWellFormed = ({ organisation, ...others }: PathSlugs): boolean =>
  isOrganisationSlug(organisation) && Object.values(others).every((slug) => isSlug(slug));

function tenantKeys(path: PathSlugs, user: string): Key[] {
  return [
    organisationKey(path.organisation),
    memberKey(path.organisation, user),
    ...(path.environment === undefined ? [] : [environmentKey(path.organisation, path.environment)]),
  ];
}

/** Verifies the token against its record. @throws AppError the same error for every reason except the source address */
function verifyToken(
  context: Pick<Context, "credentials" | "clock" | "sourceAddress">,
  item: RawItem | undefined,
): Token {
  const { credentials } = context;
  if (credentials === undefined || item === undefined) throw unauthenticated();
  const token = tokenEntity.read(item);
  if (!sameHash(token.hash, credentials.hash) || token.user !== credentials.user || !isActive(token, context.clock())) {
    throw unauthenticated();
  }
  if (!isAllowedSource(token, context.sourceAddress)) {
    throw forbidden(
      "token.source_refused",
      "This token is not allowed from your IP address. Use a token whose sources include the address.",
    );
  }
  return token;
}

/** Returns whether a token is neither revoked nor expired. */
function isActive(token: Token, now: Date): boolean {
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
  role: RequiredRole | undefined,
  read: (key: Key) => RawItem | undefined,
): Environment {
  const slug = path.environment ?? "";
  const item = read(environmentKey(path.organisation, slug));
  const environment = item && environmentEntity.read(item);
  if (environment === undefined || environment.deletedAt !== undefined) {
    throw environmentNotFound(slug, path.organisation);
  }
  if (role !== undefined && !satisfies(roleIn(member, environment.identity), role)) throw roleInsufficient(role, slug);
  return environment;
}

/** Checks the role in the organisation, whatever overrides it in environments. @throws AppError forbidden */
function requireOrganisationRole(member: Member, role: RequiredRole | undefined): void {
  if (role === undefined || satisfies(member.role, role)) return;
  throw forbidden(
    "organisation.role_insufficient",
    `This request requires the role ${role} or higher in organisation "${member.organisation}".`,
  );
}

const malformedPath = (path: PathSlugs): AppError =>
  notFound(
    "path.malformed",
    Object.entries(path)
      .filter(([part, slug]) => !(part === "organisation" ? isOrganisationSlug(slug) : isSlug(slug)))
      .map(
        ([part]) =>
          `Invalid ${part} slug in the path: use 1 to 63 characters: a-z, 0-9${part === "organisation" ? ", - and _" : " and -"}.`,
      )
      .join(" "),
  );

const notAMember = (organisation: string): AppError =>
  forbidden("organisation.forbidden", `You are not a member of organisation "${organisation}", or it does not exist.`);

/** Builds the error for a path whose environment does not exist. */
export const environmentNotFound = (environment: string, organisation: string): AppError =>
  notFound("environment.missing", `There is no environment "${environment}" in organisation "${organisation}".`);

/** Builds the error for an insufficient role in an environment. */
export const roleInsufficient = (role: RequiredRole, environment: string): AppError =>
  forbidden(
    "environment.forbidden",
    `This request requires the role ${role} or higher in environment "${environment}".`,
  );
