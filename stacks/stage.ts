/** Stages and their names. Independent of SST, so that commands can check a stage before SST starts. */

/** Name of the stage with the data of users. */
export const PRODUCTION = "production";

const BRANCH_PREFIX = "branch-";
const PERSONAL_PREFIX = "dev-";

/** Maximum length of a stage name. It is part of names that AWS limits to 64 characters, with the names of application and resource. */
const MAX_LENGTH = 32;

/** Lifetime of a branch's stage after its last deployment, in milliseconds. */
const LIFE_MS = 7 * 24 * 60 * 60_000;

/** Stage, with its differences from other stages. */
export interface Stage {
  name: string;
  /** `production`; `branch` and `personal` are ephemeral; `shared` is any other. */
  kind: "production" | "shared" | "branch" | "personal";
  /** True if commands may remove the stage with all its data. */
  isEphemeral: boolean;
  /** Retention of logs, in days. */
  logDays: number;
}

/**
 * Returns the stage of a name.
 *
 * @throws RangeError for an invalid name
 */
export function stageOf(name: string): Stage {
  if (!/^[a-z][a-z0-9-]*$/.test(name) || name.length > MAX_LENGTH) {
    throw new RangeError(
      `Invalid stage name ${JSON.stringify(name)}: use 1 to ${MAX_LENGTH} characters: a-z, 0-9 and -, starting with a letter`,
    );
  }
  if (name === PRODUCTION) return { name, kind: "production", isEphemeral: false, logDays: 365 };
  if (name.startsWith(BRANCH_PREFIX)) return { name, kind: "branch", isEphemeral: true, logDays: 7 };
  if (name.startsWith(PERSONAL_PREFIX)) return { name, kind: "personal", isEphemeral: true, logDays: 7 };
  return { name, kind: "shared", isEphemeral: false, logDays: 30 };
}

const slugOf = (text: string) => text.toLowerCase().replace(/[^a-z0-9]+/g, "-");

/** Returns a short hash of a text (FNV-1a), for names that were shortened or changed. */
function shortHash(text: string): string {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return (hash >>> 0).toString(36).padStart(7, "0").slice(0, 7);
}

/** Builds a name of limited length. A changed text gets a hash, so that names stay unique. */
function buildName(prefix: string, text: string): string {
  const slug = slugOf(text).replace(/^-+|-+$/g, "");
  if (slug === text && prefix.length + slug.length <= MAX_LENGTH) return `${prefix}${slug}`;
  const hash = shortHash(text);
  const start = slug.slice(0, MAX_LENGTH - prefix.length - hash.length - 1).replace(/-+$/, "");
  return `${prefix}${start}${start === "" ? "" : "-"}${hash}`;
}

/** Returns the unique name of a branch's stage. */
export const branchStage = (branch: string): string => buildName(BRANCH_PREFIX, branch);

/** Returns the name of a user's personal stage. */
export const personalStage = (user: string): string => buildName(PERSONAL_PREFIX, user);

/** Returns the expiry date of a branch's stage, a week from now. @returns such as `2026-12-04`, in UTC */
export const expiryFrom = (now: Date): string => new Date(now.getTime() + LIFE_MS).toISOString().slice(0, 10);
