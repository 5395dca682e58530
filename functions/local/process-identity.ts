/** Distinguishes processes that had the same pid at different times. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

/** Pid with an opaque token of the process's start time; compare tokens only for equality. */
export type ProcessIdentity = { pid: number; startedAt: string };

/**
 * Reads the current identity of a process.
 *
 * @param pid Pid of a process, which need not exist.
 * @returns The identity, or undefined if no such process runs. A zombie counts as not running: it has no open files and ports, and in
 *   a container without an init process it may remain for ever.
 * @throws Error if the system has neither `/proc` nor a working `ps`: if a running process counted as ended, two engines could open
 *   one database.
 */
export function identify(pid: number): ProcessIdentity | undefined {
  const startedAt = process.platform === "linux" ? startedAtFromProc(pid) : startedAtFromPs(pid);
  return startedAt === undefined ? undefined : { pid, startedAt };
}

/**
 * Returns whether exactly this process, not a later one with the same pid, is running.
 *
 * @param identity Result of {@link identify}, perhaps from another process or before a reboot.
 * @throws Error as {@link identify}.
 */
export function isRunning(identity: ProcessIdentity): boolean {
  return identify(identity.pid)?.startedAt === identity.startedAt;
}

let bootId: string | undefined;

function startedAtFromProc(pid: number): string | undefined {
  // The start time is in clock ticks since boot, and a service often gets the same pid at the same tick of every boot.
  bootId ??= readBootId();
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch (error) {
    // ESRCH: the process ended between opening the file and reading it.
    if (hasCode(error, "ENOENT") || hasCode(error, "ESRCH")) return undefined;
    throw error;
  }
  // Field 2 is the program's name in parentheses and may contain spaces and parentheses. Later fields do not.
  const [state, ...fields] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const ticks = fields[18];
  if (ticks === undefined) throw new Error(`/proc/${pid}/stat has no start time`);
  return state === "Z" || state === "X" ? undefined : `${bootId}:${ticks}`;
}

function readBootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    // Some sandboxes hide it from every process. Then only the ticks distinguish processes.
    return "";
  }
}

function startedAtFromPs(pid: number): string | undefined {
  let line: string;
  try {
    line = execFileSync("ps", ["-o", "stat=", "-o", "lstart=", "-p", `${pid}`], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
      // Two processes with different locales or time zones must read the same token.
      env: { ...process.env, LC_ALL: "C", TZ: "UTC" },
    }).trim();
  } catch (error) {
    if (error instanceof Error && "status" in error && error.status === 1) return undefined;
    throw new Error("cannot list processes: `ps` does not work here", { cause: error });
  }
  const [, state, startedAt] = /^(\S+)\s+(.+)$/.exec(line) ?? [];
  return state === undefined || state.startsWith("Z") ? undefined : startedAt;
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
