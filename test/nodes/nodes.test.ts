import { spawn } from "node:child_process";
import { once } from "node:events";
import { join as joinPath } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { parse } from "yaml";
import type { JoinConfigResponse } from "#core/cluster-access/schema.ts";
import { buildJoinDocuments } from "#core/node-bootstrap/documents.ts";
import type { JoinInput } from "#core/node-bootstrap/input.ts";
import { clusterToJoin, poolToJoin, TOKEN } from "#test/core/node-bootstrap/inputs.ts";
import { type DownloadSite, startDownloadSite } from "./download-site.ts";
import { Machine, SYSCTL } from "./machine.ts";

let machine: Machine;
let site: DownloadSite;

const documentsOf = (overrides: Partial<JoinInput> = {}) => {
  const input = clusterToJoin({ pool: poolToJoin(), ...overrides });
  return buildJoinDocuments(input, site.software(input.version));
};
const text = (encoded: string) => Buffer.from(encoded, "base64").toString();
const run = (script: string) => machine.run(script, { environment: site.environment });
const install = (documents: JoinConfigResponse) => run(text(documents.installScriptBase64));
const upgrade = (documents: JoinConfigResponse) => run(text(documents.upgradeScriptBase64));
const join = (documents: JoinConfigResponse) => run(documents.joinCommand);

/** Writes the files of the user data, like cloud-init. @returns the commands that it then runs */
function writeAsCloudInit({ cloudInitUserDataBase64 }: JoinConfigResponse): string[][] {
  const { write_files, runcmd } = parse(text(cloudInitUserDataBase64)) as {
    write_files: { path: string; content: string; permissions: string; encoding?: string }[];
    runcmd: string[][];
  };
  for (const { path, content, permissions, encoding } of write_files) {
    const plain = encoding === undefined ? content : gunzipSync(Buffer.from(content, "base64")).toString();
    machine.write(path, plain, Number.parseInt(permissions, 8));
  }
  return runcmd;
}

/** Expected calls with which the scripts set kernel and logind limits. */
const SETTING_HOST = [
  "sysctl --quiet --load /etc/sysctl.d/zz-ame-clusters.conf",
  "sysctl -n net.bridge.bridge-nf-call-iptables",
  "sysctl -n net.bridge.bridge-nf-call-ip6tables",
  "sysctl -n net.ipv4.ip_forward",
  "systemctl is-active --quiet systemd-logind.service",
  "systemctl kill --signal=SIGHUP systemd-logind.service",
];

/** Starts again with the present files of the machine, and resets recorded calls and downloads. */
function forget(): void {
  machine.forget();
  site.requests.length = 0;
}

beforeAll(async () => {
  site = await startDownloadSite();
  machine = Machine.make();
  // With the system's own packages, once; afterwards they are installed.
  const { code, said } = await install(documentsOf());
  if (code !== 0) throw new Error(said);
});

afterAll(async () => {
  machine?.remove();
  await site?.close();
});

beforeEach(() => {
  machine.reset();
  site.spoil();
  forget();
});

test("a bare Debian 12 becomes ready to join, and a second run changes nothing", async () => {
  const documents = documentsOf();
  const first = await install(documents);
  expect(first).toMatchObject({ code: 0 });
  expect(first.said).toContain("this machine is ready to join: Kubernetes v1.33.4\n");
  expect(machine.calls()).toEqual([
    "modprobe overlay",
    "modprobe br_netfilter",
    ...SETTING_HOST,
    "systemctl try-restart systemd-networkd.service",
    "swapoff --all",
    "systemctl mask swap.target",
    "systemctl daemon-reload",
    "systemctl enable containerd.service",
    "systemctl restart containerd.service",
    "systemctl daemon-reload",
    "systemctl enable kubelet.service",
  ]);
  const before = machine.installed();
  expect(Array.from(before, ([path, { mode }]) => `${mode} ${path}`).sort()).toMatchInlineSnapshot(`
    [
      "644 etc/apt/apt.conf.d/zz-ame-clusters",
      "644 etc/containerd/config.toml",
      "644 etc/crictl.yaml",
      "644 etc/default/kubelet",
      "644 etc/kubernetes/kubelet.conf.d/50-ame-clusters.conf",
      "644 etc/modules-load.d/ame-clusters.conf",
      "644 etc/needrestart/conf.d/zz-ame-clusters.conf",
      "644 etc/sysctl.d/zz-ame-clusters.conf",
      "644 etc/systemd/logind.conf.d/zz-ame-clusters.conf",
      "644 etc/systemd/networkd.conf.d/zz-ame-clusters.conf",
      "644 etc/systemd/system/containerd.service",
      "644 etc/systemd/system/kubelet.service",
      "644 etc/systemd/system/kubelet.service.d/10-kubeadm.conf",
      "644 var/lib/ame-clusters/cni-plugins",
      "644 var/lib/ame-clusters/containerd",
      "644 var/lib/ame-clusters/crictl",
      "644 var/lib/ame-clusters/kubeadm",
      "644 var/lib/ame-clusters/kubelet",
      "644 var/lib/ame-clusters/runc",
      "755 opt/cni/bin/bridge",
      "755 opt/cni/bin/loopback",
      "755 usr/local/bin/containerd",
      "755 usr/local/bin/containerd-shim-runc-v2",
      "755 usr/local/bin/crictl",
      "755 usr/local/bin/ctr",
      "755 usr/local/bin/kubeadm",
      "755 usr/local/bin/kubelet",
      "755 usr/local/bin/runc",
    ]
  `);
  expect(machine.read("usr/local/bin/containerd")).toContain("containerd 2.1.6 amd64");
  expect(machine.read("etc/kubernetes/kubelet.conf.d/50-ame-clusters.conf")).toBe(text(documents.kubeletConfigBase64));
  expect(machine.read("etc/default/kubelet")).toBe(
    "KUBELET_EXTRA_ARGS=--node-labels=ame-clusters/node-reboots=enabled,role=worker\n",
  );
  expect(machine.read("etc/containerd/config.toml")).toContain("SystemdCgroup = true");
  expect(machine.read("etc/fstab")).toBe("UUID=1 / ext4 defaults 0 1\n# /swap.img none swap sw 0 0\n");
  expect(machine.has("tmp") && (await run("ls /tmp")).said).toBe("");

  forget();
  expect(await install(documents)).toMatchObject({ code: 0 });
  expect(site.requests).toEqual([]);
  expect(machine.installed()).toEqual(before);
  expect(machine.calls().filter((call) => call.includes("restart"))).toEqual([]);
  expect(machine.read("etc/fstab")).toBe("UUID=1 / ext4 defaults 0 1\n# /swap.img none swap sw 0 0\n");
});

describe("a setting of the host", () => {
  // As Debian and Ubuntu deliver them, and as an administrator may add them.
  const DELIVERED = {
    "usr/lib/systemd/logind.conf.d/unattended-upgrades-logind-maxdelay.conf":
      "[Login]\n# delay\nInhibitDelayMaxSec=30\n",
    "etc/systemd/logind.conf.d/99-kubelet.conf": "[Login]\nInhibitDelayMaxSec=60\n",
    "etc/systemd/networkd.conf.d/99-routes.conf": "[Network]\nManageForeignRoutes=yes\n",
    "etc/sysctl.d/99-sysctl.conf": "net.ipv4.ip_forward=0\n",
    "etc/sysctl.d/99-zzz-cloud.conf": "net.bridge.bridge-nf-call-iptables=0\n",
    "etc/apt/apt.conf.d/99reboot": 'Unattended-Upgrade::Automatic-Reboot "true";\n',
  };
  const deliver = (files: Readonly<Record<string, string>>) => {
    for (const [path, content] of Object.entries(files)) machine.write(path, content);
  };
  const withdraw = (files: Readonly<Record<string, string>>) => run(`rm -f ${Object.keys(files).join(" ")}`);
  const lastOf = async (configuration: string, key: string) =>
    (await run(`systemd-analyze cat-config ${configuration}`)).said
      .split("\n")
      .findLast((line) => line.startsWith(key))
      ?.replaceAll(" ", "");

  test("a host setting applies although system files set another value", async () => {
    deliver(DELIVERED);
    expect(await install(documentsOf())).toMatchObject({ code: 0 });
    expect(await lastOf("systemd/logind.conf", "InhibitDelayMaxSec")).toBe("InhibitDelayMaxSec=60");
    expect(await lastOf("systemd/networkd.conf", "ManageForeignRoutes=")).toBe("ManageForeignRoutes=no");
    expect(await lastOf("sysctl.d", "net.ipv4.ip_forward")).toBe("net.ipv4.ip_forward=1");
    expect(await lastOf("sysctl.d", "net.bridge.bridge-nf-call-iptables")).toBe("net.bridge.bridge-nf-call-iptables=1");
    const reboot = await run("apt-config dump Unattended-Upgrade::Automatic-Reboot");
    expect(reboot.said).toBe('Unattended-Upgrade::Automatic-Reboot "false";\n');
    await withdraw(DELIVERED);
  });

  test.each([
    ["etc/systemd/logind.conf.d/zzz.conf", "[Login]\nInhibitDelayMaxSec=30\n", "logind's InhibitDelayMaxSec is '30'"],
    ["etc/systemd/networkd.conf.d/zzz.conf", "[Network]\nManageForeignRoutes=yes\n", "ManageForeignRoutes is 'yes'"],
    ["etc/apt/apt.conf", 'Unattended-Upgrade::Automatic-Reboot "1";\n', "Automatic-Reboot is 'true'"],
  ])("a host setting that a later file overrides, %s, is an error", async (path, content, message) => {
    deliver({ [path]: content });
    const { code, said } = await install(documentsOf());
    await withdraw({ [path]: content });
    expect(said).toContain(message);
    expect(code).toBe(1);
  });

  test("a host setting that a later file raises to a longer shutdown delay is not changed", async () => {
    const longer = { "etc/systemd/logind.conf.d/zzz.conf": "[Login]\nInhibitDelayMaxSec=2min\n" };
    deliver(longer);
    expect(await install(documentsOf())).toMatchObject({ code: 0 });
    await withdraw(longer);
  });

  test("a host setting that the kernel ignores is an error", async () => {
    machine.stub("sysctl", "if [[ $1 == -n ]]; then echo 0; fi\n");
    const { code, said } = await install(documentsOf());
    machine.stub("sysctl", SYSCTL);
    expect(said).toContain("the sysctl net.bridge.bridge-nf-call-iptables is '0', but must be '1'");
    expect(code).toBe(1);
  });
});

test("needrestart restarts no service of a node", async () => {
  expect(await install(documentsOf())).toMatchObject({ code: 0 });
  const { said } = await run(`perl -e '
    our %nrconf = (override_rc => {});
    eval do { local (@ARGV, $/) = "/etc/needrestart/conf.d/zz-ame-clusters.conf"; <> } or die;
    my ($pattern) = keys %{$nrconf{override_rc}};
    print "$_\n" for grep { $_ =~ /$pattern/ } qw(ame-clusters-join.service containerd.service kubelet.service ssh.service);
  '`);
  expect(said).toBe("ame-clusters-join.service\ncontainerd.service\nkubelet.service\n");
});

test("the script waits for another running package manager", async () => {
  expect((await run("dpkg --purge socat")).code).toBe(0);
  // Like apt's lock: a POSIX lock that ends with the process.
  const holder = spawn("python3", [
    "-c",
    "import fcntl, sys, time; file = open(sys.argv[1], 'w'); fcntl.lockf(file, fcntl.LOCK_EX); print('locked', flush=True); time.sleep(600)",
    joinPath(machine.root, "var/lib/apt/lists/lock"),
  ]);
  await once(holder.stdout, "data");
  machine.stub("sleep", "while [[ -e /locked ]]; do /bin/sleep 0.1; done\n");
  machine.write("locked", "");
  const installing = install(documentsOf());
  await expect.poll(() => machine.calls(), { timeout: 30_000 }).toContain("sleep 10");
  holder.kill();
  await once(holder, "exit");
  await run("rm /locked");
  const { code, said } = await installing;
  machine.unstub("sleep");
  expect(said).toContain("waiting for another package manager to finish\n");
  expect(code, said).toBe(0);
  expect((await run("dpkg --status socat")).said).toContain("Status: install ok installed");
});

test("a failure of the package manager other than a lock ends the script at once", async () => {
  expect((await run("dpkg --purge socat")).code).toBe(0);
  machine.stub("apt-get", "echo 'E: Unable to locate package socat' >&2; exit 100\n");
  const { code } = await install(documentsOf());
  machine.unstub("apt-get");
  expect(code).toBe(100);
  expect(machine.calls().filter((call) => call.startsWith("apt-get"))).toHaveLength(1);
  expect(await install(documentsOf())).toMatchObject({ code: 0 });
});

test("a kernel module in a separate Ubuntu package is installed, and a missing one is named", async () => {
  machine.become("ubuntu", "22.04", "aarch64");
  machine.stub("uname", "if [[ $1 == -m ]]; then echo aarch64; else echo 5.15.0-1-raspi; fi\n");
  machine.stub("modprobe", "[[ $1 != br_netfilter || -e /extra ]]\n");
  machine.stub("apt-get", "if [[ $* == *linux-modules-extra-5.15.0-1-raspi ]]; then touch /extra; fi\n");
  const installed = await install(documentsOf());
  await run("rm -f /extra");
  machine.reset();
  const missing = await install(documentsOf());
  machine.unstub("apt-get");
  machine.stub("modprobe");
  expect(installed).toMatchObject({ code: 0 });
  expect(missing.code).toBe(1);
  expect(missing.said).toContain("error: the kernel module br_netfilter cannot be loaded");
});

test("systemd accepts the units", async () => {
  const documents = documentsOf();
  writeAsCloudInit(documents);
  expect(await install(documents)).toMatchObject({ code: 0 });
  const units = ["containerd.service", "kubelet.service", "ame-clusters-join.service"];
  const verified = await run(
    `systemd-analyze verify --man=no ${units.map((each) => `/etc/systemd/system/${each}`).join(" ")}`,
  );
  expect(verified).toEqual({ code: 0, said: "" });
});

test("every system and architecture gets its own configuration", async () => {
  const documents = documentsOf();
  for (const [id, version] of [
    ["ubuntu", "22.04"],
    ["ubuntu", "24.04"],
    ["debian", "12"],
  ] as const) {
    for (const [kind, architecture] of [
      ["x86_64", "amd64"],
      ["aarch64", "arm64"],
    ] as const) {
      machine.reset();
      machine.become(id, version, kind);
      const { code, said } = await install(documents);
      expect(code, `${id} ${version} ${kind}: ${said}`).toBe(0);
      for (const program of ["containerd", "runc", "kubeadm", "kubelet", "crictl", "../../../opt/cni/bin/bridge"]) {
        expect(machine.read(`usr/local/bin/${program}`), program).toContain(` ${architecture}\n`);
      }
    }
  }
});

describe("a refused run does not change the machine", () => {
  const refused = async (script: string, message: string, user?: string) => {
    const before = machine.installed();
    forget();
    const outcome = await machine.run(script, {
      environment: site.environment,
      ...(user === undefined ? {} : { user }),
    });
    expect(outcome.said).toContain(`error: ${message}`);
    expect(outcome.code).toBe(1);
    expect(machine.installed()).toEqual(before);
    expect(machine.calls().filter((call) => !call.startsWith("uname"))).toEqual([]);
    expect(site.requests).toEqual([]);
  };

  test("another system, another architecture and every user but root are refused", async () => {
    const documents = documentsOf();
    for (const script of [text(documents.installScriptBase64), text(documents.upgradeScriptBase64)]) {
      machine.become("ubuntu", "20.04", "x86_64");
      await refused(script, "this system is 'ubuntu 20.04'; supported are Ubuntu 22.04, Ubuntu 24.04 and Debian 12");
      machine.become("debian", "12", "riscv64");
      await refused(script, "this machine is riscv64; supported are amd64 (x86_64) and arm64 (aarch64)");
      machine.reset();
      await refused(script, "this script must run as root", "65534:65534");
    }
  });

  test("an upgrade is refused on a machine that has not joined, over more than one minor version, and to a lower version", async () => {
    await refused(text(documentsOf().upgradeScriptBase64), "this machine has not joined a cluster");
    const documents = documentsOf({ version: "v1.34.3-u-ame.1" });
    await install(documents);
    await join(documents);
    const upgradeTo = (version: string) => text(documentsOf({ version }).upgradeScriptBase64);
    await refused(
      upgradeTo("v1.33.8-u-ame.1"),
      "this node runs Kubernetes v1.34.3: a downgrade to an older minor version",
    );
    machine.write("usr/local/bin/kubelet", "#!/bin/bash\necho Kubernetes v1.33.4\n", 0o755);
    await refused(upgradeTo("v1.35.0-u-ame.1"), "this node runs Kubernetes v1.33.4: upgrade it one minor version");
  });

  test("another version on a node that has joined is refused", async () => {
    const documents = documentsOf();
    await install(documents);
    await join(documents);
    const script = text(documentsOf({ version: "v1.34.3-u-ame.1" }).installScriptBase64);
    await refused(script, "this node has joined and runs Kubernetes v1.33.4: run the upgrade script");
  });
});

test("a download with a wrong checksum is not installed, and the next run continues from there", async () => {
  const documents = documentsOf();
  site.spoil("containerd-2.1.6");
  const changed = await install(documents);
  expect(changed.code).toBe(1);
  expect(changed.said).toMatch(
    /error: http\S+containerd-2\.1\.6\S+ is not the published file: its SHA-256 is [0-9a-f]{64}/,
  );
  expect(machine.has("usr/local/bin/runc")).toBe(true);
  expect(machine.has("usr/local/bin/containerd")).toBe(false);
  expect(machine.calls().filter((call) => call.includes("containerd.service"))).toEqual([]);

  site.spoil();
  forget();
  expect(await install(documents)).toMatchObject({ code: 0 });
  expect(site.requests.filter((path) => path.includes("runc"))).toEqual([]);
});

test("an interrupted download is repeated, and then fails with a message", async () => {
  site.spoil("/kubelet", "cut");
  // Without its delays.
  machine.stub("curl", 'exec /usr/bin/curl --retry-delay 1 --retry-all-errors --retry-max-time 3 "$@"\n');
  const { code, said } = await install(documentsOf());
  machine.unstub("curl");
  expect(code).toBe(1);
  expect(said).toMatch(/error: http\S+kubelet cannot be downloaded/);
  expect(machine.has("usr/local/bin/kubelet")).toBe(false);
});

test("a joined node is upgraded in the order of Kubernetes' documentation, and a second run only restarts the kubelet", async () => {
  const before = documentsOf({ version: "v1.33.8-u-ame.1" });
  expect(await install(before)).toMatchObject({ code: 0 });
  expect(await join(before)).toMatchObject({ code: 0 });
  expect(machine.calls().at(-1)).toBe(before.joinCommand);
  expect(await install(before)).toMatchObject({ code: 0 });

  forget();
  const after = documentsOf({ version: "v1.34.4-u-ame.2" });
  const { code, said } = await upgrade(after);
  expect(said).toContain("upgrading from Kubernetes v1.33.8 to Kubernetes v1.34.4\n");
  expect(code).toBe(0);
  // Of containerd only the pause image changed, in its configuration.
  expect(machine.calls()).toEqual([
    "kubeadm upgrade node",
    "systemctl daemon-reload",
    "systemctl restart containerd.service",
    ...SETTING_HOST,
    "systemctl daemon-reload",
    "systemctl restart kubelet.service",
  ]);
  expect(site.requests.map((path) => path.split("/").at(-1))).toEqual([
    "kubeadm",
    "crictl-v1.34.0-linux-amd64.tar.gz",
    "kubelet",
  ]);
  expect(machine.read("etc/containerd/config.toml")).toContain("sandbox = 'registry.k8s.io/pause:3.10.1'");
  expect(machine.read("usr/local/bin/kubelet")).toContain("kubelet 1.34.4 amd64");

  forget();
  expect(await upgrade(after)).toMatchObject({ code: 0 });
  expect(site.requests).toEqual([]);
  expect(machine.calls()).toEqual([
    "kubeadm upgrade node",
    ...SETTING_HOST,
    "systemctl daemon-reload",
    "systemctl restart kubelet.service",
  ]);
});

describe("security updates before the first join", () => {
  // As if the package was installed.
  const withUpdates = (rest = "") => {
    machine.stub("apt-get");
    machine.stub("unattended-upgrade", rest);
  };
  const updateCalls = () =>
    machine
      .calls()
      .filter((call) => /^(apt-get|unattended-upgrade|systemctl reboot)/.test(call))
      .map((call) => call.replaceAll(/ -o \S+/g, ""));
  const UPDATING = [
    "apt-get update",
    "apt-get install --yes --no-install-recommends unattended-upgrades",
    "apt-get update",
    "unattended-upgrade --verbose",
  ];

  test("security updates are installed if the pool requests them, without a reboot", async () => {
    withUpdates("touch /run/reboot-required\n");
    const documents = documentsOf({ pool: poolToJoin({ securityUpdatesOnJoin: "INSTALL" }) });
    expect(await install(documents)).toMatchObject({ code: 0 });
    expect(updateCalls()).toEqual(UPDATING);
    await join(documents);
    forget();
    expect(await install(documents)).toMatchObject({ code: 0 });
    expect(updateCalls()).toEqual(UPDATING.slice(0, 2));
  });

  test("security updates with a requested reboot restart the machine before anything is installed", async () => {
    withUpdates("if [[ ! -e /updated ]]; then touch /run/reboot-required /updated; fi\n");
    const documents = documentsOf({ pool: poolToJoin({ securityUpdatesOnJoin: "INSTALL_AND_REBOOT" }) });
    const first = await install(documents);
    expect(first.code).toBe(75);
    expect(first.said).toContain("rebooting now; afterwards run this script again");
    expect(updateCalls()).toEqual([...UPDATING, "systemctl reboot"]);
    expect(site.requests).toEqual([]);
    await run("rm /run/reboot-required");
    expect(await install(documents)).toMatchObject({ code: 0 });
    expect(updateCalls().filter((call) => call === "systemctl reboot")).toHaveLength(1);
    await run("rm /updated");
  });

  afterAll(() => {
    machine.unstub("apt-get");
    machine.unstub("unattended-upgrade");
  });
});

test("cloud-init's files install and join, also when the first join fails halfway", async () => {
  const documents = documentsOf();
  const { joinCommand } = documents;
  const runcmd = writeAsCloudInit(documents);
  const unit = machine.read("etc/systemd/system/ame-clusters-join.service");
  const service = Array.from(unit.matchAll(/^ExecStart(?:Post)?=(.+)$/gm), ([, command]) => command).join("\n");
  expect(service.split("\n")).toHaveLength(3);
  expect(runcmd.at(-1)).toEqual(["systemctl", "enable", "--now", "--no-block", "ame-clusters-join.service"]);

  machine.write("fail-once", "");
  expect(await run(`set -e\n${service}\n`)).toMatchObject({ code: 1 });
  expect(machine.has("etc/kubernetes/kubelet.conf")).toBe(false);
  forget();
  expect(await run(`set -e\n${service}\n`)).toMatchObject({ code: 0 });
  expect(machine.calls().filter((call) => call.startsWith("kubeadm"))).toEqual(["kubeadm reset --force", joinCommand]);
  expect(machine.has("etc/kubernetes/kubelet.conf")).toBe(true);
  expect((await run(`grep --recursive --files-with-matches --fixed-strings ${TOKEN} /etc /usr/local`)).said).toBe("");
});
