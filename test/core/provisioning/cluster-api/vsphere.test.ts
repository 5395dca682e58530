import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { parse } from "yaml";
import type { TranslationInput } from "#core/provisioning/cluster-api/input.ts";
import { kubeVip } from "#core/provisioning/cluster-api/providers/kube-vip.ts";
import { translate, translateSecrets } from "#core/provisioning/cluster-api/translate.ts";
import { exampleOf } from "#test/support/cluster-api/examples.ts";
import type { Json } from "#test/support/world.ts";

const MANIFEST = "/etc/kubernetes/manifests/kube-vip.yaml";

const settings = {
  address: "203.0.113.5",
  port: 6443,
  image: "registry.example.com/kube-vip:v1.0.1",
  networkInterface: "ens192",
};

/** Writes the files into a folder in place of the root folder, and runs the commands. @returns the manifest of the static pod */
function run(existing: readonly string[]): ReturnType<typeof parse> {
  const root = mkdtempSync(join(tmpdir(), "kube-vip-"));
  onTestFinished(() => rmSync(root, { recursive: true }));
  const moved = (text: string) => text.replaceAll(/(?<=[\s#[]|^)\/(etc|run)\//gm, `${root}/$1/`);
  const { files, preKubeadmCommands } = kubeVip(settings);
  const write = (path: string, content: string, mode: number) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content, { mode });
  };
  for (const { path, content = "", permissions } of files) {
    write(
      path,
      path.endsWith(".sh") ? moved(content).replaceAll(`path: ${root}`, "path: ") : content,
      Number.parseInt(permissions, 8),
    );
  }
  for (const path of existing) write(path, "", 0o600);
  for (const command of preKubeadmCommands) execFileSync("sh", ["-c", moved(command)]);
  return parse(readFileSync(join(root, MANIFEST), "utf8"));
}

describe("kube-vip on a machine of the control plane", () => {
  const kubeconfigOf = (pod: ReturnType<typeof parse>) =>
    pod.spec.volumes.find(({ name }: { name: string }) => name === "kubeconfig").hostPath.path;

  test("kube-vip uses super-admin.conf on the machine that runs kubeadm init, because admin.conf has no rights yet", () => {
    expect(kubeconfigOf(run(["/run/kubeadm/kubeadm.yaml"]))).toBe("/etc/kubernetes/super-admin.conf");
  });

  test("kube-vip uses admin.conf on a machine that runs kubeadm join, because it has no super-admin.conf", () => {
    expect(kubeconfigOf(run(["/run/kubeadm/kubeadm-join-config.yaml"]))).toBe("/etc/kubernetes/admin.conf");
  });

  test("the static pod of kube-vip mounts its kubeconfig at admin.conf, and has the address and the interface of the cluster", () => {
    const [container] = run([]).spec.containers;
    expect(container.volumeMounts).toContainEqual({ name: "kubeconfig", mountPath: "/etc/kubernetes/admin.conf" });
    expect(container.env).toEqual(
      expect.arrayContaining([
        { name: "address", value: "203.0.113.5" },
        { name: "port", value: "6443" },
        { name: "vip_interface", value: "ens192" },
      ]),
    );
    expect(container.image).toBe("registry.example.com/kube-vip:v1.0.1");
  });

  test("kube-vip is in the bootstrap configuration of the control plane, and not in that of nodes", () => {
    const manifests = translate(exampleOf("vsphere", "full"));
    const withKubeVip = manifests.filter((each) => JSON.stringify(each).includes("kube-vip")).map(({ kind }) => kind);
    expect(withKubeVip).toEqual(["KubeadmControlPlane"]);
  });
});

describe("a cluster on vSphere", () => {
  const secretOf = (credentials: Record<string, string>) => {
    const [secret] = translateSecrets(exampleOf("vsphere", "minimal"), credentials);
    return Object.fromEntries(
      Object.entries(secret?.data ?? {}).map(([name, value]) => [name, Buffer.from(value, "base64").toString()]),
    );
  };

  test("a cluster on vSphere uses provisionUsername and provisionPassword if the account has them", () => {
    const own = { username: "nodes", password: "one" };
    expect(secretOf(own)).toEqual(own);
    const both = { ...own, provisionUsername: "provisioner", provisionPassword: "two" };
    expect(secretOf(both)).toEqual({ username: "provisioner", password: "two" });
  });

  test("a cluster on vSphere without an allocated address is not translated", () => {
    const input = exampleOf("vsphere", "minimal");
    const without: TranslationInput = { ...input, rollout: { ...input.rollout, apiAddress: undefined } };
    expect(() => translate(without)).toThrow("needs an allocated address for its API server");
  });

  test("a cluster on vSphere in one zone selects no failure domains, and uses the folder and the resource pool of the account", () => {
    const [minimal, full] = (["minimal", "full"] as const).map((name) => translate(exampleOf("vsphere", name)));
    const specOf = (manifests: typeof full, kind: string) => manifests?.find((each) => each.kind === kind)?.spec;
    expect(specOf(minimal, "VSphereCluster")).not.toHaveProperty("failureDomainSelector");
    expect(specOf(full, "VSphereCluster")).toHaveProperty("failureDomainSelector.matchLabels");
    const input = exampleOf("vsphere", "minimal");
    const elsewhere = translate({ ...input, account: { ...input.account, metadata: {} } });
    const machine = "template.spec";
    expect(specOf(minimal, "VSphereMachineTemplate")).toHaveProperty(`${machine}.folder`, "/dc-1/vm/customers");
    expect(specOf(elsewhere, "VSphereMachineTemplate")).not.toHaveProperty(`${machine}.folder`);
    expect(specOf(elsewhere, "VSphereMachineTemplate")).not.toHaveProperty(`${machine}.resourcePool`);
  });

  test("puts pools into the VSphereDeploymentZones that the profile names, in the zone of a pool and in all zones", () => {
    const zones = translate(exampleOf("vsphere", "full")).flatMap(({ kind, spec }) =>
      kind === "MachineDeployment" ? [(spec as Json).template.spec.failureDomain] : [],
    );
    expect(zones).toEqual(["dc1-a", "dc1-b", "dc1-c", "dc1-b", "dc1-a", "dc1-b", "dc1-c"]);
  });
});
