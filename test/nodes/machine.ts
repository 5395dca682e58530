/** Machine to run scripts on: a Debian in a folder. Programs that would affect the host only record their calls. */

import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { makeDebian } from "#test/support/debian.ts";
import { CALLS } from "./download-site.ts";

/** Programs that would affect the kernel or the services of the host. */
const NOTED = ["systemctl", "modprobe", "sysctl", "swapoff"];

/** Answers `sysctl -n` with the values that the scripts set. */
export const SYSCTL = "if [[ $1 == -n ]]; then echo 1; fi\n";

/** Files that the scripts write on a machine, except packages. */
const INSTALLED = [
  "usr/local/bin",
  "opt/cni",
  "var/lib/ame-clusters",
  "etc/apt/apt.conf.d/zz-ame-clusters",
  "etc/containerd",
  "etc/crictl.yaml",
  "etc/default/kubelet",
  "etc/kubernetes",
  "etc/modules-load.d",
  "etc/needrestart",
  "etc/sysctl.d/zz-ame-clusters.conf",
  "etc/systemd/logind.conf.d",
  "etc/systemd/networkd.conf.d",
  "etc/systemd/system",
  "run/reboot-required",
];

const OS_RELEASE = "etc/os-release";

/** Result of a script. */
export interface Outcome {
  code: number | null;
  /** Stdout and stderr. */
  said: string;
}

/** Test machine. */
export class Machine {
  readonly root: string;
  #osRelease = "";

  private constructor(root: string) {
    this.root = root;
  }

  /**
   * Creates a machine that runs Debian 12.
   *
   * @throws Error if debootstrap is missing or fails, and for every user but root
   */
  static make(): Machine {
    const root = makeDebian(["systemd"]);
    const machine = new Machine(root);
    for (const name of NOTED) machine.stub(name, name === "sysctl" ? SYSCTL : "");
    machine.#osRelease = machine.read(OS_RELEASE);
    machine.reset();
    return machine;
  }

  /** Puts a program before the system's on the path. It records its call. @param rest additional code, in bash */
  stub(name: string, rest = ""): void {
    this.write(`usr/local/sbin/${name}`, `#!/bin/bash\nprintf '%s\\n' "${name} $*" >>${CALLS}\n${rest}`, 0o755);
  }

  unstub(name: string): void {
    rmSync(join(this.root, "usr/local/sbin", name), { force: true });
  }

  /** Deletes everything except packages. */
  reset(): void {
    for (const path of INSTALLED) rmSync(join(this.root, path), { recursive: true, force: true });
    this.write(OS_RELEASE, this.#osRelease);
    this.write("etc/fstab", "UUID=1 / ext4 defaults 0 1\n/swap.img none swap sw 0 0\n");
    this.unstub("uname");
    this.forget();
  }

  /** Makes the machine look like another system. */
  become(id: string, version: string, machine: string): void {
    this.write(OS_RELEASE, `ID=${id}\nVERSION_ID="${version}"\n`);
    this.stub("uname", `[[ $1 == -m ]] && echo ${machine}\n`);
  }

  /** Returns the calls of the recorded programs since the last reset. */
  calls(): string[] {
    return this.has(CALLS) ? this.read(CALLS).split("\n").slice(0, -1) : [];
  }

  forget(): void {
    rmSync(join(this.root, CALLS), { force: true });
  }

  has(path: string): boolean {
    return existsSync(join(this.root, path));
  }

  read(path: string): string {
    return readFileSync(join(this.root, path), "utf8");
  }

  write(path: string, content: string, mode = 0o644): void {
    const whole = join(this.root, path);
    mkdirSync(dirname(whole), { recursive: true });
    rmSync(whole, { force: true });
    writeFileSync(whole, content, { mode });
  }

  /** Returns every file that the scripts wrote, with its permissions and its modification time. */
  installed(): Map<string, { mode: string; writtenAt: number }> {
    const found = new Map<string, { mode: string; writtenAt: number }>();
    const visit = (path: string) => {
      if (!this.has(path)) return;
      const { mode, mtimeMs } = statSync(join(this.root, path));
      if ((mode & 0o170000) === 0o040000)
        for (const name of readdirSync(join(this.root, path))) visit(`${path}/${name}`);
      else found.set(path, { mode: (mode & 0o7777).toString(8), writtenAt: mtimeMs });
    };
    for (const path of INSTALLED) visit(path);
    return found;
  }

  /**
   * Runs a script on the machine.
   *
   * @param script bash
   * @param options its environment and its user, root by default
   */
  run(
    script: string,
    options: { environment?: Readonly<Record<string, string>>; user?: string } = {},
  ): Promise<Outcome> {
    this.write("root-script", script, 0o755);
    const parameters = [...(options.user === undefined ? [] : [`--userspec=${options.user}`]), this.root];
    const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    const child = spawn("chroot", [...parameters, "/bin/bash", "/root-script"], {
      env: { PATH, HOME: "/root", LANG: "C.UTF-8", ...options.environment },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let said = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (said += data));
    return new Promise((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (code) => resolve({ code, said }));
    });
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}
