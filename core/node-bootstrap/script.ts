/** Common parts of the scripts of a node: bash for Ubuntu 22.04 and 24.04 and Debian 12, on amd64 and arm64. */

import { type Component, components } from "../catalogue/index.ts";
import type { JoinedPool } from "./input.ts";
import { quote, quoteAlways, toComment } from "./shell.ts";
import { downloadPath, type NodeSoftware, sites } from "./software.ts";

/** Directory with a record of the installed downloads. */
const STATE = "/var/lib/ame-clusters";

/** Builds the start of a script. @param lines description and usage, as comments */
export const buildHeader = (lines: readonly string[]): string => `#!/usr/bin/env bash
${lines.map((line) => `# ${toComment(line)}`.trimEnd()).join("\n")}
set -euo pipefail
umask 022
# Debian's su keeps the user's PATH, which lacks sbin.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
# Messages of programs are compared below.
export LC_ALL=C.UTF-8

say() { printf '%s\\n' "$*"; }

fail() {
  printf 'error: %s\\n' "$*" >&2
  exit 1
}
`;

/** Returns the name of a pool, for a script's description after its cluster. */
export const poolSuffix = (pool: JoinedPool | undefined): string =>
  pool === undefined ? "" : `, in its pool ${pool.name}`;

/** Exits on unsupported systems; sets `architecture`. */
export const CHECK_SYSTEM = `
[[ $(id -u) == 0 ]] || fail 'this script must run as root: start it with sudo'

system=unknown
if [[ -r /etc/os-release ]]; then
  # shellcheck source=/dev/null
  system=$(. /etc/os-release && printf '%s %s' "\${ID:-unknown}" "\${VERSION_ID:-}")
fi
case $system in
  'ubuntu 22.04' | 'ubuntu 24.04' | 'debian 12') ;;
  *) fail "this system is '$system'; supported are Ubuntu 22.04, Ubuntu 24.04 and Debian 12" ;;
esac

case $(uname -m) in
  x86_64) architecture=amd64 ;;
  aarch64) architecture=arm64 ;;
  *) fail "this machine is $(uname -m); supported are amd64 (x86_64) and arm64 (aarch64)" ;;
esac

command -v systemctl >/dev/null || fail 'systemctl is missing; nodes require systemd'
`;

/** Time that scripts wait for another package manager, such as unattended-upgrades at the first boot, in seconds. */
const PACKAGE_LOCK_SECONDS = 900;

/**
 * Shell functions that run package managers while another one may be running. `DPkg::Lock::Timeout` covers dpkg's lock only: apt-get
 * does not wait for the locks of /var/lib/apt/lists and /var/cache/apt/archives, and unattended-upgrade waits for none.
 */
export const PACKAGE_FUNCTIONS = `
export DEBIAN_FRONTEND=noninteractive

# wait_for_lock COMMAND...: runs a package manager. Repeats it while another package manager holds a lock that it needs.
wait_for_lock() {
  local give_up=$((SECONDS + ${PACKAGE_LOCK_SECONDS})) code=0
  while true; do
    code=0
    "$@" </dev/null 2>&1 | tee "$work/package-output" || code=\${PIPESTATUS[0]}
    if ((code == 0)); then return; fi
    if grep -q 'dpkg was interrupted' "$work/package-output"; then
      say 'completing an interrupted installation of packages'
      dpkg --force-confdef --force-confold --configure -a </dev/null || true
    elif ! grep -qiE 'could not get lock|unable to (acquire|lock)|lock was locked|lock file is already taken|lock (could|can) ?not be acquired' \\
      "$work/package-output"; then
      return "$code"
    fi
    ((SECONDS < give_up)) || fail "another package manager has held its lock for ${PACKAGE_LOCK_SECONDS / 60} minutes; run this script again after it has finished"
    say 'waiting for another package manager to finish'
    sleep 10
  done
}

apt_get() {
  wait_for_lock apt-get -o DPkg::Lock::Timeout=${PACKAGE_LOCK_SECONDS} -o Acquire::Retries=5 \\
    -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@"
}
`;

/** Shell functions that check the effective value of a setting that several files can set. */
export const CHECK_FUNCTIONS = `
# check_value NAME EXPECTED VALUE: fails if another file sets another value.
check_value() {
  [[ $3 == "$2" ]] || fail "$1 is '$3', but must be '$2': another file of this system sets it; remove that setting and run this script again"
}

# check_seconds NAME MINIMUM VALUE: checks a time span in systemd's format, such as 90 or 2min, which may be longer.
check_seconds() {
  local microseconds
  microseconds=$(systemd-analyze timespan "$3" 2>/dev/null | sed -n 's/^ *[^ :]*s: //p' | head -n 1)
  [[ $3 == infinity ]] || ((\${microseconds:-0} >= $2 * 1000000)) || check_value "$1" "$2 or longer" "$3"
}

# last_value CONFIGURATION KEY: the effective value of a setting that systemd reads from several files.
last_value() { systemd-analyze cat-config "$1" | sed -n "s/^[[:space:]]*$2[[:space:]]*=[[:space:]]*//p" | tail -n 1; }
`;

/** Shell functions that write files and install downloads. Each sets `changed` to yes if it changed something. */
export const FUNCTIONS = `
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
changed=no

# put FROM TO MODE: replaces the file in one step, because other programs may read it or run it.
put() {
  install -d -m 0755 "$(dirname "$2")"
  install -m "$3" "$1" "$2.new"
  mv -f "$2.new" "$2"
  changed=yes
}

# write PATH MODE CONTENT
write() {
  printf '%s' "$3" >"$work/content"
  if [[ -f $1 && $(stat -c %a "$1") == "\${2#0}" ]] && cmp -s "$work/content" "$1"; then return; fi
  put "$work/content" "$1" "$2"
}

# download URL SHA256 FILE
download() {
  say "downloading $1"
  curl --fail --silent --show-error --location --retry 5 --retry-connrefused --connect-timeout 20 \\
    --output "$3" "$1" || fail "$1 cannot be downloaded"
  printf '%s  %s\\n' "$2" "$3" | sha256sum --check --status ||
    fail "$1 is not the published file: its SHA-256 is $(sha256sum "$3" | cut -d ' ' -f 1), not $2; nothing of it is installed"
}

# is_installed NAME SHA256 FILE
is_installed() { [[ -e $3 && -f ${STATE}/$1 && $(<"${STATE}/$1") == "$2" ]]; }

# install_program NAME URL SHA256
install_program() {
  if is_installed "$1" "$3" "/usr/local/bin/$1"; then return; fi
  download "$2" "$3" "$work/$1"
  put "$work/$1" "/usr/local/bin/$1" 0755
  write "${STATE}/$1" 0644 "$3"
}

# install_archive NAME URL SHA256 DIRECTORY FOLDER FIRST: installs the programs of the archive's folder; FIRST is one of them.
install_archive() {
  if is_installed "$1" "$3" "$4/$6"; then return; fi
  download "$2" "$3" "$work/$1"
  mkdir "$work/$1.content"
  tar --extract --file "$work/$1" --directory "$work/$1.content" --no-same-owner
  [[ -f $work/$1.content/$5/$6 ]] || fail "$2 does not contain $6"
  local file
  for file in "$work/$1.content/$5"/*; do
    if [[ -f $file && -x $file ]]; then put "$file" "$4/$(basename "$file")" 0755; fi
  done
  write "${STATE}/$1" 0644 "$3"
}
`;

/** Builds the shell variables of the downloads: `<component>_url` and `<component>_sha256`. The environment can set other sites. */
export function buildDownloadVariables({ downloads: known }: NodeSoftware): string {
  const variables = new Map(components.map((each) => [sites[each].variable, sites[each].address]));
  const lines = components.map((component) => {
    const { checksums: sums } = known[component];
    const name = variableOf(component);
    const path = downloadPath(known[component], "$architecture");
    return { name, sums, url: `${name}_url="$${sites[component].variable}/${path}"` };
  });
  return `
# Download sites; the environment can set a mirror for each.
${Array.from(variables, ([variable, address]) => `: "\${${variable}:=${address}}"`).join("\n")}
${lines.map(({ url }) => url).join("\n")}
case $architecture in
  amd64)
${lines.map(({ name, sums }) => `    ${name}_sha256=${quote(sums.amd64)}`).join("\n")}
    ;;
  arm64)
${lines.map(({ name, sums }) => `    ${name}_sha256=${quote(sums.arm64)}`).join("\n")}
    ;;
esac
`;
}

const variableOf = (component: Component): string => component.replace("-", "_");

const ARCHIVES = {
  containerd: { directory: "/usr/local/bin", folder: "bin", first: "containerd" },
  "cni-plugins": { directory: "/opt/cni/bin", folder: ".", first: "bridge" },
  crictl: { directory: "/usr/local/bin", folder: ".", first: "crictl" },
} as const;

/** Builds the command that installs a component. */
export function buildInstallCommand(component: Component): string {
  const name = variableOf(component);
  const from = `"$${name}_url" "$${name}_sha256"`;
  if (component === "containerd" || component === "cni-plugins" || component === "crictl") {
    const { directory, folder, first } = ARCHIVES[component];
    return `install_archive ${component} ${from} ${directory} ${folder} ${first}`;
  }
  return `install_program ${component} ${from}`;
}

/** Builds the command that writes a file. @param mode such as `0644` */
export function buildWriteCommand(path: string, mode: string, content: string): string {
  // A `$` in the content belongs to the file.
  const directive = /[$`]/.test(content) ? "# shellcheck disable=SC2016\n" : "";
  return `${directive}write ${quote(path)} ${mode} ${quoteAlways(content)}`;
}
