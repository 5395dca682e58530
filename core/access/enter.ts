/** The way into every operation: everything known by key read in one wait, then the checks in their fixed order. */

import { contains, parseAddress, parseBlock } from "../address.ts";
import { type References, referencesEntity } from "../cloud/schema.ts";
import type { Actor, Context, Services } from "../context.ts";
import { type Environment, environmentEntity } from "../environment/schema.ts";
import { type AppError, forbidden, missing, unauthenticated } from "../errors.ts";
import { type Kept, keptAnswer } from "../idempotency.ts";
import { type Organisation, organisationEntity } from "../organisation/schema.ts";
import { isOrganisationSlug, isSlug } from "../slug.ts";
import type { RawItem } from "../table/item.ts";
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
import { allows, type Right, roleIn } from "./role.ts";
import { type Member, memberEntity, type Token, tokenEntity } from "./schema.ts";
import { parseToken, sameHash } from "./token.ts";

/** The slugs of a request's path, as they were sent. */
export interface PathSlugs {
  organisation: string;
  environment?: string;
  cluster?: string;
}

/** What an operation wants to know before it begins. The functions are called only when the path is well formed. */
export interface Wanted<Beside> {
  path: PathSlugs;
  /** What the caller needs in the environment of the path; without an environment there is nothing to hold it against. */
  right: Right;
  /** More items to read in the same wait. */
  keys?: () => readonly Key[];
  /** A query to run beside that wait. */
  beside?: () => Promise<Beside>;
}

/** Where an operation stands once the caller was let in. */
export interface Entered<Beside> {
  actor: Actor;
  organisation: Organisation;
  member: Member;
  references: References;
  /** The environment of the path, where the path has one. */
  environment: Environment | undefined;
  /** What was asked for by `keys`. */
  item(key: Key): RawItem | undefined;
  /** What an earlier request of the same idempotency key was answered. */
  kept: Kept | undefined;
  beside: Beside | undefined;
}

/**
 * Lets a caller in. In one wait it reads the token, the organisation, the membership, the references and whatever the
 * operation asks for, then refuses in the order the contract gives: token 401, source address 403, the request as it
 * arrived (415, 413, 400), malformed path 404, no role in the organisation 403, environment missing 404, no right there 403, another request under
 * the same idempotency key 422.
 *
 * @throws AppError the first of these that applies
 */
export async function enter<Beside = undefined>(context: Context, wanted: Wanted<Beside>): Promise<Entered<Beside>> {
  const { credentials, table } = context;
  if (credentials === undefined) throw unauthenticated();
  const { path } = wanted;
  // A request that will be refused anyway still waits for the token: strangers learn nothing, not even about their JSON.
  const readable = isWellFormed(path) && context.refusal === undefined;
  const tokenAt = tokenKey(credentials.tokenId);
  const { idempotency } = context;
  const recordKeys = idempotency === undefined ? [] : [idempotencyKey(credentials.tokenId, idempotency.keyHash)];
  const [items, beside] = await Promise.all([
    table.get(
      readable
        ? [tokenAt, ...recordKeys, ...tenantKeys(path, credentials.user), ...(wanted.keys?.() ?? [])]
        : [tokenAt],
    ),
    readable ? wanted.beside?.() : undefined,
  ]);
  const read = (key: Key) => items.get(keyText(key));

  const actor = authenticate(context, read(tokenAt));
  if (context.refusal !== undefined) throw context.refusal;
  if (!readable) throw noSuchPath(path);

  const memberItem = read(memberKey(path.organisation, actor.user));
  const organisationItem = read(organisationKey(path.organisation));
  const referencesItem = read(referencesKey(path.organisation));
  if (memberItem === undefined || organisationItem === undefined || referencesItem === undefined) {
    throw noRole(path.organisation);
  }
  const member = memberEntity.read(memberItem);
  const environment = path.environment === undefined ? undefined : enterEnvironment(path, member, wanted.right, read);
  noteCluster(context, path, read);
  const [record] = recordKeys;
  return {
    actor,
    kept: record === undefined ? undefined : keptAnswer(context, read(record)),
    organisation: organisationEntity.read(organisationItem),
    member,
    references: referencesEntity.read(referencesItem),
    environment,
    item: read,
    beside,
  };
}

/** Notes which cluster the path leads to, where the operation reads it. */
function noteCluster(context: Context, path: PathSlugs, read: (key: Key) => RawItem | undefined): void {
  const { organisation, environment, cluster } = path;
  if (environment === undefined || cluster === undefined) return;
  const identity = read(clusterKey(organisation, environment, cluster))?.identity;
  if (typeof identity === "string") context.outcome.cluster = identity;
}

/**
 * Lets a caller in where the path names no organisation: only the token counts, refused in the same order as `enter` does.
 *
 * @param beside a query to run beside the reading of the token, for the user it says it is of
 * @throws AppError token 401, source address 403, the request as it arrived (415, 413, 400)
 */
export async function enterAlone<Beside = undefined>(
  context: Context,
  beside?: (user: string) => Promise<Beside>,
): Promise<{ actor: Actor; beside: Beside | undefined }> {
  const { credentials, refusal, table } = context;
  if (credentials === undefined) throw unauthenticated();
  const key = tokenKey(credentials.tokenId);
  const [items, found] = await Promise.all([
    table.get([key]),
    refusal === undefined ? beside?.(credentials.user) : undefined,
  ]);
  const actor = authenticate(context, items.get(keyText(key)));
  if (refusal !== undefined) throw refusal;
  return { actor, beside: found };
}

/**
 * Tells who a token is of, beside any operation. One wait on the database.
 *
 * @param text the token
 * @param sourceAddress where it comes from
 * @throws AppError unauthenticated; forbidden where it may not be used from there
 */
export async function actorOf(
  { table, clock }: Pick<Services, "table" | "clock">,
  text: string,
  sourceAddress: string | undefined,
): Promise<Actor> {
  const credentials = parseToken(text);
  if (credentials === undefined) throw unauthenticated();
  const key = tokenKey(credentials.tokenId);
  return authenticate({ credentials, clock, sourceAddress }, (await table.get([key])).get(keyText(key)));
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
function authenticate(
  context: Pick<Context, "credentials" | "clock" | "sourceAddress">,
  item: RawItem | undefined,
): Actor {
  const { credentials } = context;
  if (credentials === undefined || item === undefined) throw unauthenticated();
  const token = tokenEntity.read(item);
  if (!sameHash(token.hash, credentials.hash) || token.user !== credentials.user || !isAlive(token, context.clock())) {
    throw unauthenticated();
  }
  if (!mayComeFrom(token, context.sourceAddress)) {
    throw forbidden("token.source_refused", "This token may not be used from your address.");
  }
  return { user: token.user, tokenId: token.tokenId };
}

/** Whether a token is neither revoked nor expired. */
export function isAlive(token: Token, now: Date): boolean {
  return token.revokedAt === undefined && Date.parse(token.expiresAt) > now.getTime();
}

function mayComeFrom(token: Token, sourceAddress: string | undefined): boolean {
  if (token.sources.length === 0) return true;
  const address = sourceAddress === undefined ? undefined : parseAddress(sourceAddress);
  if (address === undefined) return false;
  return token.sources.some((source) => {
    const block = parseBlock(source);
    return typeof block !== "string" && contains(block, address);
  });
}

function enterEnvironment(
  path: PathSlugs,
  member: Member,
  right: Right,
  read: (key: Key) => RawItem | undefined,
): Environment {
  const slug = path.environment ?? "";
  const item = read(environmentKey(path.organisation, slug));
  const environment = item && environmentEntity.read(item);
  if (environment === undefined || environment.deletedAt !== undefined) {
    throw noSuchEnvironment(slug, path.organisation);
  }
  if (!allows(roleIn(member, environment.identity), right)) throw noRight(right, slug);
  return environment;
}

const noSuchPath = (path: PathSlugs): AppError =>
  missing(
    "path.malformed",
    `There is nothing at this path: ${Object.entries(path)
      .filter(([part, slug]) => !(part === "organisation" ? isOrganisationSlug(slug) : isSlug(slug)))
      .map(([part]) => `the ${part} in it is not a slug`)
      .join(", ")}.`,
  );

const noRole = (organisation: string): AppError =>
  forbidden("organisation.forbidden", `You have no role in an organisation "${organisation}".`);

/** What is answered where a path's environment is not there. */
export const noSuchEnvironment = (environment: string, organisation: string): AppError =>
  missing("environment.missing", `There is no environment "${environment}" in organisation "${organisation}".`);

/** What is answered where a caller's role in an environment is not enough. */
export const noRight = (right: Right, environment: string): AppError =>
  forbidden("environment.forbidden", `This needs the role ${right} or higher in environment "${environment}".`);
