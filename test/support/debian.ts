/** Creates a Debian in a folder, for programs that must not affect the host. */

import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const MIRROR = process.env.DEBIAN_MIRROR ?? "http://deb.debian.org/debian";

/**
 * Creates a minimal Debian 12.
 *
 * @param packages additional packages
 * @returns the folder
 * @throws Error if debootstrap is missing or fails, and for every user but root
 */
export function makeDebian(packages: readonly string[] = []): string {
  if (process.getuid?.() !== 0) throw new Error("Only root can create a Debian in a folder: run this as root.");
  const root = mkdtempSync(join(tmpdir(), "debian-"));
  const include = packages.length === 0 ? [] : [`--include=${packages.join(",")}`];
  const made = spawnSync("debootstrap", ["--variant=minbase", ...include, "bookworm", root, MIRROR], {
    encoding: "utf8",
  });
  if (made.error !== undefined) throw new Error("debootstrap is missing: apt-get install debootstrap");
  if (made.status !== 0) throw new Error(`debootstrap failed:\n${made.stdout}${made.stderr}`);
  // For other users than root.
  chmodSync(root, 0o755);
  return root;
}
