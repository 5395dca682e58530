/** Builds an image without a container engine: runs the steps of the Dockerfile in folders with a Debian in each. */

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, relative, resolve } from "node:path";
import { makeDebian } from "#test/support/debian.ts";
import { ROOT } from "#test/support/server.ts";
import { ignoredBy, type Plan, readDockerfile, type Stage, type Step } from "./dockerfile.ts";

/** Replaces Node's official image: Debian with Node and npm at the same paths, and its user. */
const BASE = "node:24-bookworm-slim";

const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Result of a program. */
export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** Running container: a process in the image. */
export interface Container {
  readonly process: ChildProcess;
  /** Stdout and stderr. */
  said(): string;
  stdout(): string;
  readonly ended: Promise<Ended>;
}

/** Image in a folder. */
export interface Image {
  readonly root: string;
  readonly plan: Plan;
  /**
   * Runs a program in the image with the image's user, folder and environment, on a read-only file system. The kernel's own
   * folders are mounted, as a container engine does.
   *
   * @param command program to run; the image's command by default
   * @param mounts files of this machine to read, by their path in the image, which must exist there
   */
  run(environment?: Record<string, string>, command?: readonly string[], mounts?: Record<string, string>): Container;
  remove(): void;
}

function makeBase(): string {
  const root = makeDebian();
  const local = join(root, "usr/local");
  copyFileSync(process.execPath, join(local, "bin/node"));
  chmodSync(join(local, "bin/node"), 0o755);
  const npm = realpathSync(execFileSync("sh", ["-c", "command -v npm"], { encoding: "utf8" }).trim());
  mkdirSync(join(local, "lib/node_modules"), { recursive: true });
  cpSync(resolve(dirname(npm), ".."), join(local, "lib/node_modules/npm"), { recursive: true });
  symlinkSync("../lib/node_modules/npm/bin/npm-cli.js", join(local, "bin/npm"));
  appendFileSync(join(root, "etc/passwd"), "node:x:1000:1000::/home/node:/bin/bash\n");
  appendFileSync(join(root, "etc/group"), "node:x:1000:\n");
  return root;
}

/** Copies the files and returns the variables that a build step needs to reach the package registry. */
function reachable(root: string): Record<string, string> {
  copyFileSync("/etc/resolv.conf", join(root, "etc/resolv.conf"));
  const { NODE_EXTRA_CA_CERTS: certificates, ...rest } = process.env;
  const passed = Object.entries(rest).filter(([name]) => /^((https?|no)_proxy|npm_config_registry)$/i.test(name));
  if (certificates === undefined || !existsSync(certificates))
    return Object.fromEntries(passed) as Record<string, string>;
  copyFileSync(certificates, join(root, "etc/certificates.pem"));
  return { ...Object.fromEntries(passed), NODE_EXTRA_CA_CERTS: "/etc/certificates.pem" };
}

/** Builds the folders of all stages, one after the other. */
function build(plan: Plan, away: (path: string) => boolean, work: string): string {
  const base = makeBase();
  const roots = new Map<string | undefined, string>();
  const perform = (step: Step, root: string) => {
    const folder = join(root, step.workdir);
    mkdirSync(folder, { recursive: true });
    if (step.kind === "run") {
      const environment = reachable(root);
      execFileSync("chroot", [root, "/bin/sh", "-c", `cd ${step.workdir} && ${step.command}`], {
        env: { PATH, HOME: "/root", ...environment },
        stdio: ["ignore", "pipe", "pipe"],
      });
      return;
    }
    const from = step.from === undefined ? ROOT : roots.get(step.from);
    if (from === undefined) throw new Error(`stage ${step.from} not found`);
    for (const source of step.sources) {
      const path = join(from, source);
      const isAway = (file: string) => step.from === undefined && away(relative(ROOT, file));
      if (isAway(path) || !existsSync(path)) throw new Error(`COPY ${source}: not found, or ignored`);
      const isFile = statSync(path).isFile();
      // A file is copied into a folder under its name; of a folder, its content is copied.
      const target = join(folder, step.target, isFile && step.target.endsWith("/") ? basename(source) : "");
      cpSync(path, target, { recursive: true, verbatimSymlinks: true, filter: (file) => !isAway(file) });
    }
  };
  let made = "";
  for (const { name, base: image, steps } of plan.stages satisfies Stage[]) {
    if (image !== BASE) throw new Error(`${image} has no replacement here`);
    made = join(work, `stage-${roots.size}`);
    // Files of the base are only added to, so hard links to them are safe.
    execFileSync("cp", ["-al", base, made]);
    roots.set(name, made);
    for (const step of steps) perform(step, made);
  }
  rmSync(base, { recursive: true, force: true });
  return made;
}

/** Builds the project's image. @throws Error if a step fails or is not supported */
export function makeImage(): Image {
  const plan = readDockerfile(readFileSync(join(ROOT, "Dockerfile"), "utf8"));
  const work = mkdtempSync(join(tmpdir(), "image-"));
  chmodSync(work, 0o755);
  const root = build(plan, ignoredBy(readFileSync(join(ROOT, ".dockerignore"), "utf8")), work);
  const containers: ChildProcess[] = [];
  return {
    root,
    plan,
    run(environment = {}, command = plan.command, mounts = {}) {
      const bound = Object.entries(mounts).map(([inside, outside]) => `mount --bind '${outside}' '${root}${inside}'`);
      // In a mount namespace of its own, which ends with the process.
      const script = [
        `mount --bind ${root} ${root}`,
        ...bound,
        `mount --rbind /proc ${root}/proc`,
        `mount --rbind /dev ${root}/dev`,
        `mount -o remount,bind,ro ${root}`,
        `exec chroot --userspec=${plan.user} ${root} /usr/bin/env -i -C ${plan.workdir} "$@"`,
      ].join(" && ");
      const variables = Object.entries({ PATH, ...plan.environment, ...environment }).map(
        ([name, value]) => `${name}=${value}`,
      );
      const child = spawn("unshare", ["--mount", "sh", "-c", script, "sh", ...variables, ...command], {
        stdio: ["ignore", "pipe", "pipe"],
      });
      containers.push(child);
      let [said, stdout] = ["", ""];
      child.stdout.on("data", (data) => {
        said += data;
        stdout += data;
      });
      child.stderr.on("data", (data) => {
        said += data;
      });
      const ended = new Promise<Ended>((settle, fail) => {
        child.once("error", fail);
        child.once("close", (code, signal) => settle({ code, signal }));
      });
      return { process: child, said: () => said, stdout: () => stdout, ended };
    },
    remove() {
      for (const child of containers) child.kill("SIGKILL");
      rmSync(work, { recursive: true, force: true });
    },
  };
}
