/** Stages: what their names say of them. Needs nothing of SST, so that the commands can ask before it is started. */

/** The stage that users' data are in. */
export const PRODUCTION = "production";

const BRANCH_PREFIX = "branch-";
const PERSONAL_PREFIX = "dev-";

/** Names of stages are parts of names that AWS limits to 64 characters, the application's and the resource's beside them. */
const MAX_LENGTH = 32;

/** How long a branch's stage lives after its last deployment. */
const LIFE_MS = 7 * 24 * 60 * 60_000;

/** A stage, and what is made differently there. */
export interface Stage {
  name: string;
  /** `production`; `branch` and `personal` end with whom they are for; `shared` is everything else. */
  kind: "production" | "shared" | "branch" | "personal";
  /** Whether it may go without anybody's leave, with all that is in it. */
  isEphemeral: boolean;
  /** How long logs are kept, in days. */
  logDays: number;
}

/**
 * Says what a stage is from its name.
 *
 * @throws RangeError where it is no name for one
 */
export function stageOf(name: string): Stage {
  if (!/^[a-z][a-z0-9-]*$/.test(name) || name.length > MAX_LENGTH) {
    throw new RangeError(
      `${JSON.stringify(name)} is no name of a stage: at most ${MAX_LENGTH} of a-z, 0-9 and -, of which the first is a letter`,
    );
  }
  if (name === PRODUCTION) return { name, kind: "production", isEphemeral: false, logDays: 365 };
  if (name.startsWith(BRANCH_PREFIX)) return { name, kind: "branch", isEphemeral: true, logDays: 7 };
  if (name.startsWith(PERSONAL_PREFIX)) return { name, kind: "personal", isEphemeral: true, logDays: 7 };
  return { name, kind: "shared", isEphemeral: false, logDays: 30 };
}

const slugOf = (text: string) => text.toLowerCase().replace(/[^a-z0-9]+/g, "-");

/** A few characters that differ where texts do (FNV-1a), for names that are cut or changed. */
function markOf(text: string): string {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return (hash >>> 0).toString(36).padStart(7, "0").slice(0, 7);
}

/** A name of so many characters at most. Texts that are changed for it carry a mark, so that they stay apart. */
function named(prefix: string, text: string): string {
  const slug = slugOf(text).replace(/^-+|-+$/g, "");
  if (slug === text && prefix.length + slug.length <= MAX_LENGTH) return `${prefix}${slug}`;
  const mark = markOf(text);
  const kept = slug.slice(0, MAX_LENGTH - prefix.length - mark.length - 1).replace(/-+$/, "");
  return `${prefix}${kept}${kept === "" ? "" : "-"}${mark}`;
}

/** The name of a branch's stage, which no other branch has. */
export const branchStage = (branch: string): string => named(BRANCH_PREFIX, branch);

/** The name of somebody's own stage. */
export const personalStage = (user: string): string => named(PERSONAL_PREFIX, user);

/** The day on which a branch's stage may go: a week from now. @returns such as `2026-12-04`, in UTC */
export const expiryFrom = (now: Date): string => new Date(now.getTime() + LIFE_MS).toISOString().slice(0, 10);
