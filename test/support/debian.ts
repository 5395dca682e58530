/** A Debian of its own in a folder, to run things in that must not touch this machine. */

import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const MIRROR = process.env.DEBIAN_MIRROR ?? "http://deb.debian.org/debian";

/**
 * Makes a Debian 12 with as little in it as there can be.
 *
 * @param packages what it has beside that
 * @returns the folder
 * @throws Error where debootstrap is missing or fails, and for anybody but root
 */
export function makeDebian(packages: readonly string[] = []): string {
  if (process.getuid?.() !== 0) throw new Error("Only root can make a Debian in a folder: run this as root.");
  const root = mkdtempSync(join(tmpdir(), "debian-"));
  const include = packages.length === 0 ? [] : [`--include=${packages.join(",")}`];
  const made = spawnSync("debootstrap", ["--variant=minbase", ...include, "bookworm", root, MIRROR], {
    encoding: "utf8",
  });
  if (made.error !== undefined) throw new Error("debootstrap is missing: apt-get install debootstrap");
  if (made.status !== 0) throw new Error(`debootstrap failed:\n${made.stdout}${made.stderr}`);
  // For whoever else than root is on it.
  chmodSync(root, 0o755);
  return root;
}
