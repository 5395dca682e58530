/** An image without a container engine: the steps of the Dockerfile, done in folders with a Debian in each. */

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

/** Stands for Node's own image: Debian with Node and npm where they are in it, and its user. */
const BASE = "node:24-bookworm-slim";

const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** How a program ended. */
export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** A running container: a process in the image. */
export interface Container {
  readonly process: ChildProcess;
  /** Both of its outputs. */
  said(): string;
  stdout(): string;
  readonly ended: Promise<Ended>;
}

/** An image. */
export interface Image {
  readonly root: string;
  readonly plan: Plan;
  /**
   * Runs a program in it as the image says: as its user, in its folder, with its environment, on a file system that nobody can
   * write to. The kernel's own folders are there, as a container engine mounts them.
   *
   * @param command what is run; what the image runs where it is absent
   * @param mounts files of this machine to read, by where they are in the image, which has to have something there
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

/** What lets a step of the build reach the packages' registry as this machine does. */
function reachable(root: string): Record<string, string> {
  copyFileSync("/etc/resolv.conf", join(root, "etc/resolv.conf"));
  const { NODE_EXTRA_CA_CERTS: certificates, ...rest } = process.env;
  const passed = Object.entries(rest).filter(([name]) => /^((https?|no)_proxy|npm_config_registry)$/i.test(name));
  if (certificates === undefined || !existsSync(certificates))
    return Object.fromEntries(passed) as Record<string, string>;
  copyFileSync(certificates, join(root, "etc/certificates.pem"));
  return { ...Object.fromEntries(passed), NODE_EXTRA_CA_CERTS: "/etc/certificates.pem" };
}

/** Makes the folders of all stages, one after the other. */
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
    if (from === undefined) throw new Error(`there is no stage ${step.from}`);
    for (const source of step.sources) {
      const path = join(from, source);
      const isAway = (file: string) => step.from === undefined && away(relative(ROOT, file));
      if (isAway(path) || !existsSync(path)) throw new Error(`COPY ${source}: is not there, or kept away`);
      const isFile = statSync(path).isFile();
      // Into a folder a file goes by its name; of a folder it is what is in it that is copied.
      const target = join(folder, step.target, isFile && step.target.endsWith("/") ? basename(source) : "");
      cpSync(path, target, { recursive: true, verbatimSymlinks: true, filter: (file) => !isAway(file) });
    }
  };
  let made = "";
  for (const { name, base: image, steps } of plan.stages satisfies Stage[]) {
    if (image !== BASE) throw new Error(`${image} is not what stands for an image here`);
    made = join(work, `stage-${roots.size}`);
    // Files of the base are only ever added to, so that links to them do.
    execFileSync("cp", ["-al", base, made]);
    roots.set(name, made);
    for (const step of steps) perform(step, made);
  }
  rmSync(base, { recursive: true, force: true });
  return made;
}

/** Makes the project's image. @throws Error where a step fails, or is not understood */
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
      // In a place of its own where mounts are concerned, which goes with the process.
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
